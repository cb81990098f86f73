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
 * For each such thread one descriptor is kept, of the last object, for two to
 * three seconds. Meanwhile the user is charged with an open file. If the user's
 * quota is used up, nothing is kept.
 *
 * Source: do_filp_open() in fs/namei.c of the kernel, and retry_estale() in
 * include/linux/namei.h.
 */
#ifndef FS_RETRY_H
#define FS_RETRY_H

#include "fs/fuse/kind.h"

/*
 * Must be called before a request is answered with ESTALE. From now on the
 * objects that the request's thread looks up are kept, for two to three
 * seconds.
 */
void fs_retry_begin(const struct fs_request *rq);

/*
 * Must be called when a lookup by the request's thread has found an object of
 * the request's kind. ino: the object's inode number. fd: a descriptor of the
 * object, also O_PATH; it stays the caller's. If the object must be kept, the
 * descriptor is duplicated.
 */
void fs_retry_keep(const struct fs_request *rq, ino_t ino, int fd);

/*
 * Duplicates the descriptor that is kept for the request's thread, if the
 * descriptor is of the object with this inode number. The caller closes
 * *ret_fd. Returns 0, -ENOENT (no descriptor of this object is kept) or
 * -EMFILE.
 */
int fs_retry_dup(const struct fs_request *rq, ino_t ino, int *ret_fd);

/*
 * Closes all descriptors that are kept, and ends the retry thread. For the end
 * of the daemon, when no request is left.
 */
void fs_retry_stop(void);

#endif
