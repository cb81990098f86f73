/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread sleeps in epoll_wait(2) until a descriptor reports an event or a
 * waiter is due. Then the thread runs the sources that are ready, for one turn,
 * in the order in which the sources became ready.
 *
 * No wake-up is lost: other threads add work to the lists and unlock. A thread
 * that unlocks compares the time of the next work with the time at which the
 * sleeping thread wakes up by itself.
 */
#include "core/wait_source.h"

#include "core/cleanup.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/* The time at which the thread has work next. */
static uint64_t next_work(const struct core_wait *wait) CORE_WAIT_LOCKED
{
	const struct core_waiter *due = wait->waitlists.due;

	if (wait->quit || !TAILQ_EMPTY(&wait->ready) ||
	    !TAILQ_EMPTY(&wait->retried) || !TAILQ_EMPTY(&wait->postponed) ||
	    !TAILQ_EMPTY(&wait->waitlists.ended))
		return 0;
	return due ? due->due : UINT64_MAX;
}

void core_wait_source_unlock(struct core_wait *wait)
{
	if (next_work(wait) < wait->sleeps_until) {
		wait->sleeps_until = 0;
		/* A full counter makes this fail, but also wakes the thread. */
		(void)eventfd_write(wait->wakeup->fd, 1);
	}
	core_wait_mutex_unlock(&wait->lock);
}

void core_wait_source_callback(struct core_wait *wait)
{
	wait->n_callbacks++;
	core_wait_source_unlock(wait);
}

void core_wait_source_return(struct core_wait *wait)
{
	core_wait_mutex_lock(&wait->lock);
	if (--wait->n_callbacks == 0)
		pthread_cond_broadcast(&wait->quiet);
}

int core_wait_source_new(struct core_wait *wait,
			 const struct core_wait_class *class, size_t size,
			 int fd, uint32_t events, struct core_wait_source **ret)
{
	_cleanup_free_ struct core_wait_source *source = calloc(1, size);
	struct epoll_event event = { .events = events, .data.ptr = source };
	_cleanup_close_ int copy = -1;

	if (!source)
		return -ENOMEM;
	if (fd >= 0) {
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (copy < 0 ||
		    epoll_ctl(wait->epoll, EPOLL_CTL_ADD, copy, &event) < 0)
			return -errno;
	}
	source->class = class;
	source->wait = wait;
	source->refs = 1;
	source->fd = core_steal_fd(&copy);
	for (int dir = CORE_WAIT_IN; dir <= CORE_WAIT_OUT; dir++)
		core_waitlist_init(&source->lists[dir], &wait->waitlists);
	LIST_INSERT_HEAD(&wait->all, source, entry);
	*ret = core_steal_ptr(source);
	return 0;
}

