/* SPDX-License-Identifier: BSD-3-Clause */
/* core_objects: for tests of the names of shm objects. */
#ifndef CORE_OBJECTS_H
#define CORE_OBJECTS_H

#include "core/shm.h"

#include "core_dirs.h"

#define SHM  "/dev/shm/"
#define PATH SHM "object"

static int set_up(void **state)
{
	(void)state;
	(void)unlink(PATH);
	return 0;
}

static int must_open(const char *name, int flags)
{
	int fd = -1;

	assert_int_equal(
		core_shm_open(dirs, &test_root, name, flags, 0600, &fd), 0);
	return fd;
}

/* The result of core_shm_open(), which must have opened nothing. */
static int open_fails(const struct core_cred *cred, const char *name, int flags)
{
	int fd = UNKNOWN;
	int r = core_shm_open(dirs, cred, name, flags, 0600, &fd);

	assert_int_equal(fd, UNKNOWN);
	return r;
}

#endif
