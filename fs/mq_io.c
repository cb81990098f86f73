/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A read that finds no message and a write that finds no room become waiters of
 * core/wait, which replies when their time has come; so does a read or write
 * that needn't wait, for only the line knows whose turn it is.
 *
 * A handle keeps the message that was taken last, its window: what a read had no
 * room for is given to the next reads, and who seeks back within it, as tools do
 * that read too far, reads it again. The handle's lock guards the window and is
 * taken inside attempts, so core/wait is never called with it.
 */
#include "fs/mq_io.h"

#include "core/cleanup.h"
#include "core/mq.h"
#include "core/wait.h"
#include "fs/node.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* A message taken from a queue: the handle's and that of replies under way. */
struct message {
	unsigned int refs;
	size_t len;
	char data[];
};

struct mq_handle {
	struct fs_handle base;
	struct core_wait_queue *queue;
	size_t msgsize;
	struct fs_view view;
	bool stream; /* the file has no position: reads just go on */

	pthread_mutex_t lock;
	struct message *window; /* the last message taken, or NULL */
	size_t start;  /* the position of its first byte; it may wrap */
	size_t taken;  /* how many of its bytes were read */
	bool received; /* a message since the open or the last end */

	struct core_watcher watcher;
	struct fuse_pollhandle *poll; /* whom to tell of a change, or NULL */
};

/* A read or write under way, from its request to its reply. */
struct transfer {
	struct core_waiter waiter;
	struct core_wait *wait;
	fuse_req_t req;
	struct mq_handle *handle;
	size_t size;

	/* Of a read: where, and the piece of a message that it got. */
	off_t offset;
	bool eof_if_empty;
	struct message *message;
	size_t from;

	/* Of a write: the message, behind its prefix if it has one. */
	unsigned int priority;
	size_t prefix_len;
	char data[];
};

static struct message *message_ref(struct message *message)
{
	__atomic_add_fetch(&message->refs, 1, __ATOMIC_RELAXED);
	return message;
}

