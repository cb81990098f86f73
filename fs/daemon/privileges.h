/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * privileges: which descriptors, limits and capabilities the daemon has.
 */
#ifndef FS_PRIVILEGES_H
#define FS_PRIVILEGES_H

/*
 * Closes inherited descriptors and sets limits. Must be called at the start,
 * before the daemon opens a descriptor.
 */
void fs_privileges_set_up(void);

/*
 * Drops the privileges that aren't needed once ipcfs is mounted. Must be called
 * before the first thread and the first core_cred_enter().
 *
 * Returns 0, or an error of capget(2), capset(2) or prctl(2).
 *
 * Source: capabilities(7), PR_SET_NO_NEW_PRIVS(2const),
 * PR_CAPBSET_DROP(2const).
 */
int fs_privileges_drop(void);

#endif
