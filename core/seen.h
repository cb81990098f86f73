/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * seen: a set of names that were met, where the system has no directory that
 * lists them. Threads may share one.
 */
#ifndef CORE_SEEN_H
#define CORE_SEEN_H

#include "core/list.h"

struct core_seen;

/* Makes an empty set; ret: the caller's. Returns 0 or -ENOMEM. */
int core_seen_new(struct core_seen **ret);

/* Frees the set; NULL is allowed. Returns NULL. */
struct core_seen *core_seen_free(struct core_seen *seen);

/* Adds a name (copied), or leaves the one that is there. 0 or -ENOMEM. */
int core_seen_add(struct core_seen *seen, const char *name);

/* Removes a name if it is there. */
void core_seen_remove(struct core_seen *seen, const char *name);

/*
 * Lists the names, in the order of their bytes; d_ino is 0.
 * ret: the caller's, to be given to core_list_free(). Returns 0 or -ENOMEM.
 */
int core_seen_list(struct core_seen *seen, struct core_list *ret);

#endif