static void message_unref(struct message *message)
{
	if (message &&
	    __atomic_sub_fetch(&message->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(message);
}

/*
 * Cuts up to size bytes for a read at offset out of the window. An offset
 * elsewhere, which lseek(2) can lead to, goes on behind what was read. Called
 * with the handle's lock. Returns whether there is anything.
 */
static bool window_take(struct mq_handle *handle, off_t offset, size_t size,
			struct transfer *ret)
{
	struct message *window = handle->window;
	size_t from = handle->taken;

	if (!window)
		return false;
	if (!handle->stream && (size_t)offset - handle->start < window->len)
		from = (size_t)offset - handle->start;
	else if (from < window->len)
		handle->start = (size_t)offset - from;
	if (from >= window->len)
		return false;
	ret->message = message_ref(window);
	ret->from = from;
	ret->size = window->len - from < size ? window->len - from : size;
	handle->taken = from + ret->size;
	return true;
}

/* A message whose reply failed was read by nobody: its bytes are unread again. */
static void window_put_back(struct mq_handle *handle,
			    const struct transfer *read)
{
	pthread_mutex_lock(&handle->lock);
	if (handle->window == read->message &&
	    handle->taken == read->from + read->size)
		handle->taken = read->from;
	pthread_mutex_unlock(&handle->lock);
}

/* With the view "prefix": a priority in decimal and a space. */
#define PREFIX_MAX sizeof("4294967295 ")

/* The message has room for it. */
static void add_prefix(struct message *message, unsigned int priority)
{
	char prefix[PREFIX_MAX];
	size_t n = (size_t)snprintf(prefix, sizeof(prefix), "%u ", priority);

	memmove(message->data + n, message->data, message->len);
	memcpy(message->data, prefix, n);
	message->len += n;
}

/*
 * Reads the prefix of size bytes at buf: its length, or -EINVAL where there is
 * none or its priority is none.
 */
static ssize_t take_prefix(const char *buf, size_t size, unsigned int *ret)
{
	unsigned long priority = 0;
	size_t n = 0;

	for (; n < size && n < PREFIX_MAX && buf[n] >= '0' && buf[n] <= '9';
	     n++)
		priority = priority * 10 + (unsigned long)(buf[n] - '0');
	if (n == 0 || n == size || buf[n] != ' ' ||
	    priority >= (unsigned long)sysconf(_SC_MQ_PRIO_MAX))
		return -EINVAL;
	*ret = (unsigned int)priority;
	return (ssize_t)n + 1;
}

/* Takes the next message from the queue. Called with the handle's lock. */
static int window_next(struct mq_handle *handle, off_t offset)
{
	struct message *message =
		malloc(sizeof(*message) + handle->msgsize + PREFIX_MAX);
	unsigned int priority;
	int r;

	if (!message)
		return -ENOMEM;
	r = core_mq_receive(handle->base.fd, message->data, handle->msgsize,
			    &message->len, &priority);
	if (r < 0) {
		free(message);
		return r;
	}
	if (handle->view.prefix)
		add_prefix(message, priority);
	message->refs = 1;
	message_unref(handle->window);
	handle->window = message;
	handle->start = (size_t)offset;
	handle->taken = 0;
	handle->received = true;
	return 0;
}

static void transfer_free(struct transfer *transfer)
{
	message_unref(transfer->message);
	free(transfer);
}

static void on_interrupt(fuse_req_t req, void *closure)
{
	struct transfer *transfer = closure;

	(void)req;
	core_wait_cancel(transfer->wait, &transfer->waiter);
}

/*
 * Hands the transfer to its line. libfuse holds a lock of the request while it
 * runs on_interrupt(), and to unset it waits for that lock: so it is set before
 * anyone else can know the transfer, and after it is unset none can run.
 */
static int transfer_submit(struct transfer *transfer, enum core_wait_dir dir)
{
	fuse_req_interrupt_func(transfer->req, on_interrupt, transfer);
	core_wait_submit(transfer->handle->queue, dir, &transfer->waiter);
	return FS_PARKED;
}

static int read_attempt(struct core_waiter *waiter)
{
	struct transfer *read = (struct transfer *)waiter;
	struct mq_handle *handle = read->handle;
	int r = 0;

	pthread_mutex_lock(&handle->lock);
	if (!window_take(handle, read->offset, read->size, read)) {
		r = window_next(handle, read->offset);
		if (r == 0 &&
		    !window_take(handle, read->offset, read->size, read))
			read->size = 0; /* an empty message */
	}
	pthread_mutex_unlock(&handle->lock);
	return r;
}

/* The end of file was met: the next read of this open file waits again. */
static void end_of_file(struct mq_handle *handle)
{
	pthread_mutex_lock(&handle->lock);
	handle->received = false;
	pthread_mutex_unlock(&handle->lock);
}

static void read_reply(struct transfer *read)
{
	const char *data = NULL;

	if (read->message)
		data = read->message->data + read->from;
	if (fuse_reply_buf(read->req, data, data ? read->size : 0) < 0 && data)
		window_put_back(read->handle, read);
}

static void read_done(struct core_waiter *waiter, int result)
{
	struct transfer *read = (struct transfer *)waiter;

	fuse_req_interrupt_func(read->req, NULL, NULL);
	if (result == 0) {
		read_reply(read);
	} else if (result == -EAGAIN && read->eof_if_empty) {
		end_of_file(read->handle);
		(void)fuse_reply_buf(read->req, NULL, 0);
	} else {
		(void)fuse_reply_err(read->req, -result);
	}
	transfer_free(read);
}

/*
 * A stream has no position, so what doesn't begin at 0 is a later piece of a read
 * or write that the kernel has cut, for instance one of very many iovecs. Only
 * an append is told a position all the same.
 */
static bool is_continued(const struct mq_handle *handle, off_t offset,
			 const struct fuse_file_info *fi)
{
	return handle->stream && offset != 0 && !(fi->flags & O_APPEND);
}

/* Whether an empty queue is the end of file. Called with the handle's lock. */
static bool ends_if_empty(const struct mq_handle *handle, int flags)
{
	if (handle->view.drain || handle->view.follow)
		return handle->view.drain;
	return handle->received && !(flags & O_NONBLOCK);
}

int fs_mq_read(const struct fs_call *call, struct fs_handle *handle_,
	       size_t size, off_t offset, const struct fuse_file_info *fi)
{
	struct mq_handle *handle = (struct mq_handle *)handle_;
	struct transfer *read;
	bool found;

	/*
	 * Only read(2) and its like say whose they are. The kernel's page cache,
	 * which serves splice(2) and mmap(2), can't give back what it reads ahead
	 * or for somebody who is killed.
	 */
	if (!fi->lock_owner)
		return -EINVAL;
	read = calloc(1, sizeof(*read));
	if (!read)
		return -ENOMEM;
	read->waiter.attempt = read_attempt;
	read->waiter.done = read_done;
	read->wait = call->fs->wait;
	read->req = call->req;
	read->handle = handle;
	read->size = size;
	read->offset = offset;

	pthread_mutex_lock(&handle->lock);
	found = window_take(handle, offset, size, read);
	read->eof_if_empty = ends_if_empty(handle, fi->flags);
	pthread_mutex_unlock(&handle->lock);
	/* A read ends with its message: a later piece finds the end. */
	if (found || is_continued(handle, offset, fi)) {
		read_reply(read);
		transfer_free(read);
		return 0;
	}
	read->waiter.nowait = read->eof_if_empty || (fi->flags & O_NONBLOCK);
	return transfer_submit(read, CORE_WAIT_IN);
}

static int write_attempt(struct core_waiter *waiter)
{
	struct transfer *write = (struct transfer *)waiter;

	return core_mq_send(write->handle->base.fd,
			    write->data + write->prefix_len,
			    write->size - write->prefix_len, write->priority);
}

static void write_done(struct core_waiter *waiter, int result)
{
	struct transfer *write = (struct transfer *)waiter;

	fuse_req_interrupt_func(write->req, NULL, NULL);
	if (result == 0)
		(void)fuse_reply_write(write->req, write->size);
	else
		(void)fuse_reply_err(write->req, -result);
	transfer_free(write);
}

/*
 * The kernel cuts a long write into requests of max_write bytes, or up to a page
 * less where the caller's buffer isn't aligned. Such a request may be the first
 * piece of a longer message, so it is refused.
 */
static bool may_be_cut(const struct fs *fs, size_t size)
{
	return size + (size_t)sysconf(_SC_PAGESIZE) > fs->max_write;
}

int fs_mq_write(const struct fs_call *call, struct fs_handle *handle_,
		const char *buf, size_t size, off_t offset,
		const struct fuse_file_info *fi)
{
	struct mq_handle *handle = (struct mq_handle *)handle_;
	unsigned int priority = handle->view.priority;
	ssize_t prefix_len = 0;
	struct transfer *write;

	if (may_be_cut(call->fs, size) || is_continued(handle, offset, fi))
		return -EMSGSIZE;
	if (handle->view.prefix)
		prefix_len = take_prefix(buf, size, &priority);
	if (prefix_len < 0)
		return (int)prefix_len;
	if (size - (size_t)prefix_len > handle->msgsize)
		return -EMSGSIZE;
	write = calloc(1, sizeof(*write) + size);
	if (!write)
		return -ENOMEM;
	write->waiter.attempt = write_attempt;
	write->waiter.done = write_done;
	write->waiter.nowait = fi->flags & O_NONBLOCK;
	write->wait = call->fs->wait;
	write->req = call->req;
	write->handle = handle;
	write->size = size;
	write->priority = priority;
	write->prefix_len = (size_t)prefix_len;
	memcpy(write->data, buf, size);
	return transfer_submit(write, CORE_WAIT_OUT);
}

/* Takes over poll, in place of one that was not told anything. */
static void set_poll(struct mq_handle *handle, struct fuse_pollhandle *poll)
{
	struct fuse_pollhandle *old;

	pthread_mutex_lock(&handle->lock);
	old = handle->poll;
	handle->poll = poll;
	pthread_mutex_unlock(&handle->lock);
	if (old)
		fuse_pollhandle_destroy(old);
}

/* Whoever polls asks once more when told, and leaves another handle then. */
static void on_change(struct core_watcher *watcher)
{
	struct mq_handle *handle =
		(void *)((char *)watcher - offsetof(struct mq_handle, watcher));
	struct fuse_pollhandle *poll;

	pthread_mutex_lock(&handle->lock);
	poll = handle->poll;
	handle->poll = NULL;
	pthread_mutex_unlock(&handle->lock);
	if (!poll)
		return;
	(void)fuse_lowlevel_notify_poll(poll);
	fuse_pollhandle_destroy(poll);
}

int fs_mq_poll(const struct fs_call *call, struct fs_handle *handle_,
	       struct fuse_pollhandle *poll_)
{
	struct mq_handle *handle = (struct mq_handle *)handle_;
	struct pollfd fd = { .fd = handle_->fd,
			     .events = POLLIN | POLLRDNORM | POLLOUT |
				       POLLWRNORM };
	int r = 0;

	/* Watch first: what changes after the look is told. */
	if (poll_) {
		set_poll(handle, poll_);
		r = core_wait_watch(handle->queue, &handle->watcher);
	}
	if (r == 0 && poll(&fd, 1, 0) < 0)
		r = -errno;
	if (r < 0)
		return r;
	pthread_mutex_lock(&handle->lock);
	if (handle->window && handle->taken < handle->window->len)
		fd.revents |= POLLIN | POLLRDNORM;
	pthread_mutex_unlock(&handle->lock);
	(void)fuse_reply_poll(call->req, (unsigned int)fd.revents);
	return 0;
}

void fs_mq_release(const struct fs_call *call, struct fs_handle *handle_)
{
	struct mq_handle *handle = (struct mq_handle *)handle_;

	fs_node_remove(call, handle_);
	if (handle->queue) {
		core_wait_unwatch(handle->queue, &handle->watcher);
		core_wait_close(handle->queue);
	}
	set_poll(handle, NULL);
	message_unref(handle->window);
	pthread_mutex_destroy(&handle->lock);
	(void)close(handle->base.fd);
	free(handle);
}

/* Reading takes messages away, which a read-only mount doesn't allow. */
static bool may_read(const struct fs *fs, int flags)
{
	return !fs->read_only || (flags & O_ACCMODE) == O_WRONLY;
}

int fs_mq_hold(const struct fs_call *call, int *fd, ino_t ino, int flags,
	       struct fs_handle **ret)
{
	struct mq_handle *handle;
	int r;

	if (!may_read(call->fs, flags))
		return -EROFS;
	handle = calloc(1, sizeof(*handle));
	if (!handle)
		return -ENOMEM;
	pthread_mutex_init(&handle->lock, NULL);
	handle->watcher.ready = on_change;
	handle->view = *call->view;
	handle->base.fd = core_steal_fd(fd);
	/* Only who just reads can use a position, to seek back in the window. */
	handle->stream = (flags & O_ACCMODE) != O_RDONLY;
	handle->base.flags = handle->stream ? FS_HANDLE_STREAM : 0;
	r = core_mq_msgsize(handle->base.fd, &handle->msgsize);
	if (r == 0)
		r = core_wait_open(call->fs->wait, ino, handle->base.fd,
				   &handle->queue);
	if (r < 0)
		fs_mq_release(NULL, &handle->base);
	else
		*ret = &handle->base;
	return r;
}
