/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * child: make calls in a process of their own: one that is a user entirely, with
 * the real user id too, or one in another cgroup.
 *
 * Where only rights to files count, core/cred is enough. But the kernel charges a
 * queue to the real user of its creator, and memory to the cgroup of the process.
 */
#ifndef CORE_CHILD_H
#define CORE_CHILD_H

#include "core/cred.h"

struct core_child {
	/* Whom the child becomes; NULL: it has the credentials of this thread. */
	const struct core_cred *cred;
	/*
	 * An open cgroup.procs: the child enters that cgroup, has a copy of this
	 * process's memory, and is killed after this many seconds. -1: the child
	 * has this process's memory itself.
	 */
	int group, seconds;
	int fd; /* the only descriptor that the child has; -1: none */
	/*
	 * CORE_IN_CHILD. It may make system calls by the C library's thin
	 * wrappers, and write to arg. It must not lock or allocate anything.
	 * Returns a negative errno, or 0; with ret_fd, a descriptor in place of 0.
	 */
	int (*fn)(void *arg);
	void *arg;
	/* The caller's, close-on-exec; not with group or fd. NULL: none. */
	int *ret_fd;
};

/*
 * Runs fn in a child process and waits for its end. Descriptors that fn opens are
 * closed then, but for the one that it returns.
 *
 * Returns 0, what fn failed with, or
 *   -EINTR   the child was killed or stopped, by its user, the kernel or a limit of
 *            time; fn has done all, nothing or a part of its work
 *   -EPERM   the child can't become that user, or enter that cgroup
 *   -EINVAL  more groups than the kernel takes
 *   -EAGAIN  no more processes
 *   -EMFILE, -ENFILE, -ENOMEM
 *
 * Source: clone(2), credentials(7), close_range(2), unix(7) (SCM_RIGHTS).
 */
int core_child_run(const struct core_child *child);

#endif
