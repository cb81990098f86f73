/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker waits for a request in read(2), serves it, and waits again. Another one is
 * started when none would be left that waits. FS_WORKERS are enough, for what
 * they leave in the kernel's queue is served soon; but those that are slow, and don't
 * get on with a request for a whole tick, don't count. Ticks come only while all
 * serve.
 *
 * One lock guards who does what; it isn't held while a request is read or served.
 */
#include "fs/daemon/loop.h"

#include "fs/fuse/ops.h"

#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/param.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_WORKERS = 512,
	STACK_SIZE = 1 << 20,
	TICK_NS = 10000000,
	END_SECONDS = 5
};

/* The user of a request if the kernel doesn't name one. */
#define NOBODY ((uid_t)-1)

struct worker {
	struct loop *loop;
	bool exists, serves;
	pthread_t thread;
	struct fuse_buf buf;
	bool slow, lists;
	uid_t uid;	    /* for whom it serves */
	unsigned int began; /* at which tick */
};

/* A request that waits until a lane has served those before it. */
struct handed {
	STAILQ_ENTRY(handed) entry;
	struct fuse_buf buf; /* its memory follows */
};

/* A thread that serves what is handed to it, one after the other. */
struct lane {
	struct loop *loop;
	pthread_t thread;
	pthread_cond_t some; /* handed isn't empty, or closing */
	STAILQ_HEAD(handed_list, handed) handed;
	bool serves;
};

/* Closes and locks of users with too many workers; listings beside others. */
enum { SERIAL, LISTINGS, N_LANES };

/* The workers that may serve listings. A user who lists alone needs no lane. */
enum { MAX_LISTINGS = 1 };

struct loop {
	struct fuse_session *session;
	int event; /* an eventfd: ended or ticking has become true */
	pthread_mutex_t lock;
	bool ended; /* nothing more is to be read; or an error */
	int error;
	bool closing;	  /* no thread may start, leave or serve any more */
	bool ticking;	  /* all workers serve */
	unsigned int now; /* ticks */
	size_t n_workers, n_serving, n_slow, n_listings;
	struct worker workers[MAX_WORKERS];
	struct lane lanes[N_LANES];
	pthread_cond_t idle; /* closing, and nobody serves */
};

static void *work(void *closure);

/* The lock is held in all of these, up to tick(). */

static int add_worker(struct loop *loop)
{
	struct worker *worker = loop->workers;
	pthread_attr_t attr;
	int r;

	while (worker->exists)
		worker++;
	*worker = (struct worker){ .loop = loop };
	pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_SIZE);
	r = pthread_create(&worker->thread, &attr, work, worker);
	pthread_attr_destroy(&attr);
	worker->exists = r == 0;
	loop->n_workers += worker->exists;
	return -r;
}

/* Whether one more was wanted, and could be had. */
static bool grow(struct loop *loop)
{
	return !loop->closing && loop->n_workers < MAX_WORKERS &&
	       loop->n_workers < FS_WORKERS + loop->n_slow &&
	       add_worker(loop) == 0;
}

/* The kernel says who closes a descriptor, but not whose last one that was. */
static uid_t user_of(const struct fuse_in_header *in)
{
	return in->opcode == FUSE_RELEASE || in->opcode == FUSE_RELEASEDIR
		       ? NOBODY
		       : in->uid;
}

/* These take no time. There may be thousands, not worth a thread each. */
static bool is_short(const struct fuse_in_header *in)
{
	return in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET ||
	       in->opcode == FUSE_INTERRUPT;
}

/*
 * Requests for which the kernel holds no lock. A close can't be refused, and
 * natively no lock call fails for want of threads.
 */
static bool can_wait(const struct fuse_in_header *in)
{
	switch (in->opcode) {
	case FUSE_FLUSH:
	case FUSE_GETLK:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_SETLK:
	case FUSE_SETLKW:
		return true;
	default:
		return false;
	}
}

/*
 * A user may have as many slow workers as would be left: half of all for the first,
 * half of the rest for the next, and so on. Some are kept to refuse the others.
 * A request that can wait gets a worker only while its user has fewer than
 * FS_WORKERS slow ones: it may be slow because the kernel computes, and
 * would take the processors from other users.
 */
static bool may_have_one(const struct loop *loop,
			 const struct fuse_in_header *in)
{
	const size_t most = MAX_WORKERS - FS_WORKERS;
	const uid_t uid = user_of(in);
	size_t n = 0, left;

	if (loop->n_serving >= most)
		return false;
	left = most - loop->n_serving;
	if (can_wait(in))
		left = MIN(left, (size_t)FS_WORKERS);
	/* So it is nearly always, and nobody's need to be counted. */
	if (loop->n_slow < left)
		return true;
	for (size_t i = 0; i < MAX_WORKERS; i++)
		n += loop->workers[i].slow && loop->workers[i].uid == uid;
	return n < left;
}

/* If nobody waits for a request: when somebody is slow another one will. */
static void watch(struct loop *loop)
{
	if (loop->n_serving < loop->n_workers || loop->ticking)
		return;
	loop->ticking = true;
	(void)eventfd_write(loop->event, 1);
}

