/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A handle keeps the text that was taken last, its window: what a read had no
 * room for is given to the next reads, and who seeks back within it, as tools do
 * that read too far, reads it again. It is one message, or in the view "lines" as
 * many as the read had room for.
 */
#include "core/cleanup.h"
#include "core/mq.h"
#include "fs/kinds/mq_handle.h"
#include "fs/kinds/mq_io.h"

#include <fcntl.h>
#include <sys/param.h>

/* So many reads take one line each, before one takes several. */
#define ONE_BY_ONE 100

/* Text taken from a queue: the handle's and that of replies under way. */
struct fs_mq_window {
	atomic_uint refs;
	size_t len;
	char text[];
};

struct read {
	struct fs_waiting base;
	struct fs_mq_handle *handle;
	size_t size; /* asked for; then what it gets */
	off_t offset;
	bool eof_if_empty;
	struct fs_mq_window *window; /* what it gets is behind from in there */
	size_t from;
};

void fs_mq_window_free(struct fs_mq_window *window)
{
	if (window && atomic_fetch_sub(&window->refs, 1) == 1)
		free(window);
}

bool fs_mq_has_rest(const struct fs_mq_handle *handle)
{
	return handle->window && handle->taken < handle->window->len;
}

/*
 * The size of an open file with a position is what was taken through it plus
 * what waits now. So a read doesn't make the file shorter: tail -f takes a file
 * that has become shorter for a new one, and seeks back to its beginning.
 */
void fs_mq_add_taken(struct fs_handle *handle_, struct statx *stx)
{
	struct fs_mq_handle *handle = (struct fs_mq_handle *)handle_;
	size_t taken = 0;

	pthread_mutex_lock(&handle->lock);
	if (!handle->stream && handle->window)
		taken = handle->start + handle->window->len;
	pthread_mutex_unlock(&handle->lock);
	if (taken <= INT64_MAX - stx->stx_size)
		stx->stx_size += taken;
}

/*
 * Cuts what a read gets out of the window. An offset elsewhere, which lseek(2)
 * can lead to, goes on behind what was read. Called with the handle's lock.
 * Returns whether there is anything.
 */
static bool window_take(struct fs_mq_handle *handle, struct read *read)
{
	struct fs_mq_window *window = handle->window;
	size_t from = handle->taken;

	if (!window)
		return false;
	if (!handle->stream &&
	    (size_t)read->offset - handle->start < window->len) {
		from = (size_t)read->offset - handle->start;
		if (from < handle->taken)
			handle->n_reads = 0; /* it had read too far */
	} else if (from < window->len) {
		handle->start = (size_t)read->offset - from;
	}
	if (from >= window->len)
		return false;
	atomic_fetch_add(&window->refs, 1);
	read->window = window;
	read->from = from;
	if (read->size > window->len - from)
		read->size = window->len - from;
	handle->taken = from + read->size;
	return true;
}

/* A text whose reply failed was read by nobody: its bytes are unread again. */
static void window_put_back(struct fs_mq_handle *handle,
			    const struct read *read)
{
	pthread_mutex_lock(&handle->lock);
	if (handle->window == read->window &&
	    handle->taken == read->from + read->size)
		handle->taken = read->from;
	pthread_mutex_unlock(&handle->lock);
}

/*
 * How many lines a read takes. What was taken and not read when the file is closed
 * is lost, so one who reads just a few, as head(1) and the shell do, gets them one
 * by one; who goes on reading gets more and more.
 */
static size_t n_lines(const struct fs_mq_handle *handle)
{
	if (handle->n_reads < ONE_BY_ONE)
		return 1;
	return MIN((size_t)2 << MIN(handle->n_reads - ONE_BY_ONE, 16),
		   FS_MQ_MANY);
}

/*
 * Takes the next message from the queue, or as many lines as size has room for.
 * Called with the handle's lock.
 */
