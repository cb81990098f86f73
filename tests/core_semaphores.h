/* SPDX-License-Identifier: BSD-3-Clause */
/* core_semaphores: for tests of semaphores, of the semaphore "it". */
#ifndef CORE_SEMAPHORES_H
#define CORE_SEMAPHORES_H

#include "core/sem.h"

#include "core_dirs.h"

#define PATH "/dev/shm/sem.it"

enum { SIZE = 32 };

static int set_up(void **state)
{
	(void)state;
	(void)unlink(PATH);
	return 0;
}

static int must_open(int flags)
{
	int fd = -1;

	assert_int_equal(
		core_sem_open(dirs, &test_root, "it", flags, 0600, &fd), 0);
	return fd;
}

static struct core_sem_info get(int fd)
{
	struct core_sem_info info = { 0 };

	assert_int_equal(core_sem_get(fd, &info), 0);
	return info;
}

static void set(int fd, unsigned int value)
{
	assert_int_equal(core_sem_change(fd, CORE_SEM_SET, value), 0);
}

#endif