static void count(struct worker *worker, const struct fuse_in_header *in)
{
	struct loop *loop = worker->loop;

	worker->lists = in->opcode == FUSE_READDIR;
	loop->n_listings += worker->lists;
	worker->serves = true;
	worker->uid = user_of(in);
	worker->began = loop->now;
	loop->n_serving++;
}

/*
 * Begins to serve a request, unless its user may not have one more served, or it is a
 * listing and enough are served: a hundred processes that list would have all else
 * wait for theirs in the kernel's queue.
 */
static bool begin(struct worker *worker, const struct fuse_in_header *in)
{
	struct loop *loop = worker->loop;
	bool lists = in->opcode == FUSE_READDIR;

	if (loop->closing || !may_have_one(loop, in) ||
	    (lists && loop->n_listings >= MAX_LISTINGS))
		return false;
	count(worker, in);
	if (loop->n_serving == loop->n_workers)
		(void)grow(loop);
	watch(loop);
	return true;
}

/* The worker ends, and the loop goes on. */
static void leave(struct worker *worker)
{
	worker->exists = false;
	worker->loop->n_workers--;
	free(worker->buf.mem);
	pthread_detach(pthread_self());
	watch(worker->loop);
}

/* Returns whether the worker is still needed. */
static bool finish(struct worker *worker)
{
	struct loop *loop = worker->loop;

	loop->n_slow -= worker->slow;
	loop->n_listings -= worker->lists;
	loop->n_serving--;
	if (loop->closing)
		pthread_cond_signal(&loop->idle);
	worker->serves = worker->slow = false;
	if (loop->closing || loop->n_workers - loop->n_serving <= FS_WORKERS)
		return true;
	leave(worker);
	return false;
}

/* Those who have served one request since before the last tick are slow. */
static void tick(struct loop *loop)
{
	loop->now++;
	for (size_t i = 0; i < MAX_WORKERS; i++) {
		struct worker *worker = &loop->workers[i];

		if (worker->serves && !worker->slow &&
		    loop->now - worker->began > 1) {
			worker->slow = true;
			loop->n_slow++;
		}
	}
	while (grow(loop))
		;
	loop->ticking = loop->n_serving == loop->n_workers;
}

/* Of a lookup the kernel takes other errors for: the name is no more. */
static void refuse(struct fuse_session *session,
		   const struct fuse_in_header *in)
{
	struct fuse_out_header out = {
		.len = sizeof(out),
		.error = in->opcode == FUSE_LOOKUP ? -ENOMEM : -EAGAIN,
		.unique = in->unique,
	};

	/* It fails if nobody waits any more. */
	if (write(fuse_session_fd(session), &out, sizeof(out)) < 0)
		return;
}

/* Gives a copy of a request to a lane. Returns false without memory. */
static bool hand_over(struct lane *lane, const struct fuse_buf *buf)
{
	struct handed *handed = malloc(sizeof(*handed) + buf->size);
	struct loop *loop = lane->loop;

	if (!handed)
		return false;
	handed->buf = *buf;
	handed->buf.mem = memcpy(handed + 1, buf->mem, buf->size);
	pthread_mutex_lock(&loop->lock);
	STAILQ_INSERT_TAIL(&lane->handed, handed, entry);
	pthread_cond_signal(&lane->some);
	pthread_mutex_unlock(&loop->lock);
	return true;
}

/* Waits for the next request that was handed over. NULL: the loop ends. */
static struct handed *await_handed(struct lane *lane)
{
	struct loop *loop = lane->loop;
	struct handed *handed;

	pthread_mutex_lock(&loop->lock);
	lane->serves = false;
	if (loop->closing)
		pthread_cond_signal(&loop->idle);
	while (!loop->closing && STAILQ_EMPTY(&lane->handed))
		pthread_cond_wait(&lane->some, &loop->lock);
	handed = loop->closing ? NULL : STAILQ_FIRST(&lane->handed);
	if (handed)
		STAILQ_REMOVE_HEAD(&lane->handed, entry);
	lane->serves = handed;
	pthread_mutex_unlock(&loop->lock);
	return handed;
}

static void *serve_handed(void *closure)
{
	struct lane *lane = closure;
	struct handed *handed;

	pthread_setname_np(pthread_self(), "lane");
	while ((handed = await_handed(lane))) {
		fuse_session_process_buf(lane->loop->session, &handed->buf);
		free(handed);
	}
	return NULL;
}

/* The lane of what can wait, or NULL. */
static struct lane *lane_of(struct loop *loop, const struct fuse_in_header *in)
{
	if (in->opcode == FUSE_READDIR)
		return &loop->lanes[LISTINGS];
	return can_wait(in) ? &loop->lanes[SERIAL] : NULL;
}

