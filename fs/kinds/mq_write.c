/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A write is one message, so a write succeeds as a whole or not at all. In the
 * view "lines" writes are a stream: each newline ends a message, and the
 * messages are sent one after another. The text behind the last newline is kept
 * as an unfinished line, for the next write of the same process. If only a part
 * can be sent, for instance because of a signal, the write returns the number
 * of bytes sent.
 *
 * An unfinished line is sent when its process closes the file. If the queue has
 * room, the line is in the queue when close(2) returns. Otherwise the line must
 * wait, but close(2) must not wait for room: a process that is exiting can't be
 * interrupted. So the daemon waits instead, without a request. Nobody can
 * interrupt this wait, and the wait keeps the queue and its memory in use.
 * Therefore the wait ends after a minute, or when the queue is removed.
 */
#include "fs/kinds/mq_write.h"

#include "core/cleanup.h"
#include "core/mq.h"
#include "fs/fuse/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

#define PENDING_NS 60000000000ULL

struct write {
	struct fs_waiting base;
	struct fs_mq_handle *handle;
	uint64_t owner;
	struct fs_pending_line *line; /* begins the text; or NULL */
	size_t prefix_len;	      /* bytes of the line */
	bool last;		      /* the text ends its last line */
	size_t sent;
	size_t size;
	char text[];
};

/*
 * Removes the oldest unfinished line of an owner; if owner is NULL, of any
 * owner. Returns the line, or NULL.
 */
static struct fs_pending_line *remove_line(struct fs_mq_handle *handle,
					   const uint64_t *owner)
{
	struct fs_pending_line *line;

	fs_mq_handle_mutex_lock(&handle->lock);
	line = fs_pending_lines_remove(&handle->pending, owner);
	fs_mq_handle_mutex_unlock(&handle->lock);
	return line;
}

static void put_line_back(struct fs_mq_handle *handle,
			  struct fs_pending_line *line)
{
	fs_mq_handle_mutex_lock(&handle->lock);
	fs_pending_lines_put_back(&handle->pending, line);
	fs_mq_handle_mutex_unlock(&handle->lock);
}

/*
 * Makes a write of a line and the text in buf that follows the line. The write
 * owns the line then. Returns NULL, and leaves the line, if there is no memory.
 */
static struct write *write_new(struct fs_mq_handle *handle, uint64_t owner,
			       struct fs_pending_line *line, const char *buf,
			       size_t size)
{
	size_t prefix_len = line ? line->len : 0;
	struct write *write = calloc(1, sizeof(*write) + prefix_len + size);

	if (!write)
		return NULL;
	write->handle = handle;
	write->owner = owner;
	write->line = line;
	write->prefix_len = prefix_len;
	write->size = prefix_len + size;
	if (line)
		memcpy(write->text, line->text, prefix_len);
	memcpy(write->text + prefix_len, buf, size);
	return write;
}

static void write_free(struct write *write)
{
	free(write->line);
	free(write);
}

static int next_frame(const struct write *write, struct fs_frame *ret)
{
	const struct fs_mq_handle *handle = write->handle;

	return fs_frame_next(&handle->view, handle->msgsize,
			     write->text + write->sent,
			     write->size - write->sent, write->last, ret);
}

static int write_attempt(struct core_waiter *waiter)
{
	struct write *write = (struct write *)waiter;
	struct fs_frame frame;
	int r;

	/*
	 * mq_notify(3) reports the sender's real user, which must not be root.
	 */
	core_cred_be_nobody();
	for (int n = 0; n < FS_MQ_MANY; n++) {
		r = next_frame(write, &frame);
		if (r <= 0)
			return r;
		r = core_mq_send(write->handle->base.fd,
				 write->text + write->sent + frame.start,
				 frame.len, frame.priority);
		if (r < 0)
			return r;
		write->sent += frame.end;
		if (write->sent == write->size)
			return 0;
	}
	return CORE_WAIT_AGAIN;
}

/* Returns the most bytes of lines in one write, and kept by one handle. */
static size_t max_text(const struct fs_mq_handle *handle)
{
	return MAX(FS_MQ_BATCH, handle->msgsize + FS_FRAME_EXTRA);
}

/*
 * Keeps the text that no newline has ended yet. Returns 0, -EAGAIN (the handle
 * would keep too much text) or -ENOMEM.
 */
