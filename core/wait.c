/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queues, and the epoll thread that watches them all. What is shared with the
 * other wait_*.c, and the lock, is in core/wait_internal.h.
 */
#include "core/wait.h"

#include "core/cleanup.h"
#include "core/wait_internal.h"

#include <fcntl.h>
#include <search.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>

/* Keys in epoll that no queue has: no inode is 0, and no user is -1. */
#define EVENT_KEY    0
#define TIMER_KEY    UINT64_MAX
#define DEADLINE_KEY (UINT64_MAX - 1)

uint64_t core_wait_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void core_wait_set_timer(int timer, int flags, uint64_t ns)
{
	struct itimerspec when = {
		.it_value.tv_sec = (time_t)(ns / 1000000000),
		.it_value.tv_nsec = (long)(ns % 1000000000),
	};

	(void)timerfd_settime(timer, flags, &when, NULL);
}

/*
 * The key of a queue is its inode number and its owner. The number has 32 bits,
 * so after 2^32 inodes, which takes an hour, a user can create a queue with the
 * number of an existing one. With the owner in the key, that can only hit
 * another queue of the same user: its waiters could hold up those of the other
 * queue, but an owner can do that to a queue anyway.
 *
 * A change of the owner needs a privilege. After it the kernel's queue may have
 * two queues here, and order is kept only within each.
 */
static int key_of(int fd, uint64_t *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = (uint64_t)st.st_uid << 32 | (uint32_t)st.st_ino;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct core_wait_source *x = a, *y = b;

	return (x->key > y->key) - (x->key < y->key);
}

static struct core_wait_source *find(struct core_wait *wait, uint64_t key)
{
	struct core_wait_source wanted = { .key = key }, **slot;

	slot = tfind(&wanted, &wait->queues, compare);
	return slot ? *slot : NULL;
}

void core_wait_wake(const struct core_wait *wait)
{
	/* It can only fail when the counter is full, which wakes as well. */
	(void)eventfd_write(wait->event, 1);
}

void core_wait_unlock(struct core_wait *wait)
{
	wait->n_callbacks++;
	pthread_mutex_unlock(&wait->lock);
}

void core_wait_relock(struct core_wait *wait)
{
	pthread_mutex_lock(&wait->lock);
	if (--wait->n_callbacks == 0)
		pthread_cond_broadcast(&wait->quiet);
}

void core_wait_arm(struct core_wait_source *queue)
{
	struct epoll_event event = { .events = 0, .data.u64 = queue->key };

	if (!TAILQ_EMPTY(&queue->lines[CORE_WAIT_IN].blocked))
		event.events |= EPOLLIN;
	if (!TAILQ_EMPTY(&queue->lines[CORE_WAIT_OUT].blocked))
		event.events |= EPOLLOUT;
	if (queue->fd < 0) {
		core_wait_retry_arm(queue);
		return;
	}
	/* See add(): what nobody waits for any more may be reported once. */
	if (!(event.events & ~queue->armed))
		return;
	queue->armed = event.events;
	event.events |= EPOLLONESHOT;
	/* A change of a watched descriptor has no way to fail. */
	if (epoll_ctl(queue->wait->epoll, EPOLL_CTL_MOD, queue->fd, &event) < 0)
		abort();
}

void core_wait_unref(struct core_wait_source *queue)
{
	if (--queue->refs > 0)
		return;
	if (queue->fd < 0) {
		core_wait_retry_arm(queue);
	} else {
		tdelete(queue, &queue->wait->queues, compare);
		(void)epoll_ctl(queue->wait->epoll, EPOLL_CTL_DEL, queue->fd,
				NULL);
		(void)close(queue->fd);
		core_poll_notify_close(queue);
	}
	LIST_REMOVE(queue, all_entry);
	free(queue);
}

void core_wait_postpone(struct core_wait_source *queue)
{
	struct core_wait *wait = queue->wait;

	if (queue->postponed)
		return;
	queue->postponed = true;
	queue->refs++;
	TAILQ_INSERT_TAIL(&wait->postponed, queue, postponed_entry);
	core_wait_wake(wait);
}

