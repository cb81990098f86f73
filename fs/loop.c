/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker waits for a request in read(2), serves it, and waits again. Another one is
 * started when none would be left that waits: up to FS_LOOP_WORKERS at once, for
 * what they leave in the kernel's queue is served soon. Only if they are slow, and
 * don't get on with a request for a whole tick, they are replaced by others.
 *
 * One lock guards who does what; it isn't held while a request is read or served.
 */
#include "fs/loop.h"

#include "fs/ops.h"

#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/param.h>
#include <time.h>
#include <unistd.h>

enum { MAX_WORKERS = 512, TICK_NS = 10000000, END_SECONDS = 5 };

/* For whom a worker serves what is the kernel's own. */
#define NOBODY ((uid_t)-1)

struct worker {
	struct loop *loop;
	bool exists, serves;
	pthread_t thread;
	struct fuse_buf buf;
	uid_t uid;	   /* for whom it serves */
	unsigned int tick; /* at which it began to */
};

struct loop {
	struct fuse_session *session;
	int event; /* an eventfd: ended or ticks has become true */
	pthread_mutex_t lock;
	bool ends;  /* nobody else is to start or leave */
	bool ended; /* nothing more is to be read, and why */
	int error;
	bool ticks; /* all workers serve */
	unsigned int tick;
	size_t n_workers, n_serving, n_slow;
	struct worker workers[MAX_WORKERS];
};

static void *work(void *closure);

/* All below that take a loop: the lock is held. */

static int add_worker(struct loop *loop)
{
	struct worker *worker = loop->workers;
	int r;

	while (worker->exists)
		worker++;
	*worker = (struct worker){ .loop = loop };
	r = pthread_create(&worker->thread, NULL, work, worker);
	worker->exists = r == 0;
	loop->n_workers += worker->exists;
	return -r;
}

/* Whether one more was wanted, and could be had. */
static bool grow(struct loop *loop)
{
	return !loop->ends &&
	       loop->n_workers <
		       MIN(FS_LOOP_WORKERS + loop->n_slow, MAX_WORKERS) &&
	       add_worker(loop) == 0;
}

/*
 * The kernel waits for what ends something; it never lasts, and nobody can be
 * refused it.
 */
static uid_t user_of(const struct fuse_in_header *in)
{
	switch (in->opcode) {
	case FUSE_FLUSH:
	case FUSE_INTERRUPT:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return NOBODY;
	default:
		return in->uid;
	}
}

/*
 * A user may have as many workers as would be left: half of all for the first, half
 * of the rest for the next, and so on.
 */
static bool may_have_one(const struct loop *loop, uid_t uid)
{
	size_t left = MAX_WORKERS - loop->n_serving, n = 0;

	/* So it is nearly always, and nobody needs to be counted. */
	if (uid == NOBODY || loop->n_serving < left)
		return true;
	for (size_t i = 0; i < MAX_WORKERS; i++)
		n += loop->workers[i].serves && loop->workers[i].uid == uid;
	return n < left;
}

static bool begin(struct worker *worker, uid_t uid)
{
	struct loop *loop = worker->loop;
	bool is_last = loop->n_serving + 1 == loop->n_workers && !grow(loop);

	if (!may_have_one(loop, uid))
		return false;
	worker->serves = true;
	worker->uid = uid;
	worker->tick = loop->tick;
	loop->n_serving++;
	if (is_last && !loop->ticks) {
		loop->ticks = true;
		(void)eventfd_write(loop->event, 1);
	}
	return true;
}

/* The worker ends, and the loop goes on. */
static void leave(struct worker *worker)
{
	worker->exists = false;
	worker->loop->n_workers--;
	free(worker->buf.mem);
	pthread_detach(pthread_self());
}

/* Returns whether the worker is still needed. */
static bool finish(struct worker *worker)
{
	struct loop *loop = worker->loop;

	worker->serves = false;
	loop->n_serving--;
	if (loop->ends || loop->n_workers - loop->n_serving <= FS_LOOP_WORKERS)
		return true;
	leave(worker);
	return false;
}

/* Those who have served one request since before the last tick are slow. */
static void tick(struct loop *loop)
{
	loop->tick++;
	loop->n_slow = 0;
	for (size_t i = 0; i < MAX_WORKERS; i++)
		loop->n_slow += loop->workers[i].serves &&
				loop->tick - loop->workers[i].tick > 1;
	while (grow(loop))
		;
	loop->ticks = loop->n_serving == loop->n_workers;
}

