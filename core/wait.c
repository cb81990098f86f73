/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One lock guards everything here; it is a leaf: no callback runs under it, and
 * nothing else is locked while it is held.
 *
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
 * is what the batch is for: who comes later starts a new round.
 *
 * No wake-up is lost: the descriptor is armed (EPOLLONESHOT) after the round, and
 * arming one that is ready reports it at once.
 *
 * A queue may go away as soon as the last done() has run, so a round holds a
 * reference. Events name the queue by inode number and look it up, so that one
 * for a queue that is gone by then finds nothing.
 */
#include "core/wait.h"

#include "core/cleanup.h"

#include <fcntl.h>
#include <pthread.h>
#include <search.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

enum state {
	OUTSIDE = 0, /* not submitted */
	LISTED,
	RUNNING,   /* in attempt() */
	CANCELLED, /* cancelled while OUTSIDE or RUNNING */
	DONE,	   /* in done(), or the caller's again */
};

struct line {
	struct core_waiter_list fresh, batch, blocked;
	bool busy, again;
};

struct core_wait_queue {
	ino_t ino; /* first: the key of the tree */
	struct core_wait *wait;
	unsigned int refs;
	int fd;	      /* -1: a timed queue */
	int watch_fd; /* reports each change, once there are watchers; or -1 */
	LIST_HEAD(watcher_list, core_watcher) watchers;
	uint32_t armed;
	bool timed; /* in the list of those that the timer is for */
	TAILQ_ENTRY(core_wait_queue) entry;
	LIST_ENTRY(core_wait_queue) all_entry;
	struct line lines[2];
};

struct core_wait {
	pthread_mutex_t lock;
	pthread_t thread;
	int epoll;
	int event;    /* an eventfd: "cancelled" has grown, or quit */
	int timer;    /* a timerfd; it runs while "timed" isn't empty */
	void *queues; /* tree of struct core_wait_queue * */
	TAILQ_HEAD(timed_list, core_wait_queue) timed; /* with waiters */
	size_t n_timed;
	LIST_HEAD(all_list, core_wait_queue) all;
	unsigned int n_ends; /* how often all were ended */
	struct core_waiter_list cancelled;
	unsigned int n_callbacks; /* attempts and done() that run now */
	pthread_cond_t quiet;	  /* there are none */
	bool stopped, quit;
};

/* Keys in epoll that no inode has. Inode numbers of queues have 32 bits. */
#define EVENT_KEY 0
#define TIMER_KEY UINT64_MAX
/* Added to the inode number: it is the queue's watch_fd. */
#define WATCH_KEY ((uint64_t)1 << 63)

/* How often timed queues are tried. */
#define PERIOD_NS 10000000

static int compare(const void *a, const void *b)
{
	ino_t x = *(const ino_t *)a, y = *(const ino_t *)b;

	return (x > y) - (x < y);
}

static struct core_wait_queue *find(struct core_wait *wait, ino_t ino)
{
	struct core_wait_queue **slot = tfind(&ino, &wait->queues, compare);

	return slot ? *slot : NULL;
}

static void wake(const struct core_wait *wait)
{
	/* It can only fail when the counter is full, which wakes as well. */
	(void)eventfd_write(wait->event, 1);
}

/* Around a callback, which runs without the lock. */
static void unlock(struct core_wait *wait)
{
	wait->n_callbacks++;
	pthread_mutex_unlock(&wait->lock);
}

static void relock(struct core_wait *wait)
{
	pthread_mutex_lock(&wait->lock);
	if (--wait->n_callbacks == 0)
		pthread_cond_broadcast(&wait->quiet);
}

