/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/model/mq_twin.h"

#include "tests/model/model.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fail(int error)
{
	errno = error;
	return -1;
}

struct info twin_look(const char *path)
{
	struct timespec times[2] = { { 0 }, { .tv_nsec = UTIME_OMIT } };
	struct info info = { .bytes = 0 };
	char text[128] = "";
	int fd;

	act_as(0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fstat(fd, &info.st) == 0 && mq_getattr(fd, &info.attr) == 0 &&
	    info.attr.mq_curmsgs > 0 && read(fd, text, sizeof(text) - 1) > 0) {
		(void)sscanf(text, "QSIZE:%ld", &info.bytes);
		times[0] = info.st.st_atim;
		(void)futimens(fd, times);
	}
	(void)close(fd);
	return info;
}

long twin_size(const struct view *view, const struct info *info)
{
	long overhead = (view->prefix ? 2 : 0) + (view->lines ? 1 : 0);

	return info->bytes + info->attr.mq_curmsgs * overhead;
}

int twin_open(const char *name, const struct view *view, int flags, mode_t mode)
{
	struct mq_attr attr = { .mq_maxmsg = view->maxmsg ?: MAXMSG,
				.mq_msgsize = view->msgsize ?: MSGSIZE };
	char object[NAME_MAX + 3];

	(void)snprintf(object, sizeof(object), "/%s", name);
	return mq_open(object,
		       (flags & (O_ACCMODE | O_CREAT | O_EXCL)) | O_NONBLOCK,
		       mode, view->maxmsg || view->msgsize ? &attr : NULL);
}

/* A handle that may write has no position. */
static bool is_stream(const struct handle *handle)
{
	return handle->access != O_RDONLY;
}

bool twin_has_rest(const struct handle *handle)
{
	return handle->taken < handle->len;
}

bool twin_is_readable(const struct handle *handle)
{
	enum mode mode = handle->view->mode;

	return twin_has_rest(handle) || mode == DRAIN ||
	       (mode == DEFAULT && handle->received && !handle->nonblock_then);
}

/*
 * Reads bytes of the text received last: from a position in the text, or from
 * where the last read ended.
 */
static ssize_t take(struct handle *handle, char *buf, size_t size, off_t pos)
{
	size_t from = handle->taken;

	if (!is_stream(handle) && pos >= handle->start &&
	    pos < handle->start + (off_t)handle->len) {
		from = (size_t)(pos - handle->start);
		if (from < handle->taken)
			handle->n_reads = 0;
	} else if (twin_has_rest(handle)) {
		handle->start = pos - (off_t)from;
	}
	if (size > handle->len - from)
		size = handle->len - from;
	memcpy(buf, handle->text + from, size);
	handle->taken = from + size;
	return (ssize_t)size;
}

/*
 * Receives a message. In the view "lines", after a hundred reads, each read
 * receives twice as many lines as the read before, but only as many as surely
 * fit into size.
 */
static int receive(struct handle *handle, size_t size)
{
	unsigned int more = handle->n_reads - 100;
	unsigned int left = handle->n_reads < 100 ? 1 : 2U << (more & 15);
	const struct view *view = handle->view;
	char buf[MSGSIZE], *end = handle->text;
	struct mq_attr attr;
	unsigned int priority;
	size_t longest;
	ssize_t n;

	if (mq_getattr(handle->fd, &attr) < 0)
		return -1;
	longest = (size_t)attr.mq_msgsize + EXTRA;
	do {
		n = mq_receive(handle->fd, buf, sizeof(buf), &priority);
		if (n < 0)
			break;
		if (view->prefix)
			end += sprintf(end, "%u ", priority);
		memcpy(end, buf, (size_t)n);
		end += n;
		if (view->lines)
			*end++ = '\n';
		handle->len = (size_t)(end - handle->text);
		handle->taken = 0;
		handle->received = true;
	} while (view->lines && --left > 0 && size >= handle->len + longest);
	if (end == handle->text && n < 0)
		return -1;
	handle->n_reads++;
	return 0;
}

static int waiting_error(const struct handle *handle)
{
	if (handle->nonblock)
		return EAGAIN;
	return handle->view->timeout ? ETIMEDOUT : EINTR;
}

/* A read of an empty queue: end-of-file, or EAGAIN, or a wait. */
static int meet_end(struct handle *handle)
{
	enum mode mode = handle->view->mode;

	if (mode == FOLLOW || (mode == DEFAULT && handle->nonblock) ||
	    (mode == DEFAULT && !handle->received))
		return fail(waiting_error(handle));
	handle->received = false;
	return 0;
}

