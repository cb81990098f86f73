/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * backing: backing files, with which the kernel reads, writes and maps an open
 * file by itself (FUSE passthrough). Passthrough needs Linux 6.9, and
 * CAP_SYS_ADMIN of the system, not of a user namespace.
 */
#ifndef FS_BACKING_H
#define FS_BACKING_H

#include <fuse_lowlevel.h>
#include <stdbool.h>

/*
 * Whether the kernel accepts backing files in this session. The test registers
 * a memory file of the daemon: such a file is on tmpfs, as the objects are.
 * FUSE_INIT must have been answered.
 */
bool fs_backing_works(struct fuse_session *session);

/*
 * Registers the open file fd as a backing file. ret_id: the number by which
 * replies name the backing file; never 0. The number is valid until
 * fs_backing_close() or the end of the mount.
 *
 * Returns 0, -EPERM, -ENOTTY (older than Linux 6.9), -ELOOP (the file's file
 * system is stacked too deeply), -ENOMEM, or an error of core_cred_enter().
 *
 * Source: fs/fuse/backing.c of the kernel.
 */
int fs_backing_open(struct fuse_session *session, int fd, int *ret_id);

/*
 * Closes a backing file. Open files that use the backing file keep it until
 * they are closed.
 */
void fs_backing_close(struct fuse_session *session, int id);

#endif
