/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * seen: the names that were met last, where the system has no directory that lists
 * them. Threads may share a set.
 */
#ifndef CORE_SEEN_H
#define CORE_SEEN_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* How many names are kept. The memory for them is at most 256 KiB. */
#define CORE_SEEN_MAX 1024

struct core_seen;

/* Makes an empty set; ret: the caller's. Returns 0 or -ENOMEM. */
int core_seen_new(struct core_seen **ret);

/* Frees the set; NULL is allowed. Returns NULL. */
struct core_seen *core_seen_free(struct core_seen *seen);

/*
 * Adds a name (copied), or leaves the one that is there. When the set is full, the
 * name replaces an old one. Returns 0 or -ENOMEM.
 */
int core_seen_add(struct core_seen *seen, const char *name);

/* Removes a name if it is there. */
void core_seen_remove(struct core_seen *seen, const char *name);

/*
 * Finds the first name at or behind a place. A name keeps its place while it is in
 * the set, so a caller who goes from place to place meets it once.
 *
 * place: begins at 0; becomes the place behind the name. ret: NAME_MAX + 1 bytes.
 * Returns whether there is a name.
 */
bool core_seen_next(struct core_seen *seen, size_t *place, char *ret);

#endif
