/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The messages of queues. A twin's call that would wait returns EINTR, as a
 * waiting call does after a signal. On the mount such a call takes time, so
 * mostly the call is left out there.
 */
#include "tests/model/mq.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * Whether the mount's side is left out: the twin would wait, and did nothing.
 */
static bool is_left_out(const struct args *x, const struct outcome *native,
			struct outcome *ret)
{
	if (!native || strcmp(native->text, "EINTR ") != 0 || ONE_IN(x, 60, 50))
		return false;
	note(ret, "%s", native->text);
	return true;
}

static void note_received(struct outcome *ret, ssize_t n)
{
	ret->waits = n < 0 && errno == EINTR;
	note_read(ret, n);
}

OP(read)
{
	struct handle *handle = mq_handle(side, x);
	size_t size = x->size % 200, half = size / 2;
	struct iovec pieces[] = { { model_buf, half },
				  { model_buf + half, size - half } };
	ssize_t n;

	if (is_left_out(x, native, ret))
		return;
	if (natively(side)) {
		n = twin_read(handle, model_buf, size, handle->pos);
		handle->pos += n > 0 ? n : 0;
	} else {
		begin_wait(native->waits);
		n = readv(handle->fd, pieces, 2);
		end_wait();
	}
	note_received(ret, n);
}

OP(pread)
{
	struct handle *handle = mq_handle(side, x);
	size_t size = x->size % 200;
	off_t pos = x->offset % 100;
	ssize_t n = -1;

	if (is_left_out(x, native, ret))
		return;
	/* Mostly back, within the text that was read. */
	if (handle->fd >= 0 && handle->access == O_RDONLY && !ONE_IN(x, 0, 4))
		pos = (natively(side) ? handle->pos
				      : lseek(handle->fd, 0, SEEK_CUR)) -
		      pos;
	if (!natively(side)) {
		begin_wait(native->waits);
		n = pread(handle->fd, model_buf, size, pos);
		end_wait();
	} else if (pos < 0) {
		errno = EINVAL;
	} else if (handle->fd >= 0 && handle->access != O_RDONLY) {
		errno = ESPIPE;
	} else {
		n = twin_read(handle, model_buf, size, pos);
	}
	note_received(ret, n);
}

/*
 * Makes a text of up to three lines. A line may begin with a priority, or with
 * a similar text. In the view "lines" every line is complete: the time at which
 * an unfinished line is sent is uncertain.
 */
static size_t compose(const struct args *x, bool lines, char *ret)
{
	static const char *const prefixes[] = {
		"0 ",	  "7 ",	  "9 ", "10 ", "32767 ",
		"32768 ", "007 ", "5",	" 5 ", "-1 ",
	};
	unsigned int n = ONE_IN(x, 0, 3) ? draw(x, 1) % 3 + 1 : 1;
	size_t len = 0, size = x->size % 140;

	for (unsigned int i = 10; i < 10 + n; i++, size /= 3) {
		if (ONE_IN(x, i, 2))
			len += (size_t)sprintf(ret + len, "%s",
					       CHOOSE(x, 10 + i, prefixes));
		memcpy(ret + len, model_data(draw(x, 20 + i)), size);
		len += size;
		if (lines || n > 1)
			ret[len++] = '\n';
	}
	return len;
}

OP(write)
{
	struct handle *handle = mq_handle(side, x);
	char text[300];
	size_t size = compose(x, handle->view->lines, text), half = size / 2;
	struct iovec pieces[] = { { text, half },
				  { text + half, size - half } };
	bool waits = native && native->waits;
	ssize_t n;

	if (is_left_out(x, native, ret))
		return;
	if (natively(side)) {
		n = twin_write(handle, text, size, &waits);
	} else {
		begin_wait(waits);
		/*
		 * The signal may come before the part that can be sent is sent.
		 */
		do
			n = writev(handle->fd, pieces, 2);
		while (n < 0 && errno == EINTR && !native->failed);
		end_wait();
	}
	note_result(ret, n);
	ret->waits = waits;
}

/* Sends natively on both sides: any priority, and messages of no bytes. */
OP(send)
{
	mqd_t mqd = twin_open(mq_name(side, x), &mq_plain, O_WRONLY, 0);

	note_result(ret, mq_send(mqd, model_data(draw(x, 1)), x->size % 100,
				 draw(x, 2) % 20));
	(void)mq_close(mqd);
}

OP(lseek)
{
	static const int whences[] = { SEEK_SET,  SEEK_SET,  SEEK_CUR, SEEK_END,
				       SEEK_HOLE, SEEK_DATA, 77 };
	struct handle *handle = mq_handle(side, x);
	int whence = CHOOSE(x, 0, whences);
	off_t offset = x->offset % 200 - x->to_offset % 200;

	/* Mostly back, within the text that was read. */
	if (!ONE_IN(x, 1, 4)) {
		whence = SEEK_CUR;
		offset = -(x->offset % 100);
	}
	note_result(ret, natively(side) ? twin_lseek(handle, offset, whence)
					: lseek(handle->fd, offset, whence));
}

OP(truncate)
{
	const struct handle *handle = mq_handle(side, x);
	off_t size = ONE_IN(x, 0, 4) ? x->offset % 10000 : 0;
	bool by_path = ONE_IN(x, 1, 2);
	int r = -1;

	if (!natively(side))
		r = by_path ? truncate(mq_path(side, x), size)
			    : ftruncate(handle->fd, size);
	else if (by_path)
		r = twin_truncate(mq_path(side, x), size);
	else if (size >= 0 && handle->fd < 0)
		errno = EBADF;
	else if (handle->access == O_RDONLY)
		errno = EINVAL;
	else
		r = twin_truncate(mq_link(handle), size);
	note_result(ret, r);
}

OP(poll)
{
	const struct handle *handle = mq_handle(side, x);
	struct pollfd fd = { .fd = handle->fd, .events = POLLIN | POLLOUT };

	note_result(ret, poll(&fd, 1, 0) < 0 ? -1 : 0);
	if (natively(side) && twin_is_readable(handle))
		fd.revents |= POLLIN;
	note(ret, "%#x ", (unsigned int)fd.revents);
}

const struct op model_mq_data_ops[] = {
	{ "mq_read", 120, do_read, false },
	{ "mq_pread", 20, do_pread, false },
	{ "mq_write", 100, do_write, false },
	{ "mq_send", 20, do_send, false },
	{ "mq_lseek", 20, do_lseek, false },
	{ "mq_truncate", 14, do_truncate, false },
	{ "mq_poll", 20, do_poll, false },
	{ 0 },
};