ssize_t twin_read(struct handle *handle, char *buf, size_t size, off_t pos)
{
	ssize_t n;

	if (handle->fd < 0 || handle->access == O_WRONLY)
		return fail(EBADF);
	if (size == 0)
		return 0;
	handle->nonblock_then = handle->nonblock;
	n = take(handle, buf, size, pos);
	if (n > 0)
		return n;
	if (receive(handle, size) < 0)
		return errno == EAGAIN ? meet_end(handle) : -1;
	handle->start = pos;
	return take(handle, buf, size, pos);
}

/* Returns the length of a prefix: a priority in decimal and a space. */
static int parse_prefix(const char *text, size_t size, unsigned int *ret)
{
	char copy[16] = "";
	char *end;
	unsigned long priority;

	memcpy(copy, text, size < 15 ? size : 15);
	priority = strtoul(copy, &end, 10);
	if (*copy < '0' || *copy > '9' || *end != ' ' || priority > 32767)
		return fail(EINVAL);
	*ret = (unsigned int)priority;
	return (int)(end + 1 - copy);
}

/*
 * Sends the first message of a text. Returns the message's length in the text.
 */
static ssize_t send_first(const struct handle *handle, const char *text,
			  size_t size)
{
	const struct view *view = handle->view;
	const char *newline = view->lines ? memchr(text, '\n', size) : NULL;
	size_t len = newline ? (size_t)(newline - text) : size;
	unsigned int priority = view->priority;
	int prefix = 0;

	if (view->prefix)
		prefix = parse_prefix(text, len, &priority);
	if (prefix < 0 || mq_send(handle->fd, text + prefix,
				  len - (size_t)prefix, priority) < 0)
		return -1;
	return newline ? newline + 1 - text : (ssize_t)size;
}

ssize_t twin_write(struct handle *handle, const char *text, size_t size,
		   bool *waits)
{
	ssize_t sent = 0, n = 0;

	if (handle->fd < 0 || handle->access == O_RDONLY)
		return fail(EBADF);
	/* Sends the whole text; of lines, as many as there is room for. */
	while (sent < (ssize_t)size && n >= 0) {
		n = send_first(handle, text + sent, size - (size_t)sent);
		sent += n < 0 ? 0 : n;
	}
	if (n < 0 && errno == EAGAIN)
		errno = waiting_error(handle);
	*waits = n < 0 && errno == EINTR;
	return n < 0 && sent == 0 ? -1 : sent;
}

off_t twin_lseek(struct handle *handle, off_t offset, int whence)
{
	if (handle->fd < 0)
		return fail(EBADF);
	if ((is_stream(handle) && whence <= SEEK_HOLE) || whence == SEEK_END)
		return fail(ESPIPE);
	if (whence == SEEK_CUR)
		offset += handle->pos;
	if (whence > SEEK_END || offset < 0)
		return fail(EINVAL);
	handle->pos = offset;
	return offset;
}

int twin_truncate(const char *path, off_t size)
{
	char buf[MSGSIZE];
	struct stat st;
	int fd;

	if (size < 0)
		return fail(EINVAL);
	if (stat(path, &st) < 0)
		return -1;
	if (size > 0)
		return fail(EINVAL);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while (mq_receive(fd, buf, sizeof(buf), NULL) >= 0)
		;
	return close(fd);
}

ssize_t twin_getxattr(const char *path, const char *name, char *buf,
		      size_t size)
{
	struct info info;
	struct stat st;
	char text[32];
	int n;

	if (stat(path, &st) < 0)
		return -1;
	if (strcmp(name, "user.other") == 0)
		return fail(ENODATA);
	if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0)
		return -1;
	info = twin_look(path);
	n = snprintf(
		text, sizeof(text), "%ld",
		strcmp(name, "user.mq.maxmsg") == 0    ? info.attr.mq_maxmsg
		: strcmp(name, "user.mq.msgsize") == 0 ? info.attr.mq_msgsize
		: strcmp(name, "user.mq.curmsgs") == 0 ? info.attr.mq_curmsgs
		: strcmp(name, "user.mq.bytes") == 0   ? info.bytes
						       : 0);
	if (size > 0 && size < (size_t)n)
		return fail(ERANGE);
	memcpy(buf, text, size > 0 ? (size_t)n : 0);
	return n;
}
