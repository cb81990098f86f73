/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker waits for a request in read(2), serves it, and waits again. Another one is
 * started when none would be left that waits.
 *
 * One lock guards who serves whom; it isn't held while a request is read or served.
 * A user who has no worker may always have the one that has read the request. So a
 * request is put aside only while its user has some, and they look for it when they
 * are done: nobody has to be woken for it.
 */
#include "fs/loop.h"

#include "fs/ops.h"
#include "fs/quota.h"

#include "core/cleanup.h"

#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>

enum { QUOTA_UNIT = 64 << 10 };

struct aside {
	STAILQ_ENTRY(aside) entry;
	struct fs_share *share;
	struct fuse_buf buf; /* has the bytes below */
	char bytes[] __attribute__((aligned));
};

/* Who has workers. */
struct user {
	uid_t uid;
	size_t n_workers;
	STAILQ_HEAD(asides, aside) asides; /* in the order they came */
};

struct worker {
	struct loop *loop;
	bool exists;
	pthread_t thread;
	struct fuse_buf buf;
};

struct loop {
	struct fuse_session *session;
	struct fs_quota *quota;
	int event; /* an eventfd: a worker has seen the end */
	pthread_mutex_t lock;
	int error;
	bool ends;
	size_t n_workers, n_serving;
	struct worker workers[FS_LOOP_WORKERS];
	struct user users[FS_LOOP_WORKERS]; /* each has one at least */
};

static void *work(void *closure);

/* The lock is held. */
static int add_worker(struct loop *loop)
{
	struct worker *worker = loop->workers;
	int r;

	if (loop->ends || loop->n_workers == FS_LOOP_WORKERS)
		return 0;
	while (worker->exists)
		worker++;
	*worker = (struct worker){ .loop = loop };
	r = pthread_create(&worker->thread, NULL, work, worker);
	worker->exists = r == 0;
	loop->n_workers += worker->exists;
	return -r;
}

/*
 * What a process doesn't wait for, or must not be refused, is nobody's: it ends what
 * was begun, and never lasts.
 */
static uid_t user_of(const struct fuse_in_header *in)
{
	switch (in->opcode) {
	case FUSE_FLUSH:
	case FUSE_INTERRUPT:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return (uid_t)-1;
	default:
		return in->uid;
	}
}

static struct user *find_user(struct loop *loop, uid_t uid)
{
	struct user *unused = loop->users;

	for (struct user *user = loop->users;
	     user < loop->users + FS_LOOP_WORKERS; user++) {
		if (user->n_workers == 0)
			unused = user;
		else if (user->uid == uid)
			return user;
	}
	unused->uid = uid;
	return unused;
}

/*
 * As many as are free: half of all for the first user, half of the rest for the next,
 * and so on.
 */
static bool may_serve(const struct loop *loop, const struct user *user)
{
	return user->uid == (uid_t)-1 ||
	       user->n_workers < FS_LOOP_WORKERS - loop->n_serving;
}

static size_t quota_units(size_t size)
{
	return 1 + size / QUOTA_UNIT;
}

/* Copies the request. */
static int put_aside(struct loop *loop, struct user *user,
		     const struct fuse_buf *buf)
{
	struct aside *aside = malloc(sizeof(*aside) + buf->size);
	int r;

	if (!aside)
		return -ENOMEM;
	r = fs_quota_take_n(loop->quota, user->uid, quota_units(buf->size),
			    &aside->share);
	if (r < 0) {
		free(aside);
		return r;
	}
	aside->buf =
		(struct fuse_buf){ .size = buf->size, .mem = aside->bytes };
	memcpy(aside->bytes, buf->mem, buf->size);
	STAILQ_INSERT_TAIL(&user->asides, aside, entry);
	return 0;
}

static struct aside *take_aside(struct user *user)
{
	struct aside *aside = STAILQ_FIRST(&user->asides);

	if (aside)
		STAILQ_REMOVE_HEAD(&user->asides, entry);
	return aside;
}