/* Those that are postponed meanwhile come next time. */
static void handle_postponed(struct core_wait *wait, uint64_t until)
{
	struct core_wait_postponed now = TAILQ_HEAD_INITIALIZER(now);
	struct core_wait_source *queue;

	TAILQ_CONCAT(&now, &wait->postponed, postponed_entry);
	while ((queue = TAILQ_FIRST(&now))) {
		TAILQ_REMOVE(&now, queue, postponed_entry);
		queue->postponed = false;
		core_poll_notify_tell(queue, until);
		core_wait_line_run(queue, CORE_WAIT_IN, until);
		core_wait_line_run(queue, CORE_WAIT_OUT, until);
		core_wait_unref(queue);
	}
}

static void handle(struct core_wait *wait, const struct epoll_event *event,
		   uint64_t until)
{
	struct core_wait_source *queue;
	eventfd_t count;

	if (event->data.u64 == EVENT_KEY) {
		(void)eventfd_read(wait->event, &count);
		core_wait_line_finish_cancelled(wait, until);
		handle_postponed(wait, until);
		return;
	}
	if (event->data.u64 == TIMER_KEY) {
		core_wait_retry_handle(wait, until);
		return;
	}
	if (event->data.u64 == DEADLINE_KEY) {
		core_wait_deadline_handle(wait, until);
		return;
	}
	queue = find(wait, event->data.u64);
	if (!queue)
		return;
	if (event->events & CORE_POLL_NOTIFY_EVENTS) {
		core_poll_notify_handle(queue);
		core_poll_notify_tell(queue, until);
		return;
	}
	queue->armed = 0;
	queue->refs++;
	if (event->events & ~(uint32_t)EPOLLOUT)
		core_wait_line_run(queue, CORE_WAIT_IN, until);
	if (event->events & ~(uint32_t)EPOLLIN)
		core_wait_line_run(queue, CORE_WAIT_OUT, until);
	core_wait_arm(queue);
	core_wait_unref(queue);
}

static void *serve(void *closure)
{
	struct core_wait *wait = closure;
	struct epoll_event events[16];
	uint64_t until;
	int n;

	pthread_setname_np(pthread_self(), "wait");
	pthread_mutex_lock(&wait->lock);
	while (!wait->quit) {
		pthread_mutex_unlock(&wait->lock);
		n = epoll_wait(wait->epoll, events,
			       sizeof(events) / sizeof(*events), -1);
		pthread_mutex_lock(&wait->lock);
		/* One turn for all events; each gets at least one attempt. */
		until = core_wait_now() + CORE_WAIT_TURN_NS;
		for (int i = 0; i < n; i++)
			handle(wait, &events[i], until);
	}
	pthread_mutex_unlock(&wait->lock);
	return NULL;
}

/* Starts the thread with all signals blocked: they are the main thread's. */
static int start(struct core_wait *wait)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&wait->thread, NULL, serve, wait);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

static int watch(int epoll, int fd, uint64_t key)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = key };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int core_wait_new(struct core_wait **ret)
{
	_cleanup_close_ int epoll = -1, event = -1, timer = -1, deadline = -1;
	_cleanup_free_ struct core_wait *wait = calloc(1, sizeof(*wait));
	int r;

	if (!wait)
		return -ENOMEM;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	deadline = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (epoll < 0 || event < 0 || timer < 0 || deadline < 0 ||
	    watch(epoll, event, EVENT_KEY) < 0 ||
	    watch(epoll, timer, TIMER_KEY) < 0 ||
	    watch(epoll, deadline, DEADLINE_KEY) < 0)
		return -errno;
	wait->epoll = epoll;
	wait->event = event;
	wait->timer = timer;
	wait->deadline_timer = deadline;
	TAILQ_INIT(&wait->timed);
	TAILQ_INIT(&wait->cancelled);
	TAILQ_INIT(&wait->postponed);
	pthread_mutex_init(&wait->lock, NULL);
	pthread_cond_init(&wait->quiet, NULL);
	r = start(wait);
	if (r < 0) {
		pthread_cond_destroy(&wait->quiet);
		pthread_mutex_destroy(&wait->lock);
		return r;
	}
	core_steal_fd(&epoll);
	core_steal_fd(&event);
	core_steal_fd(&timer);
	core_steal_fd(&deadline);
	*ret = core_steal_ptr(wait);
	return 0;
}

