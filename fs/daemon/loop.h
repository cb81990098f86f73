/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * loop: the threads that take requests from the kernel and serve them.
 *
 * libfuse's own loop gives any request to any thread, and has ten threads unless told
 * otherwise. So one user can occupy all of them: a process can hold the kernel's lock
 * of an object's inode for as long as it likes, without ipcfs, and requests for that
 * object wait for the lock. Here stuck threads are replaced, and a user who has too
 * many stuck threads gets an error. Requests can't be put off instead: the kernel
 * holds locks during a request, of a directory of the mount for instance, and
 * everybody would wait. For a close or a record lock the kernel holds none, so those
 * of such a user are served one after the other.
 *
 * The kernel's queue knows no users: a request behind a hundred listings would wait
 * for all of them, a stat for 3 ms instead of 0.03. So two listings are served at a
 * time. Listings are short, so a request that waits for the directory's lock waits
 * no longer than before.
 *
 * libfuse's loop was tried with as many threads (3.18). At the end it waits for each of
 * them, for ever if one is stuck. The loop ends, with the mount, when there is no
 * memory for another thread's buffer. And it doesn't know which requests are stuck,
 * so a limit would have to count all requests of a user.
 */
#ifndef FS_LOOP_H
#define FS_LOOP_H

struct fs;
struct fs_mountpoint;

/*
 * Serves until the session is told to end or the mount is gone.
 *
 * mountpoint: its table of mounts is open. When the mount isn't in it any more, the
 *     requests that wait end with -ENOTCONN; see core_wait_end_all().
 *
 * Returns 0, -ENOMEM, or an error of eventfd(2), pthread_create(3), ppoll(2) or
 * of reading /dev/fuse; all threads have ended. Or -ETIMEDOUT: a thread still
 * serves a request after 5 seconds, so no data that it may use can be freed.
 */
int fs_loop(const struct fs *fs, const struct fs_mountpoint *mountpoint);

#endif
