/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * waitlist: waiters in the order in which they came. Each waiter ends once.
 *
 * A waitlist is a data type: it has no thread, no descriptor and no clock, and
 * it makes no callback. The owner of the list asks for the waiter whose turn
 * has come, makes the callback, and reports the result:
 *
 *	while ((waiter = core_waitlist_next(list))) {
 *		if (waiter->state == CORE_WAITER_TRYING &&
 *		    !core_waitlist_tried(list, waiter->attempt(waiter)))
 *			continue;
 *		waiter->done(waiter, waiter->end);
 *		core_waitlist_finished(list);
 *	}
 *
 * Any number of threads may run this loop. The owner's mutex is locked during
 * each call of this module, and unlocked during each callback.
 *
 * What an owner can rely on, if the owner makes each callback that the list
 * asks for:
 * - Order: attempts succeed in the order of core_waitlist_add().
 * - Exactly one completion: done() is called once for each waiter, and not
 *   before its attempt() has returned.
 * - One at a time: core_waitlist_next() returns a waiter only after the
 *   previous waiter is finished, or is back in the list.
 * - The work for a message doesn't grow with the number of waiters.
 */
#ifndef CORE_WAITLIST_H
#define CORE_WAITLIST_H

#include "core/thread_safety.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* The owner's mutex. */
CORE_MUTEX(core_wait_mutex);
#define CORE_WAIT_GUARDED CORE_GUARDED_BY(core_wait_mutex)
#define CORE_WAIT_LOCKED  CORE_REQUIRES(core_wait_mutex)

struct core_wait_source;
struct core_waitlist;
TAILQ_HEAD(core_waiters, core_waiter);

#define CORE_WAIT_AGAIN 1

enum core_waiter_state {
	CORE_WAITER_OUTSIDE = 0, /* not in a waitlist yet */
	CORE_WAITER_LISTED,
	CORE_WAITER_TRYING, /* attempt() must be called, or is running */
	CORE_WAITER_DONE,   /* done() must be called, or has been called */
};

/*
 * Part of a caller's structure. The memory is the caller's; the list uses it
 * from core_waitlist_add() until done().
 */
struct core_waiter {
	/*
	 * Tries the operation without blocking. Returns -EAGAIN if the
	 * operation must wait. Returns CORE_WAIT_AGAIN if a part of a long
	 * operation is done: attempt() is called again before any other waiter
	 * of the waitlist has its turn, but waiters in other waitlists may come
	 * first. Any other result is final and is passed to done().
	 */
	int (*attempt)(struct core_waiter *waiter);
	/*
	 * The waiter has ended. result: what attempt() returned, or
	 *   nowait     the waiter would have to wait, and nowait is set
	 *   -EINTR     cancelled
	 *   -ETIMEDOUT the deadline has passed
	 *   -ENOENT    the queue has no name any more, and needs_name is set
	 *   -ENOTCONN  core_wait_end_all() or core_wait_stop()
	 * The memory is the caller's again.
	 */
	void (*done)(struct core_waiter *waiter, int result);
	int nowait; /* nonzero: end with this error rather than wait */
	/*
	 * When to end with -ETIMEDOUT, on the clock of core_wait_now(); 0:
	 * never.
	 */
	uint64_t deadline;
	/* End with -ENOENT, up to two seconds after the queue lost its name. */
	bool needs_name;

	/* Private. */
	enum core_waiter_state state CORE_WAIT_GUARDED;
	/* Nonzero: the waiter is cancelled. When DONE, the result. */
	int end CORE_WAIT_GUARDED;
	struct core_wait_source *source; /* set by the owner */
	/* Set by the owner: also due at other times than the deadline. */
	bool checks;
	bool counted CORE_WAIT_GUARDED; /* in core_waitlist.n_waiting */
	struct core_waitlist *list CORE_WAIT_GUARDED;
	TAILQ_ENTRY(core_waiter) entry;
	/* How many attempts in the list had begun when the waiter was added. */
	uint64_t n_before CORE_WAIT_GUARDED;
	/* In the heap of struct core_waitlists. */
	uint64_t due;
	struct core_waiter **slot, *left, *right;
};

