/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/poll_notify.h"

#include "core/cleanup.h"
#include "core/wait_internal.h"

#include <fcntl.h>
#include <sys/epoll.h>

static void move(struct core_poll_notify_list *to,
		 struct core_poll_notify_list *from)
{
	struct core_poll_notify *notify;

	while ((notify = LIST_FIRST(from))) {
		LIST_REMOVE(notify, entry);
		LIST_INSERT_HEAD(to, notify, entry);
	}
}

void core_poll_notify_handle(struct core_wait_source *queue)
{
	move(&queue->changed, &queue->notifies);
}

/* Watchers may watch again, or go away, while changed() runs. */
void core_poll_notify_tell(struct core_wait_source *queue, uint64_t until)
{
	struct core_wait *wait = queue->wait;
	struct core_poll_notify *notify;

	queue->refs++;
	while ((notify = LIST_FIRST(&queue->changed))) {
		LIST_REMOVE(notify, entry);
		notify->listed = false;
		notify->running = true;
		core_wait_unlock(wait);
		notify->changed(notify);
		core_wait_relock(wait);
		notify->running = false;
		pthread_cond_broadcast(&wait->quiet);
		if (core_wait_now() >= until) {
			core_wait_postpone(queue);
			break;
		}
	}
	core_wait_unref(queue);
}

/*
 * Edge triggered and always on, unlike the other: to arm that one for a queue
 * that is ready reports it at once, and who then looks and watches again would
 * never come to rest.
 */
static int open_notify(struct core_wait_source *queue)
{
	struct epoll_event event = { .events =
					     CORE_POLL_NOTIFY_EVENTS | EPOLLET,
				     .data.u64 = queue->key };
	_cleanup_close_ int fd = fcntl(queue->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0 ||
	    epoll_ctl(queue->wait->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	queue->notify_fd = core_steal_fd(&fd);
	return 0;
}

void core_poll_notify_close(struct core_wait_source *queue)
{
	if (queue->notify_fd < 0)
		return;
	/* Closing alone leaves it there as long as others have it open. */
	(void)epoll_ctl(queue->wait->epoll, EPOLL_CTL_DEL, queue->notify_fd,
			NULL);
	(void)close(queue->notify_fd);
}

int core_poll_notify_add(struct core_wait_source *queue,
			 struct core_poll_notify *notify)
{
	struct core_wait *wait = queue->wait;
	int r = 0;

	pthread_mutex_lock(&wait->lock);
	if (queue->notify_fd < 0)
		r = open_notify(queue);
	if (r == 0 && !notify->listed) {
		notify->listed = true;
		LIST_INSERT_HEAD(&queue->notifies, notify, entry);
	}
	pthread_mutex_unlock(&wait->lock);
	return r;
}

void core_poll_notify_remove(struct core_wait_source *queue,
			     struct core_poll_notify *notify)
{
	struct core_wait *wait = queue->wait;

	pthread_mutex_lock(&wait->lock);
	if (notify->listed)
		LIST_REMOVE(notify, entry);
	notify->listed = false;
	while (notify->running)
		pthread_cond_wait(&wait->quiet, &wait->lock);
	pthread_mutex_unlock(&wait->lock);
}