static int keep_rest(struct write *write)
{
	struct fs_mq_handle *handle = write->handle;
	size_t len = write->size - write->sent;
	int r;

	if (len == 0)
		return 0;
	fs_mq_handle_mutex_lock(&handle->lock);
	r = fs_pending_lines_add(&handle->pending, write->owner,
				 write->text + write->sent, len,
				 max_text(handle));
	fs_mq_handle_mutex_unlock(&handle->lock);
	return r;
}

static void write_done(struct core_waiter *waiter, int result)
{
	struct write *write = (struct write *)waiter;
	size_t used = write->size;

	fs_waiting_finish(&write->base);
	if (result == 0)
		result = keep_rest(write);
	if (result < 0 && write->sent > 0) {
		used = write->sent;
		result = 0;
	}
	if (result == 0) {
		(void)fuse_reply_write(write->base.req,
				       used - write->prefix_len);
	} else {
		/* If a line is rejected, its beginning is dropped as well. */
		if (result != -EMSGSIZE && result != -EINVAL)
			put_line_back(write->handle,
				      core_steal_ptr(write->line));
		(void)fuse_reply_err(write->base.req, -result);
	}
	write_free(write);
}

/*
 * The kernel cuts a long write into requests of max_write bytes, or up to a
 * page less where the caller's buffer isn't aligned. Such a request may be the
 * first piece of a longer message, so it is refused.
 */
static bool may_be_cut(const struct fs *fs, size_t size)
{
	return size + (size_t)sysconf(_SC_PAGESIZE) > fs->max_write;
}

/*
 * core_mq_is_awaited() takes a microsecond. So a handle that is written to
 * without a pause calls it only every 100 us. The handle then misses an
 * mq_notify(3) registration that is younger.
 */
#define LOOK_NS 100000

static bool is_awaited(struct fs_mq_handle *handle)
{
	uint64_t now = core_wait_now();

	if (now - handle->looked < LOOK_NS)
		return false;
	if (core_mq_is_awaited(handle->base.fd, handle->readable))
		return true;
	handle->looked = now;
	return false;
}

/*
 * If a process will be notified, sends the first message of a write from a
 * child process with the caller's user, so that the notification reports the
 * right user. The caller can make the child last as long as the caller likes.
 * So the wait thread must not send in this way. The same holds while other
 * writers wait, and for lines that are sent when a file closes. Returns 0 if
 * all is sent, or 1 if the rest must be submitted.
 */
static int send_awaited(const struct fs_request *rq, struct write *write,
			const struct fs_frame *frame)
{
	struct fs_mq_handle *handle = write->handle;
	struct core_cred cred = { .uid = rq->caller->uid,
				  .gid = rq->caller->gid };
	int r;

	if (!is_awaited(handle) ||
	    !core_wait_is_idle(handle->source, CORE_WAIT_OUT))
		return 1;
	r = core_mq_send_as(&cred, handle->base.fd, write->text + frame->start,
			    frame->len, frame->priority);
	/*
	 * A user who kills the child may lose the message, but never sends it
	 * twice.
	 */
	if (r == 0 || r == -EINTR)
		write->sent = frame->end;
	return write->sent == write->size ? 0 : 1;
}

int fs_mq_write(const struct fs_request *rq, struct fs_handle *handle_,
		const char *buf, size_t size, off_t offset,
		const struct fuse_file_info *fi)
{
	struct fs_mq_handle *handle = (struct fs_mq_handle *)handle_;
	struct fs_pending_line *line;
	struct fs_frame frame;
	struct write *write;
	int r;

	if (!handle->view.lines &&
	    (may_be_cut(rq->fs, size) ||
	     fs_mq_handle_is_continued(handle, offset, fi)))
		return -EMSGSIZE;
	if (handle->view.lines)
		size = MIN(size, max_text(handle));
	line = remove_line(handle, &fi->lock_owner);
	write = write_new(handle, fi->lock_owner, line, buf, size);
	if (!write) {
		put_line_back(handle, line);
		return -ENOMEM;
	}
	write->base.waiter.attempt = write_attempt;
	write->base.waiter.done = write_done;
	fs_waiting_limit(&write->base, fi->flags & O_NONBLOCK,
			 handle->view.timeout);
	write->base.req = rq->req;
	/*
	 * A write that has no message to send, or whose message is invalid,
	 * needn't wait for its turn.
	 */
	r = next_frame(write, &frame);
	if (r > 0)
		r = send_awaited(rq, write, &frame);
	if (r > 0)
		fs_waiting_submit(&write->base, rq->fs, rq->caller->uid,
				  handle->source, CORE_WAIT_OUT);
	else
		write_done(&write->base.waiter, r);
	return FS_REPLY_LATER;
}

