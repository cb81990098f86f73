/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel caches no name of an object. So before an operation on an object,
 * the same thread has looked the object's name up, and the operation is on the
 * object that the thread found last.
 *
 * Shorter designs fail:
 * - A table with one descriptor for each thread number modulo its size: threads
 *   that share an entry would fail each other's opens, and users choose how
 *   many threads they start.
 * - A descriptor that is kept until the next use: a truncate uses the object
 *   twice, and the thread may be killed before it uses the object at all.
 * - Closing expired descriptors at the next request: without requests a removed
 *   object would keep its memory.
 * - Closing expired descriptors on the wait thread: the close of an object's
 *   last descriptor frees the object, which may take seconds, and waiting
 *   requests would be delayed.
 * So the retry thread closes descriptors. The lock isn't held during the close.
 */
#include "fs/fuse/retry.h"

#include "core/cleanup.h"
#include "core/file.h"
#include "core/linux.h"
#include "core/thread_safety.h"
#include "core/wait.h"
#include "fs/fuse/node.h"

#include <search.h>
#include <stdatomic.h>
#include <sys/queue.h>

#define LIFETIME_SEC 2

/* The descriptor that is kept for a thread that got ESTALE. */
struct pin {
	pid_t thread;
	time_t end;
	struct fs_charge charge;
	const struct fs_kind *kind;
	ino_t ino;
	int fd; /* -1: none yet */
	TAILQ_ENTRY(pin) entry;
};

CORE_MUTEX(fs_retry_mutex);

/* The pins of the one mount of this process. */
static struct {
	pthread_t closer;
	pthread_cond_t changed; /* a pin was added, or ended set */
	atomic_size_t n;	/* pins; 0: no lookup takes the lock */
	struct fs_retry_mutex lock;
	bool started CORE_GUARDED_BY(fs_retry_mutex);
	bool ended CORE_GUARDED_BY(fs_retry_mutex);
	void *by_thread CORE_GUARDED_BY(fs_retry_mutex); /* struct pin * */
	/* In the order of their end. */
	TAILQ_HEAD(pin_list, pin) pins CORE_GUARDED_BY(fs_retry_mutex);
} retries = {
	.changed = PTHREAD_COND_INITIALIZER,
	.lock.native = PTHREAD_MUTEX_INITIALIZER,
	.pins = TAILQ_HEAD_INITIALIZER(retries.pins),
};

static time_t seconds(void)
{
	return (time_t)(core_wait_now() / 1000000000);
}

static int compare(const void *a, const void *b)
{
	const struct pin *x = a, *y = b;

	return (x->thread > y->thread) - (x->thread < y->thread);
}

static void pin_free(struct pin *pin)
{
	core_closep(&pin->fd);
	fs_charge_release(&pin->charge);
	free(pin);
}

/* Returns the pin of the request's thread, or NULL. */
static struct pin *find(const struct fs_request *rq)
	CORE_REQUIRES(fs_retry_mutex)
{
	struct pin key = { .thread = rq->caller->pid }, **slot;

	slot = tfind(&key, &retries.by_thread, compare);
	return slot ? *slot : NULL;
}

/*
 * Removes and returns the first pin if it has expired, or if the daemon ends.
 * Otherwise waits until that may be so, and returns NULL.
 */
static struct pin *next_expired(void) CORE_REQUIRES(fs_retry_mutex)
{
	struct pin *pin = TAILQ_FIRST(&retries.pins);
	struct timespec end = { .tv_sec = pin ? pin->end : 0 };

	if (!pin && !retries.ended)
		pthread_cond_wait(&retries.changed, &retries.lock.native);
	else if (pin && !retries.ended && seconds() < pin->end)
		pthread_cond_clockwait(&retries.changed, &retries.lock.native,
				       CLOCK_MONOTONIC, &end);
	else if (pin) {
		TAILQ_REMOVE(&retries.pins, pin, entry);
		tdelete(pin, &retries.by_thread, compare);
		retries.n--;
		return pin;
	}
	return NULL;
}

static void *close_expired(void *closure)
{
	struct pin *pin;

	(void)closure;
	pthread_setname_np(pthread_self(), "retry");
	fs_retry_mutex_lock(&retries.lock);
	while (!retries.ended || retries.n > 0) {
		pin = next_expired();
		if (!pin)
			continue;
		fs_retry_mutex_unlock(&retries.lock);
		pin_free(pin);
		fs_retry_mutex_lock(&retries.lock);
	}
	fs_retry_mutex_unlock(&retries.lock);
	return NULL;
}

/*
 * Adds a pin for the request's thread, and starts the retry thread at the first
 * need. Returns NULL if there is no memory, the user's quota of open files is
 * used up, or no thread can be started. Workers have all signals blocked, and
 * so has the thread that is started here.
 */
static struct pin *add(const struct fs_request *rq)
	CORE_REQUIRES(fs_retry_mutex)
{
	struct pin *pin = calloc(1, sizeof(*pin));

	if (!pin || fs_charge_user(&pin->charge, rq->fs->handles,
				   rq->caller->uid, 0) < 0) {
		free(pin);
		return NULL;
	}
	pin->thread = rq->caller->pid;
	pin->fd = -1;
	if (!retries.started)
		retries.started = pthread_create(&retries.closer, NULL,
						 close_expired, NULL) == 0;
	if (!retries.started || !tsearch(pin, &retries.by_thread, compare)) {
		pin_free(pin);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&retries.pins, pin, entry);
	retries.n++;
	return pin;
}

void fs_retry_begin(const struct fs_request *rq)
{
	_cleanup_close_ int fd = -1; /* of an earlier attempt that failed */
	struct pin *pin;

	/* All threads outside our PID namespace have the number 0. */
	if (rq->caller->pid == 0)
		return;
	fs_retry_mutex_lock(&retries.lock);
	pin = find(rq) ?: add(rq);
	if (pin) {
		fd = core_steal_fd(&pin->fd);
		pin->end = seconds() + LIFETIME_SEC + 1;
		TAILQ_REMOVE(&retries.pins, pin, entry);
		TAILQ_INSERT_TAIL(&retries.pins, pin, entry);
		pthread_cond_signal(&retries.changed);
	}
	fs_retry_mutex_unlock(&retries.lock);
}

void fs_retry_keep(const struct fs_request *rq, ino_t ino, int fd)
{
	_cleanup_close_ int old = -1;
	struct pin *pin;

	if (retries.n == 0 || fs_node_check_fd_budget(rq->fs) < 0)
		return;
	fs_retry_mutex_lock(&retries.lock);
	pin = find(rq);
	if (pin) {
		old = pin->fd;
		pin->kind = rq->kind;
		pin->ino = ino;
		pin->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	}
	fs_retry_mutex_unlock(&retries.lock);
}

int fs_retry_dup(const struct fs_request *rq, ino_t ino, int *ret_fd)
{
	const struct pin *pin;
	int r = -ENOENT;

	if (retries.n == 0)
		return r;
	fs_retry_mutex_lock(&retries.lock);
	pin = find(rq);
	if (pin && pin->fd >= 0 && pin->kind == rq->kind && pin->ino == ino)
		r = core_file_dup(pin->fd, ret_fd);
	fs_retry_mutex_unlock(&retries.lock);
	return r;
}

void fs_retry_stop(void)
{
	bool started;

	fs_retry_mutex_lock(&retries.lock);
	retries.ended = true;
	started = retries.started;
	pthread_cond_signal(&retries.changed);
	fs_retry_mutex_unlock(&retries.lock);
	if (started)
		pthread_join(retries.closer, NULL);
}
