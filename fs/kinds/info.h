/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * info: the kind of KIND:info/NAME, a text about an object instead of its
 * content. It serves each kind that has the slot "describe".
 */
#ifndef FS_INFO_H
#define FS_INFO_H

#include "fs/fuse/kind.h"

/* The view is a pointer to the described kind: const struct fs_kind *. */
extern const struct fs_kind fs_info;

#endif
