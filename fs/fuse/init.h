/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * init: the begin of a session, in which the kernel and the daemon tell each other
 * what they can do: FUSE_INIT.
 */
#ifndef FS_INIT_H
#define FS_INIT_H

#include "fs/fuse/ops.h"

/* The slot "init" of struct fuse_lowlevel_ops. */
void fs_init_agree(void *userdata, struct fuse_conn_info *conn);

/*
 * Answers the first request of a mount, FUSE_INIT, after which it is known what
 * the kernel can do: fs->max_write, and fs->passthrough if that was wanted.
 *
 * Returns 0, or what reading the request failed with.
 */
int fs_init_start(struct fuse_session *session, struct fs *fs);

#endif
