/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker waits for a request in read(2), serves the request, and waits again.
 * When the last idle worker reads a request, another worker is started, up to
 * FS_WORKERS. A worker that spends more than STUCK_NS on a request is stuck and
 * doesn't count towards that limit, so it is replaced, up to MAX_WORKERS. The
 * main thread scans for stuck workers only while no worker is idle.
 *
 * A lane limits how many of its requests are served at a time. The other
 * requests of the lane wait as copies, and the workers that have read them go
 * back to read(2). A worker that has finished a request of a lane serves the
 * next request that waits in the lane.
 *
 * The lock isn't held while a request is read or served.
 */
#include "fs/daemon/loop.h"

#include "core/linux.h"
#include "core/thread_safety.h"
#include "core/wait.h"
#include "fs/daemon/mountpoint.h"
#include "fs/fuse/kind.h"

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
	STUCK_NS = 10000000,
	END_SECONDS = 5
};

/* The user of a request if the kernel doesn't name one. */
#define UID_KERNEL ((uid_t)-1)

CORE_MUTEX(loop_mutex);

struct request {
	struct fuse_buf buf;
	STAILQ_ENTRY(request) entry; /* in the lane where the request waits */
};

/* Requests of which at most "most" are served at a time. */
struct lane {
	size_t most;
	size_t n_serving CORE_GUARDED_BY(loop_mutex);
	STAILQ_HEAD(requests, request) waiting CORE_GUARDED_BY(loop_mutex);
};

struct worker {
	pthread_t thread;
	struct request read; /* the request that the worker has read */
	bool exists CORE_GUARDED_BY(loop_mutex);
	bool serves CORE_GUARDED_BY(loop_mutex);
	bool stuck CORE_GUARDED_BY(loop_mutex);
	struct lane *lane CORE_GUARDED_BY(loop_mutex); /* of its request */
	uid_t uid CORE_GUARDED_BY(loop_mutex);	       /* for whom it serves */
	uint64_t began CORE_GUARDED_BY(loop_mutex);    /* core_wait_now() */
};

/* Static, because a stuck worker uses the data until the process ends. */
static struct {
	const struct fs *fs;
	int event; /* an eventfd: ended or scanning has become true */
	struct loop_mutex lock;
	pthread_cond_t idle; /* ended, and no worker serves */
	/*
	 * 0 while the loop runs. 1 or a negative errno: the loop has ended, and
	 * no worker begins to serve, is started, or leaves any more.
	 */
	int ended CORE_GUARDED_BY(loop_mutex);
	bool scanning CORE_GUARDED_BY(loop_mutex); /* no worker is idle */
	size_t n_workers CORE_GUARDED_BY(loop_mutex);
	size_t n_serving CORE_GUARDED_BY(loop_mutex);
	size_t n_stuck CORE_GUARDED_BY(loop_mutex);
	struct worker workers[MAX_WORKERS];
} loop = {
	.lock = { PTHREAD_MUTEX_INITIALIZER },
	.idle = PTHREAD_COND_INITIALIZER,
};

/*
 * listings: all READDIR requests. serial: requests of which can_wait() is true
 * and whose user may not have another worker.
 */
static struct lane listings = {
	.most = 2,
	.waiting = STAILQ_HEAD_INITIALIZER(listings.waiting),
};
static struct lane serial = {
	.most = 1,
	.waiting = STAILQ_HEAD_INITIALIZER(serial.waiting),
};

static void *work(void *closure);

static int add_worker(void) CORE_REQUIRES(loop_mutex)
{
	struct worker *worker = loop.workers;
	pthread_attr_t attr;
	int r;

	while (worker->exists)
		worker++;
	*worker = (struct worker){ 0 };
	pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_SIZE);
	r = pthread_create(&worker->thread, &attr, work, worker);
	pthread_attr_destroy(&attr);
	worker->exists = r == 0;
	loop.n_workers += worker->exists;
	return -r;
}

/* Starts a worker if another worker is needed. Returns whether it started. */
static bool grow(void) CORE_REQUIRES(loop_mutex)
{
	return !loop.ended && loop.n_workers < MAX_WORKERS &&
	       loop.n_workers < FS_WORKERS + loop.n_stuck && add_worker() == 0;
}

