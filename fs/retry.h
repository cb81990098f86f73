/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * retry: lets the second try of a path succeed where the first one was ESTALE.
 *
 * A name may lead to another object between the kernel's lookup and the use of what
 * was found. The use then fails with ESTALE, and the kernel looks the path up again,
 * once, and uses what that finds. So that this can't fail in the same way, what a
 * thread finds shortly after it was told ESTALE is kept open for it.
 *
 * For each such thread one descriptor is kept, for a second or two. Meanwhile the
 * thread counts as an open file of its user's. A user who may have no more of those
 * does without.
 */
#ifndef FS_RETRY_H
#define FS_RETRY_H

#include "fs/ops.h"

/* Starts a thread. Returns 0, -ENOMEM, or -EAGAIN (no more threads). */
int fs_retries_new(struct fs_retries **ret);

/* NULL is allowed. Returns NULL. */
struct fs_retries *fs_retries_free(struct fs_retries *retries);

/* The calling thread is told ESTALE. */
void fs_retry_begin(const struct fs_call *call);

/*
 * The calling thread has looked up an object. fd: of that; duplicated if it has to
 * be kept.
 */
void fs_retry_keep(const struct fs_call *call, const struct fs_ops *ops,
		   ino_t ino, int fd);

/*
 * Duplicates what is kept for the calling thread, if it is this object.
 * Returns 0, -ENOENT (it isn't), -EMFILE.
 */
int fs_retry_dup(const struct fs_call *call, const struct fs_ops *ops,
		 ino_t ino, int *ret_fd);

#endif
