/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * loop: the threads that take requests from the kernel and serve them.
 *
 * libfuse's own loop gives a request to any of its threads, so one user can occupy
 * them all: a process may, without ipcfs, keep the kernel's lock of an object's
 * inode for as long as it likes, and requests for that object wait for it. Here a
 * user gets no more threads than are still free. What a user asks beyond that is
 * put aside until one of their own requests is served.
 */
#ifndef FS_LOOP_H
#define FS_LOOP_H

struct fs_quota;
struct fuse_session;

/* The most threads that serve requests. */
enum { FS_LOOP_WORKERS = 24 };

/*
 * Serves until the session is told to end or the mount is gone. All its threads
 * have ended then. aside: how many requests of each user may be put aside, one of
 * more than 64 KiB counts as several; others are refused with EAGAIN.
 *
 * Returns 0 or a negative errno: of eventfd(2), pthread_create(3), ppoll(2), or of
 * reading /dev/fuse.
 */
int fs_loop(struct fuse_session *session, struct fs_quota *aside);

#endif
