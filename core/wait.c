/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The functions that callers use, and two classes of sources: queues, which
 * epoll watches, and retries. core/wait_source has the thread, and
 * core/waitlist has the order of the waiters.
 */
#include "core/wait.h"

#include "core/cleanup.h"
#include "core/wait_source.h"

#include <search.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

/* The time between two checks whether a queue still has its name. */
#define NAME_NS 1000000000
/*
 * Waiters in retry sources try again every 10 ms, and less often if there are
 * many sources: an attempt takes a microsecond, or a millisecond on an object
 * with very many locks.
 */
#define RETRY_NS 10000000
#define MANY	 64UL

struct queue {
	struct core_wait_source source; /* first */
	uint64_t key;			/* in the tree; see compare() */
	/* The events that epoll reports next; see new_queue(). */
	uint32_t armed CORE_WAIT_GUARDED;
};

/*
 * The key of a queue is its inode number and its owner. The number has 32 bits,
 * so after 2^32 inodes, which takes an hour, a user can create a queue with the
 * number of an existing queue. As the owner is in the key, both queues then
 * belong to the same user. The waiters of one queue could hold up the waiters
 * of the other queue, but the owner of a queue can hold up its waiters anyway.
 *
 * A change of the owner needs a privilege. After such a change the kernel's
 * queue may have two sources here, and order is kept only within each source.
 */
static int compare(const void *a, const void *b)
{
	const struct queue *x = a, *y = b;

	return (x->key > y->key) - (x->key < y->key);
}

static void queue_report(struct core_wait_source *source,
			 uint32_t events) CORE_WAIT_LOCKED
{
	((struct queue *)source)->armed = 0;
	if (events & ~(uint32_t)EPOLLOUT)
		core_waitlist_wake(&source->lists[CORE_WAIT_IN]);
	if (events & ~(uint32_t)EPOLLIN)
		core_waitlist_wake(&source->lists[CORE_WAIT_OUT]);
	core_wait_source_queue(source, &source->wait->ready);
}

/*
 * If the queue is ready, epoll reports the queue as soon as it is armed. So no
 * wake-up is lost between a failed attempt and this call. An event that no
 * waiter needs any more may be reported once.
 */
static void queue_arm(struct core_wait_source *source) CORE_WAIT_LOCKED
{
	struct queue *queue = (struct queue *)source;
	struct epoll_event event = { .events = 0, .data.ptr = source };

	if (core_waitlist_is_blocked(&source->lists[CORE_WAIT_IN]))
		event.events |= EPOLLIN;
	if (core_waitlist_is_blocked(&source->lists[CORE_WAIT_OUT]))
		event.events |= EPOLLOUT;
	if (!(event.events & ~queue->armed))
		return;
	queue->armed = event.events;
	event.events |= EPOLLONESHOT;
	/* A change of a watched descriptor can't fail. */
	if (epoll_ctl(source->wait->epoll, EPOLL_CTL_MOD, source->fd, &event) <
	    0)
		abort();
}

/* The kernel doesn't report when a queue loses its name. */
static uint64_t queue_look(struct core_waiter *waiter,
			   uint64_t now) CORE_WAIT_LOCKED
{
	struct stat st;

	if (waiter->due > 0 && fstat(waiter->source->fd, &st) == 0 &&
	    st.st_nlink == 0) {
		core_waitlist_end(waiter, -ENOENT);
		return 0;
	}
	return now + NAME_NS;
}

static void queue_unlink(struct core_wait_source *source) CORE_WAIT_LOCKED
{
	tdelete(source, &source->wait->queues, compare);
	if (source->poll)
		core_wait_source_unref(source->poll);
}

static const struct core_wait_class queue_class = {
	.report = queue_report,
	.arm = queue_arm,
	.look = queue_look,
	.unlink = queue_unlink,
};

static void try_again(struct core_wait_source *source) CORE_WAIT_LOCKED
{
	core_waitlist_wake(&source->lists[CORE_WAIT_IN]);
	core_wait_source_queue(source, &source->wait->retried);
}

