/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait_source: the thread of core/wait, and the functions that all sources
 * share. Only core/wait and core/poll_notify use this module.
 *
 * A wait source is what may end a wait. The class of a source says what its
 * events mean. Events in epoll carry the source's address. A source that loses
 * its last reference is unlinked at once: its descriptor leaves epoll, and no
 * search finds the source any more. The thread may have fetched an event of the
 * source by then. So the thread frees the source's memory, after the thread has
 * dispatched all events that it has fetched.
 *
 * One mutex guards all data. The mutex is a leaf: while it is locked, no
 * callback is made and no other mutex is locked. All functions here but two are
 * called with the mutex locked, and functions that make callbacks unlock the
 * mutex meanwhile. A source may lose its last reference in each callback, so a
 * function that uses a source after a callback must hold a reference.
 */
#ifndef CORE_WAIT_SOURCE_H
#define CORE_WAIT_SOURCE_H

#include "core/wait.h"

/* How long a thread works on one source before the other sources. */
#define CORE_WAIT_TURN_NS 1000000

/* A member that a class doesn't need is NULL. */
struct core_wait_class {
	/* The kernel has reported events of the descriptor. */
	void (*report)(struct core_wait_source *source, uint32_t events);
	/*
	 * Makes callbacks until a time, but at least one callback. NULL: the
	 * callbacks of the waitlists are made.
	 */
	void (*run)(struct core_wait_source *source, uint64_t until);
	/*
	 * Called after attempts: asks epoll to report the events that the
	 * waiters need.
	 */
	void (*arm)(struct core_wait_source *source);
	/*
	 * Called when a waiter that checks is due. Returns when the waiter is
	 * due next, or 0 if the waiter has ended.
	 */
	uint64_t (*look)(struct core_waiter *waiter, uint64_t now);
	/* The last reference has gone. */
	void (*unlink)(struct core_wait_source *source);
};

TAILQ_HEAD(core_wait_sources, core_wait_source);
LIST_HEAD(core_wait_source_list, core_wait_source);

/* Begins the structure of each class. */
struct core_wait_source {
	const struct core_wait_class *class;
	struct core_wait *wait;
	unsigned int refs CORE_WAIT_GUARDED;
	int fd; /* in epoll, with the source's address; or -1 */
	struct core_waitlist lists[2] CORE_WAIT_GUARDED;
	/* In core_wait.all; then, unlinked, in core_wait.unlinked. */
	LIST_ENTRY(core_wait_source) entry;
	/* In core_wait.ready, .retried or .postponed; they hold a reference. */
	bool queued CORE_WAIT_GUARDED;
	TAILQ_ENTRY(core_wait_source) queue_entry;
	LIST_ENTRY(core_wait_source) retry_entry; /* in core_wait.retries */
	/* A queue's source for poll(2), or NULL. See core/poll_notify. */
	struct core_wait_source *poll CORE_WAIT_GUARDED;
};

struct core_wait {
	struct core_wait_mutex lock;
	pthread_t thread;
	int epoll;
	struct core_wait_source *wakeup; /* an eventfd */
	bool quit CORE_WAIT_GUARDED;
	/* When the thread wakes up by itself; 0: the thread is awake. */
	uint64_t sleeps_until CORE_WAIT_GUARDED;

	struct core_waitlists waitlists CORE_WAIT_GUARDED;
	void *queues CORE_WAIT_GUARDED; /* see core/wait.c */
	struct core_wait_source_list all CORE_WAIT_GUARDED;
	struct core_wait_source_list unlinked CORE_WAIT_GUARDED;
	/* The thread runs these sources next. */
	struct core_wait_sources ready CORE_WAIT_GUARDED;
	/*
	 * The thread runs these sources in what is left of the turn, but at
	 * least one source. So the number of retries doesn't delay the ready
	 * sources.
	 */
	struct core_wait_sources retried CORE_WAIT_GUARDED;
	/*
	 * The turn of these sources has ended. The thread runs them after the
	 * sources that epoll reports until then.
	 */
	struct core_wait_sources postponed CORE_WAIT_GUARDED;

	struct core_wait_source_list retries CORE_WAIT_GUARDED;
	unsigned int n_retries CORE_WAIT_GUARDED;

	/* The number of callbacks that are running. */
	unsigned int n_callbacks CORE_WAIT_GUARDED;
	pthread_cond_t quiet; /* no callback runs, or changed() has returned */
};

/* Starts the thread. Returns 0, -EAGAIN (no more threads). */
int core_wait_source_start(struct core_wait *wait);

/* Ends the thread, which first frees the sources that were unlinked. */
void core_wait_source_stop(struct core_wait *wait);

/* Unlocks core_wait.lock, and wakes the thread if it has work. */
void core_wait_source_unlock(struct core_wait *wait)
	CORE_RELEASE(core_wait_mutex);

/* Unlocks before a callback, and locks again afterwards. */
void core_wait_source_callback(struct core_wait *wait)
	CORE_RELEASE(core_wait_mutex);
void core_wait_source_return(struct core_wait *wait)
	CORE_ACQUIRE(core_wait_mutex);

/*
 * Allocates the structure of a class. The structure has this size and is all
 * zero except for the source, which has one reference. The source watches a
 * duplicate of fd; -1: the source watches no descriptor.
 *
 * Returns 0, -EMFILE, -ENFILE, -ENOMEM or -ENOSPC (fs.epoll.max_user_watches).
 */
int core_wait_source_new(struct core_wait *wait,
			 const struct core_wait_class *class, size_t size,
			 int fd, uint32_t events,
			 struct core_wait_source **ret) CORE_WAIT_LOCKED;

/*
 * Drops a reference. A source without references is unlinked, and the thread
 * frees it; see the top of this file.
 */
void core_wait_source_unref(struct core_wait_source *source) CORE_WAIT_LOCKED;

/*
 * Makes the thread run a source. list: core_wait.ready, .retried or .postponed.
 */
void core_wait_source_queue(struct core_wait_source *source,
			    struct core_wait_sources *list) CORE_WAIT_LOCKED;

/*
 * Makes the attempts of a waitlist and calls done() after them. until: when the
 * turn ends; then a source that has work left is postponed. 0: the turn begins
 * with the first attempt, and no clock is read for a single attempt.
 */
void core_wait_source_try(struct core_wait_source *source,
			  enum core_wait_dir dir,
			  uint64_t until) CORE_WAIT_LOCKED;

/* Calls done() of waiters that have ended until a time, but of one at least. */
void core_wait_source_finish(struct core_wait *wait,
			     uint64_t until) CORE_WAIT_LOCKED;

#endif
