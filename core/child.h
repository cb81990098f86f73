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
 * this process's memory, and of its descriptors only fd; those that fn opens end
 * with it, unless they are given away.
 *
 * fd: or -1 for none.
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
int core_child_run(const struct core_cred *cred, int fd, int (*fn)(void *arg),
		   void *arg);

/*
 * Runs fn(arg) in a child process that is as this thread is and shares its
 * descriptors, and waits for its end. flags: CLONE_VM, or 0 for a copy of the memory.
 *
 * Returns the exit status, which is what fn returns, or -EINTR (it was killed or
 * stopped), -EAGAIN, -ENOMEM.
 */
int core_child_start(int (*fn)(void *arg), void *arg, int flags);

/*
 * Sends a descriptor through a socket, and receives one that was sent; with a pair of
 * sockets a child gives away what it has opened. The first is for a child to call,
 * too. The second doesn't wait. ret_fd: the caller's, close-on-exec.
 *
 * Return 0, or an error of sendmsg(2), -ENOENT (nothing was sent), -EMFILE.
 * Source: unix(7), SCM_RIGHTS.
 */
int core_child_give(int socket, int fd);
int core_child_take(int socket, int *ret_fd);

#endif