static int window_next(struct fs_mq_handle *handle, off_t offset, size_t size)
{
	bool lines = handle->view.lines;
	size_t longest = handle->msgsize + FS_FRAME_EXTRA;
	size_t n = 0, most = lines ? n_lines(handle) : 1;
	size_t room = MAX(most > 1 ? MIN(size, FS_MQ_BATCH) : 0, longest);
	struct fs_mq_window *window, *shrunk;
	unsigned int priority;
	size_t len;
	int r;

	window = malloc(sizeof(*window) + room);
	if (!window)
		return -ENOMEM;
	window->len = 0;
	do {
		char *text = window->text + window->len;

		r = core_mq_receive(handle->base.fd, text, handle->msgsize,
				    &len, &priority);
		if (r < 0)
			break;
		window->len += fs_frame_put(&handle->view, priority, text, len);
	} while (++n < most && room - window->len >= longest);
	if (n == 0) {
		free(window);
		return r;
	}
	shrunk = realloc(window, sizeof(*window) + window->len);
	if (shrunk)
		window = shrunk;
	window->refs = 1;
	fs_mq_window_free(handle->window);
	handle->window = window;
	handle->start = (size_t)offset;
	handle->taken = 0;
	handle->n_reads++;
	handle->received = true;
	return 0;
}

static void read_free(struct read *read)
{
	fs_mq_window_free(read->window);
	free(read);
}

static int read_attempt(struct core_waiter *waiter)
{
	struct read *read = (struct read *)waiter;
	struct fs_mq_handle *handle = read->handle;
	int r = 0;

	pthread_mutex_lock(&handle->lock);
	if (!window_take(handle, read)) {
		r = window_next(handle, read->offset, read->size);
		if (r == 0 && !window_take(handle, read))
			read->size = 0; /* an empty message */
	}
	pthread_mutex_unlock(&handle->lock);
	return r;
}

/* The end of file was met: the next read of this open file waits again. */
static void end_of_file(struct fs_mq_handle *handle)
{
	pthread_mutex_lock(&handle->lock);
	handle->received = false;
	pthread_mutex_unlock(&handle->lock);
}

static void read_reply(const struct read *read)
{
	const struct fs_mq_window *window = read->window;
	const char *text = window ? window->text + read->from : NULL;

	if (fuse_reply_buf(read->base.req, text, text ? read->size : 0) < 0 &&
	    text)
		window_put_back(read->handle, read);
}

static void read_done(struct core_waiter *waiter, int result)
{
	struct read *read = (struct read *)waiter;

	fs_waiting_finish(&read->base);
	if (result == 0) {
		read_reply(read);
	} else if (result == -EAGAIN && read->eof_if_empty) {
		end_of_file(read->handle);
		(void)fuse_reply_buf(read->base.req, NULL, 0);
	} else {
		(void)fuse_reply_err(read->base.req, -result);
	}
	read_free(read);
}

bool fs_mq_ends_if_empty(const struct fs_mq_handle *handle)
{
	if (handle->view.drain || handle->view.follow)
		return handle->view.drain;
	return handle->received && !handle->nonblock;
}

int fs_mq_read(const struct fs_request *rq, struct fs_handle *handle_,
	       size_t size, off_t offset, const struct fuse_file_info *fi)
{
	struct fs_mq_handle *handle = (struct fs_mq_handle *)handle_;
	struct read *read;
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
	read->base.waiter.attempt = read_attempt;
	read->base.waiter.done = read_done;
	read->handle = handle;
	read->base.req = rq->req;
	read->size = size;
	read->offset = offset;

	pthread_mutex_lock(&handle->lock);
	found = window_take(handle, read);
	handle->nonblock = fi->flags & O_NONBLOCK;
	read->eof_if_empty = fs_mq_ends_if_empty(handle);
	pthread_mutex_unlock(&handle->lock);
	/* A read ends with its message: a later piece finds the end. */
	if (found || fs_mq_is_continued(handle, offset, fi)) {
		read_reply(read);
		read_free(read);
		return 0;
	}
	read->base.waiter.nowait =
		read->eof_if_empty || (fi->flags & O_NONBLOCK);
	fs_waiting_submit(&read->base, rq->fs, rq->caller->uid, handle->source,
			  CORE_WAIT_IN);
	return FS_REPLY_LATER;
}
