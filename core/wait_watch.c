/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/wait_watch.h"

#include "core/cleanup.h"
#include "core/wait_internal.h"

#include <fcntl.h>
#include <sys/epoll.h>

static void move(struct core_watcher_list *to, struct core_watcher_list *from)
{
	struct core_watcher *watcher;

	while ((watcher = LIST_FIRST(from))) {
		LIST_REMOVE(watcher, entry);
		LIST_INSERT_HEAD(to, watcher, entry);
	}
}

void core_wait_watch_handle(struct core_wait_queue *queue)
{
	move(&queue->changed, &queue->watchers);
}

/* Watchers may watch again, or go away, while ready() runs. */
void core_wait_watch_tell(struct core_wait_queue *queue, uint64_t until)
{
	struct core_wait *wait = queue->wait;
	struct core_watcher *watcher;

	queue->refs++;
	while ((watcher = LIST_FIRST(&queue->changed))) {
		LIST_REMOVE(watcher, entry);
		watcher->listed = false;
		watcher->running = true;
		core_wait_unlock(wait);
		watcher->ready(watcher);
		core_wait_relock(wait);
		watcher->running = false;
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
static int open_watch(struct core_wait_queue *queue)
{
	struct epoll_event event = { .events = CORE_WAIT_WATCH_EVENTS | EPOLLET,
				     .data.u64 = queue->key };
	_cleanup_close_ int fd = fcntl(queue->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0 ||
	    epoll_ctl(queue->wait->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	queue->watch_fd = core_steal_fd(&fd);
	return 0;
}

void core_wait_watch_close(struct core_wait_queue *queue)
{
	if (queue->watch_fd < 0)
		return;
	/* Closing alone leaves it there as long as others have it open. */
	(void)epoll_ctl(queue->wait->epoll, EPOLL_CTL_DEL, queue->watch_fd,
			NULL);
	(void)close(queue->watch_fd);
}

int core_wait_watch(struct core_wait_queue *queue, struct core_watcher *watcher)
{
	struct core_wait *wait = queue->wait;
	int r = 0;

	pthread_mutex_lock(&wait->lock);
	if (queue->watch_fd < 0)
		r = open_watch(queue);
	if (r == 0 && !watcher->listed) {
		watcher->listed = true;
		LIST_INSERT_HEAD(&queue->watchers, watcher, entry);
	}
	pthread_mutex_unlock(&wait->lock);
	return r;
}

void core_wait_unwatch(struct core_wait_queue *queue,
		       struct core_watcher *watcher)
{
	struct core_wait *wait = queue->wait;

	pthread_mutex_lock(&wait->lock);
	if (watcher->listed)
		LIST_REMOVE(watcher, entry);
	watcher->listed = false;
	while (watcher->running)
		pthread_cond_wait(&wait->quiet, &wait->lock);
	pthread_mutex_unlock(&wait->lock);
}