void core_wait_source_unref(struct core_wait_source *source)
{
	struct core_wait *wait = source->wait;

	if (--source->refs > 0)
		return;
	LIST_REMOVE(source, entry);
	if (source->class->unlink)
		source->class->unlink(source);
	if (source->fd < 0) {
		free(source);
		return;
	}
	/*
	 * close(2) alone would leave the description in epoll while another
	 * descriptor of the description is open.
	 */
	(void)epoll_ctl(wait->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	(void)close(source->fd);
	LIST_INSERT_HEAD(&wait->unlinked, source, entry);
}

void core_wait_source_queue(struct core_wait_source *source,
			    struct core_wait_sources *list)
{
	if (source->queued)
		return;
	source->queued = true;
	source->refs++;
	TAILQ_INSERT_TAIL(list, source, queue_entry);
}

static void finish(struct core_wait *wait,
		   struct core_waiter *waiter) CORE_WAIT_LOCKED
{
	const int result = waiter->end;

	core_wait_source_callback(wait);
	waiter->done(waiter, result);
	core_wait_source_return(wait);
}

void core_wait_source_finish(struct core_wait *wait, uint64_t until)
{
	struct core_waiter *waiter;

	while ((waiter = core_waitlists_next_ended(&wait->waitlists))) {
		finish(wait, waiter);
		if (core_wait_now() >= until)
			break;
	}
}

void core_wait_source_try(struct core_wait_source *source,
			  enum core_wait_dir dir, uint64_t until)
{
	struct core_waitlist *list = &source->lists[dir];
	struct core_wait *wait = source->wait;
	struct core_waiter *waiter;
	uint64_t now;
	int r;

	source->refs++;
	while ((waiter = core_waitlist_next(list))) {
		bool ended = waiter->state == CORE_WAITER_DONE;

		if (!ended) {
			core_wait_source_callback(wait);
			r = waiter->attempt(waiter);
			core_wait_source_return(wait);
			ended = core_waitlist_tried(list, r);
		}
		if (ended) {
			finish(wait, waiter);
			core_waitlist_finished(list);
		}
		if (core_waitlist_is_idle(list))
			break;
		now = core_wait_now();
		if (until == 0)
			until = now + CORE_WAIT_TURN_NS;
		if (now >= until) {
			core_wait_source_queue(source, &wait->postponed);
			break;
		}
	}
	if (source->class->arm)
		source->class->arm(source);
	core_wait_source_unref(source);
}

/*
 * Ends the waiters whose deadline has passed, and calls look() for the other
 * waiters that are due.
 */
static void handle_due(struct core_wait *wait, uint64_t now) CORE_WAIT_LOCKED
{
	struct core_waiter *waiter;
	uint64_t next;

	while ((waiter = wait->waitlists.due) && waiter->due <= now) {
		if (waiter->deadline && waiter->deadline <= now) {
			core_waitlist_end(waiter, -ETIMEDOUT);
			continue;
		}
		next = waiter->source->class->look(waiter, now);
		if (waiter->deadline && waiter->deadline < next)
			next = waiter->deadline;
		if (next > 0)
			core_waitlists_put_off(&wait->waitlists, waiter, next);
	}
}

/* Runs the sources of a list until a time, but at least one source. */
static void run_sources(struct core_wait_sources *list,
			uint64_t until) CORE_WAIT_LOCKED
{
	struct core_wait_source *source;

	while ((source = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, source, queue_entry);
		source->queued = false;
		if (source->class->run) {
			source->class->run(source, until);
		} else {
			core_wait_source_try(source, CORE_WAIT_IN, until);
			core_wait_source_try(source, CORE_WAIT_OUT, until);
		}
		core_wait_source_unref(source);
		if (core_wait_now() >= until)
			break;
	}
}

/* The timeout for epoll_wait(2): milliseconds, rounded up, at most 24 days. */
static int timeout_until(uint64_t when)
{
	const uint64_t now = core_wait_now();
	const uint64_t ms = when > now ? (when - now - 1) / 1000000 + 1 : 0;

	return ms < INT_MAX ? (int)ms : INT_MAX;
}

static void *serve(void *closure)
{
	struct core_wait *wait = closure;
	struct core_wait_source *source;
	struct epoll_event events[16];
	uint64_t now;
	int n, timeout;

	pthread_setname_np(pthread_self(), "wait");
	core_wait_mutex_lock(&wait->lock);
	while (!wait->quit || !TAILQ_EMPTY(&wait->ready) ||
	       !TAILQ_EMPTY(&wait->retried) || !TAILQ_EMPTY(&wait->postponed) ||
	       !LIST_EMPTY(&wait->unlinked)) {
		wait->sleeps_until = next_work(wait);
		timeout = timeout_until(wait->sleeps_until);
		core_wait_mutex_unlock(&wait->lock);
		n = epoll_wait(wait->epoll, events,
			       sizeof(events) / sizeof(*events), timeout);
		core_wait_mutex_lock(&wait->lock);
		wait->sleeps_until = 0;
		for (int i = 0; i < n; i++) {
			source = events[i].data.ptr;
			if (source->refs > 0 && source->class->report)
				source->class->report(source, events[i].events);
		}
		TAILQ_CONCAT(&wait->ready, &wait->postponed, queue_entry);
		now = core_wait_now();
		/*
		 * All share one turn. Reported events come before deadlines:
		 * the message may have arrived in time, and only this thread is
		 * late.
		 */
		run_sources(&wait->ready, now + CORE_WAIT_TURN_NS);
		handle_due(wait, now);
		core_wait_source_finish(wait, now + CORE_WAIT_TURN_NS);
		run_sources(&wait->retried, now + CORE_WAIT_TURN_NS);
		while ((source = LIST_FIRST(&wait->unlinked))) {
			LIST_REMOVE(source, entry);
			free(source);
		}
	}
	core_wait_mutex_unlock(&wait->lock);
	return NULL;
}

/* The thread blocks all signals, because the main thread handles them. */
int core_wait_source_start(struct core_wait *wait)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&wait->thread, NULL, serve, wait);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

void core_wait_source_stop(struct core_wait *wait)
{
	core_wait_mutex_lock(&wait->lock);
	wait->quit = true;
	core_wait_source_unlock(wait);
	pthread_join(wait->thread, NULL);
}
