/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait: waiting for room or messages in queues, and for locks, without a thread
 * per waiter.
 *
 * A queue has two lines of waiters, one for each direction. A waiter is an
 * attempt that may have to be repeated: it is made when the waiter reaches the
 * head of its line, and again each time the kernel says that the queue may be
 * ready or another waiter joins the line. One epoll thread watches all the
 * queues.
 *
 * What a caller can rely on:
 * - Order: within a line attempts succeed in the order of submission.
 * - Exactly one completion: done() is called once for each waiter submitted,
 *   on whatever thread, perhaps before core_wait_submit() returns.
 * - One at a time: in one line no two attempts run at once.
 * - A thread works on a line for a millisecond, or for one attempt if that
 *   takes longer. Then waiters in other lines come first.
 * - No lock of this module is held during attempt() or done(). Both may take
 *   the caller's locks; neither may submit to the same queue, and only done()
 *   may close it.
 */
#ifndef CORE_WAIT_H
#define CORE_WAIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct core_wait;
struct core_wait_source;
TAILQ_HEAD(core_waiter_list, core_waiter);

enum core_wait_dir {
	CORE_WAIT_IN,  /* for a message: EPOLLIN */
	CORE_WAIT_OUT, /* for room: EPOLLOUT */
};

#define CORE_WAIT_AGAIN 1

/* Part of a caller's structure; the caller's memory, lent until done(). */
struct core_waiter {
	/*
	 * Tries the operation without blocking. Returns -EAGAIN if it must
	 * wait. Returns CORE_WAIT_AGAIN if it has done a part of much work:
	 * attempt() is called again before any other waiter of the line has its
	 * turn, but waiters in other lines may come first. Anything else is
	 * final and goes to done().
	 */
	int (*attempt)(struct core_waiter *waiter);
	/*
	 * The end: with what attempt() returned, or
	 *   -EAGAIN    it would have to wait, and nowait is set
	 *   -EINTR     cancelled
	 *   -ETIMEDOUT the deadline has passed
	 *   -ENOENT    the queue has no name any more, and needs_name is set
	 *   -ENOTCONN  core_wait_end_all() or core_wait_stop()
	 * The memory is the caller's again.
	 */
	void (*done)(struct core_waiter *waiter, int result);
	bool nowait; /* end with -EAGAIN rather than wait */
	/*
	 * When to end with -ETIMEDOUT, in terms of core_wait_now(); 0: never.
	 */
	uint64_t deadline;
	/* End with -ENOENT, up to two seconds after the queue lost its name. */
	bool needs_name;

	/* Private. */
	int state;
	int end; /* the result of a cancelled waiter */
	struct core_waiter_list *list;
	TAILQ_ENTRY(core_waiter) entry;
	struct core_wait_source *queue;
	uint64_t due; /* see wait_deadline.c */
	struct core_waiter **slot, *left, *right;
};

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t core_wait_now(void);

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
 * core_wait_stop(), and ends the thread. All queues must be closed, and no other
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
 * Opens a source for what the kernel doesn't report. It has one line of waiters,
 * CORE_WAIT_IN, which try again every few milliseconds and at each
 * core_wait_retry(). ret: to be given to core_wait_close().
 * Returns 0 or -ENOMEM.
 */
int core_wait_open_retry(struct core_wait *wait, struct core_wait_source **ret);

/* Lets the waiters of all retry sources try again soon, on the epoll thread. */
void core_wait_retry(struct core_wait *wait);

/* Gives a queue back; none of the holder's waiters may be in it. */
void core_wait_close(struct core_wait_source *queue);

/*
 * Puts a waiter at the end of a line; see the top for what follows. The
 * waiter's private members must be zero, unless core_wait_cancel() has been
 * called.
 */
void core_wait_submit(struct core_wait_source *queue, enum core_wait_dir dir,
		      struct core_waiter *waiter);

/* Whether a line is empty, and no thread works on it. */
bool core_wait_is_idle(struct core_wait_source *queue, enum core_wait_dir dir);

/*
 * Asks for the end of a waiter: done() with -EINTR, though never inside this
 * call, unless an attempt succeeds first. May be called before
 * core_wait_submit(), and from anywhere, but not after done() has begun to give
 * up the memory.
 */
void core_wait_cancel(struct core_wait *wait, struct core_waiter *waiter);

#endif
