/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * negotiate: FUSE_INIT, the first request of a session, in which the kernel and
 * the daemon exchange what they support.
 */
#ifndef FS_NEGOTIATE_H
#define FS_NEGOTIATE_H

#include "fs/fuse/kind.h"

/*
 * The slot "init" of struct fuse_lowlevel_ops: chooses features, and sets
 * max_write and passthrough of userdata, a struct fs. If the kernel is too old,
 * logs an error and ends the session.
 */
void fs_negotiate(void *userdata, struct fuse_conn_info *conn);

/*
 * Reads FUSE_INIT from the kernel and answers it. Sets fs->max_write, and
 * clears fs->passthrough if the kernel has no passthrough.
 *
 * Returns 0, -EPROTO (the kernel's FUSE is too old), or an error of read(2) of
 * /dev/fuse, or -ENOMEM. Source: fuse(4), fs/fuse/inode.c of the kernel.
 */
int fs_negotiate_first(struct fuse_session *session, struct fs *fs);

#endif
