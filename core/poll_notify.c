/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A class of sources: a descriptor of a queue that reports each change. Pollers
 * get this edge-triggered registration of their own. Arming the queue's
 * one-shot registration reports a ready queue at once, so a poller that looks
 * and arms again would spin.
 */
#include "core/poll_notify.h"

#include "core/wait_source.h"

#include <sys/epoll.h>

LIST_HEAD(notify_list, core_poll_notify);

struct poll {
	struct core_wait_source source; /* first */
	struct notify_list waiting CORE_WAIT_GUARDED;
	struct notify_list changed CORE_WAIT_GUARDED;
};

static void poll_report(struct core_wait_source *source,
			uint32_t events) CORE_WAIT_LOCKED
{
	struct poll *poll = (struct poll *)source;
	struct core_poll_notify *notify;

	(void)events;
	while ((notify = LIST_FIRST(&poll->waiting))) {
		LIST_REMOVE(notify, entry);
		LIST_INSERT_HEAD(&poll->changed, notify, entry);
	}
	core_wait_source_queue(source, &source->wait->ready);
}

/* Notifications may be added and removed while changed() runs. */
static void poll_run(struct core_wait_source *source,
		     uint64_t until) CORE_WAIT_LOCKED
{
	struct poll *poll = (struct poll *)source;
	struct core_wait *wait = source->wait;
	struct core_poll_notify *notify;

	while ((notify = LIST_FIRST(&poll->changed))) {
		LIST_REMOVE(notify, entry);
		notify->listed = false;
		notify->running = true;
		core_wait_source_callback(wait);
		notify->changed(notify);
		core_wait_source_return(wait);
		notify->running = false;
		pthread_cond_broadcast(&wait->quiet);
		if (core_wait_now() >= until) {
			core_wait_source_queue(source, &wait->postponed);
			break;
		}
	}
}

static const struct core_wait_class poll_class = {
	.report = poll_report,
	.run = poll_run,
};

int core_poll_notify_add(struct core_wait_source *queue,
			 struct core_poll_notify *notify)
{
	struct core_wait *wait = queue->wait;
	int r = 0;

	core_wait_mutex_lock(&wait->lock);
	if (!queue->poll)
		r = core_wait_source_new(wait, &poll_class, sizeof(struct poll),
					 queue->fd,
					 EPOLLIN | EPOLLOUT | EPOLLET,
					 &queue->poll);
	if (r == 0 && !notify->listed) {
		notify->listed = true;
		LIST_INSERT_HEAD(&((struct poll *)queue->poll)->waiting, notify,
				 entry);
	}
	core_wait_source_unlock(wait);
	return r;
}

void core_poll_notify_remove(struct core_wait_source *queue,
			     struct core_poll_notify *notify)
{
	struct core_wait *wait = queue->wait;

	core_wait_mutex_lock(&wait->lock);
	if (notify->listed)
		LIST_REMOVE(notify, entry);
	notify->listed = false;
	while (notify->running)
		pthread_cond_wait(&wait->quiet, &wait->lock.native);
	core_wait_source_unlock(wait);
}
