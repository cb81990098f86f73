/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reply: replies that carry a node or a handle. If the kernel doesn't accept
 * the reply any more, the node is forgotten and the handle released. All
 * functions return what a slot returns.
 */
#ifndef FS_REPLY_H
#define FS_REPLY_H

#include "fs/fuse/node.h"

/* Replies to getattr or setattr. */
int fs_reply_attr(const struct fs_request *rq, const struct statx *stx);

/*
 * Replies to a lookup or mknod with the node of an object, which is found or
 * made. stx: the object's attributes; stx_ino is its inode number.
 */
int fs_reply_entry(const struct fs_request *rq, const char *name,
		   const struct statx *stx);

/*
 * Replies to open or opendir with a handle, which is added to the node. If the
 * process has been killed meanwhile, the handle is released.
 */
int fs_reply_open(struct fs_request *rq, struct fs_node *node,
		  struct fs_handle *handle);

/*
 * Replies to a create with a node and a handle. If this fails, the handle is
 * released as well.
 */
int fs_reply_create(struct fs_request *rq, const char *name,
		    const struct statx *stx, struct fs_handle *handle);

#endif
