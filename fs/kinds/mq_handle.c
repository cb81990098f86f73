/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/kinds/mq_handle.h"

#include "core/cleanup.h"
#include "core/file.h"
#include "core/mq.h"

#include <fcntl.h>
#include <poll.h>
#include <stddef.h>

/*
 * Keeps poll as the handle's poll handle, which owns it then. Returns the
 * previous poll handle, which wasn't notified, or NULL.
 */
static struct fuse_pollhandle *replace(struct fs_mq_handle *handle,
				       struct fuse_pollhandle *poll)
{
	struct fuse_pollhandle *old;

	fs_mq_handle_mutex_lock(&handle->lock);
	old = handle->poll;
	handle->poll = poll;
	fs_mq_handle_mutex_unlock(&handle->lock);
	return old;
}

/* After this notification the kernel polls again, with a new poll handle. */
static void on_change(struct core_poll_notify *notify)
{
	struct fs_mq_handle *handle =
		(void *)((char *)notify -
			 offsetof(struct fs_mq_handle, notify));
	struct fuse_pollhandle *poll = replace(handle, NULL);

	if (!poll)
		return;
	(void)fuse_lowlevel_notify_poll(poll);
	fuse_pollhandle_destroy(poll);
}

/* Reads remove messages, and a read-only mount doesn't allow that. */
static bool may_read(const struct fs *fs, int flags)
{
	return !fs->read_only || (flags & O_ACCMODE) == O_WRONLY;
}

/*
 * Opens the queue for reading. Before a write we must know whether a process
 * will be notified (mq_notify) of the message. The caller learns nothing from
 * this, so the daemon opens the queue as itself. A daemon without privileges
 * needn't know: its messages come from its own user anyway.
 */
static int open_readable(int fd, int flags)
{
	struct core_cred self = core_cred_self();
	int readable = -1;

	if (self.uid != 0)
		return -1;
	if ((flags & O_ACCMODE) == O_RDWR)
		return fd;
	if ((flags & O_ACCMODE) == O_WRONLY)
		(void)core_file_reopen(&self, fd, O_RDONLY, &readable);
	return readable;
}

int fs_mq_handle_init(const struct fs_request *rq, struct fs_handle *handle_,
		      int flags)
{
	struct fs_mq_handle *handle = (struct fs_mq_handle *)handle_;
	int r = may_read(rq->fs, flags) ? 0 : -EROFS;

	if (r == 0)
		r = core_mq_msgsize(handle_->fd, &handle->msgsize);
	if (r == 0)
		r = core_wait_open_queue(rq->fs->wait, handle_->fd,
					 &handle->source);
	if (r < 0)
		return r;
	pthread_mutex_init(&handle->lock.native, NULL);
	fs_mq_handle_mutex_lock(&handle->lock);
	fs_pending_lines_init(&handle->pending);
	handle->nonblock = flags & O_NONBLOCK;
	fs_mq_handle_mutex_unlock(&handle->lock);
	handle->refs = 1;
	handle->notify.changed = on_change;
	handle->fs = rq->fs;
	handle->uid = rq->caller->uid;
	handle->view = *(const struct fs_mq_view *)rq->view;
	handle->readable = open_readable(handle_->fd, flags);
	/* Only a read-only handle has a use for a position: to seek back. */
	handle->stream = (flags & O_ACCMODE) != O_RDONLY;
	if (handle->stream)
		handle_->flags |= FS_HANDLE_STREAM;
	/* Only unfinished lines are sent at close(2). */
	if (!handle->stream || !handle->view.lines)
		handle_->flags |= FS_HANDLE_NOFLUSH;
	return 0;
}

void fs_mq_handle_unref(struct fs_mq_handle *handle)
{
	if (atomic_fetch_sub(&handle->refs, 1) > 1)
		return;
	core_wait_close(handle->source);
	fs_mq_handle_mutex_lock(&handle->lock);
	fs_read_buffer_free(&handle->buffer);
	fs_pending_lines_free(&handle->pending);
	fs_mq_handle_mutex_unlock(&handle->lock);
	if (handle->readable != handle->base.fd)
		core_closep(&handle->readable);
	pthread_mutex_destroy(&handle->lock.native);
	fs_handle_free(&handle->base);
}

bool fs_mq_handle_is_continued(const struct fs_mq_handle *handle, off_t offset,
			       const struct fuse_file_info *fi)
{
	return handle->stream && offset != 0 && !(fi->flags & O_APPEND);
}

bool fs_mq_handle_ends_if_empty(const struct fs_mq_handle *handle)
{
	if (handle->view.drain || handle->view.follow)
		return handle->view.drain;
	return handle->received && !handle->nonblock;
}

static int add(struct fs_mq_handle *handle, struct fuse_pollhandle *poll)
{
	struct fuse_pollhandle *old = replace(handle, poll);

	if (old)
		fuse_pollhandle_destroy(old);
	return core_poll_notify_add(handle->source, &handle->notify);
}

/*
 * A queue is readable exactly when a read wouldn't wait, so at end-of-file as
 * well. With O_NONBLOCK an empty queue isn't end-of-file. A poll request
 * doesn't carry O_NONBLOCK, so the flag of the last read counts.
 */
int fs_mq_handle_poll(const struct fs_request *rq, struct fs_handle *handle_,
		      struct fuse_pollhandle *poll_)
{
	struct fs_mq_handle *handle = (struct fs_mq_handle *)handle_;
	struct pollfd fd = { .fd = handle_->fd,
			     .events = POLLIN | POLLRDNORM | POLLOUT |
				       POLLWRNORM };
	/*
	 * Add poll before looking, so that no change after the look is missed.
	 */
	int r = poll_ ? add(handle, poll_) : 0;

	if (r == 0 && poll(&fd, 1, 0) < 0)
		r = -errno;
	if (r < 0)
		return r;
	fs_mq_handle_mutex_lock(&handle->lock);
	if (fs_read_buffer_has_rest(&handle->buffer) ||
	    fs_mq_handle_ends_if_empty(handle))
		fd.revents |= POLLIN | POLLRDNORM;
	fs_mq_handle_mutex_unlock(&handle->lock);
	(void)fuse_reply_poll(rq->req, (unsigned int)fd.revents);
	return 0;
}

void fs_mq_handle_end_poll(struct fs_mq_handle *handle)
{
	struct fuse_pollhandle *poll;

	core_poll_notify_remove(handle->source, &handle->notify);
	poll = replace(handle, NULL);
	if (poll)
		fuse_pollhandle_destroy(poll);
}
