/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * process: what the daemon is as a process, to those who started it and to the
 * kernel.
 */
#ifndef FS_PROCESS_H
#define FS_PROCESS_H

/* For the start, before a descriptor is opened: those inherited are closed. */
void fs_process_set_up(void);

/*
 * Gives up what privileges are not needed once it is mounted; before the first
 * thread and the first core_cred_enter(). Returns 0 or -EPERM.
 *
 * Source: capabilities(7), PR_SET_NO_NEW_PRIVS(2const).
 */
int fs_process_drop(void);

#endif
