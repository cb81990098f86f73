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
 * this process's memory, and of its descriptors only fd. Descriptors that fn
 * opens are closed when the child ends, unless core_child_give() has sent them.
 *
 * fd: the descriptor that the child keeps; -1: none.
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
 * Runs fn(arg) in a child process and waits for its end. The child has the
 * credentials of this thread and shares its descriptors.
 *
 * fn: CORE_IN_CHILD; returns an exit status, 0 to 255.
 * flags: CLONE_VM (the child shares the memory), or 0 (a copy).
 * seconds: after which the child is killed; 0: never.
 *
 * Returns the exit status, or -EINTR (the child was killed or stopped), -EAGAIN
 * (no more processes), -ENOMEM. Source: clone(2).
 */
int core_child_start(int (*fn)(void *arg), void *arg, int flags, int seconds);

/*
 * In a child: gives it a table of descriptors of its own, with a and b in it and
 * no others. Each may be -1. CORE_IN_CHILD.
 *
 * Returns 0 or an error of close_range(2).
 */
int core_child_keep(int a, int b);

/*
 * Sends a descriptor through a socket; receives a descriptor that was sent.
 * Through a socketpair(2) a child passes on what it has opened.
 * core_child_give() is CORE_IN_CHILD. core_child_take() doesn't wait.
 *
 * ret_fd: the caller's, close-on-exec.
 *
 * core_child_give() returns 0 or an error of sendmsg(2). core_child_take()
 * returns 0, -ENOENT (nothing was sent), -EMFILE (no descriptor number is
 * free), or an error of recvmsg(2). Source: unix(7), SCM_RIGHTS.
 */
int core_child_give(int socket, int fd);
int core_child_take(int socket, int *ret_fd);

#endif
