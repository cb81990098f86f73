/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * charge: whose memory it is that a call makes the kernel take.
 *
 * The kernel counts it for the memory cgroup of the process that makes the call. For
 * a daemon that acts for others that would be the wrong one: what a user may have
 * would not be limited, and what the daemon may have would be used up.
 */
#ifndef CORE_CHARGE_H
#define CORE_CHARGE_H

#include "core/child.h"

/*
 * Runs fn(arg) as cred and at the charge of the process that cred is of. Where its
 * group isn't this process's, that is done by a child with a memory of its own.
 *
 * A process without privileges, which acts for its own user only, and pid 0 are
 * charged to this process.
 *
 * fn: CORE_IN_CHILD; it may make system calls that open nothing. What it writes may be
 *     lost. Returns 0 or a negative errno.
 *
 * Returns what fn returned, or
 *   -ENOMEM  the group has no more memory, so the child was killed
 *   -EPERM   the group can't be entered: it is not below /sys/fs/cgroup, or that
 *            can't be written to; or as core_cred_enter()
 *   -EAGAIN  no process more
 *
 * Source: cgroups(7).
 */
int core_charge_run(const struct core_cred *cred, int (*fn)(void *arg),
		    void *arg);

#endif
