/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/list.h"

#include "core/cleanup.h"

#include <errno.h>
#include <stdlib.h>

static int is_regular(const struct dirent *entry)
{
	return entry->d_type == DT_REG;
}

int core_list_read(int dir, int (*filter)(const struct dirent *),
		   struct core_list *ret)
{
	struct dirent **entries;
	int n;

	/* tmpfs and mqueue both fill d_type in, so DT_UNKNOWN can't happen. */
	n = scandirat(dir, ".", &entries, filter ?: is_regular, NULL);
	if (n < 0)
		return -errno;
	ret->n = (size_t)n;
	ret->entries = entries;
	return 0;
}

void core_list_free(struct core_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->entries[i]);
	free(list->entries);
	list->n = 0;
	list->entries = NULL;
}
