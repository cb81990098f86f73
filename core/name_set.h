/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * name_set: a set of the names that were used last, for names that no directory
 * lists. Threads may share a set.
 *
 * An ordinary user without /dev/mqueue has no directory of queues, and an open
 * queue's name can't be read from the descriptor. mq/ then lists the names in
 * such a set.
 */
#ifndef CORE_NAME_SET_H
#define CORE_NAME_SET_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* The most names in a set. They take at most 256 KiB. */
#define CORE_NAME_SET_MAX 1024

struct core_name_set;

/* Makes an empty set, the caller's. Returns NULL if there is no memory. */
struct core_name_set *core_name_set_new(void);

/* Frees the set; NULL is allowed. Returns NULL. */
struct core_name_set *core_name_set_free(struct core_name_set *set);

/*
 * Adds a copy of a name, unless the set has the name. In a full set, the name
 * replaces an old one. name: 1 to NAME_MAX bytes.
 */
void core_name_set_add(struct core_name_set *set, const char *name);

/* Removes a name if it is there. */
void core_name_set_remove(struct core_name_set *set, const char *name);

/*
 * Finds the first name at or after a place. A name keeps its place while it is
 * in the set, so a caller that continues from place to place finds each name
 * once.
 *
 * place: 0 for the first call; becomes the place after the name. ret: NAME_MAX
 * + 1 bytes. Returns whether a name was found.
 */
bool core_name_set_next(struct core_name_set *set, size_t *place, char *ret);

#endif
