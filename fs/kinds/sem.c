/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Named semaphores as files: sem/ and its files. Reading a file returns the
 * semaphore's value as text. A write of "+N" posts, "-N" waits, and "N" sets
 * the value.
 */
#include "core/sem.h"

#include "core/cleanup.h"
#include "core/file.h"
#include "fs/fuse/node.h"
#include "fs/fuse/waiting.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>

/* A number, its sign, a newline, and a zero. */
enum { TEXT_MAX = sizeof("+2147483647\n") };

/*
 * The longest text that may be written. The kernel cuts a write into several
 * where it is long, or scattered over more than 32 pages; each would be a text
 * of its own.
 */
enum { WRITE_MAX = 31 };

/* All zero: the plain view. */
struct sem_view {
	long timeout; /* see fs_waiting_limit() */
};

static const struct fs_option options[] = {
	{ .name = "timeout=",
	  .offset = offsetof(struct sem_view, timeout),
	  .max = FS_TIMEOUT_MAX,
	  .seconds = true },
	{ 0 },
};

struct sem_handle {
	struct fs_handle base;
	pthread_mutex_t lock; /* guards the rest */
	char text[TEXT_MAX];  /* that a read has begun with */
	size_t len;
	size_t at; /* up to where the text was read, without a position */
};

static int obj_find(const struct fs_request *rq, const char *name, ino_t ino,
		    int *ret_fd)
{
	return core_sem_find(rq->fs->dirs, &rq->cred, name, ino, ret_fd);
}

/* Like a file of /proc: with no size, so that tools read it to its end. */
static int obj_attr(const struct fs_request *rq, struct fs_handle *handle,
		    int fd, struct statx *ret)
{
	int r = core_file_statx(fd, ret);

	(void)rq, (void)handle;
	if (r < 0)
		return r;
	ret->stx_size = 0;
	ret->stx_blocks = 0;
	return 0;
}

/* The shell's ">" truncates, which changes nothing. */
static int obj_truncate(const struct fs_request *rq, struct fs_handle *handle,
			int fd, off_t size)
{
	if (size != 0)
		return -EINVAL;
	return handle ? 0 : core_file_access(&rq->cred, fd, W_OK);
}

static int obj_create(const struct fs_request *rq, const char *name, int flags,
		      mode_t mode, int *ret_fd)
{
	return core_sem_open(rq->fs->dirs, &rq->cred, name, flags, mode,
			     ret_fd);
}

static int obj_reopen(const struct fs_request *rq, int fd, int flags,
		      int *ret_fd)
{
	return core_sem_reopen(&rq->cred, fd, flags, ret_fd);
}

/*
 * A waiting write must not hold the lock of a file position that threads share,
 * so a handle that can write has no position. A handle that only reads keeps
 * its position for lseek(2).
 */
static int obj_init_handle(const struct fs_request *rq,
			   struct fs_handle *handle, int flags)
{
	(void)rq;
	pthread_mutex_init(&((struct sem_handle *)handle)->lock, NULL);
	if ((flags & O_ACCMODE) != O_RDONLY)
		handle->flags |= FS_HANDLE_STREAM;
	return 0;
}

static void obj_release(struct fs *fs, struct fs_handle *handle)
{
	(void)fs;
	pthread_mutex_destroy(&((struct sem_handle *)handle)->lock);
	fs_handle_free(handle);
}

static int write_text(struct sem_handle *handle)
{
	struct core_sem_info info;
	int r = core_sem_get(handle->base.fd, &info);

	if (r == 0)
		handle->len = (size_t)snprintf(
			handle->text, sizeof(handle->text), "%u\n", info.value);
	return r;
}

/* A read at the beginning makes the text; later reads return the rest of it. */
static int obj_read(const struct fs_request *rq, struct fs_handle *handle_,
		    size_t size, off_t offset, const struct fuse_file_info *fi)
{
	struct sem_handle *handle = (struct sem_handle *)handle_;
	const bool is_stream = handle_->flags & FS_HANDLE_STREAM;
	char text[TEXT_MAX];
	size_t from, n = 0;
	int r = 0;

	(void)fi;
	pthread_mutex_lock(&handle->lock);
	from = is_stream ? handle->at : (size_t)MIN(offset, SSIZE_MAX);
	if (from == 0)
		r = write_text(handle);
	if (r == 0 && from < handle->len) {
		n = handle->len - from < size ? handle->len - from : size;
		memcpy(text, handle->text + from, n);
	}
	/* After the end the next read begins again. */
	handle->at = n > 0 ? from + n : 0;
	pthread_mutex_unlock(&handle->lock);
	if (r < 0)
		return r;
	(void)fuse_reply_buf(rq->req, text, n);
	return 0;
}

/* A write of "-N", which waits until the value is at least N. */
struct wait {
	struct fs_waiting base;
	struct core_wait_source *source;
	int fd;
	unsigned int n;
	size_t size; /* of the write */
};

static int wait_attempt(struct core_waiter *waiter)
{
	const struct wait *wait = (struct wait *)waiter;

	return core_sem_change(wait->fd, CORE_SEM_TAKE, wait->n);
}

