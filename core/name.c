/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/name.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

int core_name_check(const char *name)
{
	size_t len = strlen(name);

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	if (len == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	    strchr(name, '/'))
		return -EINVAL;
	return 0;
}
