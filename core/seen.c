/* SPDX-License-Identifier: BSD-3-Clause */
/* A table under one lock. Searching it takes less time than opening a queue. */
#include "core/seen.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct core_seen {
	pthread_mutex_t lock;
	size_t oldest; /* the name to replace in a full table */
	char *names[CORE_SEEN_MAX];
};

int core_seen_new(struct core_seen **ret)
{
	struct core_seen *seen = calloc(1, sizeof(*seen));

	if (!seen)
		return -ENOMEM;
	pthread_mutex_init(&seen->lock, NULL);
	*ret = seen;
	return 0;
}

struct core_seen *core_seen_free(struct core_seen *seen)
{
	if (!seen)
		return NULL;
	for (size_t i = 0; i < CORE_SEEN_MAX; i++)
		free(seen->names[i]);
	pthread_mutex_destroy(&seen->lock);
	free(seen);
	return NULL;
}

/*
 * The place of a name, or a free place if name is NULL; or NULL. Needs the
 * lock.
 */
static char **find(struct core_seen *seen, const char *name)
{
	for (size_t i = 0; i < CORE_SEEN_MAX; i++) {
		char *other = seen->names[i];

		if (name ? other && strcmp(other, name) == 0 : !other)
			return &seen->names[i];
	}
	return NULL;
}

int core_seen_add(struct core_seen *seen, const char *name)
{
	char **place;
	int r = 0;

	pthread_mutex_lock(&seen->lock);
	if (!find(seen, name)) {
		place = find(seen, NULL)
				?: &seen->names[seen->oldest++ % CORE_SEEN_MAX];
		free(*place);
		*place = strdup(name);
		if (!*place)
			r = -ENOMEM;
	}
	pthread_mutex_unlock(&seen->lock);
	return r;
}

void core_seen_remove(struct core_seen *seen, const char *name)
{
	char **place;

	pthread_mutex_lock(&seen->lock);
	place = find(seen, name);
	if (place) {
		free(*place);
		*place = NULL;
	}
	pthread_mutex_unlock(&seen->lock);
}

bool core_seen_next(struct core_seen *seen, size_t *place, char *ret)
{
	bool found = false;

	pthread_mutex_lock(&seen->lock);
	while (!found && *place < CORE_SEEN_MAX) {
		const char *name = seen->names[(*place)++];

		found = name != NULL;
		if (found)
			strcpy(ret, name);
	}
	pthread_mutex_unlock(&seen->lock);
	return found;
}
