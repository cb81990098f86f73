/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core_dirs: for tests of objects: the directories, and the umask of the group
 * of tests.
 */
#ifndef CORE_DIRS_H
#define CORE_DIRS_H

#include "core/ipc_dirs.h"

#include "core_test.h"

static struct core_ipc_dirs *dirs;

static int set_up_group(void **state)
{
	(void)state;
	(void)umask(022);
	return core_ipc_dirs_new(&dirs);
}

static int tear_down_group(void **state)
{
	(void)state;
	core_ipc_dirs_free(dirs);
	return 0;
}

#endif