static void free_aside(struct aside *aside)
{
	if (!aside)
		return;
	fs_quota_give_n(aside->share, quota_units(aside->buf.size));
	free(aside);
}

static void refuse(struct loop *loop, uint64_t unique, int error)
{
	struct fuse_out_header out = { .len = sizeof(out),
				       .error = error,
				       .unique = unique };

	/* It fails if nobody waits any more. */
	if (write(fuse_session_fd(loop->session), &out, sizeof(out)) < 0)
		return;
}

static void serve(struct loop *loop, const struct fuse_buf *buf)
{
	const struct fuse_in_header *in = buf->mem;
	struct aside *aside = NULL;
	struct user *user;
	int r = 0;

	/* These come by the thousand, and are not worth a thread. */
	if (in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET) {
		fuse_session_process_buf(loop->session, buf);
		return;
	}
	pthread_mutex_lock(&loop->lock);
	user = find_user(loop, user_of(in));
	if (!may_serve(loop, user)) {
		r = put_aside(loop, user, buf);
		buf = NULL;
	}
	while (buf) {
		user->n_workers++;
		loop->n_serving++;
		if (loop->n_serving == loop->n_workers)
			(void)add_worker(loop);
		pthread_mutex_unlock(&loop->lock);
		fuse_session_process_buf(loop->session, buf);
		free_aside(aside);
		pthread_mutex_lock(&loop->lock);
		loop->n_serving--;
		user->n_workers--;
		aside = may_serve(loop, user) ? take_aside(user) : NULL;
		buf = aside ? &aside->buf : NULL;
	}
	pthread_mutex_unlock(&loop->lock);
	if (r < 0)
		refuse(loop, in->unique, r);
}

/* Nothing to read from is left, or a worker can't have a buffer. */
static void end_worker(struct worker *worker, int r)
{
	struct loop *loop = worker->loop;

	pthread_mutex_lock(&loop->lock);
	if (r == -ENOMEM && loop->n_workers > 1 && !loop->ends) {
		/* The others have theirs. */
		worker->exists = false;
		loop->n_workers--;
		pthread_detach(pthread_self());
	} else {
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
		if (r > 0)
			serve(worker->loop, &worker->buf);
	} while (r > 0 || r == -EINTR);
	end_worker(worker, r);
	return NULL;
}

static void end_workers(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->ends = true;
	pthread_mutex_unlock(&loop->lock);
	for (struct worker *worker = loop->workers;
	     worker < loop->workers + FS_LOOP_WORKERS; worker++) {
		if (!worker->exists)
			continue;
		pthread_cancel(worker->thread);
		pthread_join(worker->thread, NULL);
		free(worker->buf.mem);
	}
	/* Nobody waits for an answer to these: the mount goes. */
	for (struct user *user = loop->users;
	     user < loop->users + FS_LOOP_WORKERS; user++) {
		struct aside *aside;

		while ((aside = take_aside(user)))
			free_aside(aside);
	}
}

int fs_loop(struct fuse_session *session, struct fs_quota *aside)
{
	struct loop loop = {
		.session = session,
		.quota = aside,
		.event = eventfd(0, EFD_CLOEXEC),
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	struct pollfd fd = { .fd = loop.event, .events = POLLIN };
	sigset_t all, old;
	int r;

	if (loop.event < 0)
		return -errno;
	for (size_t i = 0; i < FS_LOOP_WORKERS; i++)
		STAILQ_INIT(&loop.users[i].asides);
	/* Signals come to this thread while it waits, and so none is missed. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_mutex_lock(&loop.lock);
	r = add_worker(&loop);
	pthread_mutex_unlock(&loop.lock);
	while (r == 0 && !fuse_session_exited(session) && !fd.revents) {
		if (ppoll(&fd, 1, NULL, &old) < 0 && errno != EINTR)
			r = -errno;
	}
	end_workers(&loop);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	core_closep(&loop.event);
	return r < 0 ? r : loop.error;
}
