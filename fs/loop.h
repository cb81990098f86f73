/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * loop: the threads that take requests from the kernel and serve them.
 *
 * libfuse's own loop gives any request to any thread, of ten or as many as one says,
 * so one user can occupy them all: a process may, without ipcfs, keep the kernel's
 * lock of an object's inode for as long as it likes, and requests for that object
 * wait for it. Here more threads come for those that don't get on, and a user who
 * would have more of them than are left is refused. To keep a request for later
 * instead would keep the locks that the kernel holds for it, of a directory of the
 * mount for instance, and hold up everybody. It holds none for a close or for a
 * record lock; those are handed to one thread, which serves them one after the other.
 *
 * The kernel's queue knows no users either: what comes behind a hundred listings waits
 * for them all, 3 ms for a stat that takes 0.03. So two listings at a time are served,
 * and the others are handed to a thread of their own. They are short, so whoever waits
 * for the directory's lock doesn't wait longer than before.
 *
 * libfuse's loop was tried with as many threads (3.18). At the end it waits for each of
 * them, for ever if one is held up; and it ends, with the mount, when there is no
 * memory for one more thread's buffer. Nor does it know which requests don't get on,
 * so a limit would have to count all that a user has, and refuse who has many.
 */
#ifndef FS_LOOP_H
#define FS_LOOP_H

struct fuse_session;

/* The threads that serve requests, besides those that don't get on. */
enum { FS_LOOP_WORKERS = 16 };

/*
 * Serves until the session is told to end or the mount is gone.
 *
 * Returns 0 or a negative errno: of eventfd(2), pthread_create(3), ppoll(2), or of
 * reading /dev/fuse. -ETIMEDOUT: some thread still serves a request, and didn't get
 * on for seconds; nothing that it may use can be freed. Else all have ended.
 */
int fs_loop(struct fuse_session *session);

#endif
