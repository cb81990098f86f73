/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/fuse/log.h"

#include "fs/fuse/kind.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

enum { MINUTE = 60, PER_MINUTE = 50 };

/* Counts a warning. Returns the number of warnings in this minute. */
static unsigned int count(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct timespec start;
	static unsigned int n;
	struct timespec now;
	unsigned int count;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	pthread_mutex_lock(&lock);
	if (n == 0 || now.tv_sec - start.tv_sec >= MINUTE) {
		start = now;
		n = 0;
	}
	count = ++n;
	pthread_mutex_unlock(&lock);
	return count;
}

void fs_log_ratelimited(const char *format, ...)
{
	unsigned int n = count();
	char line[512];
	va_list args;

	if (n > PER_MINUTE)
		return;
	va_start(args, format);
	/* clang-tidy 14 doesn't see va_start(). NOLINTNEXTLINE(*valist*) */
	(void)vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fuse_log(FUSE_LOG_WARNING, "ipcfs: %s\n", line);
	if (n == PER_MINUTE)
		fuse_log(FUSE_LOG_WARNING,
			 "ipcfs: %d warnings in a minute; the next are not "
			 "logged until it has passed\n",
			 PER_MINUTE);
}

void fs_log_make_printable(char *text)
{
	for (; *text; text++)
		*text = *text < ' ' || *text > '~' ? '?' : *text;
}
