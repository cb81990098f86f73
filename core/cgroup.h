/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cgroup: make a call whose memory is charged to the caller's memory cgroup.
 *
 * The kernel charges memory to the cgroup of the process that makes the call.
 * If a daemon makes calls for its users, the daemon is charged for the memory:
 * the users have no limit, and the daemon's limit is used up.
 */
#ifndef CORE_CGROUP_H
#define CORE_CGROUP_H

#include "core/cred.h"

/*
 * Runs fn(arg) as cred; memory is charged to the cgroup of process cred->pid.
 * If this process is in another cgroup, a child with a copy of the memory runs
 * fn.
 *
 * This process itself is charged if it isn't root's, because it then acts only
 * for its own user; or if cred->pid is 0.
 *
 * fd: the only descriptor that fn may use, or -1.
 * fn: CORE_IN_CHILD. fn may make system calls, but must not open descriptors.
 *     Its writes to memory may be lost, because a child has a copy. fn returns
 *     0 or a negative errno.
 *
 * Returns what fn returned, or
 *   -ENOMEM  no memory; or the child was killed: the cgroup's memory is used
 *            up, or the cgroup is frozen or so slow that 10 seconds weren't
 *            enough
 *   -EPERM   the cgroup can't be entered: it isn't below /sys/fs/cgroup, or
 *            /sys/fs/cgroup is read-only
 *   -EAGAIN  no more processes
 *   or as core_cred_enter(), or an error of opening /proc/PID/cgroup
 *
 * Source: cgroups(7).
 */
int core_cgroup_run(const struct core_cred *cred, int fd, int (*fn)(void *arg),
		    void *arg);

#endif
