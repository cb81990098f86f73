/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait: waiting for room or messages in queues, and for locks, without a thread
 * per waiter.
 *
 * A queue has two waitlists, one for each direction. A waiter has an attempt
 * that may have to be repeated: the attempt is made when the waiter reaches the
 * head of its waitlist, and again each time the kernel reports that the queue
 * may be ready or another waiter joins the waitlist. One epoll thread watches
 * all the queues.
 *
 * What a caller can rely on:
 * - Order: within a waitlist attempts succeed in the order of submission.
 * - Exactly one completion: done() is called once for each submitted waiter, on
 *   any thread, perhaps before core_wait_submit() returns.
 * - One at a time: within a waitlist no two attempts run at the same time.
 * - A thread works on a waitlist for a millisecond, or for one attempt if the
 *   attempt takes longer. Then waiters in other waitlists come first.
 * - No lock of this module is held during attempt() or done(). Both may lock
 *   the caller's mutexes. Neither may submit to the same queue, and only done()
 *   may close the queue.
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
 * Starts the thread. ret: the caller's; core_wait_free() frees it.
 *
 * Returns 0, -ENOMEM, -EMFILE, -ENFILE, -EAGAIN (no more threads), or -ENOSPC
 * (fs.epoll.max_user_watches).
 */
int core_wait_new(struct core_wait **ret);

/*
 * Ends all waiters with -ENOTCONN. If an attempt is running, its waiter ends
 * with -ENOTCONN unless the attempt succeeds. Waiters that are submitted later
 * wait as usual.
 */
void core_wait_end_all(struct core_wait *wait);

/*
 * Ends all waiters with -ENOTCONN, and each later waiter that would have to
 * wait. Returns when no attempt() and no done() is running. Must not be called
 * from attempt() or done().
 */
void core_wait_stop(struct core_wait *wait);

/*
 * Calls core_wait_stop(), ends the thread and frees wait. All sources must be
 * closed, and no other call of this module may be running. NULL is allowed.
 * Returns NULL.
 */
struct core_wait *core_wait_free(struct core_wait *wait);

/*
 * Finds the queue behind a descriptor, or begins to watch it.
 *
 * fd: any mq descriptor of the queue. The source has a duplicate, so fd stays
 *     the caller's and may be closed before the source.
 * ret: the caller calls core_wait_close() once for each successful call.
 *
 * Returns 0, or
 *   -EMFILE, -ENFILE   no descriptor is free
 *   -ENOSPC            fs.epoll.max_user_watches
 *   -ENOMEM, or an error of fstat(2)
 *
 * Source: epoll_ctl(2), mq_overview(7).
 */
int core_wait_open_queue(struct core_wait *wait, int fd,
			 struct core_wait_source **ret);

/*
 * Opens a source for events that the kernel doesn't report. The source has one
 * waitlist, CORE_WAIT_IN, whose waiters try again every few milliseconds and at
 * each core_wait_retry(). ret: the caller calls core_wait_close().
 *
 * Returns 0 or -ENOMEM.
 */
int core_wait_open_retry(struct core_wait *wait, struct core_wait_source **ret);

/* Makes the waiters of all retry sources try again, on the epoll thread. */
void core_wait_retry(struct core_wait *wait);

/* Closes a source. None of the caller's waiters may be in the source. */
void core_wait_close(struct core_wait_source *source);

/*
 * Adds a waiter at the end of a waitlist; the top of this file says what
 * happens then. source: must stay open until done() is called. waiter: the
 * caller's; this module uses it until done(). Its private members must be zero,
 * unless core_wait_cancel() has been called.
 */
void core_wait_submit(struct core_wait_source *source, enum core_wait_dir dir,
		      struct core_waiter *waiter);

/*
 * Whether a waitlist is empty, and no attempt() is running. The done() of the
 * last waiter may be running: it may already have replied to the client.
 */
bool core_wait_is_idle(struct core_wait_source *source, enum core_wait_dir dir);

/*
 * Counts the waiters that wait in each waitlist of the queue behind a
 * descriptor, ret[dir]. A waiter that hasn't had to wait isn't counted, and
 * after a change of the queue's owner neither is a waiter from before. Returns
 * 0 or -errno of fstat(2).
 */
int core_wait_count(struct core_wait *wait, int fd, size_t ret[static 2]);

/*
 * Asks for the end of a waiter: done() is called with -EINTR, unless an attempt
 * succeeds first. done() is never called inside this call. May be called before
 * core_wait_submit(), and from any function, but not after done() has begun to
 * free the waiter's memory.
 */
void core_wait_cancel(struct core_wait *wait, struct core_waiter *waiter);

#endif
