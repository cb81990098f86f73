/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * negotiate: FUSE_INIT, the first request of a session, in which the kernel and
 * the daemon exchange what they support.
 */
#ifndef FS_NEGOTIATE_H
#define FS_NEGOTIATE_H

#include "fs/fuse/kind.h"

/* The slot "init" of struct fuse_lowlevel_ops. */
void fs_negotiate(void *userdata, struct fuse_conn_info *conn);

/*
 * Answers FUSE_INIT. Sets fs->max_write, and clears fs->passthrough if the
 * kernel has no passthrough.
 *
 * Returns 0, -EPROTO (the kernel's FUSE is too old), or the error of reading
 * the request.
 */
int fs_negotiate_first(struct fuse_session *session, struct fs *fs);

#endif
