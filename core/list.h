/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * list: the names in one of the directories of objects, at one moment.
 */
#ifndef CORE_LIST_H
#define CORE_LIST_H

#include <dirent.h>
#include <stddef.h>

/* n entries, each from malloc(3); of an entry, d_name and d_ino are set. */
struct core_list {
	size_t n;
	struct dirent **entries;
};

/*
 * Reads the names in a directory that pass the filter.
 *
 * dir: a descriptor of the directory; it may be an O_PATH one and is not moved.
 * filter: as for scandir(3): nonzero keeps the entry; NULL: regular files.
 * ret: the caller's, to be given to core_list_free().
 *
 * Returns 0, -EMFILE, -ENFILE, -ENOMEM or -EACCES. Source: scandirat(3).
 */
int core_list_read(int dir, int (*filter)(const struct dirent *),
		   struct core_list *ret);

/* Frees the entries and leaves an empty list. */
void core_list_free(struct core_list *list);

#endif
