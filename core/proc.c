/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/proc.h"

#include "core/cleanup.h"

#include <assert.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

struct core_proc_path core_proc_path(const char *format, ...)
{
	struct core_proc_path path;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(path.s, sizeof(path.s), format, args);
	va_end(args);
	assert(n > 0 && (size_t)n < sizeof(path.s));
	return path;
}

char *core_proc_read(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	size_t size = 0, len = 0;
	ssize_t n;

	if (fd < 0)
		return NULL;
	do {
		if (size - len < 2) {
			char *more;

			size = size ? 2 * size : 4096;
			more = realloc(text, size);
			if (!more)
				return NULL;
			text = more;
		}
		n = read(fd, text + len, size - len - 1);
		if (n < 0)
			return NULL;
		len += (size_t)n;
	} while (n > 0);
	text[len] = '\0';
	return core_steal_ptr(text);
}