/* If no worker is idle, makes the main thread scan for stuck workers. */
static void arm_scan(void) CORE_REQUIRES(loop_mutex)
{
	if (loop.n_serving < loop.n_workers || loop.scanning)
		return;
	loop.scanning = true;
	(void)eventfd_write(loop.event, 1);
}

/* Marks the workers that are stuck, and starts workers that replace them. */
static void scan(void) CORE_REQUIRES(loop_mutex)
{
	const uint64_t now = core_wait_now();

	for (size_t i = 0; i < MAX_WORKERS; i++) {
		struct worker *worker = &loop.workers[i];

		if (worker->serves && !worker->stuck &&
		    now - worker->began > STUCK_NS) {
			worker->stuck = true;
			loop.n_stuck++;
		}
	}
	while (grow())
		;
	loop.scanning = loop.n_serving == loop.n_workers;
}

/*
 * The kernel names the user of each close(2) (FLUSH), but not the user of the
 * last close (RELEASE).
 */
static uid_t user_of(const struct fuse_in_header *in)
{
	return in->opcode == FUSE_RELEASE || in->opcode == FUSE_RELEASEDIR
		       ? UID_KERNEL
		       : in->uid;
}

/*
 * These requests take no time. Thousands may arrive at once, so they must not
 * start a worker each.
 */
static bool is_short(const struct fuse_in_header *in)
{
	return in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET ||
	       in->opcode == FUSE_INTERRUPT;
}

/*
 * Requests that can wait, because the kernel holds no lock then. They aren't
 * refused: a close can't be refused, and without ipcfs no lock call fails for
 * lack of threads.
 */
static bool can_wait(const struct fuse_in_header *in)
{
	return in->opcode == FUSE_FLUSH || in->opcode == FUSE_GETLK ||
	       in->opcode == FUSE_RELEASE || in->opcode == FUSE_RELEASEDIR ||
	       in->opcode == FUSE_SETLK || in->opcode == FUSE_SETLKW;
}

/*
 * A user can have as many stuck workers as remain for other users: half of all
 * workers for the first user, half of the rest for the next user, and so on.
 * Some workers are kept to refuse requests. A request that can wait gets a
 * worker only while its user has fewer than FS_WORKERS stuck workers: the
 * workers may be stuck because the kernel computes, and more of them would take
 * the processors from other users.
 */
static bool may_have_one(const struct fuse_in_header *in)
	CORE_REQUIRES(loop_mutex)
{
	const size_t most = MAX_WORKERS - FS_WORKERS;
	const uid_t uid = user_of(in);
	size_t n = 0, left;

	if (loop.n_serving >= most)
		return false;
	left = most - loop.n_serving;
	if (can_wait(in))
		left = MIN(left, (size_t)FS_WORKERS);
	/* Nearly always true: then the user's workers needn't be counted. */
	if (loop.n_stuck < left)
		return true;
	for (size_t i = 0; i < MAX_WORKERS; i++)
		n += loop.workers[i].stuck && loop.workers[i].uid == uid;
	return n < left;
}

/* Adds a copy of a request to a lane. Returns false if there is no memory. */
static bool put_off(struct lane *lane, const struct fuse_buf *buf)
	CORE_REQUIRES(loop_mutex)
{
	struct request *copy = malloc(sizeof(*copy) + buf->size);

	if (!copy)
		return false;
	copy->buf = *buf;
	copy->buf.mem = memcpy(copy + 1, buf->mem, buf->size);
	STAILQ_INSERT_TAIL(&lane->waiting, copy, entry);
	return true;
}

static void begin(struct worker *worker, struct lane *lane,
		  const struct fuse_in_header *in) CORE_REQUIRES(loop_mutex)
{
	worker->serves = true;
	worker->lane = lane;
	worker->uid = user_of(in);
	worker->began = core_wait_now();
	loop.n_serving++;
	if (lane)
		lane->n_serving++;
}

/*
 * The kernel drops the name when a LOOKUP fails with any error but ENOMEM, so a
 * refused lookup returns ENOMEM.
 */
