/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * caller: the rights and the queue limit of a thread of another process, from
 * /proc.
 *
 * A FUSE request names its thread, one user and one group. The supplementary
 * groups and the capabilities are read here. The thread waits for its reply
 * meanwhile, so they can't change. If they can't be read, the call fails:
 * rights are never guessed.
 */
#ifndef CORE_CALLER_H
#define CORE_CALLER_H

#include "core/cred.h"

#include <sys/resource.h>

/*
 * Whether /proc shows this process's PID namespace. Otherwise the number of a
 * thread in a request is another thread's number in /proc, and the calls below
 * must not be used. Returns false also if /proc/self/status can't be read.
 */
bool core_caller_works(void);

/*
 * Reads the credentials of a thread whose request came with uid and gid.
 *
 * tid: the thread's number. 0: the thread has no number in our PID namespace;
 *     -EPERM.
 * ret: error is 0; pid is tid; caps are the capabilities that count in our user
 *     namespace.
 * ret_groups: the array that ret->groups points to, or NULL; the caller frees
 *     it with free(3).
 *
 * uid and gid must be the file system user and group of the thread, or the real
 * user and group, as in access(2). Otherwise the thread makes the request with
 * the credentials of another thread, as a worker of io_uring(7), overlayfs or
 * the kernel's NFS server does.
 *
 * Returns 0, or
 *   -EPERM   no such thread, or its user or group isn't uid or gid
 *   -EACCES, -EMFILE, -ENFILE, -ENOMEM   the status can't be read
 *
 * Source: proc_pid_status(5), credentials(7), user_namespaces(7).
 */
int core_caller_read(pid_t tid, uid_t uid, gid_t gid, struct core_cred *ret,
		     gid_t **ret_groups);

/*
 * Whether a thread is in the user namespace and the PID namespace of this
 * process. A thread in others can't look at the processes that this process can
 * look at, even with the same user. Returns false also if the namespaces can't
 * be read. Source: ptrace(2), "Ptrace access mode checking".
 */
bool core_caller_is_in_our_namespaces(pid_t tid);

/*
 * Reads the RLIMIT_MSGQUEUE of a thread: how many bytes the queues of its user
 * may take together. ret: the thread's soft limit, lowered to the hard limit of
 * this process; and the hard limit of this process. tid 0: both limits of this
 * process.
 *
 * Returns 0, -EPERM (no such thread), -EIO (/proc has no such limit), or as
 * core_caller_read().
 * Source: proc_pid_limits(5), getrlimit(2).
 */
int core_caller_queue_limit(pid_t tid, struct rlimit *ret);

#endif
