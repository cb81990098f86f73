/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel caches no name of an object. So before the kernel uses an object,
 * the same thread has looked its name up, and uses what it found last.
 *
 * Closing the last descriptor of a removed object frees its memory, which may
 * take seconds. So a thread of its own closes descriptors that have expired.
 * The lock is a leaf, and isn't held during the close.
 */
#include "fs/fuse/retry.h"

#include "core/cleanup.h"
#include "fs/fuse/node.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <time.h>

/* Enough lists that each is short. */
#define N_LISTS	     256
#define LIFETIME_SEC 2

/* A thread that got ESTALE, and what it has found since. */
struct retry {
	pid_t thread;
	time_t end;
	struct fs_charge charge;
	const struct fs_ops *ops;
	ino_t ino;
	int fd; /* -1: nothing */
	LIST_ENTRY(retry) entry;
};

LIST_HEAD(retry_list, retry);

struct fs_retries {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* n is above zero, or ended */
	bool ended;
	atomic_size_t n; /* retries; 0: no lookup takes the lock */
	struct retry_list lists[N_LISTS];
};

static time_t now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Takes out the retries that end by then; the lock is held. */
static void collect(struct fs_retries *retries, time_t then,
		    struct retry_list *ret)
{
	struct retry *retry, *next;

	for (size_t i = 0; i < N_LISTS; i++) {
		for (retry = LIST_FIRST(&retries->lists[i]); retry;
		     retry = next) {
			next = LIST_NEXT(retry, entry);
			if (retry->end > then)
				continue;
			LIST_REMOVE(retry, entry);
			LIST_INSERT_HEAD(ret, retry, entry);
			retries->n--;
		}
	}
}

static void free_all(struct retry_list *list)
{
	struct retry *retry;

	while ((retry = LIST_FIRST(list))) {
		LIST_REMOVE(retry, entry);
		core_closep(&retry->fd);
		fs_charge_release(&retry->charge);
		free(retry);
	}
}

static void *sweep(void *closure)
{
	struct retry_list old = LIST_HEAD_INITIALIZER(old);
	struct fs_retries *retries = closure;
	struct timespec next = { 0 };

	pthread_setname_np(pthread_self(), "retry");
	pthread_mutex_lock(&retries->lock);
	while (!retries->ended) {
		next.tv_sec = now() + 1;
		if (retries->n == 0)
			pthread_cond_wait(&retries->changed, &retries->lock);
		else
			pthread_cond_clockwait(&retries->changed,
					       &retries->lock, CLOCK_MONOTONIC,
					       &next);
		collect(retries, now(), &old);
		pthread_mutex_unlock(&retries->lock);
		free_all(&old);
		pthread_mutex_lock(&retries->lock);
	}
	pthread_mutex_unlock(&retries->lock);
	return NULL;
}

int fs_retries_new(struct fs_retries **ret)
{
	struct fs_retries *retries = calloc(1, sizeof(*retries));
	sigset_t all, old;
	int r;

	if (!retries)
		return -ENOMEM;
	pthread_mutex_init(&retries->lock, NULL);
	pthread_cond_init(&retries->changed, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&retries->thread, NULL, sweep, retries);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r != 0) {
		free(retries);
		return -r;
	}
	*ret = retries;
	return 0;
}

struct fs_retries *fs_retries_free(struct fs_retries *retries)
{
	struct retry_list all = LIST_HEAD_INITIALIZER(all);

	if (!retries)
		return NULL;
	pthread_mutex_lock(&retries->lock);
	retries->ended = true;
	pthread_cond_signal(&retries->changed);
	pthread_mutex_unlock(&retries->lock);
	pthread_join(retries->thread, NULL);
	collect(retries, now() + LIFETIME_SEC, &all);
	free_all(&all);
	pthread_cond_destroy(&retries->changed);
	pthread_mutex_destroy(&retries->lock);
	free(retries);
	return NULL;
}

static pid_t thread_of(const struct fs_request *rq)
{
	return rq->caller->pid;
}

static struct retry_list *list_of(struct fs_retries *retries, pid_t thread)
{
	return &retries->lists[(unsigned int)thread % N_LISTS];
}

/* The retry of a thread, or NULL; the lock is held. */
static struct retry *find(struct fs_retries *retries, pid_t thread)
{
	struct retry *retry = LIST_FIRST(list_of(retries, thread));

	while (retry && retry->thread != thread)
		retry = LIST_NEXT(retry, entry);
	return retry;
}

void fs_retry_begin(const struct fs_request *rq)
{
	struct fs_retries *retries = rq->fs->retries;
	_cleanup_close_ int fd = -1; /* of an earlier try, in vain */
	struct retry *retry, *old;

	/* Threads of other PID namespaces can't be told apart. */
	if (thread_of(rq) == 0)
		return;
	retry = calloc(1, sizeof(*retry));
	if (!retry || fs_charge_take(&retry->charge, rq->fs->handles,
				     rq->caller->uid) < 0) {
		free(retry);
		return;
	}
	retry->thread = thread_of(rq);
	retry->end = now() + LIFETIME_SEC;
	retry->fd = -1;
	pthread_mutex_lock(&retries->lock);
	old = find(retries, retry->thread);
	if (old) {
		old->end = retry->end;
		fd = core_steal_fd(&old->fd);
	} else {
		LIST_INSERT_HEAD(list_of(retries, retry->thread), retry, entry);
		if (retries->n++ == 0)
			pthread_cond_signal(&retries->changed);
	}
	pthread_mutex_unlock(&retries->lock);
	if (old) {
		fs_charge_release(&retry->charge);
		free(retry);
	}
}

void fs_retry_keep(const struct fs_request *rq, const struct fs_ops *ops,
		   ino_t ino, int fd)
{
	struct fs_retries *retries = rq->fs->retries;
	_cleanup_close_ int copy = -1;
	struct retry *retry;
	int old;

	if (retries->n == 0 || fs_node_check_fd_budget(rq->fs) < 0)
		return;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	pthread_mutex_lock(&retries->lock);
	retry = find(retries, thread_of(rq));
	if (retry) {
		old = retry->fd;
		retry->ops = ops;
		retry->ino = ino;
		retry->fd = copy;
		copy = old;
	}
	pthread_mutex_unlock(&retries->lock);
}

int fs_retry_dup(const struct fs_request *rq, const struct fs_ops *ops,
		 ino_t ino, int *ret_fd)
{
	struct fs_retries *retries = rq->fs->retries;
	struct retry *retry;
	int r = -ENOENT;

	if (retries->n == 0)
		return r;
	pthread_mutex_lock(&retries->lock);
	retry = find(retries, thread_of(rq));
	if (retry && retry->fd >= 0 && retry->ops == ops && retry->ino == ino)
		r = fcntl(retry->fd, F_DUPFD_CLOEXEC, 0);
	if (r == -1)
		r = -errno;
	pthread_mutex_unlock(&retries->lock);
	if (r < 0)
		return r;
	*ret_fd = r;
	return 0;
}
