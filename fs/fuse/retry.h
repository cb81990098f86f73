/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * retry: lets an operation on a path succeed when it is retried after ESTALE.
 *
 * Another process may replace a name between the kernel's lookup and the
 * operation on the object that was found. The operation then fails with ESTALE,
 * and the kernel repeats the lookup and the operation, once. If another process
 * replaces the name all the time, the second attempt could fail in the same
 * way. So for some seconds after an ESTALE, the object that the thread looks up
 * is kept open.
 *
 * For each such thread one descriptor is kept, the last one, for two to three
 * seconds. Meanwhile the user is charged with an open file. If the user's quota
 * is used up, nothing is kept.
 */
#ifndef FS_RETRY_H
#define FS_RETRY_H

#include "fs/fuse/kind.h"

/*
 * The calling thread will get ESTALE. From now on the objects that the thread
 * looks up are kept.
 */
void fs_retry_begin(const struct fs_request *rq);

/*
 * The calling thread has looked up an object of the request's kind. fd: a
 * descriptor of the object, which is duplicated if it must be kept.
 */
void fs_retry_keep(const struct fs_request *rq, ino_t ino, int fd);

/*
 * Duplicates the descriptor that is kept for the calling thread, if the
 * descriptor is of this object. The caller closes *ret_fd. Returns 0, -ENOENT
 * (no descriptor is kept, or one of another object), -EMFILE.
 */
int fs_retry_dup(const struct fs_request *rq, ino_t ino, int *ret_fd);

/*
 * Closes all descriptors that are kept, and ends the retry thread. For the end
 * of the daemon, when no request is left.
 */
void fs_retry_stop(void);

#endif
