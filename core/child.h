/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * child: do something as a user entirely, with the real user id too.
 *
 * core/cred is enough where it is rights to files that count. What is charged to
 * a user, such as the size of a queue, is charged to the real one.
 */
#ifndef CORE_CHILD_H
#define CORE_CHILD_H

#include "core/cred.h"

/*
 * What runs in the child: the thread sanitizer is not to look, as it would take
 * it for the thread that waits.
 */
#define CORE_IN_CHILD __attribute__((no_sanitize("thread")))

/*
 * Runs fn(arg) as cred in a child process and waits for its end. The child has
 * this process's memory, and no descriptors; those that fn opens end with it.
 *
 * fn: CORE_IN_CHILD; it may make system calls, by the C library's thin wrappers,
 *     and write to arg; nothing that takes a lock or memory. Returns 0 or a
 *     negative errno.
 *
 * Returns what fn returned, or
 *   -EINTR   the user has killed or stopped the child; fn has done all, nothing
 *            or a part of its work
 *   -EPERM   the child can't become that user
 *   -EINVAL  more groups than the kernel takes
 *   -EAGAIN  no process more; -ENOMEM
 *
 * Source: clone(2), credentials(7), close_range(2).
 */
int core_child_run(const struct core_cred *cred, int (*fn)(void *arg),
		   void *arg);

#endif
