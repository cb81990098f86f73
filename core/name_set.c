/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A table under one lock. A search of the table takes less time than opening a
 * queue. A free place has an empty name. Pages that were never used take no
 * memory.
 */
#include "core/name_set.h"

#include "core/thread_safety.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

CORE_MUTEX(core_name_set_mutex);

struct core_name_set {
	struct core_name_set_mutex lock;
	/* The place of the name that a new name replaces next. */
	size_t oldest CORE_GUARDED_BY(core_name_set_mutex);
	char names[CORE_NAME_SET_MAX][NAME_MAX + 1] CORE_GUARDED_BY(
		core_name_set_mutex);
};

struct core_name_set *core_name_set_new(void)
{
	struct core_name_set *set = calloc(1, sizeof(*set));

	if (set)
		pthread_mutex_init(&set->lock.native, NULL);
	return set;
}

struct core_name_set *core_name_set_free(struct core_name_set *set)
{
	if (set)
		pthread_mutex_destroy(&set->lock.native);
	free(set);
	return NULL;
}

/* Returns the place of a name, or NULL. name "": returns a free place. */
static char *find(struct core_name_set *set, const char *name)
	CORE_REQUIRES(core_name_set_mutex)
{
	for (size_t i = 0; i < CORE_NAME_SET_MAX; i++) {
		if (strcmp(set->names[i], name) == 0)
			return set->names[i];
	}
	return NULL;
}

void core_name_set_add(struct core_name_set *set, const char *name)
{
	assert(*name && strlen(name) <= NAME_MAX);
	core_name_set_mutex_lock(&set->lock);
	if (!find(set, name))
		strcpy(find(set, "")
			       ?: set->names[set->oldest++ % CORE_NAME_SET_MAX],
		       name);
	core_name_set_mutex_unlock(&set->lock);
}

void core_name_set_remove(struct core_name_set *set, const char *name)
{
	char *place;

	core_name_set_mutex_lock(&set->lock);
	place = find(set, name);
	if (place)
		*place = '\0';
	core_name_set_mutex_unlock(&set->lock);
}

bool core_name_set_next(struct core_name_set *set, size_t *place, char *ret)
{
	bool found = false;

	core_name_set_mutex_lock(&set->lock);
	for (; !found && *place < CORE_NAME_SET_MAX; ++*place) {
		found = *set->names[*place];
		if (found)
			strcpy(ret, set->names[*place]);
	}
	core_name_set_mutex_unlock(&set->lock);
	return found;
}
