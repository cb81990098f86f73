/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * holders: the processes that have objects open or mapped.
 *
 * Linux has no list of them, so all of /proc is read, which takes some 0.1 ms
 * for each process. One reading finds the holders of all objects of a file
 * system.
 */
#ifndef CORE_HOLDERS_H
#define CORE_HOLDERS_H

#include "core/cred.h"

#include <stdint.h>

/* The most holders that one reading finds: 4 MiB. */
#define CORE_HOLDERS_MAX 131072

/* A process that has an object open or mapped. */
struct core_holder {
	ino_t ino; /* the object */
	pid_t pid;
	/* Rights of its descriptors and of its mappings: R_OK, W_OK, X_OK. */
	uint8_t fd, map;
	char command[17]; /* of /proc/PID/comm, null-terminated */
};

/* Which files are searched for. */
struct core_holders_search {
	dev_t device; /* of the objects' file system */
	ino_t ino;    /* one object; 0: all objects */
	/*
	 * A second file system that shows the same objects, with the same inode
	 * numbers; and whether a file of it is one of the objects. path: as in
	 * /proc/PID/maps.
	 */
	dev_t mount;
	bool (*is_object)(const void *closure, const char *path);
	const void *closure;
};

/*
 * Finds the holders, as far as cred may look at them: their descriptors and
 * mappings, by the rule of ptrace(2). This process and its children are left
 * out, and so are descriptors with O_PATH.
 *
 * ret: an array, ordered by process, for free(3). Returns 0, -E2BIG (there are
 * more than CORE_HOLDERS_MAX), -ENOMEM, or an error of core_cred_enter() or of
 * opening /proc. Source: proc(5).
 */
int core_holders_find(const struct core_cred *cred,
		      const struct core_holders_search *search,
		      struct core_holder **ret, size_t *ret_n);

#endif