static void finish(struct core_wait *wait, struct core_waiter *waiter,
		   int result)
{
	waiter->state = DONE;
	unlock(wait);
	waiter->done(waiter, result);
	relock(wait);
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

/* Starts the timer, first at once or after a period, or with 0 stops it. */
static void set_timer(const struct core_wait *wait, long first_ns)
{
	struct itimerspec when = {
		.it_value.tv_nsec = first_ns,
		.it_interval.tv_nsec = first_ns ? PERIOD_NS : 0,
	};

	(void)timerfd_settime(wait->timer, 0, &when, NULL);
}

static void arm_timer(struct core_wait_queue *queue)
{
	struct core_wait *wait = queue->wait;
	bool timed = !TAILQ_EMPTY(&queue->lines[CORE_WAIT_IN].blocked);

	if (timed == queue->timed)
		return;
	queue->timed = timed;
	if (timed) {
		TAILQ_INSERT_TAIL(&wait->timed, queue, entry);
		if (wait->n_timed++ == 0)
			set_timer(wait, PERIOD_NS);
	} else {
		TAILQ_REMOVE(&wait->timed, queue, entry);
		if (--wait->n_timed == 0)
			set_timer(wait, 0);
	}
}

/* Tells the kernel what to report next: what the blocked waiters wait for. */
static void arm(struct core_wait_queue *queue)
{
	struct epoll_event event = { .events = 0, .data.u64 = queue->ino };

	if (!TAILQ_EMPTY(&queue->lines[CORE_WAIT_IN].blocked))
		event.events |= EPOLLIN;
	if (!TAILQ_EMPTY(&queue->lines[CORE_WAIT_OUT].blocked))
		event.events |= EPOLLOUT;
	if (queue->fd < 0) {
		arm_timer(queue);
		return;
	}
	if (event.events == queue->armed)
		return;
	queue->armed = event.events;
	event.events |= EPOLLONESHOT;
	/* A change of a watched descriptor has no way to fail. */
	if (epoll_ctl(queue->wait->epoll, EPOLL_CTL_MOD, queue->fd, &event) < 0)
		abort();
}

static void unref(struct core_wait_queue *queue)
{
	if (--queue->refs > 0)
		return;
	if (queue->fd < 0) {
		arm_timer(queue);
	} else {
		tdelete(&queue->ino, &queue->wait->queues, compare);
		(void)epoll_ctl(queue->wait->epoll, EPOLL_CTL_DEL, queue->fd,
				NULL);
		(void)close(queue->fd);
		if (queue->watch_fd >= 0)
			(void)close(queue->watch_fd);
	}
	LIST_REMOVE(queue, all_entry);
	free(queue);
}

/* Tries waiters from the head of the line until one has to wait. */
static void round_try(struct core_wait *wait, struct line *line)
{
	struct core_waiter *waiter;
	unsigned int n_ends;
	int r;

	while ((waiter = take(&line->blocked)) ||
	       (waiter = take(&line->batch))) {
		waiter->state = RUNNING;
		n_ends = wait->n_ends;
		unlock(wait);
		r = waiter->attempt(waiter);
		relock(wait);
		if (r == -EAGAIN && waiter->state == CANCELLED) {
			r = -EINTR;
		} else if (r == -EAGAIN &&
			   (wait->stopped || n_ends != wait->n_ends)) {
			r = -ENOTCONN;
		} else if (r == -EAGAIN && !waiter->nowait) {
			waiter->state = LISTED;
			waiter->list = &line->blocked;
			TAILQ_INSERT_HEAD(&line->blocked, waiter, entry);
			return;
		}
		finish(wait, waiter, r);
	}
}

static void run(struct core_wait_queue *queue, enum core_wait_dir dir)
{
	struct line *line = &queue->lines[dir];
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
		round_try(wait, line);
		while ((waiter = take(&line->batch))) {
			if (waiter->nowait)
				finish(wait, waiter, -EAGAIN);
			else
				put(&line->blocked, waiter);
		}
	}
	line->busy = false;
	arm(queue);
	unref(queue);
}

/* Tries each timed queue once. They may come, go and close meanwhile. */
static void handle_timer(struct core_wait *wait)
{
	struct core_wait_queue *queue;
	uint64_t count;

	(void)read(wait->timer, &count, sizeof(count));
	for (size_t n = wait->n_timed; n > 0 && wait->n_timed > 0; n--) {
		queue = TAILQ_FIRST(&wait->timed);
		TAILQ_REMOVE(&wait->timed, queue, entry);
		TAILQ_INSERT_TAIL(&wait->timed, queue, entry);
		run(queue, CORE_WAIT_IN);
	}
}

