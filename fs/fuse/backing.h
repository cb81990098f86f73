/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * backing: backing files, with which the kernel reads, writes and maps an open
 * file by itself (FUSE passthrough). Linux 6.9, and CAP_SYS_ADMIN of the system,
 * not of a user namespace.
 */
#ifndef FS_BACKING_H
#define FS_BACKING_H

#include <fuse_lowlevel.h>
#include <stdbool.h>

/*
 * Whether the kernel takes backing files of this session. It is tried with memory
 * of our own, which is of the same kind as the objects are. FUSE_INIT must have
 * been answered.
 */
bool fs_backing_works(struct fuse_session *session);

/*
 * Registers the open file fd. ret_id: what replies name it by, until it is given
 * to fs_backing_close() or the mount ends; never 0.
 *
 * Returns 0, -EPERM, -ENOTTY (older than Linux 6.9), -ELOOP (the file's file
 * system is stacked too deeply), -ENOMEM, or as core_cred_enter().
 *
 * Source: fs/fuse/backing.c of the kernel.
 */
int fs_backing_open(struct fuse_session *session, int fd, int *ret_id);

/* Open files that have it keep it. */
void fs_backing_close(struct fuse_session *session, int id);

#endif