static uint64_t retry_look(struct core_waiter *waiter,
			   uint64_t now) CORE_WAIT_LOCKED
{
	if (waiter->due > 0)
		try_again(waiter->source);
	return now + RETRY_NS * (1 + waiter->source->wait->n_retries / MANY);
}

static void retry_unlink(struct core_wait_source *source) CORE_WAIT_LOCKED
{
	LIST_REMOVE(source, retry_entry);
	source->wait->n_retries--;
}

static const struct core_wait_class retry_class = {
	.look = retry_look,
	.unlink = retry_unlink,
};

/* This source only wakes the thread, which then finds new work in the lists. */
static const struct core_wait_class wakeup_class;

static void destroy(struct core_wait *wait)
{
	if (wait->wakeup)
		core_closep(&wait->wakeup->fd);
	free(wait->wakeup);
	core_closep(&wait->epoll);
	pthread_cond_destroy(&wait->quiet);
	pthread_mutex_destroy(&wait->lock.native);
	free(wait);
}

int core_wait_new(struct core_wait **ret)
{
	struct core_wait *wait = calloc(1, sizeof(*wait));
	_cleanup_close_ int event = -1;
	int r = 0;

	if (!wait)
		return -ENOMEM;
	core_waitlists_init(&wait->waitlists);
	TAILQ_INIT(&wait->ready);
	TAILQ_INIT(&wait->retried);
	TAILQ_INIT(&wait->postponed);
	pthread_mutex_init(&wait->lock.native, NULL);
	pthread_cond_init(&wait->quiet, NULL);
	wait->epoll = epoll_create1(EPOLL_CLOEXEC);
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wait->epoll < 0 || event < 0)
		r = -errno;
	core_wait_mutex_lock(&wait->lock);
	if (r == 0)
		r = core_wait_source_new(wait, &wakeup_class,
					 sizeof(*wait->wakeup), event,
					 EPOLLIN | EPOLLET, &wait->wakeup);
	core_wait_source_unlock(wait);
	if (r == 0)
		r = core_wait_source_start(wait);
	if (r < 0)
		destroy(wait);
	else
		*ret = wait;
	return r;
}

void core_wait_end_all(struct core_wait *wait)
{
	struct core_wait_source *source;

	core_wait_mutex_lock(&wait->lock);
	for (source = LIST_FIRST(&wait->all); source;
	     source = LIST_NEXT(source, entry)) {
		for (int dir = CORE_WAIT_IN; dir <= CORE_WAIT_OUT; dir++)
			core_waitlist_end_all(&source->lists[dir], -ENOTCONN);
	}
	core_wait_source_finish(wait, UINT64_MAX);
	core_wait_source_unlock(wait);
}

void core_wait_stop(struct core_wait *wait)
{
	core_wait_mutex_lock(&wait->lock);
	wait->waitlists.end = -ENOTCONN;
	core_wait_source_unlock(wait);
	core_wait_end_all(wait);
	core_wait_mutex_lock(&wait->lock);
	while (wait->n_callbacks > 0)
		pthread_cond_wait(&wait->quiet, &wait->lock.native);
	core_wait_source_unlock(wait);
}

struct core_wait *core_wait_free(struct core_wait *wait)
{
	if (!wait)
		return NULL;
	core_wait_stop(wait);
	core_wait_source_stop(wait);
	destroy(wait);
	return NULL;
}

/*
 * The queue is registered in epoll for both directions. A queue is always
 * readable or writable, so a report comes at once, and then EPOLLONESHOT
 * disables the registration. Without this first report, a registration only for
 * errors would still be woken, in the kernel, for each message.
 */
static int new_queue(struct core_wait *wait, uint64_t key, int fd,
		     struct core_wait_source **ret) CORE_WAIT_LOCKED
{
	struct core_wait_source *source;
	int r = core_wait_source_new(wait, &queue_class, sizeof(struct queue),
				     fd, EPOLLIN | EPOLLOUT | EPOLLONESHOT,
				     &source);

