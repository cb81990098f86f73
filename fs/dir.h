/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dir: the slots that are the same for every directory. A listing is handed on as
 * the kernel gives it, a page at a time, so it takes no more memory for more names.
 * Like a native one it may be torn by objects that come and go meanwhile; an object
 * that stays is listed once. See fs/ops.h for what the slots mean.
 */
#ifndef FS_DIR_H
#define FS_DIR_H

#include "fs/node.h"

int fs_dir_open(const struct fs_call *call, struct fs_node *node, int flags);
int fs_dir_read(const struct fs_call *call, struct fs_handle *handle,
		size_t size, off_t offset);
void fs_dir_release(const struct fs_call *call, struct fs_handle *handle);

int fs_dir_access(const struct fs_call *call, struct fs_node *node, int mask);
int fs_dir_statx(const struct fs_call *call, struct fs_node *node,
		 struct statx *ret);
int fs_dir_getattr(const struct fs_call *call, struct fs_node *node);

#endif