static void refuse(struct fuse_session *session,
		   const struct fuse_in_header *in)
{
	struct fuse_out_header out = {
		.len = sizeof(out),
		.error = in->opcode == FUSE_LOOKUP ? -ENOMEM : -EAGAIN,
		.unique = in->unique,
	};

	/* The write fails if the caller has stopped waiting. */
	if (write(fuse_session_fd(session), &out, sizeof(out)) < 0)
		return;
}

/*
 * Returns the request that a worker has read, if the worker must serve the
 * request. Otherwise *ret_refused is set, or the request waits in its lane.
 * After the end of the loop the request is dropped, like the requests that no
 * worker has read.
 */
static struct request *admit(struct worker *worker, bool *ret_refused)
	CORE_REQUIRES(loop_mutex)
{
	const struct fuse_in_header *in = worker->read.buf.mem;
	struct lane *lane = NULL;

	if (loop.ended)
		return NULL;
	if (in->opcode == FUSE_READDIR) {
		lane = &listings;
	} else if (!may_have_one(in)) {
		lane = &serial;
		*ret_refused = !can_wait(in);
	}
	/* Without memory for a copy, the lane's limit is exceeded. */
	if (*ret_refused || (lane && lane->n_serving >= lane->most &&
			     put_off(lane, &worker->read.buf)))
		return NULL;
	begin(worker, lane, in);
	if (loop.n_serving == loop.n_workers)
		(void)grow();
	arm_scan();
	return &worker->read;
}

/* Ends a worker while the loop continues. */
static void leave(struct worker *worker) CORE_REQUIRES(loop_mutex)
{
	worker->exists = false;
	loop.n_workers--;
	free(worker->read.buf.mem);
	pthread_detach(pthread_self());
	arm_scan();
}

/*
 * Called when the worker has served a request of admit(). Returns the next
 * request of the lane, which the worker must serve as well, or NULL. If the
 * worker isn't needed any more, it has left.
 */
static struct request *finish(struct worker *worker, struct request *request)
	CORE_REQUIRES(loop_mutex)
{
	struct lane *lane = worker->lane;
	struct request *next = NULL;

	if (request != &worker->read)
		free(request);
	loop.n_stuck -= worker->stuck;
	loop.n_serving--;
	worker->serves = worker->stuck = false;
	if (lane) {
		lane->n_serving--;
		next = STAILQ_FIRST(&lane->waiting);
	}
	if (loop.ended) {
		pthread_cond_signal(&loop.idle);
		return NULL;
	}
	if (next) {
		STAILQ_REMOVE_HEAD(&lane->waiting, entry);
		begin(worker, lane, next->buf.mem);
	} else if (loop.n_workers - loop.n_serving > FS_WORKERS) {
		leave(worker);
	}
	return next;
}

/* Serves the request that was read. Returns whether the worker must stay. */
static bool serve(struct worker *worker)
{
	struct request *request;
	bool refused = false, stays;

	if (is_short(worker->read.buf.mem)) {
		fuse_session_process_buf(loop.fs->session, &worker->read.buf);
		return true;
	}
	loop_mutex_lock(&loop.lock);
	request = admit(worker, &refused);
	while (request) {
		loop_mutex_unlock(&loop.lock);
		fuse_session_process_buf(loop.fs->session, &request->buf);
		loop_mutex_lock(&loop.lock);
		request = finish(worker, request);
	}
	stays = worker->exists;
	loop_mutex_unlock(&loop.lock);
	if (refused)
		refuse(loop.fs->session, worker->read.buf.mem);
	return stays;
}

/*
 * Called when a worker can't read requests any more: the connection has ended,
 * or there is no memory for the worker's buffer.
 */
static void stop(struct worker *worker, int r)
{
	loop_mutex_lock(&loop.lock);
	if (r == -ENOMEM && !loop.ended && loop.n_workers > 1) {
		leave(worker);
	} else {
		/* An unmount has ended the connection, which is no error. */
		if (r == -ECONNABORTED || r == 0)
			r = 1;
		loop.ended = loop.ended ?: r;
		(void)eventfd_write(loop.event, 1);
	}
	loop_mutex_unlock(&loop.lock);
}

