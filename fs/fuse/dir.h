/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dir: the slots that are the same for every directory. See fs/fuse/ops.h for what
 * the slots mean.
 *
 * A listing is passed on as the kernel gives it, a page at a time, so its
 * memory doesn't grow with the number of names. As natively, objects that come
 * or go during the listing may be in it or not; an object that stays is listed
 * once.
 */
#ifndef FS_DIR_H
#define FS_DIR_H

#include "fs/fuse/node.h"

int fs_dir_open(struct fs_request *rq, struct fs_node *node, int flags);
int fs_dir_read(const struct fs_request *rq, struct fs_handle *handle,
		size_t size, off_t offset);
void fs_dir_release(struct fs *fs, struct fs_handle *handle);

int fs_dir_access(const struct fs_request *rq, struct fs_node *node, int mask);
int fs_dir_attr(const struct fs_request *rq, struct fs_node *node,
		struct statx *ret);

#endif