static void wait_done(struct core_waiter *waiter, int result)
{
	struct wait *wait = (struct wait *)waiter;

	/* A post since the last retry is not too late. */
	if (result == -ETIMEDOUT && wait_attempt(waiter) == 0)
		result = 0;
	fs_waiting_finish(&wait->base);
	if (result == 0)
		(void)fuse_reply_write(wait->base.req, wait->size);
	else
		(void)fuse_reply_err(wait->base.req, -result);
	core_wait_close(wait->source);
	free(wait);
}

/*
 * Linux doesn't notify us of another process's sem_post(3). So a waiting write
 * retries every 10 ms, and at once when a value is raised through the mount.
 */
static int submit_wait(const struct fs_request *rq, int fd, unsigned int n,
		       size_t size, bool nonblock)
{
	const struct sem_view *view = rq->view;
	struct wait *wait = calloc(1, sizeof(*wait));
	int r;

	if (!wait)
		return -ENOMEM;
	wait->base.waiter.attempt = wait_attempt;
	wait->base.waiter.done = wait_done;
	fs_waiting_limit(&wait->base, nonblock, view->timeout);
	wait->base.req = rq->req;
	wait->fd = fd;
	wait->n = n;
	wait->size = size;
	r = core_wait_open_retry(rq->fs->wait, &wait->source);
	if (r < 0) {
		free(wait);
		return r;
	}
	fs_waiting_submit(&wait->base, rq->fs, rq->caller->uid, wait->source,
			  CORE_WAIT_IN);
	return FS_REPLY_LATER;
}

/*
 * Parses "+N", "-N" or "N", with a newline or without. Returns 0, -EINVAL, or
 * -EOVERFLOW: no semaphore can have such a value.
 */
static int parse(const char *buf, size_t size, enum core_sem_change *ret,
		 unsigned int *ret_n)
{
	uint64_t n = 0;

	if (size > WRITE_MAX)
		return -EINVAL;
	if (size > 0 && buf[size - 1] == '\n')
		size--;
	*ret = CORE_SEM_SET;
	if (size > 0 && (*buf == '+' || *buf == '-')) {
		*ret = *buf == '+' ? CORE_SEM_POST : CORE_SEM_TAKE;
		buf++;
		size--;
	}
	if (size == 0)
		return -EINVAL;
	for (size_t i = 0; i < size; i++) {
		if (!isdigit((unsigned char)buf[i]))
			return -EINVAL;
		if (n <= SEM_VALUE_MAX)
			n = 10 * n + (uint64_t)(buf[i] - '0');
	}
	*ret_n = (unsigned int)n;
	return n <= SEM_VALUE_MAX ? 0 : -EOVERFLOW;
}

static int obj_write(const struct fs_request *rq, struct fs_handle *handle,
		     const char *buf, size_t size, off_t offset,
		     const struct fuse_file_info *fi)
{
	enum core_sem_change change;
	unsigned int n;
	int r = parse(buf, size, &change, &n);

	(void)offset;
	if (r == 0 && change == CORE_SEM_TAKE)
		return submit_wait(rq, handle->fd, n, size,
				   fi->flags & O_NONBLOCK);
	if (r == 0)
		r = core_sem_change(handle->fd, change, n);
	if (r < 0)
		return r;
	core_wait_retry(rq->fs->wait);
	(void)fuse_reply_write(rq->req, size);
	return 0;
}

static int obj_describe(const struct fs_request *rq, int fd, char *ret,
			size_t size)
{
	struct core_sem_info info;
	int r = core_sem_get(fd, &info);

	(void)rq;
	return r < 0 ? r
		     : snprintf(ret, size, "value %u\nwaiters %u\n", info.value,
				info.waiters);
}

static int dir_fd(const struct fs_request *rq)
{
	return rq->fs->dirs->shm_dir;
}

static const char *dir_listed(const struct fs_request *rq, const char *file)
{
	(void)rq;
	return core_sem_name(file);
}

static int dir_unlink(const struct fs_request *rq, const char *name)
{
	return core_sem_unlink(rq->fs->dirs, &rq->cred, name);
}

static int sem_statfs(const struct fs_request *rq, struct statvfs *ret)
{
	return core_ipc_dirs_statfs(rq->fs->dirs, ret);
}

const struct fs_kind fs_sem = {
	.name = "sem",
	.title = "POSIX named semaphores",
	.options = options,
	.view_size = sizeof(struct sem_view),
	.describe = obj_describe,
	.dir_fd = dir_fd,
	.listed = dir_listed,
	.statfs = sem_statfs,
	.create = obj_create,
	.unlink = dir_unlink,
	.find = obj_find,
	.attr = obj_attr,
	.endless = true,
	.inode_per_lookup = true, /* a waiting write locks the kernel's inode */
	.truncate = obj_truncate,
	.reopen = obj_reopen,
	.handle_size = sizeof(struct sem_handle),
	.init_handle = obj_init_handle,
	.release = obj_release,
	.read = obj_read,
	.write = obj_write,
};