static void refuse(struct fuse_session *session, uint64_t unique)
{
	struct fuse_out_header out = { .len = sizeof(out),
				       .error = -EAGAIN,
				       .unique = unique };

	/* It fails if nobody waits any more. */
	if (write(fuse_session_fd(session), &out, sizeof(out)) < 0)
		return;
}

/* Returns whether the worker is still needed. */
static bool serve(struct worker *worker)
{
	const struct fuse_in_header *in = worker->buf.mem;
	struct loop *loop = worker->loop;
	bool begun, stays = true;

	/* These come by the thousand, and are not worth a thread. */
	if (in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET) {
		fuse_session_process_buf(loop->session, &worker->buf);
		return true;
	}
	pthread_mutex_lock(&loop->lock);
	begun = begin(worker, user_of(in));
	pthread_mutex_unlock(&loop->lock);
	if (!begun) {
		refuse(loop->session, in->unique);
		return true;
	}
	fuse_session_process_buf(loop->session, &worker->buf);
	pthread_mutex_lock(&loop->lock);
	stays = finish(worker);
	pthread_mutex_unlock(&loop->lock);
	return stays;
}

/* Nothing is left to read from; or there is no memory for this worker's buffer. */
static void stop(struct worker *worker, int r)
{
	struct loop *loop = worker->loop;

	pthread_mutex_lock(&loop->lock);
	if (r == -ENOMEM && !loop->ends &&
	    loop->n_workers - 1 > loop->n_serving) {
		leave(worker);
	} else {
		loop->ended = true;
		loop->error = loop->error ?: r;
		(void)eventfd_write(loop->event, 1);
	}
	pthread_mutex_unlock(&loop->lock);
}

/* Canceled, if at all, while it waits for a request. */
static void *work(void *closure)
{
	struct worker *worker = closure;
	int r;

	pthread_setname_np(pthread_self(), "worker");
	do {
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
		r = fuse_session_receive_buf(worker->loop->session,
					     &worker->buf);
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
		if (r > 0 && !serve(worker))
			return NULL;
	} while (r > 0 || r == -EINTR);
	stop(worker, r);
	return NULL;
}

/* Until a worker has seen the end. Signals come in here, and so none is missed. */
static int wait_for_end(struct loop *loop, const sigset_t *signals)
{
	static const struct timespec a_tick = { .tv_nsec = TICK_NS };
	struct pollfd fd = { .fd = loop->event, .events = POLLIN };
	bool ticks = false, ended = false;
	eventfd_t value;
	int n;

	while (!ended && !fuse_session_exited(loop->session)) {
		n = ppoll(&fd, 1, ticks ? &a_tick : NULL, signals);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			(void)eventfd_read(loop->event, &value);
		pthread_mutex_lock(&loop->lock);
		if (n == 0)
			tick(loop);
		ticks = loop->ticks;
		ended = loop->ended;
		pthread_mutex_unlock(&loop->lock);
	}
	return 0;
}

static int end_workers(struct loop *loop)
{
	struct timespec end;
	int r = 0;

	pthread_mutex_lock(&loop->lock);
	loop->ends = true;
	pthread_mutex_unlock(&loop->lock);
	for (size_t i = 0; i < MAX_WORKERS; i++) {
		if (loop->workers[i].exists)
			pthread_cancel(loop->workers[i].thread);
	}
	(void)clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += END_SECONDS;
	for (size_t i = 0; i < MAX_WORKERS; i++) {
		pthread_t thread = loop->workers[i].thread;

		if (!loop->workers[i].exists)
			continue;
		if (pthread_timedjoin_np(thread, NULL, &end) == 0) {
			free(loop->workers[i].buf.mem);
		} else {
			pthread_detach(thread);
			r = -ETIMEDOUT;
		}
	}
	return r;
}

int fs_loop(struct fuse_session *session)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	sigset_t all, old;
	int r;

	if (!loop)
		return -ENOMEM;
	loop->session = session;
	loop->event = eventfd(0, EFD_CLOEXEC);
	if (loop->event < 0) {
		r = -errno;
		free(loop);
		return r;
	}
	pthread_mutex_init(&loop->lock, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_mutex_lock(&loop->lock);
	r = add_worker(loop);
	pthread_mutex_unlock(&loop->lock);
	if (r == 0)
		r = wait_for_end(loop, &old);
	if (end_workers(loop) < 0)
		return -ETIMEDOUT;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	r = r ?: loop->error;
	pthread_mutex_destroy(&loop->lock);
	(void)close(loop->event);
	free(loop);
	return r;
}
