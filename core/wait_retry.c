/* SPDX-License-Identifier: BSD-3-Clause */

#include "core/wait_internal.h"

#include <errno.h>
#include <unistd.h>

/*
 * Timed queues are tried every 10 ms, less often if there are many. A round
 * ends after 64 attempts or with the turn, so that it doesn't delay other
 * waiters: one attempt can take 1 ms on an object with very many locks.
 */
#define PERIOD_NS 10000000
#define MANY	  64

static void set_timer(const struct core_wait *wait, uint64_t ns)
{
	core_wait_set_timer(wait->timer, 0, ns);
}

static void set_period(const struct core_wait *wait)
{
	set_timer(wait, PERIOD_NS * (1 + wait->n_timed / MANY));
}

void core_wait_retry_arm(struct core_wait_source *queue)
{
	struct core_wait *wait = queue->wait;
	bool timed = !TAILQ_EMPTY(&queue->lines[CORE_WAIT_IN].blocked);

	if (timed == queue->timed)
		return;
	queue->timed = timed;
	if (timed) {
		TAILQ_INSERT_TAIL(&wait->timed, queue, timed_entry);
		if (wait->n_timed++ == 0)
			set_period(wait);
	} else {
		TAILQ_REMOVE(&wait->timed, queue, timed_entry);
		wait->n_timed--;
	}
}

/* Tries each timed queue once. They may come, go and close meanwhile. */
void core_wait_retry_handle(struct core_wait *wait, uint64_t until)
{
	struct core_wait_source *queue;
	uint64_t count;
	int n = 0;

	(void)read(wait->timer, &count, sizeof(count));
	if (wait->n_due == 0)
		wait->n_due = wait->n_timed;
	while (wait->n_due > 0 && wait->n_timed > 0 && n++ < MANY &&
	       core_wait_now() < until) {
		wait->n_due--;
		queue = TAILQ_FIRST(&wait->timed);
		TAILQ_REMOVE(&wait->timed, queue, timed_entry);
		TAILQ_INSERT_TAIL(&wait->timed, queue, timed_entry);
		core_wait_line_run(queue, CORE_WAIT_IN, until);
	}
	if (wait->n_timed == 0)
		wait->n_due = 0;
	if (wait->n_due > 0)
		set_timer(wait, 1);
	else if (wait->n_timed > 0)
		set_period(wait);
}

int core_wait_open_retry(struct core_wait *wait, struct core_wait_source **ret)
{
	struct core_wait_source *queue = core_wait_queue_new(wait, 0);

	if (!queue)
		return -ENOMEM;
	queue->refs = 1;
	pthread_mutex_lock(&wait->lock);
	LIST_INSERT_HEAD(&wait->all, queue, all_entry);
	pthread_mutex_unlock(&wait->lock);
	*ret = queue;
	return 0;
}

void core_wait_retry(struct core_wait *wait)
{
	pthread_mutex_lock(&wait->lock);
	wait->n_due = wait->n_timed;
	if (wait->n_timed > 0)
		set_timer(wait, 1);
	pthread_mutex_unlock(&wait->lock);
}