/* Shared by the waitlists of one owner. */
struct core_waitlists {
	/* Waiters whose done() must be called: core_waitlists_next_ended(). */
	struct core_waiters ended;
	/* Root of a heap: the listed waiter that is due first, or NULL. */
	struct core_waiter *due;
	/* Nonzero: a waiter that would have to wait ends with this instead. */
	int end;
};

struct core_waitlist {
	struct core_waitlists *all;
	struct core_waiters fifo;
	/*
	 * The first waiter in the fifo that was added after the last failed
	 * attempt began, or that core_waitlist_next() must still end or let
	 * wait because of this attempt; or NULL.
	 */
	struct core_waiter *untried;
	/* core_waitlist_next() has returned a waiter that isn't back yet. */
	bool busy;
	struct core_waiter *trying; /* the waiter whose attempt runs, or NULL */
	bool ready;		    /* an attempt may succeed */
	size_t n_waiting;    /* waiters that had to wait and haven't ended */
	uint64_t n_attempts; /* attempts that have begun */
	uint64_t n_in_vain;  /* the number of the last failed attempt, or 0 */
};

/* Initialises what the waitlists of one owner share. Nothing to free. */
void core_waitlists_init(struct core_waitlists *all);
/* Initialises an empty waitlist. all: must outlive the list. */
void core_waitlist_init(struct core_waitlist *list,
			struct core_waitlists *all) CORE_WAIT_LOCKED;

/*
 * Adds a waiter at the end of the list. If the waiter has been cancelled, adds
 * it to the ended waiters instead.
 */
void core_waitlist_add(struct core_waitlist *list,
		       struct core_waiter *waiter) CORE_WAIT_LOCKED;

/* Called when an attempt may succeed that would have failed before. */
static inline void
core_waitlist_wake(struct core_waitlist *list) CORE_WAIT_LOCKED
{
	list->ready = true;
}

/*
 * Returns the waiter whose attempt() must be called. If the waiter's state is
 * CORE_WAITER_DONE, its done() must be called instead; see the top of this
 * file. Returns NULL if there is no work, or if the previous waiter isn't back
 * yet: the thread that reports the previous waiter must then call this again.
 */
struct core_waiter *
core_waitlist_next(struct core_waitlist *list) CORE_WAIT_LOCKED;

/*
 * Reports that the waiter's attempt() has returned r. Returns whether the
 * waiter has ended: then done() must be called with waiter->end. Otherwise the
 * waiter is back in the list.
 */
bool core_waitlist_tried(struct core_waitlist *list, int r) CORE_WAIT_LOCKED;

/* Reports that done() has returned. Doesn't use the waiter's memory. */
static inline void
core_waitlist_finished(struct core_waitlist *list) CORE_WAIT_LOCKED
{
	list->busy = false;
}

/* Whether the list is empty, and no attempt is running; done() may be. */
static inline bool
core_waitlist_is_idle(const struct core_waitlist *list) CORE_WAIT_LOCKED
{
	return !list->trying && TAILQ_EMPTY(&list->fifo);
}

/* Whether the list has waiters that all wait for core_waitlist_wake(). */
static inline bool
core_waitlist_is_blocked(const struct core_waitlist *list) CORE_WAIT_LOCKED
{
	return !list->busy && !list->ready && !TAILQ_EMPTY(&list->fifo);
}

/*
 * Ends a waiter with a result, unless the waiter has ended, or its running
 * attempt succeeds. A waiter that was in the list moves to the ended waiters.
 * May be called before core_waitlist_add().
 */
void core_waitlist_end(struct core_waiter *waiter, int result) CORE_WAIT_LOCKED;

/* core_waitlist_end() for all waiters of a list. */
void core_waitlist_end_all(struct core_waitlist *list,
			   int result) CORE_WAIT_LOCKED;

/*
 * Removes and returns one of the ended waiters, or returns NULL. The caller
 * must call done() with waiter->end.
 */
struct core_waiter *
core_waitlists_next_ended(struct core_waitlists *all) CORE_WAIT_LOCKED;

/*
 * Sets when a waiter is due. A waiter that had to wait is due at its deadline.
 * A waiter that checks is first due at 0, and then when the owner says.
 */
void core_waitlists_put_off(struct core_waitlists *all,
			    struct core_waiter *waiter,
			    uint64_t due) CORE_WAIT_LOCKED;

#endif
