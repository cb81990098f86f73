/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reply: replies that carry a node or a handle, and take it back when the kernel
 * doesn't want it any more. All return what a slot returns.
 */
#ifndef FS_REPLY_H
#define FS_REPLY_H

#include "fs/fuse/node.h"

/* Replies to getattr or setattr. */
int fs_reply_attr(const struct fs_request *rq, const struct statx *stx);

/*
 * Finds or makes the node of an object and replies with it: to a lookup or
 * mknod. stx: its attributes; stx_ino is its inode number.
 */
int fs_reply_entry(const struct fs_request *rq, const char *name,
		   const struct statx *stx);

/*
 * Replies to open or opendir with a handle, which is added to the node. When
 * the process is gone by then the handle is released.
 */
int fs_reply_open(struct fs_request *rq, struct fs_node *node,
		  struct fs_handle *handle);

/* Both, to a create. The handle is released also when this fails. */
int fs_reply_create(struct fs_request *rq, const char *name,
		    const struct statx *stx, struct fs_handle *handle);

#endif
