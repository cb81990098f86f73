/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/kinds/mq_peek.h"

#include "core/cleanup.h"
#include "core/peek.h"
#include "core/peek_state.h"
#include "fs/fuse/log.h"
#include "fs/kinds/frame.h"
#include "fs/kinds/info.h"

#include <assert.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/param.h>

/*
 * The kernel's page cache, which serves splice(2) and sendfile(2), would take a
 * file of size 0 for empty and not ask us.
 */
int fs_mq_peek_attr(const struct fs_request *rq, struct fs_handle *handle,
		    int fd, struct statx *ret)
{
	int r = fs_info_attr(rq, handle, fd, ret);

	if (r < 0)
		return r;
	ret->stx_size = 4096;
	ret->stx_blocks = ret->stx_size / 512;
	return 0;
}

/*
 * The program may read all of the kernel's memory. So only a caller who could
 * load the program without us may use it: root in our user namespace.
 */
int fs_mq_peek_init(const struct fs_request *rq, struct fs_handle *handle_,
		    int flags)
{
	struct fs_mq_peek_handle *handle = (struct fs_mq_peek_handle *)handle_;
	const char *why = NULL;
	int r = rq->caller->uid == 0 ? core_peek_check(&why) : -EACCES;

	(void)flags;
	if (r == -EOPNOTSUPP)
		fs_log_ratelimited("a queue can't be peeked at: %s", why);
	if (r == 0 && !(rq->cred.caps & UINT64_C(1) << CAP_SYS_ADMIN))
		r = -EACCES;
	if (r < 0)
		return r;
	pthread_mutex_init(&handle->lock.native, NULL);
	return 0;
}

void fs_mq_peek_release(struct fs *fs, struct fs_handle *handle_)
{
	struct fs_mq_peek_handle *handle = (struct fs_mq_peek_handle *)handle_;

	(void)fs;
	fs_mq_peek_mutex_lock(&handle->lock);
	free(handle->text);
	fs_mq_peek_mutex_unlock(&handle->lock);
	pthread_mutex_destroy(&handle->lock.native);
	fs_handle_free(handle_);
}

/*
 * Frames the messages of the records in place. The text of a message needs no
 * more room than its record, whose head is longer than a prefix and a newline.
 * Returns the length of the text.
 */
static size_t frame(const struct fs_mq_view *view, char *records, size_t size)
{
	static_assert(sizeof("32767 \n") - 1 <=
			      offsetof(struct core_peek_message, text),
		      "a frame is longer than the head of a record");
	struct core_peek_message message;
	size_t len = 0;

	for (size_t i = 0; i < size; i += CORE_PEEK_RECORD(message.len)) {
		memcpy(&message, records + i, sizeof(message));
		memmove(records + len, records + i + sizeof(message),
			message.len);
		len += fs_frame_put(view, message.priority, records + len,
				    message.len);
	}
	return len;
}

static int look(struct fs_mq_peek_handle *handle, const struct fs_mq_view *view)
	CORE_REQUIRES(fs_mq_peek_mutex)
{
	void *records = NULL;
	size_t size;
	bool is_cut;
	int r = core_peek(handle->base.fd, &records, &size, &is_cut);

	if (r < 0)
		return r;
	free(handle->text);
	handle->text = records;
	handle->len = frame(view, records, size);
	handle->is_cut = is_cut;
	return 0;
}

int fs_mq_peek_read(const struct fs_request *rq, struct fs_handle *handle_,
		    size_t size, off_t offset, const struct fuse_file_info *fi)
{
	struct fs_mq_peek_handle *handle = (struct fs_mq_peek_handle *)handle_;
	_cleanup_free_ char *piece = NULL;
	size_t from = (size_t)offset, n = 0;
	int r = 0;

	/* The page cache would keep the text: see fs_mq_read(). */
	if (!fi->lock_owner)
		return -EINVAL;
	fs_mq_peek_mutex_lock(&handle->lock);
	if (offset == 0)
		r = look(handle, rq->view);
	if (r == 0 && from < handle->len) {
		n = MIN(size, handle->len - from);
		piece = malloc(n);
		if (piece)
			memcpy(piece, handle->text + from, n);
		else
			r = -ENOMEM;
	} else if (r == 0 && handle->is_cut) {
		r = -EFBIG;
	}
	fs_mq_peek_mutex_unlock(&handle->lock);
	if (r < 0)
		return r;
	(void)fuse_reply_buf(rq->req, piece, n);
	return 0;
}
