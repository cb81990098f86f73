/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait_source: the thread of core/wait, and what all its sources share. For
 * core/wait and core/poll_notify.
 *
 * A source is what may end a wait. It belongs to a class, which says what its
 * events mean. Events in epoll carry the source's address. A source that loses
 * its last reference is unlinked at once: its descriptor leaves epoll, and nobody
 * finds it any more. An event of it may have been fetched by then, so its memory
 * is freed by the thread, after it has dispatched the events that it has.
 *
 * One mutex guards everything. It is a leaf: no callback is made with it locked,
 * and no other lock is taken. All functions here but two are called with it, and
 * those that make callbacks unlock it meanwhile. A source may lose its last
 * reference in each callback, so whoever uses a source afterwards holds one.
 */
#ifndef CORE_WAIT_SOURCE_H
#define CORE_WAIT_SOURCE_H

#include "core/wait.h"

/* How long a thread works on one source before others have their turn. */
#define CORE_WAIT_TURN_NS 1000000

/* NULL stands for what a class hasn't got. */
struct core_wait_class {
	/* The kernel has reported events of the descriptor. */
	void (*report)(struct core_wait_source *source, uint32_t events);
	/* Makes callbacks until a time, at least one. NULL: of the waitlists. */
	void (*run)(struct core_wait_source *source, uint64_t until);
	/* Attempts have been made: asks for a report of what waiters need. */
	void (*arm)(struct core_wait_source *source);
	/* A waiter that looks is due. Returns when next, or 0 if it has ended. */
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
	/* In core_wait.ready or .postponed, which have a reference. */
	bool queued CORE_WAIT_GUARDED;
	TAILQ_ENTRY(core_wait_source) queue_entry;
	LIST_ENTRY(core_wait_source) retry_entry; /* in core_wait.retries */
	/* For poll(2), of a queue; or NULL. See core/poll_notify. */
	struct core_wait_source *poll CORE_WAIT_GUARDED;
};

struct core_wait {
	struct core_wait_mutex lock;
	pthread_t thread;
	int epoll;
	struct core_wait_source *wakeup; /* an eventfd */
	bool quit CORE_WAIT_GUARDED;
	/* When the thread wakes up by itself; 0: it is awake. */
	uint64_t sleeps_until CORE_WAIT_GUARDED;

	struct core_waitlists waitlists CORE_WAIT_GUARDED;
	void *queues CORE_WAIT_GUARDED; /* see core/wait.c */
	struct core_wait_source_list all CORE_WAIT_GUARDED;
	struct core_wait_source_list unlinked CORE_WAIT_GUARDED;
	/* The thread runs these next, */
	struct core_wait_sources ready CORE_WAIT_GUARDED;
	/* and these, whose turn has ended, after what is reported till then. */
	struct core_wait_sources postponed CORE_WAIT_GUARDED;

	struct core_wait_source_list retries CORE_WAIT_GUARDED;
	unsigned int n_retries CORE_WAIT_GUARDED;

	/* Callbacks that run now. */
	unsigned int n_callbacks CORE_WAIT_GUARDED;
	pthread_cond_t quiet; /* there are none, or a changed() has returned */
};

/* Starts the thread. Returns 0, -EAGAIN (no more threads). */
int core_wait_source_start(struct core_wait *wait);

/* Ends the thread, which first frees what has been unlinked. */
void core_wait_source_stop(struct core_wait *wait);

/* Unlocks core_wait.lock, and wakes the thread if it has work. */
void core_wait_source_unlock(struct core_wait *wait)
	CORE_RELEASE(core_wait_mutex);

/* Around a callback, which is made without the lock. */
void core_wait_source_callback(struct core_wait *wait)
	CORE_RELEASE(core_wait_mutex);
void core_wait_source_return(struct core_wait *wait)
	CORE_ACQUIRE(core_wait_mutex);

/*
 * Makes the structure of a class, of this size and all zero but for the source,
 * which has one reference. It watches a duplicate of a descriptor; fd -1: none.
 * Returns 0, -EMFILE, -ENFILE, -ENOMEM or -ENOSPC (fs.epoll.max_user_watches).
 */
int core_wait_source_new(struct core_wait *wait,
			 const struct core_wait_class *class, size_t size,
			 int fd, uint32_t events,
			 struct core_wait_source **ret) CORE_WAIT_LOCKED;

void core_wait_source_unref(struct core_wait_source *source) CORE_WAIT_LOCKED;

/* Lets the thread run a source: list is core_wait.ready or .postponed. */
void core_wait_source_queue(struct core_wait_source *source,
			    struct core_wait_sources *list) CORE_WAIT_LOCKED;

/*
 * Makes the attempts of a waitlist and the done() that follow. until: when the
 * turn ends, and the source is postponed if it has work left. 0: the turn begins
 * with the first attempt, and a single attempt doesn't ask for the time.
 */
void core_wait_source_try(struct core_wait_source *source,
			  enum core_wait_dir dir,
			  uint64_t until) CORE_WAIT_LOCKED;

/* Calls done() of waiters that have ended, at least of one, until a time. */
void core_wait_source_finish(struct core_wait *wait,
			     uint64_t until) CORE_WAIT_LOCKED;

#endif
