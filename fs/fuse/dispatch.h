/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dispatch: the one table that libfuse calls. Each request goes to the slot of
 * its node's kind, and the result of the slot becomes the reply.
 */
#ifndef FS_DISPATCH_H
#define FS_DISPATCH_H

#include "fs/fuse/kind.h"

/* For fuse_session_new(), with a struct fs as its user data. */
extern const struct fuse_lowlevel_ops fs_dispatch;

#endif