	if (r < 0)
		return r;
	((struct queue *)source)->key = key;
	((struct queue *)source)->armed = EPOLLIN | EPOLLOUT;
	if (!tsearch(source, &wait->queues, compare)) {
		core_wait_source_unref(source);
		return -ENOMEM;
	}
	*ret = source;
	return 0;
}

static int get_key(int fd, uint64_t *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = (uint64_t)st.st_uid << 32 | (uint32_t)st.st_ino;
	return 0;
}

/* Finds the source of a queue, or NULL. */
static struct core_wait_source *find(struct core_wait *wait,
				     uint64_t key) CORE_WAIT_LOCKED
{
	struct queue wanted = { .key = key }, **found;

	found = tfind(&wanted, &wait->queues, compare);
	return found ? &(*found)->source : NULL;
}

int core_wait_open_queue(struct core_wait *wait, int fd,
			 struct core_wait_source **ret)
{
	struct core_wait_source *source;
	uint64_t key = 0;
	int r = get_key(fd, &key);

	if (r < 0)
		return r;
	core_wait_mutex_lock(&wait->lock);
	source = find(wait, key);
	if (source) {
		source->refs++;
		*ret = source;
	} else {
		r = new_queue(wait, key, fd, ret);
	}
	core_wait_source_unlock(wait);
	return r;
}

int core_wait_open_retry(struct core_wait *wait, struct core_wait_source **ret)
{
	int r;

	core_wait_mutex_lock(&wait->lock);
	r = core_wait_source_new(wait, &retry_class, sizeof(**ret), -1, 0, ret);
	if (r == 0) {
		LIST_INSERT_HEAD(&wait->retries, *ret, retry_entry);
		wait->n_retries++;
	}
	core_wait_source_unlock(wait);
	return r;
}

void core_wait_retry(struct core_wait *wait)
{
	struct core_wait_source *source;

	core_wait_mutex_lock(&wait->lock);
	for (source = LIST_FIRST(&wait->retries); source;
	     source = LIST_NEXT(source, retry_entry))
		try_again(source);
	core_wait_source_unlock(wait);
}

void core_wait_close(struct core_wait_source *source)
{
	struct core_wait *wait = source->wait;

	core_wait_mutex_lock(&wait->lock);
	core_wait_source_unref(source);
	core_wait_source_unlock(wait);
}

void core_wait_submit(struct core_wait_source *source, enum core_wait_dir dir,
		      struct core_waiter *waiter)
{
	struct core_wait *wait = source->wait;

	core_wait_mutex_lock(&wait->lock);
	waiter->source = source;
	waiter->checks = waiter->needs_name || source->class == &retry_class;
	core_waitlist_add(&source->lists[dir], waiter);
	core_wait_source_try(source, dir, 0);
	core_wait_source_unlock(wait);
}

bool core_wait_is_idle(struct core_wait_source *source, enum core_wait_dir dir)
{
	bool idle;

	core_wait_mutex_lock(&source->wait->lock);
	idle = core_waitlist_is_idle(&source->lists[dir]);
	core_wait_source_unlock(source->wait);
	return idle;
}

int core_wait_count(struct core_wait *wait, int fd, size_t ret[static 2])
{
	const struct core_wait_source *source;
	uint64_t key = 0;
	int r = get_key(fd, &key);

	if (r < 0)
		return r;
	core_wait_mutex_lock(&wait->lock);
	source = find(wait, key);
	for (int dir = CORE_WAIT_IN; dir <= CORE_WAIT_OUT; dir++)
		ret[dir] = source ? source->lists[dir].n_waiting : 0;
	core_wait_source_unlock(wait);
	return 0;
}

void core_wait_cancel(struct core_wait *wait, struct core_waiter *waiter)
{
	core_wait_mutex_lock(&wait->lock);
	core_waitlist_end(waiter, -EINTR);
	core_wait_source_unlock(wait);
}
