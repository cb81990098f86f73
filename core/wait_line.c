/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A line is worked by one thread at a time, whichever comes first: the one that
 * submits or the epoll thread. Who finds it busy leaves a note ("again") and
 * goes away. So attempts need no lock and can't overtake each other.
 *
 * A waiter is in at most one list: "fresh" (submitted, never tried), "batch"
 * (fresh ones that the present round is to deal with), "blocked" (waiting), or
 * "cancelled" (on its way to done() on the epoll thread). A round tries from the
 * head until one must wait. What is behind it then must wait too, without a try
 * of its own: the work per message doesn't grow with the number of waiters. This
 * conclusion holds only for those that were there before the failed try, which
 * is what the batch is for: a later waiter starts a new round. If the turn ends
 * during a round, the next round begins with the rest of its batch.
 *
 * No wake-up is lost: the descriptor is armed (EPOLLONESHOT) after the round, and
 * arming one that is ready reports it at once.
 */
#include "core/wait_internal.h"

#include <errno.h>

enum state {
	OUTSIDE = 0, /* not submitted */
	LISTED,
	RUNNING,   /* in attempt() */
	CANCELLED, /* cancelled while OUTSIDE or RUNNING */
	DONE,	   /* in done(), or the caller's again */
};

static void finish(struct core_wait *wait, struct core_waiter *waiter,
		   int result)
{
	waiter->state = DONE;
	core_wait_deadline_remove(waiter);
	core_wait_unlock(wait);
	waiter->done(waiter, result);
	core_wait_relock(wait);
}

static void put(struct core_waiter_list *list, struct core_waiter *waiter)
{
	waiter->state = LISTED;
	waiter->list = list;
	TAILQ_INSERT_TAIL(list, waiter, entry);
}

static struct core_waiter *take(struct core_waiter_list *list)
{
	struct core_waiter *waiter = TAILQ_FIRST(list);

	if (waiter)
		TAILQ_REMOVE(list, waiter, entry);
	return waiter;
}

static void move(struct core_waiter_list *to, struct core_waiter_list *from)
{
	struct core_waiter *waiter;

	while ((waiter = take(from)))
		put(to, waiter);
}

void core_wait_line_init(struct core_wait_line *line)
{
	TAILQ_INIT(&line->fresh);
	TAILQ_INIT(&line->batch);
	TAILQ_INIT(&line->blocked);
}

void core_wait_line_clear(struct core_wait_line *line,
			  struct core_waiter_list *to)
{
	move(to, &line->blocked);
	move(to, &line->batch);
	move(to, &line->fresh);
}

void core_wait_line_finish(struct core_wait *wait,
			   struct core_waiter_list *list, int result)
{
	struct core_waiter *waiter;

	while ((waiter = take(list)))
		finish(wait, waiter, result);
}

void core_wait_line_finish_cancelled(struct core_wait *wait, uint64_t until)
{
	struct core_waiter *waiter;

	while ((waiter = take(&wait->cancelled))) {
		finish(wait, waiter, waiter->end);
		if (core_wait_now() < until)
			continue;
		core_wait_wake(wait);
		return;
	}
}

/*
 * Makes an attempt. Returns whether the waiter must go back to the head of the
 * line; *ret says why: -EAGAIN or CORE_WAIT_AGAIN.
 */
static bool try(struct core_wait *wait, struct core_waiter *waiter, int *ret)
{
	unsigned int n_ends = wait->n_ends;
	int r;

	waiter->state = RUNNING;
	core_wait_unlock(wait);
	r = waiter->attempt(waiter);
	core_wait_relock(wait);
	if (r == -EAGAIN || r == CORE_WAIT_AGAIN) {
		if (waiter->state == CANCELLED)
			r = waiter->end;
		else if (wait->stopped || n_ends != wait->n_ends)
			r = -ENOTCONN;
		else if (r == CORE_WAIT_AGAIN || !waiter->nowait) {
			*ret = r;
			return true;
		}
	}
	finish(wait, waiter, r);
	*ret = 0;
	return false;
}

/*
 * Tries waiters from the head of the line until one must wait. Returns false if
 * the turn ends before that.
 */
static bool round_try(struct core_wait *wait, struct core_wait_line *line,
		      uint64_t *until)
{
	struct core_waiter *waiter;
	uint64_t now;
	int r;

	while ((waiter = take(&line->blocked)) ||
	       (waiter = take(&line->batch))) {
		if (try(wait, waiter, &r)) {
			waiter->state = LISTED;
			waiter->list = &line->blocked;
			TAILQ_INSERT_HEAD(&line->blocked, waiter, entry);
			core_wait_deadline_add(waiter);
		}
		if (r == -EAGAIN)
			return true;
		if (TAILQ_EMPTY(&line->blocked) && TAILQ_EMPTY(&line->batch) &&
		    TAILQ_EMPTY(&line->fresh))
			return true;
		now = core_wait_now();
		if (*until == 0)
			*until = now + CORE_WAIT_TURN_NS;
		if (now >= *until)
			return false;
	}
	return true;
}

void core_wait_line_run(struct core_wait_source *queue, enum core_wait_dir dir,
			uint64_t until)
{
	struct core_wait_line *line = &queue->lines[dir];
	struct core_wait *wait = queue->wait;
	struct core_waiter *waiter;

	line->again = true;
	if (line->busy)
		return;
	line->busy = true;
	queue->refs++;
	while (line->again) {
		line->again = false;
		move(&line->batch, &line->fresh);
		if (!round_try(wait, line, &until)) {
			core_wait_postpone(queue);
			break;
		}
		while ((waiter = take(&line->batch))) {
			if (waiter->nowait) {
				finish(wait, waiter, -EAGAIN);
			} else {
				put(&line->blocked, waiter);
				core_wait_deadline_add(waiter);
			}
		}
	}
	line->busy = false;
	core_wait_arm(queue);
	core_wait_unref(queue);
}

void core_wait_submit(struct core_wait_source *queue, enum core_wait_dir dir,
		      struct core_waiter *waiter)
{
	struct core_wait *wait = queue->wait;

	pthread_mutex_lock(&wait->lock);
	waiter->queue = queue;
	if (waiter->state == CANCELLED) {
		finish(wait, waiter, waiter->end);
	} else {
		put(&queue->lines[dir].fresh, waiter);
		core_wait_line_run(queue, dir, 0);
	}
	pthread_mutex_unlock(&wait->lock);
}

bool core_wait_is_idle(struct core_wait_source *queue, enum core_wait_dir dir)
{
	const struct core_wait_line *line = &queue->lines[dir];
	bool idle;

	pthread_mutex_lock(&queue->wait->lock);
	idle = !line->busy && TAILQ_EMPTY(&line->blocked) &&
	       TAILQ_EMPTY(&line->batch) && TAILQ_EMPTY(&line->fresh);
	pthread_mutex_unlock(&queue->wait->lock);
	return idle;
}

void core_wait_line_cancel(struct core_wait *wait, struct core_waiter *waiter,
			   int result)
{
	if (waiter->state == DONE || waiter->end)
		return;
	waiter->end = result;
	if (waiter->state == LISTED) {
		TAILQ_REMOVE(waiter->list, waiter, entry);
		put(&wait->cancelled, waiter);
		core_wait_wake(wait);
	} else {
		waiter->state = CANCELLED;
	}
}

void core_wait_cancel(struct core_wait *wait, struct core_waiter *waiter)
{
	pthread_mutex_lock(&wait->lock);
	core_wait_line_cancel(wait, waiter, -EINTR);
	pthread_mutex_unlock(&wait->lock);
}