static void end_all(struct core_wait *wait)
{
	struct core_waiter_list all = TAILQ_HEAD_INITIALIZER(all);
	struct core_wait_source *queue;

	wait->n_ends++;
	for (queue = LIST_FIRST(&wait->all); queue;
	     queue = LIST_NEXT(queue, all_entry)) {
		for (int dir = CORE_WAIT_IN; dir <= CORE_WAIT_OUT; dir++)
			core_wait_line_clear(&queue->lines[dir], &all);
	}
	core_wait_line_finish(wait, &all, -ENOTCONN);
	core_wait_line_finish_cancelled(wait, UINT64_MAX);
}

void core_wait_end_all(struct core_wait *wait)
{
	pthread_mutex_lock(&wait->lock);
	end_all(wait);
	pthread_mutex_unlock(&wait->lock);
}

void core_wait_stop(struct core_wait *wait)
{
	pthread_mutex_lock(&wait->lock);
	wait->stopped = true;
	end_all(wait);
	while (wait->n_callbacks > 0)
		pthread_cond_wait(&wait->quiet, &wait->lock);
	pthread_mutex_unlock(&wait->lock);
}

struct core_wait *core_wait_free(struct core_wait *wait)
{
	if (!wait)
		return NULL;
	core_wait_stop(wait);
	pthread_mutex_lock(&wait->lock);
	wait->quit = true;
	pthread_mutex_unlock(&wait->lock);
	core_wait_wake(wait);
	pthread_join(wait->thread, NULL);
	handle_postponed(wait, UINT64_MAX);
	(void)close(wait->deadline_timer);
	(void)close(wait->timer);
	(void)close(wait->event);
	(void)close(wait->epoll);
	pthread_cond_destroy(&wait->quiet);
	pthread_mutex_destroy(&wait->lock);
	free(wait);
	return NULL;
}

struct core_wait_source *core_wait_queue_new(struct core_wait *wait,
					     uint64_t key)
{
	struct core_wait_source *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return NULL;
	queue->key = key;
	queue->wait = wait;
	queue->fd = -1;
	queue->notify_fd = -1;
	for (int dir = CORE_WAIT_IN; dir <= CORE_WAIT_OUT; dir++)
		core_wait_line_init(&queue->lines[dir]);
	return queue;
}

/*
 * The descriptor is only out of epoll's way once it has reported something: as long
 * as it is to report errors alone each message would wake the thread in the kernel.
 * So it begins with a report, which comes at once, as a queue is always ready to
 * read or to write.
 */
static int add(struct core_wait *wait, uint64_t key, int fd,
	       struct core_wait_source **ret)
{
	struct epoll_event event = { .events =
					     EPOLLIN | EPOLLOUT | EPOLLONESHOT,
				     .data.u64 = key };
	_cleanup_free_ struct core_wait_source *queue =
		core_wait_queue_new(wait, key);
	_cleanup_close_ int copy = -1;

	if (!queue)
		return -ENOMEM;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	if (!tsearch(queue, &wait->queues, compare))
		return -ENOMEM;
	if (epoll_ctl(wait->epoll, EPOLL_CTL_ADD, copy, &event) < 0) {
		int r = -errno;

		tdelete(queue, &wait->queues, compare);
		return r;
	}
	queue->fd = core_steal_fd(&copy);
	queue->armed = EPOLLIN | EPOLLOUT;
	LIST_INSERT_HEAD(&wait->all, queue, all_entry);
	*ret = core_steal_ptr(queue);
	return 0;
}

int core_wait_open_queue(struct core_wait *wait, int fd,
			 struct core_wait_source **ret)
{
	struct core_wait_source *queue;
	uint64_t key = 0;
	int r = key_of(fd, &key);

	if (r < 0)
		return r;
	pthread_mutex_lock(&wait->lock);
	queue = find(wait, key);
	if (!queue)
		r = add(wait, key, fd, &queue);
	if (r == 0) {
		queue->refs++;
		*ret = queue;
	}
	pthread_mutex_unlock(&wait->lock);
	return r;
}

void core_wait_close(struct core_wait_source *queue)
{
	struct core_wait *wait = queue->wait;

	pthread_mutex_lock(&wait->lock);
	core_wait_unref(queue);
	pthread_mutex_unlock(&wait->lock);
}
