/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait: waiting for room or messages in queues, and for locks, without a thread
 * per waiter.
 *
 * A queue has two waitlists, one for each direction. A waiter is an attempt that
 * may have to be repeated: it is made when the waiter reaches the head of its
 * waitlist, and again each time the kernel says that the queue may be ready or
 * another waiter joins the waitlist. One epoll thread watches all the queues.
 *
 * What a caller can rely on:
 * - Order: within a waitlist attempts succeed in the order of submission.
 * - Exactly one completion: done() is called once for each waiter submitted,
 *   on whatever thread, perhaps before core_wait_submit() returns.
 * - One at a time: in one waitlist no two attempts run at once.
 * - A thread works on a waitlist for a millisecond, or for one attempt if that
 *   takes longer. Then waiters in other waitlists come first.
 * - No lock of this module is held during attempt() or done(). Both may take
 *   the caller's locks; neither may submit to the same queue, and only done()
 *   may close it.
 */
#ifndef CORE_WAIT_H
#define CORE_WAIT_H

#include "core/waitlist.h"

#include <time.h>

struct core_wait;

enum core_wait_dir {
	CORE_WAIT_IN,  /* for a message: EPOLLIN */
	CORE_WAIT_OUT, /* for room: EPOLLOUT */
};

/* Nanoseconds of CLOCK_MONOTONIC. */
static inline uint64_t core_wait_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/*
 * Starts the thread. ret: the caller's, to be given to core_wait_free().
 * Returns 0, -ENOMEM, -EMFILE, -ENFILE, -EAGAIN (no more threads), or -ENOSPC
 * (fs.epoll.max_user_watches).
 */
int core_wait_new(struct core_wait **ret);

/*
 * Ends all who wait now with -ENOTCONN, also those whose attempt runs and is in
 * vain. Who comes later waits as ever.
 */
void core_wait_end_all(struct core_wait *wait);

/*
 * Ends all waiters with -ENOTCONN, and each later one that would have to wait.
 * Returns when no attempt() and no done() is running. Not from either of them.
 */
void core_wait_stop(struct core_wait *wait);

/*
 * core_wait_stop(), and ends the thread. All sources must be closed, and no other
 * call of this module be under way. NULL is allowed. Returns NULL.
 */
struct core_wait *core_wait_free(struct core_wait *wait);

/*
 * Finds the queue behind a descriptor, or begins to watch it.
 *
 * fd: any mq descriptor of the queue; a duplicate is kept, so fd stays the
 *     caller's and may be closed first.
 * ret: to be given to core_wait_close() as often as it was obtained.
 *
 * Returns 0, -ENOMEM, -EMFILE, -ENFILE, -ENOSPC (fs.epoll.max_user_watches).
 */
int core_wait_open_queue(struct core_wait *wait, int fd,
			 struct core_wait_source **ret);

/*
 * Opens a source for what the kernel doesn't report. It has one waitlist,
 * CORE_WAIT_IN, whose waiters try again every few milliseconds and at each
 * core_wait_retry(). ret: to be given to core_wait_close().
 * Returns 0 or -ENOMEM.
 */
int core_wait_open_retry(struct core_wait *wait, struct core_wait_source **ret);

/* Lets the waiters of all retry sources try again soon, on the epoll thread. */
void core_wait_retry(struct core_wait *wait);

/* Gives a source back; none of the holder's waiters may be in it. */
void core_wait_close(struct core_wait_source *source);

/*
 * Puts a waiter at the end of a waitlist; see the top for what follows. The
 * waiter's private members must be zero, unless core_wait_cancel() has been
 * called.
 */
void core_wait_submit(struct core_wait_source *source, enum core_wait_dir dir,
		      struct core_waiter *waiter);

/* Whether a waitlist is empty, and no thread works on it. */
bool core_wait_is_idle(struct core_wait_source *source, enum core_wait_dir dir);

/*
 * Asks for the end of a waiter: done() with -EINTR, though never inside this
 * call, unless an attempt succeeds first. May be called before
 * core_wait_submit(), and from anywhere, but not after done() has begun to give
 * up the memory.
 */
void core_wait_cancel(struct core_wait *wait, struct core_waiter *waiter);

#endif
