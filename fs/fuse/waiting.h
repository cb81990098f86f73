/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * waiting: a request that can't be answered yet, because it waits for a
 * message, room or a lock.
 *
 * The kind's own structure has struct fs_waiting as its first member. The kind
 * sets the waiter's attempt(), done(), and perhaps nowait and deadline; see
 * core/wait.h.
 * done() must call fs_waiting_finish() before it replies and frees the
 * structure.
 */
#ifndef FS_WAITING_H
#define FS_WAITING_H

#include "core/wait.h"
#include "fs/fuse/request.h"

/* The longest timeout, in seconds: eleven days. */
#define FS_TIMEOUT_MAX 1000000

struct fs_waiting {
	struct core_waiter waiter;
	fuse_req_t req; /* to be replied to; NULL: the daemon itself waits */

	/* Private. */
	struct core_wait *wait;
	struct fs_charge charge;
};

/*
 * Limits a wait. Must be called before fs_waiting_submit().
 *
 * nonblock: the request doesn't wait; if the only attempt would have to wait,
 *     done() gets -EAGAIN.
 * timeout: after this many milliseconds done() gets -ETIMEDOUT. 0: the request
 *     waits for ever. -1: the request doesn't wait, and done() gets -ETIMEDOUT.
 */
void fs_waiting_limit(struct fs_waiting *waiting, bool nonblock, long timeout);

/*
 * Submits a waiting request to core/wait. done() is called once, when attempt()
 * has succeeded or the wait has ended, perhaps before this function returns. A
 * signal to the process that sent req ends the wait with -EINTR.
 *
 * payer: the user who is charged during the wait. If the user's quota is used
 *     up, a single attempt is made, as with nonblock.
 * source, dir: the waitlist; see core_wait_submit(). The source must stay open
 *     until done().
 */
void fs_waiting_submit(struct fs_waiting *waiting, struct fs *fs, uid_t payer,
		       struct core_wait_source *source, enum core_wait_dir dir);

/*
 * Releases the charge and stops watching for signals, after
 * fs_waiting_submit(). Does nothing if fs_waiting_submit() wasn't called.
 */
void fs_waiting_finish(struct fs_waiting *waiting);

#endif