/* Tells the watchers of now. They may watch again, or go, meanwhile. */
static void handle_change(struct core_wait *wait, struct core_wait_queue *queue)
{
	struct watcher_list todo = LIST_HEAD_INITIALIZER(todo);
	struct core_watcher *watcher;

	while ((watcher = LIST_FIRST(&queue->watchers))) {
		LIST_REMOVE(watcher, watch_entry);
		LIST_INSERT_HEAD(&todo, watcher, watch_entry);
	}
	queue->refs++;
	while ((watcher = LIST_FIRST(&todo))) {
		LIST_REMOVE(watcher, watch_entry);
		watcher->listed = false;
		watcher->running = true;
		unlock(wait);
		watcher->ready(watcher);
		relock(wait);
		watcher->running = false;
		pthread_cond_broadcast(&wait->quiet);
	}
	unref(queue);
}

static void handle(struct core_wait *wait, const struct epoll_event *event)
{
	struct core_wait_queue *queue;
	struct core_waiter *waiter;
	eventfd_t count;

	if (event->data.u64 == EVENT_KEY) {
		(void)eventfd_read(wait->event, &count);
		while ((waiter = take(&wait->cancelled)))
			finish(wait, waiter, -EINTR);
		return;
	}
	if (event->data.u64 == TIMER_KEY) {
		handle_timer(wait);
		return;
	}
	queue = find(wait, (ino_t)(event->data.u64 & ~WATCH_KEY));
	if (!queue)
		return;
	if (event->data.u64 & WATCH_KEY) {
		handle_change(wait, queue);
		return;
	}
	queue->armed = 0;
	queue->refs++;
	if (event->events & ~(uint32_t)EPOLLOUT)
		run(queue, CORE_WAIT_IN);
	if (event->events & ~(uint32_t)EPOLLIN)
		run(queue, CORE_WAIT_OUT);
	arm(queue);
	unref(queue);
}

static void *serve(void *closure)
{
	struct core_wait *wait = closure;
	struct epoll_event events[16];
	int n;

	pthread_setname_np(pthread_self(), "wait");
	pthread_mutex_lock(&wait->lock);
	while (!wait->quit) {
		pthread_mutex_unlock(&wait->lock);
		n = epoll_wait(wait->epoll, events,
			       sizeof(events) / sizeof(*events), -1);
		pthread_mutex_lock(&wait->lock);
		for (int i = 0; i < n; i++)
			handle(wait, &events[i]);
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

int core_wait_new(struct core_wait **ret)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = EVENT_KEY };
	_cleanup_free_ struct core_wait *wait = calloc(1, sizeof(*wait));
	struct epoll_event tick = { .events = EPOLLIN, .data.u64 = TIMER_KEY };
	_cleanup_close_ int epoll = -1, eventfd_ = -1, timer = -1;
	int r;

	if (!wait)
		return -ENOMEM;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	eventfd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (epoll < 0 || eventfd_ < 0 || timer < 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, eventfd_, &event) < 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &tick) < 0)
		return -errno;
	wait->epoll = epoll;
	wait->event = eventfd_;
	wait->timer = timer;
	TAILQ_INIT(&wait->timed);
	TAILQ_INIT(&wait->cancelled);
	pthread_mutex_init(&wait->lock, NULL);
	pthread_cond_init(&wait->quiet, NULL);
	r = start(wait);
	if (r < 0) {
		pthread_cond_destroy(&wait->quiet);
		pthread_mutex_destroy(&wait->lock);
		return r;
	}
	core_steal_fd(&epoll);
	core_steal_fd(&eventfd_);
	core_steal_fd(&timer);
	*ret = core_steal_ptr(wait);
	return 0;
}

static void end_all(struct core_wait *wait)
{
	struct core_waiter_list all = TAILQ_HEAD_INITIALIZER(all);
	struct core_wait_queue *queue;
	struct core_waiter *waiter;

	wait->n_ends++;
	for (queue = LIST_FIRST(&wait->all); queue;
	     queue = LIST_NEXT(queue, all_entry)) {
		for (int dir = CORE_WAIT_IN; dir <= CORE_WAIT_OUT; dir++) {
			move(&all, &queue->lines[dir].blocked);
			move(&all, &queue->lines[dir].batch);
			move(&all, &queue->lines[dir].fresh);
		}
	}
	while ((waiter = take(&all)))
		finish(wait, waiter, -ENOTCONN);
	while ((waiter = take(&wait->cancelled)))
		finish(wait, waiter, -EINTR);
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
	wake(wait);
	pthread_join(wait->thread, NULL);
	(void)close(wait->timer);
	(void)close(wait->event);
	(void)close(wait->epoll);
	pthread_cond_destroy(&wait->quiet);
	pthread_mutex_destroy(&wait->lock);
	free(wait);
	return NULL;
}

