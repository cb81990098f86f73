/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * loop: the threads that read requests from the kernel and serve them.
 *
 * In libfuse's own loop any thread serves any request, and the default is ten
 * threads. So one user can occupy all threads: without ipcfs, a process can
 * hold the kernel's lock of an object's inode for as long as it likes, and
 * requests for the object then wait for the lock. This loop replaces stuck
 * threads, and a user who has too many stuck threads gets an error. The loop
 * can't let such requests wait instead: the kernel holds locks during a
 * request, for instance the lock of a directory of the mount, and all users
 * would wait. During a close or a record lock the kernel holds no lock, so
 * these requests of such a user are served one after the other.
 *
 * The kernel's list of requests doesn't distinguish users: a request behind a
 * hundred listings would wait for all listings, a stat for 3 ms instead of
 * 0.03. So two listings are served at a time. Listings are short, so a request
 * that waits for the directory's lock waits no longer than before.
 *
 * We tried libfuse's loop (3.18) with as many threads. At the end libfuse's
 * loop waits for each thread, for ever if a thread is stuck. The loop ends, and
 * the mount too, when there is no memory for another thread's buffer. And the
 * loop doesn't know which requests are stuck, so a limit would have to count
 * all requests of a user.
 */
#ifndef FS_LOOP_H
#define FS_LOOP_H

#include <stddef.h>

struct fs;
struct fs_mountpoint;

/*
 * Serves requests until a signal ends the session or the mount is gone.
 *
 * mountpoint: its table of mounts must be open. When the mount has left the
 *     table, the waiting requests end with -ENOTCONN; see core_wait_end_all().
 *
 * Returns 0, -ENOMEM, or an error of eventfd(2), pthread_create(3), ppoll(2) or
 * of reading /dev/fuse; all threads have ended then. Returns -ETIMEDOUT if a
 * thread still serves a request after 5 seconds: then no data that the thread
 * may use can be freed.
 */
int fs_loop(const struct fs *fs, const struct fs_mountpoint *mountpoint);

/* Returns how many threads serve requests or wait for requests. */
size_t fs_loop_n_workers(void);

#endif
