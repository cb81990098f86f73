/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reply: replies that carry a node or a handle. If the kernel doesn't accept
 * the reply any more, because the process was killed or the mount has ended,
 * the node is forgotten and the handle released; this isn't an error.
 */
#ifndef FS_REPLY_H
#define FS_REPLY_H

#include "fs/fuse/node.h"

/* Replies to getattr or setattr. Returns 0. */
int fs_reply_attr(const struct fs_request *rq, const struct statx *stx);

/*
 * Replies to a lookup, mknod or link with the node of an object, which is found
 * or made. stx: the object's attributes. name, stx: see fs_node_get(). Returns
 * 0, or -ENOMEM without a reply (also if the user has too many nodes).
 */
int fs_reply_entry(const struct fs_request *rq, const char *name,
		   const struct statx *stx);

/*
 * Replies to open or opendir with a handle, which is added to the node. The
 * charge moves from the request to the handle. Returns 0.
 */
int fs_reply_open(struct fs_request *rq, struct fs_node *node,
		  struct fs_handle *handle);

/*
 * Replies to a create or tmpfile with a node and a handle: fs_reply_entry() and
 * fs_reply_open() in one. After an error the handle is released as well.
 * Returns 0, or -ENOMEM without a reply.
 */
int fs_reply_create(struct fs_request *rq, const char *name,
		    const struct statx *stx, struct fs_handle *handle);

#endif
