/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * child: make calls in a child process that has all user ids of a user, the
 * real user id too, or in a child process in another cgroup.
 *
 * If only the rights to files count, core/cred is enough. But the kernel
 * charges a queue to the real user of its creator, and memory to the cgroup of
 * the process.
 */
#ifndef CORE_CHILD_H
#define CORE_CHILD_H

#include "core/cred.h"

#include <stdbool.h>

struct core_child {
	/*
	 * The user that the child becomes. NULL: the child has the credentials
	 * of this thread.
	 */
	const struct core_cred *cred;
	/*
	 * group: an open cgroup.procs. The child enters the cgroup, and is
	 * killed after "seconds" seconds. Needs copy. -1: no cgroup is entered.
	 */
	int group, seconds;
	/* The child has a copy of this process's memory, not the memory itself. */
	bool copy;
	int fd; /* the only descriptor that the child has; -1: none */
	/*
	 * CORE_IN_CHILD. fn may make system calls through the C library's thin
	 * wrappers, and write to arg. fn must not lock or allocate anything. fn
	 * returns a negative errno; or 0, or with ret_fd a descriptor.
	 */
	int (*fn)(void *arg);
	void *arg;
	/*
	 * Gets fn's descriptor, which is the caller's and close-on-exec. NULL:
	 * fn returns no descriptor. Must be NULL with group or fd.
	 */
	int *ret_fd;
};

/*
 * Runs fn in a child process and waits for the end of the child. Descriptors
 * that fn has opened are closed then, except the descriptor that fn returns.
 *
 * Returns 0, the error that fn returned, or
 *   -EINTR   the child was killed or stopped by its user, by the kernel or at
 *            the time limit; fn has done all, nothing or a part of its work
 *   -EPERM   the child can't become the user, or can't enter the cgroup
 *   -EINVAL  cred has more groups than the kernel accepts
 *   -EAGAIN  no more processes
 *   -EMFILE, -ENFILE, -ENOMEM
 *
 * Source: clone(2), credentials(7), close_range(2), unix(7) (SCM_RIGHTS).
 */
int core_child_run(const struct core_child *child);

#endif
