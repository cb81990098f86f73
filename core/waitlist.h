/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * waitlist: waiters in the order in which they came, each of which ends once.
 *
 * A data type: it has no thread, no descriptor and no clock, and it calls nobody.
 * Its owner asks for the waiter whose turn it is, makes the callback, and reports
 * what came of it:
 *
 *	while ((waiter = core_waitlist_next(list))) {
 *		if (waiter->state == CORE_WAITER_TRYING &&
 *		    !core_waitlist_tried(list, waiter->attempt(waiter)))
 *			continue;
 *		waiter->done(waiter, waiter->end);
 *		core_waitlist_finished(list);
 *	}
 *
 * Any number of threads may do that. The owner's mutex is locked during each call
 * of this module, and during no callback.
 *
 * What an owner can rely on, if it makes each callback that it is asked for:
 * - Order: attempts succeed in the order of core_waitlist_add().
 * - Exactly one completion: done() is called once for each waiter, and not before
 *   its attempt() has returned.
 * - One at a time: a waiter is handed out by core_waitlist_next() when the last
 *   one is finished, or is back in the list.
 * - The work for a message doesn't grow with the number of waiters.
 */
#ifndef CORE_WAITLIST_H
#define CORE_WAITLIST_H

#include "core/thread_safety.h"

#include <stdbool.h>
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
	CORE_WAITER_TRYING, /* attempt() is to be called, or runs */
	CORE_WAITER_DONE,   /* done() is to be called, or was */
};

/* Part of a caller's structure; the caller's memory, lent until done(). */
struct core_waiter {
	/*
	 * Tries the operation without blocking. Returns -EAGAIN if it must
	 * wait. Returns CORE_WAIT_AGAIN if it has done a part of much work:
	 * attempt() is called again before any other waiter of the waitlist has
	 * its turn, but waiters in other waitlists may come first. Anything else
	 * is final and goes to done().
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
	enum core_waiter_state state CORE_WAIT_GUARDED;
	/* Nonzero: cancelled; when DONE, the result. */
	int end CORE_WAIT_GUARDED;
	struct core_wait_source *source; /* the owner's */
	bool looks; /* the owner's: also due at other times than its deadline */
	struct core_waitlist *list CORE_WAIT_GUARDED;
	TAILQ_ENTRY(core_waiter) entry;
	/* After this many attempts in the list had begun. */
	uint64_t came CORE_WAIT_GUARDED;
	/* In the heap of struct core_waitlists. */
	uint64_t due;
	struct core_waiter **slot, *left, *right;
};

/* What the waitlists of one owner share. */
struct core_waitlists {
	/* done() of these must be called; see core_waitlists_next_ended(). */
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
	 * The first waiter in the fifo that came after the last attempt in vain,
	 * or whose end because of that attempt is to be seen to; or NULL.
	 */
	struct core_waiter *fresh;
	/* A waiter was handed out by core_waitlist_next() and isn't back. */
	bool busy;
	struct core_waiter *trying; /* that waiter, until its attempt is over */
	bool ready;		    /* an attempt may succeed */
	uint64_t n_attempts;	    /* that have begun */
	uint64_t n_in_vain; /* of these, the last that had to wait; or 0 */
};

void core_waitlists_init(struct core_waitlists *all);
void core_waitlist_init(struct core_waitlist *list,
			struct core_waitlists *all) CORE_WAIT_LOCKED;

/* Puts a waiter at the end, or if it is cancelled already, among the ended. */
void core_waitlist_add(struct core_waitlist *list,
		       struct core_waiter *waiter) CORE_WAIT_LOCKED;

/* An attempt may succeed that would have been in vain before. */
static inline void
core_waitlist_wake(struct core_waitlist *list) CORE_WAIT_LOCKED
{
	list->ready = true;
}

/*
 * Returns the waiter whose attempt() must be called, or if its state is
 * CORE_WAITER_DONE, whose done() must be; see the top. Returns NULL if there is
 * nothing to do, or if the last one that was returned isn't back: whoever reports
 * it must then ask again.
 */
struct core_waiter *
core_waitlist_next(struct core_waitlist *list) CORE_WAIT_LOCKED;

/*
 * The attempt() of the waiter has returned r. Returns whether the waiter
 * has ended: then done() must be called, with waiter->end. Otherwise the waiter
 * is back in the list.
 */
bool core_waitlist_tried(struct core_waitlist *list, int r) CORE_WAIT_LOCKED;

/* done() has returned; the waiter's memory isn't touched. */
static inline void
core_waitlist_finished(struct core_waitlist *list) CORE_WAIT_LOCKED
{
	list->busy = false;
}

/* Whether the list is empty, and no waiter from it is handed out. */
static inline bool
core_waitlist_is_idle(const struct core_waitlist *list) CORE_WAIT_LOCKED
{
	return !list->busy && TAILQ_EMPTY(&list->fifo);
}

/* Whether nothing happens before core_waitlist_wake(), and waiters want it. */
static inline bool
core_waitlist_is_blocked(const struct core_waitlist *list) CORE_WAIT_LOCKED
{
	return !list->busy && !list->ready && !TAILQ_EMPTY(&list->fifo);
}

/*
 * Ends a waiter with a result, unless it has ended, or an attempt that runs now
 * succeeds. Waiters that were listed are among the ended then. Allowed before
 * core_waitlist_add().
 */
void core_waitlist_end(struct core_waiter *waiter, int result) CORE_WAIT_LOCKED;

/* core_waitlist_end() for all waiters of a list. */
void core_waitlist_end_all(struct core_waitlist *list,
			   int result) CORE_WAIT_LOCKED;

/* Takes a waiter from the ended, for done() with waiter->end; or NULL. */
struct core_waiter *
core_waitlists_next_ended(struct core_waitlists *all) CORE_WAIT_LOCKED;

/*
 * A waiter that had to wait is due at its deadline. One that looks is due at 0,
 * and then when its owner says.
 */
void core_waitlists_put_off(struct core_waitlists *all,
			    struct core_waiter *waiter,
			    uint64_t due) CORE_WAIT_LOCKED;

#endif
