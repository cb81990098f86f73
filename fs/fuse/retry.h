/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * retry: lets the second try of a path succeed where the first one was ESTALE.
 *
 * A name may lead to another object between the kernel's lookup and the use of
 * what was found. The use then fails with ESTALE, and the kernel looks the path
 * up again, once, and uses what that finds. So that the second use can't fail
 * in the same way, what a thread finds in the seconds after its ESTALE is kept
 * open for it.
 *
 * For each such thread one descriptor is kept, the last one, for two to three
 * seconds. Meanwhile the user is charged with an open file. If the user's quota
 * is used up, nothing is kept.
 */
#ifndef FS_RETRY_H
#define FS_RETRY_H

#include "fs/fuse/kind.h"

/* The calling thread will get ESTALE: begins to keep what it finds. */
void fs_retry_begin(const struct fs_request *rq);

/*
 * The calling thread has looked up an object, of the request's kind. fd: a descriptor of the object,
 * which is duplicated if it must be kept.
 */
void fs_retry_keep(const struct fs_request *rq, ino_t ino, int fd);

/*
 * Duplicates the descriptor that is kept for the calling thread, if it is of
 * this object. ret_fd: the caller's. Returns 0, -ENOENT (none is, or of another
 * object), -EMFILE.
 */
int fs_retry_dup(const struct fs_request *rq, ino_t ino, int *ret_fd);

/* Closes what is kept; for the end, when no request is left. */
void fs_retry_stop(void);

#endif