static struct core_wait_queue *queue_new(struct core_wait *wait, ino_t ino)
{
	struct core_wait_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return NULL;
	queue->ino = ino;
	queue->wait = wait;
	queue->fd = -1;
	queue->watch_fd = -1;
	for (int dir = CORE_WAIT_IN; dir <= CORE_WAIT_OUT; dir++) {
		TAILQ_INIT(&queue->lines[dir].fresh);
		TAILQ_INIT(&queue->lines[dir].batch);
		TAILQ_INIT(&queue->lines[dir].blocked);
	}
	return queue;
}

static int watch(struct core_wait *wait, ino_t ino, int fd,
		 struct core_wait_queue **ret)
{
	struct epoll_event event = { .events = EPOLLONESHOT, .data.u64 = ino };
	_cleanup_free_ struct core_wait_queue *queue = queue_new(wait, ino);
	_cleanup_close_ int copy = -1;

	if (!queue)
		return -ENOMEM;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	if (!tsearch(&queue->ino, &wait->queues, compare))
		return -ENOMEM;
	if (epoll_ctl(wait->epoll, EPOLL_CTL_ADD, copy, &event) < 0) {
		int r = -errno;

		tdelete(&queue->ino, &wait->queues, compare);
		return r;
	}
	queue->fd = core_steal_fd(&copy);
	LIST_INSERT_HEAD(&wait->all, queue, all_entry);
	*ret = core_steal_ptr(queue);
	return 0;
}

int core_wait_open(struct core_wait *wait, ino_t ino, int fd,
		   struct core_wait_queue **ret)
{
	struct core_wait_queue *queue;
	int r = 0;

	pthread_mutex_lock(&wait->lock);
	queue = find(wait, ino);
	if (!queue)
		r = watch(wait, ino, fd, &queue);
	if (r == 0) {
		queue->refs++;
		*ret = queue;
	}
	pthread_mutex_unlock(&wait->lock);
	return r;
}

int core_wait_open_timed(struct core_wait *wait, struct core_wait_queue **ret)
{
	struct core_wait_queue *queue = queue_new(wait, 0);

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
	if (wait->n_timed > 0)
		set_timer(wait, 1);
	pthread_mutex_unlock(&wait->lock);
}

void core_wait_close(struct core_wait_queue *queue)
{
	struct core_wait *wait = queue->wait;

	pthread_mutex_lock(&wait->lock);
	unref(queue);
	pthread_mutex_unlock(&wait->lock);
}

void core_wait_submit(struct core_wait_queue *queue, enum core_wait_dir dir,
		      struct core_waiter *waiter)
{
	struct core_wait *wait = queue->wait;

	pthread_mutex_lock(&wait->lock);
	if (waiter->state == CANCELLED) {
		finish(wait, waiter, -EINTR);
	} else {
		put(&queue->lines[dir].fresh, waiter);
		run(queue, dir);
	}
	pthread_mutex_unlock(&wait->lock);
}

/*
 * Edge triggered and always on, unlike the other: to arm that one for a queue
 * that is ready reports it at once, and who then looks and watches again would
 * never come to rest.
 */
static int open_watch(struct core_wait_queue *queue)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
				     .data.u64 = queue->ino | WATCH_KEY };
	_cleanup_close_ int fd = fcntl(queue->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0 ||
	    epoll_ctl(queue->wait->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	queue->watch_fd = core_steal_fd(&fd);
	return 0;
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
		LIST_INSERT_HEAD(&queue->watchers, watcher, watch_entry);
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
		LIST_REMOVE(watcher, watch_entry);
	watcher->listed = false;
	while (watcher->running)
		pthread_cond_wait(&wait->quiet, &wait->lock);
	pthread_mutex_unlock(&wait->lock);
}

void core_wait_cancel(struct core_wait *wait, struct core_waiter *waiter)
{
	pthread_mutex_lock(&wait->lock);
	if (waiter->state == LISTED) {
		TAILQ_REMOVE(waiter->list, waiter, entry);
		put(&wait->cancelled, waiter);
		wake(wait);
	} else if (waiter->state != DONE) {
		waiter->state = CANCELLED;
	}
	pthread_mutex_unlock(&wait->lock);
}