/* A worker can be cancelled only while it waits for a request. */
static void *work(void *closure)
{
	struct worker *worker = closure;
	int r;

	pthread_setname_np(pthread_self(), "worker");
	do {
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
		r = fuse_session_receive_buf(loop.fs->session,
					     &worker->read.buf);
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
		if (r > 0 && !serve(worker))
			return NULL;
	} while (r > 0 || r == -EINTR);
	stop(worker, r);
	return NULL;
}

/*
 * Waits until a worker has seen the end of the connection, or a signal arrives.
 * Signals are unblocked only in ppoll(2), so no signal is missed.
 *
 * A lazy unmount (umount -l) removes the mount from the directory tree, but the
 * mount exists until the last file is closed. Waiting requests might then wait
 * for ever, unnoticed, so they end with an error. Open files still work.
 */
static int wait_for_end(const struct fs_mountpoint *mountpoint,
			const sigset_t *signals)
{
	static const struct timespec pause = { .tv_nsec = STUCK_NS };
	struct pollfd fds[] = {
		{ .fd = loop.event, .events = POLLIN },
		/* The mount may have ended before we opened the table. */
		{ .fd = fileno(mountpoint->table),
		  .events = POLLPRI,
		  .revents = POLLPRI },
	};
	bool scanning = false, ended = false;
	eventfd_t value;

	while (!ended && !fuse_session_exited(loop.fs->session)) {
		if (fds[1].revents && !fs_mountpoint_is_mounted(mountpoint)) {
			core_wait_end_all(loop.fs->wait);
			fds[1].fd = -1;
		}
		if (ppoll(fds, 2, scanning ? &pause : NULL, signals) < 0 &&
		    errno != EINTR)
			return -errno;
		(void)eventfd_read(loop.event, &value);
		loop_mutex_lock(&loop.lock);
		/* The scan comes STUCK_NS after the event that asks for it. */
		if (scanning)
			scan();
		scanning = loop.scanning;
		ended = loop.ended;
		loop_mutex_unlock(&loop.lock);
	}
	return 0;
}

/*
 * Ends the workers. Returns the error with which the loop ended, or 0. Returns
 * -ETIMEDOUT if a worker still serves a request, perhaps for ever.
 */
static int end_workers(int error)
{
	struct timespec end;
	int r = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += END_SECONDS;
	loop_mutex_lock(&loop.lock);
	loop.ended = error ?: loop.ended ?: 1;
	error = MIN(loop.ended, 0);
	for (size_t i = 0; i < MAX_WORKERS; i++) {
		if (loop.workers[i].exists)
			pthread_cancel(loop.workers[i].thread);
	}
	while (r == 0 && loop.n_serving > 0)
		r = pthread_cond_clockwait(&loop.idle, &loop.lock.native,
					   CLOCK_MONOTONIC, &end);
	loop_mutex_unlock(&loop.lock);
	return r == 0 ? error : -ETIMEDOUT;
}

/*
 * Joins the workers if they are idle; otherwise detaches them. clang doesn't
 * check this function: no worker changes "exists" any more, and the lock can't
 * be held while we join, because a worker in stop() locks it.
 */
static void forget_workers(bool idle) CORE_NO_THREAD_SAFETY
{
	for (size_t i = 0; i < MAX_WORKERS; i++) {
		if (!loop.workers[i].exists)
			continue;
		if (idle)
			pthread_join(loop.workers[i].thread, NULL);
		else
			pthread_detach(loop.workers[i].thread);
	}
}

int fs_loop(const struct fs *fs, const struct fs_mountpoint *mountpoint)
{
	sigset_t all, old;
	int r;

	loop.fs = fs;
	loop.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop.event < 0)
		return -errno;
	/* No worker may get signals. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	loop_mutex_lock(&loop.lock);
	r = add_worker();
	loop_mutex_unlock(&loop.lock);
	if (r == 0)
		r = wait_for_end(mountpoint, &old);
	r = end_workers(r);
	forget_workers(r != -ETIMEDOUT);
	if (r == -ETIMEDOUT)
		return r;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)close(loop.event);
	return r;
}

size_t fs_loop_n_workers(void)
{
	size_t n;

	loop_mutex_lock(&loop.lock);
	n = loop.n_workers;
	loop_mutex_unlock(&loop.lock);
	return n;
}
