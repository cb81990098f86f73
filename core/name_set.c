/* SPDX-License-Identifier: BSD-3-Clause */
/* A table under one lock. Searching it takes less time than opening a queue. */
#include "core/name_set.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct core_name_set {
	pthread_mutex_t lock;
	size_t oldest; /* the name to replace in a full table */
	char *names[CORE_NAME_SET_MAX];
};

int core_name_set_new(struct core_name_set **ret)
{
	struct core_name_set *set = calloc(1, sizeof(*set));

	if (!set)
		return -ENOMEM;
	pthread_mutex_init(&set->lock, NULL);
	*ret = set;
	return 0;
}

struct core_name_set *core_name_set_free(struct core_name_set *set)
{
	if (!set)
		return NULL;
	for (size_t i = 0; i < CORE_NAME_SET_MAX; i++)
		free(set->names[i]);
	pthread_mutex_destroy(&set->lock);
	free(set);
	return NULL;
}

/*
 * The place of a name, or a free place if name is NULL; or NULL. Needs the
 * lock.
 */
static char **find(struct core_name_set *set, const char *name)
{
	for (size_t i = 0; i < CORE_NAME_SET_MAX; i++) {
		char *other = set->names[i];

		if (name ? other && strcmp(other, name) == 0 : !other)
			return &set->names[i];
	}
	return NULL;
}

int core_name_set_add(struct core_name_set *set, const char *name)
{
	char **place;
	int r = 0;

	pthread_mutex_lock(&set->lock);
	if (!find(set, name)) {
		place = find(set, NULL)
				?: &set->names[set->oldest++ %
					       CORE_NAME_SET_MAX];
		free(*place);
		*place = strdup(name);
		if (!*place)
			r = -ENOMEM;
	}
	pthread_mutex_unlock(&set->lock);
	return r;
}

void core_name_set_remove(struct core_name_set *set, const char *name)
{
	char **place;

	pthread_mutex_lock(&set->lock);
	place = find(set, name);
	if (place) {
		free(*place);
		*place = NULL;
	}
	pthread_mutex_unlock(&set->lock);
}

bool core_name_set_next(struct core_name_set *set, size_t *place, char *ret)
{
	bool found = false;

	pthread_mutex_lock(&set->lock);
	while (!found && *place < CORE_NAME_SET_MAX) {
		const char *name = set->names[(*place)++];

		found = name != NULL;
		if (found)
			strcpy(ret, name);
	}
	pthread_mutex_unlock(&set->lock);
	return found;
}
