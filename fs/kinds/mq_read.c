/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/kinds/mq_read.h"

#include "core/mq.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/param.h>

/* This many reads receive one line each, before a read receives several. */
#define ONE_BY_ONE 100

struct read {
	struct fs_waiting base;
	struct fs_mq_handle *handle;
	size_t size; /* that the reader asks for */
	off_t offset;
	bool eof_if_empty;
	struct fs_read_piece piece; /* the reply */
};

void fs_mq_read_add_received(struct fs_handle *handle_, struct statx *stx)
{
	struct fs_mq_handle *handle = (struct fs_mq_handle *)handle_;
	uint64_t n_received = 0;

	fs_mq_handle_mutex_lock(&handle->lock);
	if (!handle->stream)
		n_received = fs_read_buffer_end(&handle->buffer);
	fs_mq_handle_mutex_unlock(&handle->lock);
	if (n_received <= INT64_MAX - stx->stx_size)
		stx->stx_size += n_received;
}

/*
 * Returns how many lines to receive. Lines that were received but not read are
 * lost when the file is closed. So a reader that reads just a few lines, as
 * head(1) and the shell do, gets them one by one. A reader that continues gets
 * more and more lines at once.
 */
static size_t n_lines(const struct fs_mq_handle *handle)
	CORE_REQUIRES(fs_mq_handle_mutex)
{
	size_t n = handle->buffer.n_fills;

	if (!handle->view.lines || n < ONE_BY_ONE)
		return 1;
	return MIN((size_t)2 << MIN(n - ONE_BY_ONE, 16), FS_MQ_MANY);
}

/*
 * Receives the next message of the queue, or as many lines as the read has room
 * for.
 */
static int receive(struct fs_mq_handle *handle, const struct read *read)
	CORE_REQUIRES(fs_mq_handle_mutex)
{
	size_t longest = handle->msgsize + FS_FRAME_EXTRA;
	size_t n = 0, most = n_lines(handle);
	size_t room = MAX(most > 1 ? MIN(read->size, FS_MQ_BATCH) : 0, longest);
	struct fs_read_text *text = fs_read_text_new(room);
	unsigned int priority;
	size_t len;
	int r;

	if (!text)
		return -ENOMEM;
	text->len = 0;
	do {
		char *end = text->text + text->len;

		r = core_mq_receive(handle->base.fd, end, handle->msgsize, &len,
				    &priority);
		if (r < 0)
			break;
		text->len += fs_frame_put(&handle->view, priority, end, len);
	} while (++n < most && room - text->len >= longest);
	if (n == 0) {
		free(text);
		return r;
	}
	fs_read_buffer_fill(&handle->buffer, text, read->offset);
	handle->received = true;
	return 0;
}

/* Reads a piece of the text in the buffer. Returns whether there is one. */
static bool read_piece(struct read *read) CORE_REQUIRES(fs_mq_handle_mutex)
{
	return fs_read_buffer_read(&read->handle->buffer,
				   read->handle->stream ? NULL : &read->offset,
				   read->size, &read->piece);
}

static int read_attempt(struct core_waiter *waiter)
{
	struct read *read = (struct read *)waiter;
	struct fs_mq_handle *handle = read->handle;
	int r = 0;

	fs_mq_handle_mutex_lock(&handle->lock);
	if (!read_piece(read)) {
		r = receive(handle, read);
		/* An empty message leaves an empty piece. */
		if (r == 0)
			(void)read_piece(read);
	}
	fs_mq_handle_mutex_unlock(&handle->lock);
	return r;
}

/*
 * Replies with a piece. If the reply fails, nobody has read the piece: put it
 * back.
 */
static void reply_and_free(struct read *read)
{
	struct fs_read_piece *piece = &read->piece;
	struct fs_mq_handle *handle = read->handle;
	const char *text = piece->text ? piece->text->text + piece->from : NULL;

	if (fuse_reply_buf(read->base.req, text, piece->len) < 0) {
		fs_mq_handle_mutex_lock(&handle->lock);
		fs_read_buffer_put_back(&handle->buffer, piece);
		fs_mq_handle_mutex_unlock(&handle->lock);
	}
	fs_read_piece_free(piece);
	free(read);
}

static void read_done(struct core_waiter *waiter, int result)
{
	struct read *read = (struct read *)waiter;
	struct fs_mq_handle *handle = read->handle;

	fs_waiting_finish(&read->base);
	if (result == -EAGAIN && read->eof_if_empty) {
		/* The next read of this open file waits again. */
		fs_mq_handle_mutex_lock(&handle->lock);
		handle->received = false;
		fs_mq_handle_mutex_unlock(&handle->lock);
		result = 0;
	}
	if (result < 0) {
		(void)fuse_reply_err(read->base.req, -result);
		free(read);
	} else {
		reply_and_free(read);
	}
}

int fs_mq_read(const struct fs_request *rq, struct fs_handle *handle_,
	       size_t size, off_t offset, const struct fuse_file_info *fi)
{
	struct fs_mq_handle *handle = (struct fs_mq_handle *)handle_;
	struct read *read;
	bool found;

	/*
	 * Requests without a lock owner come from the page cache (splice,
	 * mmap), not from read(2). Refuse them: the cache can't return a
	 * message that it read ahead, or read for a process that was killed.
	 */
	if (!fi->lock_owner)
		return -EINVAL;
	read = calloc(1, sizeof(*read));
	if (!read)
		return -ENOMEM;
	read->base.waiter.attempt = read_attempt;
	read->base.waiter.done = read_done;
	read->base.req = rq->req;
	read->handle = handle;
	read->size = size;
	read->offset = offset;

	fs_mq_handle_mutex_lock(&handle->lock);
	found = read_piece(read);
	handle->nonblock = fi->flags & O_NONBLOCK;
	read->eof_if_empty = fs_mq_handle_ends_if_empty(handle);
	fs_mq_handle_mutex_unlock(&handle->lock);
	fs_waiting_limit(&read->base,
			 read->eof_if_empty || (fi->flags & O_NONBLOCK),
			 handle->view.timeout);
	/*
	 * A read ends with its message, so a later piece of it gets
	 * end-of-file.
	 */
	if (found || fs_mq_handle_is_continued(handle, offset, fi))
		reply_and_free(read);
	else
		fs_waiting_submit(&read->base, rq->fs, rq->caller->uid,
				  handle->source, CORE_WAIT_IN);
	return FS_REPLY_LATER;
}