/* Returns whether the worker is still needed. */
static bool serve(struct worker *worker)
{
	const struct fuse_in_header *in = worker->buf.mem;
	struct loop *loop = worker->loop;
	bool begun = false, stays;
	struct lane *lane;

	if (!is_short(in)) {
		pthread_mutex_lock(&loop->lock);
		begun = begin(worker, in);
		pthread_mutex_unlock(&loop->lock);
		lane = lane_of(loop, in);
		if (!begun && !lane) {
			refuse(loop->session, in);
			return true;
		}
		if (!begun && hand_over(lane, &worker->buf))
			return true;
	}
	/* Without memory to hand it over it is served here, as one too many. */
	if (!begun && !is_short(in)) {
		pthread_mutex_lock(&loop->lock);
		count(worker, in);
		pthread_mutex_unlock(&loop->lock);
		begun = true;
	}
	fuse_session_process_buf(loop->session, &worker->buf);
	if (!begun)
		return true;
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
	if (r == -ENOMEM && !loop->closing && loop->n_workers > 1) {
		leave(worker);
	} else {
		/* The connection ended while a request was read: nothing is wrong. */
		if (r == -ECONNABORTED)
			r = 0;
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
	bool ticking = false, ended = false;
	eventfd_t value;
	int n;

	while (!ended && !fuse_session_exited(loop->session)) {
		n = ppoll(&fd, 1, ticking ? &a_tick : NULL, signals);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			(void)eventfd_read(loop->event, &value);
		pthread_mutex_lock(&loop->lock);
		if (n == 0)
			tick(loop);
		ticking = loop->ticking;
		ended = loop->ended;
		pthread_mutex_unlock(&loop->lock);
	}
	return 0;
}

/*
 * Lets no thread begin to serve. Returns whether all that served have finished.
 */
static bool await_idle(struct loop *loop)
{
	struct timespec end;
	int r = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += END_SECONDS;
	pthread_mutex_lock(&loop->lock);
	loop->closing = true;
	for (int i = 0; i < N_LANES; i++)
		pthread_cond_signal(&loop->lanes[i].some);
	for (size_t i = 0; i < MAX_WORKERS; i++) {
		if (loop->workers[i].exists)
			pthread_cancel(loop->workers[i].thread);
	}
	while (r == 0 && (loop->n_serving > 0 || loop->lanes[SERIAL].serves ||
			  loop->lanes[LISTINGS].serves))
		r = pthread_cond_clockwait(&loop->idle, &loop->lock,
					   CLOCK_MONOTONIC, &end);
	pthread_mutex_unlock(&loop->lock);
	return r == 0;
}

/* A thread that still serves, perhaps for ever, keeps what it uses. */
static void end_thread(pthread_t thread, bool is_idle)
{
	if (is_idle)
		pthread_join(thread, NULL);
	else
		pthread_detach(thread);
}

static int start_lane(struct loop *loop, struct lane *lane)
{
	int r;

	lane->loop = loop;
	STAILQ_INIT(&lane->handed);
	pthread_cond_init(&lane->some, NULL);
	r = pthread_create(&lane->thread, NULL, serve_handed, lane);
	if (r != 0)
		lane->loop = NULL;
	return -r;
}

/* Requests that were handed over are dropped, as are those that weren't read. */
static void end_lane(struct lane *lane, bool is_idle)
{
	struct handed *handed;

	if (!lane->loop)
		return;
	end_thread(lane->thread, is_idle);
	while (is_idle && (handed = STAILQ_FIRST(&lane->handed))) {
		STAILQ_REMOVE_HEAD(&lane->handed, entry);
		free(handed);
	}
	if (is_idle)
		pthread_cond_destroy(&lane->some);
}

static int end_threads(struct loop *loop)
{
	const bool is_idle = await_idle(loop);

	for (size_t i = 0; i < MAX_WORKERS; i++) {
		if (!loop->workers[i].exists)
			continue;
		end_thread(loop->workers[i].thread, is_idle);
		if (is_idle)
			free(loop->workers[i].buf.mem);
	}
	for (int i = 0; i < N_LANES; i++)
		end_lane(&loop->lanes[i], is_idle);
	return is_idle ? 0 : -ETIMEDOUT;
}

/* Starts the threads, with all signals blocked, and waits for the end. */
static int run(struct loop *loop, const sigset_t *signals)
{
	int r = 0;

	for (int i = 0; i < N_LANES && r == 0; i++)
		r = start_lane(loop, &loop->lanes[i]);
	pthread_mutex_lock(&loop->lock);
	if (r == 0)
		r = add_worker(loop);
	pthread_mutex_unlock(&loop->lock);
	if (r == 0)
		r = wait_for_end(loop, signals);
	/*
	 * A thread that is left uses the loop, and no thread may get signals.
	 */
	if (end_threads(loop) < 0)
		return -ETIMEDOUT;
	return r ?: loop->error;
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
	pthread_cond_init(&loop->idle, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = run(loop, &old);
	if (r == -ETIMEDOUT)
		return r;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_cond_destroy(&loop->idle);
	pthread_mutex_destroy(&loop->lock);
	(void)close(loop->event);
	free(loop);
	return r;
}
