/* SPDX-License-Identifier: BSD-3-Clause */
/* The C library's search tree, ordered by the names' bytes, under one lock. */
#include "core/seen.h"

#include "core/cleanup.h"

#include <pthread.h>
#include <search.h>
#include <string.h>

struct core_seen {
	pthread_mutex_t lock;
	void *tree; /* of char * */
	size_t n;
};

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

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
	tdestroy(seen->tree, free);
	pthread_mutex_destroy(&seen->lock);
	free(seen);
	return NULL;
}

int core_seen_add(struct core_seen *seen, const char *name)
{
	_cleanup_free_ char *copy = strdup(name);
	char **slot;

	if (!copy)
		return -ENOMEM;
	pthread_mutex_lock(&seen->lock);
	slot = tsearch(copy, &seen->tree, compare);
	if (slot && *slot == copy) {
		copy = NULL;
		seen->n++;
	}
	pthread_mutex_unlock(&seen->lock);
	return slot ? 0 : -ENOMEM;
}

void core_seen_remove(struct core_seen *seen, const char *name)
{
	_cleanup_free_ char *removed = NULL;
	char **slot;

	pthread_mutex_lock(&seen->lock);
	slot = tfind(name, &seen->tree, compare);
	if (slot) {
		removed = *slot;
		tdelete(name, &seen->tree, compare);
		seen->n--;
	}
	pthread_mutex_unlock(&seen->lock);
}

static void append(const void *slot, VISIT visit, void *closure)
{
	struct core_list *list = closure;
	struct dirent *entry;

	if (!list->entries || (visit != postorder && visit != leaf))
		return;
	entry = calloc(1, sizeof(*entry));
	if (!entry) {
		core_list_free(list);
		return;
	}
	strcpy(entry->d_name, *(char *const *)slot);
	list->entries[list->n++] = entry;
}

int core_seen_list(struct core_seen *seen, struct core_list *ret)
{
	struct core_list list = { 0 };

	pthread_mutex_lock(&seen->lock);
	/* One more than needed, so that NULL always means failure. */
	list.entries = calloc(seen->n + 1, sizeof(struct dirent *));
	twalk_r(seen->tree, append, &list);
	pthread_mutex_unlock(&seen->lock);
	if (!list.entries)
		return -ENOMEM;
	*ret = list;
	return 0;
}