static void log_loss(size_t size, int r)
{
	const char *why = strerror(-r);

	if (r == -ETIMEDOUT)
		why = "it was full for a minute";
	if (r == -ENOENT)
		why = "it was removed";
	fs_log_ratelimited(
		"a queue did not get an unfinished line of %zu bytes: %s", size,
		why);
}

static void pending_done(struct core_waiter *waiter, int result)
{
	struct write *write = (struct write *)waiter;

	fs_waiting_finish(&write->base);
	if (result < 0)
		log_loss(write->size, result);
	fs_mq_handle_unref(write->handle);
	write_free(write);
}

/*
 * Submits an unfinished line. Returns 0; -EMSGSIZE or -EINVAL (the line is
 * invalid, and was freed); or -ENOMEM (the caller still owns the line).
 */
static int send_line(struct fs_mq_handle *handle, struct fs_pending_line *line)
{
	struct write *write = write_new(handle, line->owner, line, "", 0);
	struct fs_frame frame;
	int r;

	if (!write)
		return -ENOMEM;
	write->base.waiter.attempt = write_attempt;
	write->base.waiter.done = pending_done;
	write->base.waiter.deadline = core_wait_now() + PENDING_NS;
	write->base.waiter.needs_name = true;
	write->last = true;
	r = next_frame(write, &frame);
	if (r < 0) {
		write_free(write);
		return r;
	}
	atomic_fetch_add(&handle->refs, 1);
	fs_waiting_submit(&write->base, handle->fs, handle->uid, handle->source,
			  CORE_WAIT_OUT);
	return 0;
}

static int flush_attempt(struct core_waiter *waiter)
{
	(void)waiter;
	return 0;
}

static void flush_done(struct core_waiter *waiter, int result)
{
	struct fs_waiting *flush = (struct fs_waiting *)waiter;

	(void)result;
	fs_waiting_finish(flush);
	(void)fuse_reply_err(flush->req, 0);
	free(flush);
}

/*
 * Another thread may be working on the waitlist, so the lines that were
 * submitted may not have been tried yet. The flush is a waiter behind the lines
 * that doesn't wait: it ends when the lines are sent or must wait. Without
 * memory the reply comes at once: the lines are accepted, so the close must not
 * fail.
 */
static int reply_after_lines(const struct fs_request *rq,
			     struct fs_mq_handle *handle)
{
	struct fs_waiting *flush = calloc(1, sizeof(*flush));

	if (!flush) {
		(void)fuse_reply_err(rq->req, 0);
		return 0;
	}
	flush->waiter.attempt = flush_attempt;
	flush->waiter.done = flush_done;
	flush->req = rq->req;
	fs_waiting_limit(flush, true, 0);
	fs_waiting_submit(flush, rq->fs, rq->caller->uid, handle->source,
			  CORE_WAIT_OUT);
	return FS_REPLY_LATER;
}

int fs_mq_write_flush(const struct fs_request *rq, struct fs_handle *handle_,
		      uint64_t owner)
{
	struct fs_mq_handle *handle = (struct fs_mq_handle *)handle_;
	struct fs_pending_line *line;
	bool sent = false;
	int r = 0;

	/* Two threads of a process can leave a line each. */
	while (r == 0 && (line = remove_line(handle, &owner))) {
		r = send_line(handle, line);
		sent = true;
		if (r == -ENOMEM)
			put_line_back(handle, line);
	}
	if (r < 0)
		return r;
	if (sent)
		return reply_after_lines(rq, handle);
	(void)fuse_reply_err(rq->req, 0);
	return 0;
}

void fs_mq_write_end(struct fs_mq_handle *handle)
{
	struct fs_pending_line *line;

	while ((line = remove_line(handle, NULL))) {
		size_t len = line->len;
		int r = send_line(handle, line);

		if (r < 0)
			log_loss(len, r);
		if (r == -ENOMEM)
			free(line);
	}
}
