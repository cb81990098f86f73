/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dir: the slots that are the same for every directory. A listing is read as a
 * whole when it is begun, and again after rewinddir(3), so that it is not torn
 * by objects that come and go meanwhile. See fs/ops.h for what the slots mean.
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
