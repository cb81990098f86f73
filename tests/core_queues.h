/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core_queues: for tests of queues. The kernel charges queues to the user's
 * RLIMIT_MSGQUEUE, over all namespaces of the machine. So the queues of these
 * tests are small, and each test removes its queues.
 */
#ifndef CORE_QUEUES_H
#define CORE_QUEUES_H

#include "core/mq.h"

#include "core_dirs.h"

#include <stdlib.h>

#define LIMITS "/proc/sys/fs/mqueue/"

static const struct mq_attr small = { .mq_maxmsg = 4, .mq_msgsize = 32 };

static int tear_down(void **state)
{
	DIR *dir = fdopendir(openat(dirs->mq_dir, ".", O_RDONLY | O_DIRECTORY));
	const struct dirent *entry;
	int r = 0;

	(void)state;
	while (r == 0 && (entry = readdir(dir))) {
		if (entry->d_type == DT_REG)
			r = core_mq_unlink(dirs, &test_root, entry->d_name);
	}
	(void)closedir(dir);
	return r;
}

static int must_open(const char *name, int flags)
{
	int fd = -1;

	assert_int_equal(core_mq_open(dirs, &test_root, name, flags, 0600,
				      &small, 0, &fd),
			 0);
	return fd;
}

static void must_send(int fd, const char *text, unsigned int priority)
{
	assert_int_equal(core_mq_send(fd, text, strlen(text), priority), 0);
}

static void assert_received(int fd, const char *text, unsigned int priority)
{
	unsigned int got = UNKNOWN;
	size_t len = UNKNOWN;
	char buf[32];

	assert_int_equal(core_mq_receive(fd, buf, sizeof(buf), &len, &got), 0);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(buf, text, len);
	assert_int_equal(got, priority);
}

static long read_limit(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return atol(text);
}

/* Opens a queue, which must fail. Returns the error. */
static inline int open_fails(const struct core_cred *cred, const char *name,
			     int flags, const struct mq_attr *attr, ino_t ino)
{
	int fd = UNKNOWN;
	int r = core_mq_open(dirs, cred, name, flags, 0600, attr, ino, &fd);

	assert_int_equal(fd, UNKNOWN);
	return r;
}

/*
 * Sets a limit. Returns false if the root of the namespace may not set limits
 * (before Linux 5.19 or so).
 */
static inline bool write_limit(const char *path, long value)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%ld", value);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, (size_t)len) == len;

	if (fd >= 0)
		close(fd);
	return ok;
}

#endif
