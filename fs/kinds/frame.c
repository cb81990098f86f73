/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/kinds/frame.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Reads the prefix of a message. Returns its length or -EINVAL. */
static ssize_t parse_prefix(const char *text, size_t size, unsigned int *ret)
{
	unsigned long priority = 0;
	size_t n = 0;

	for (;
	     n < size && n < FS_FRAME_EXTRA && text[n] >= '0' && text[n] <= '9';
	     n++)
		priority = priority * 10 + (unsigned long)(text[n] - '0');
	if (n == 0 || n == size || text[n] != ' ' ||
	    priority >= (unsigned long)sysconf(_SC_MQ_PRIO_MAX))
		return -EINVAL;
	*ret = (unsigned int)priority;
	return (ssize_t)n + 1;
}

int fs_frame_next(const struct fs_mq_view *view, size_t msgsize,
		  const char *text, size_t size, bool last,
		  struct fs_frame *ret)
{
	size_t longest = msgsize + (view->prefix ? FS_FRAME_EXTRA : 0);
	const char *newline = view->lines ? memchr(text, '\n', size) : NULL;
	size_t len = newline ? (size_t)(newline - text) : size;
	struct fs_frame frame = { .priority = (unsigned int)view->priority };
	ssize_t prefix = 0;

	if (view->lines && !newline && (!last || size == 0))
		return size > longest ? -EMSGSIZE : 0;
	if (view->prefix)
		prefix = parse_prefix(text, len, &frame.priority);
	if (prefix < 0)
		return (int)prefix;
	frame.start = (size_t)prefix;
	frame.len = len - frame.start;
	frame.end = newline ? len + 1 : len;
	if (frame.len > msgsize)
		return -EMSGSIZE;
	*ret = frame;
	return 1;
}

size_t fs_frame_put(const struct fs_mq_view *view, unsigned int priority,
		    char *text, size_t len)
{
	char prefix[FS_FRAME_EXTRA];
	size_t n;

	if (view->prefix) {
		n = (size_t)snprintf(prefix, sizeof(prefix), "%u ", priority);
		memmove(text + n, text, len);
		memcpy(text, prefix, n);
		len += n;
	}
	if (view->lines)
		text[len++] = '\n';
	return len;
}

size_t fs_frame_overhead(const struct fs_mq_view *view)
{
	return (view->prefix ? strlen("0 ") : 0) +
	       (view->lines ? strlen("\n") : 0);
}
