/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait_internal: what core/wait, wait_line, wait_retry and poll_notify share, for
 * them alone.
 *
 * One lock guards everything in it; it is a leaf: no callback runs under it, and
 * nothing else is locked while it is held. All functions here are called with it,
 * and those that make callbacks let go of it meanwhile.
 *
 * A queue may go away as soon as the last callback has run, so whoever goes on
 * with it afterwards holds a reference. Events name the queue by its key and
 * look it up, so that one for a queue that is gone by then finds nothing.
 */
#ifndef CORE_WAIT_INTERNAL_H
#define CORE_WAIT_INTERNAL_H

#include "core/wait.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/epoll.h>

struct core_poll_notify;

/* How long a thread works on one line before others have their turn. */
#define CORE_WAIT_TURN_NS 1000000

struct core_wait_line {
	struct core_waiter_list fresh, batch, blocked; /* see wait_line.c */
	bool busy, again;
};

struct core_wait_source {
	uint64_t key; /* in the tree and in epoll; 0: a timed queue */
	struct core_wait *wait;
	unsigned int refs;
	int fd; /* -1: a timed queue */
	uint32_t armed;
	struct core_wait_line lines[2];
	LIST_ENTRY(core_wait_source) all_entry;

	bool postponed; /* in the list of those; it has a reference then */
	TAILQ_ENTRY(core_wait_source) postponed_entry;

	bool timed; /* in the list of those that the timer is for */
	TAILQ_ENTRY(core_wait_source) timed_entry;

	int notify_fd; /* reports each change, once there are notifies; or -1 */
	LIST_HEAD(core_poll_notify_list, core_poll_notify) notifies;
	struct core_poll_notify_list
		changed; /* notifies to call changed() of */
};

struct core_wait {
	pthread_mutex_t lock;
	pthread_t thread;
	int epoll;
	int event;    /* an eventfd: cancelled, postponed or quit has changed */
	void *queues; /* tree of struct core_wait_source * */
	LIST_HEAD(core_wait_all, core_wait_source) all;
	struct core_waiter_list cancelled;
	/* To be gone on with when others have had their turn. */
	TAILQ_HEAD(core_wait_postponed, core_wait_source) postponed;
	unsigned int n_ends;	  /* how often all were ended */
	unsigned int n_callbacks; /* that run now */
	pthread_cond_t quiet;	  /* there are none, or a notify's has run */
	bool stopped, quit;

	int timer;    /* a timerfd; it runs while "timed" isn't empty */
	size_t n_due; /* so many of its first are to be tried now */
	TAILQ_HEAD(core_wait_retry, core_wait_source) timed; /* with waiters */
	size_t n_timed;

	int deadline_timer;	       /* a timerfd */
	struct core_waiter *deadlines; /* root of the heap, due first */
};

/*
 * The events of a queue's notify_fd in epoll. The queue's fd has EPOLLIN and
 * EPOLLOUT. Both descriptors have the queue's key, so the events tell them
 * apart: the kernel reports EPOLLIN and EPOLLRDNORM together, and so the other
 * pair.
 */
#define CORE_POLL_NOTIFY_EVENTS (EPOLLRDNORM | EPOLLWRNORM)

/* Around a callback, which runs without the lock. */
void core_wait_unlock(struct core_wait *wait);
void core_wait_relock(struct core_wait *wait);

/* Lets the thread look at what has changed. */
void core_wait_wake(const struct core_wait *wait);

/* Lets the epoll thread go on with a queue after it has served others. */
void core_wait_postpone(struct core_wait_source *queue);

/* Makes a queue without a descriptor, not in any list. Or NULL: no memory. */
struct core_wait_source *core_wait_queue_new(struct core_wait *wait,
					     uint64_t key);
void core_wait_unref(struct core_wait_source *queue);

/* Tells the kernel what to report next: what the blocked waiters wait for. */
void core_wait_arm(struct core_wait_source *queue);

void core_wait_line_init(struct core_wait_line *line);
/*
 * Tries the waiters of a line; if another thread does so, makes that one go on.
 * until: when the turn ends; the waiters that are left then are postponed. 0:
 * the turn begins with this call, and a single attempt doesn't ask for the
 * time.
 */
void core_wait_line_run(struct core_wait_source *queue, enum core_wait_dir dir,
			uint64_t until);
/* Moves the waiters of a line to the end of a list. */
void core_wait_line_clear(struct core_wait_line *line,
			  struct core_waiter_list *to);
/* Calls done() of all waiters in a list. */
void core_wait_line_finish(struct core_wait *wait,
			   struct core_waiter_list *list, int result);
/* Calls done() of cancelled waiters, at least of one, until the turn ends. */
void core_wait_line_finish_cancelled(struct core_wait *wait, uint64_t until);

/* As core_wait_cancel(), but done() gets this result. */
void core_wait_line_cancel(struct core_wait *wait, struct core_waiter *waiter,
			   int result);

/*
 * Lets a timerfd fire once: after ns, or with TFD_TIMER_ABSTIME in flags at ns.
 */
void core_wait_set_timer(int timer, int flags, uint64_t ns);

/* Watches a waiter's deadline and name, unless they are watched already. */
void core_wait_deadline_add(struct core_waiter *waiter);
/* Stops watching a waiter, if it is watched. */
void core_wait_deadline_remove(struct core_waiter *waiter);
/* The timer for deadlines has expired: ends waiters until the turn ends. */
void core_wait_deadline_handle(struct core_wait *wait, uint64_t until);

/* core_wait_arm() of a timed queue. */
void core_wait_retry_arm(struct core_wait_source *queue);
/* The timer has expired. */
void core_wait_retry_handle(struct core_wait *wait, uint64_t until);

/* Of a queue that goes away. */
void core_poll_notify_close(struct core_wait_source *queue);
/* The queue's notify_fd has reported a change. */
void core_poll_notify_handle(struct core_wait_source *queue);
/* Calls changed() of changed notifies, at least of one, until the turn ends. */
void core_poll_notify_tell(struct core_wait_source *queue, uint64_t until);

#endif
