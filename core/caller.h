/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * caller: what a thread of another process may do, as /proc tells.
 *
 * A FUSE request names its thread, one user and one group. The supplementary groups
 * and the capabilities are read here. The caller waits for its reply meanwhile, so
 * they can't change. What can't be read is refused, never guessed.
 */
#ifndef CORE_CALLER_H
#define CORE_CALLER_H

#include "core/cred.h"

#include <sys/resource.h>

/*
 * Whether /proc is that of this process's PID namespace. If it isn't, the numbers
 * in requests are those of other threads there, and nothing here can be trusted.
 */
bool core_caller_works(void);

/*
 * Reads the credentials of a thread that asks as uid and gid.
 *
 * tid: its number. 0 stands for a thread that has none in our PID namespace.
 * ret: its caps are only those that the thread has in our user namespace.
 * ret_groups: what ret->groups points to, or NULL; from malloc(3), to be freed.
 *
 * uid and gid must be the file system user and group of the thread, or both the real
 * ones, as in access(2). They differ where one thread asks with the credentials of
 * another: a worker of io_uring(7), overlayfs, a kernel's NFS server.
 *
 * Returns 0, or
 *   -EPERM   there is no such thread here, or it has another user or group
 *   -EACCES, -EMFILE, -ENFILE, -ENOMEM   its status can't be read
 *
 * Source: proc_pid_status(5), credentials(7), user_namespaces(7).
 */
int core_caller_read(pid_t tid, uid_t uid, gid_t gid, struct core_cred *ret,
		     gid_t **ret_groups);

/*
 * Reads what all queues of a thread's user may take: its RLIMIT_MSGQUEUE, up to the
 * hard limit of this process. tid 0: the limit of this process.
 *
 * Returns 0, -EPERM (no such thread), -EIO (no such limit there), or as above.
 * Source: proc_pid_limits(5), getrlimit(2).
 */
int core_caller_queue_limit(pid_t tid, struct rlimit *ret);

#endif
