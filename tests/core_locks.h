/* SPDX-License-Identifier: BSD-3-Clause */
/* core_locks: for tests of record locks, an object and owners that lock it. */
#ifndef CORE_LOCKS_H
#define CORE_LOCKS_H

#include "core/lock.h"

#include "core_test.h"

#define PATH	 "/dev/shm/object"
#define MAX	 INT64_MAX
#define EXCLUDED -EAGAIN

struct core_lock_charge {
	int paid;
};

static struct core_locks locks;
static int fd = -1;
static const char handles[16]; /* owner n acts through &handles[n] */
static _Thread_local struct core_lock_charge
	*charge; /* of each thread's own calls */
static void *released;

static void release(struct core_lock_charge *charge_)
{
	released = charge_;
}

static int set_up(void **state)
{
	(void)state;
	test_make_file(PATH, "content", 0644, 0, 0);
	fd = open(PATH, O_RDWR | O_CLOEXEC);
	core_locks_init(&locks, release);
	charge = released = NULL;
	return fd < 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(handles); i++)
		core_locks_unlock_handle(&locks, &handles[i]);
	core_locks_destroy(&locks);
	return close(fd);
}

static struct flock range(int type, off_t start, off_t len)
{
	return (struct flock){ .l_type = (short)type,
			       .l_whence = SEEK_SET,
			       .l_start = start,
			       .l_len = len,
			       .l_pid = UNKNOWN };
}

/* set() through a descriptor other than fd. */
static int set_by(int by, uint64_t owner, int type, off_t start, off_t len)
{
	struct flock lock = range(type, start, len);

	return core_locks_set(&locks, owner, &handles[owner % 16], by, &lock,
			      true, &charge);
}

static int set(uint64_t owner, int type, off_t start, off_t len)
{
	return set_by(fd, owner, type, start, len);
}

static struct flock get(uint64_t owner, int type, off_t start, off_t len)
{
	struct flock lock = range(type, start, len);

	assert_int_equal(core_locks_get(&locks, owner, fd, &lock), 0);
	return lock;
}

/*
 * All locks of one owner as other processes see them: "r0+10 w20+0"; length 0
 * means no end.
 */
static void locks_of(char s[256])
{
	int probe = open(PATH, O_RDWR | O_CLOEXEC);
	struct flock lock = range(F_WRLCK, 0, 0);
	size_t n = 0;

	*s = '\0';
	lock.l_pid = 0;
	while (n < 256 && fcntl(probe, F_OFD_GETLK, &lock) == 0 &&
	       lock.l_type != F_UNLCK) {
		n += (size_t)snprintf(s + n, 256 - n, "%s%c%jd+%jd",
				      n ? " " : "",
				      lock.l_type == F_RDLCK ? 'r' : 'w',
				      (intmax_t)lock.l_start,
				      (intmax_t)lock.l_len);
		if (lock.l_len == 0)
			break;
		lock = range(F_WRLCK, lock.l_start + lock.l_len, 0);
		lock.l_pid = 0;
	}
	close(probe);
}

static void assert_locks(const char *expected)
{
	char s[256];

	locks_of(s);
	assert_string_equal(s, expected);
}

static int count_fds(void)
{
	int n = 0;

	for (int i = 0; i < 1024; i++)
		n += fcntl(i, F_GETFD) >= 0;
	return n;
}

#endif
