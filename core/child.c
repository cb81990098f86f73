/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is the real user of a thread may send signals to its whole process, so no
 * thread of this one can be lent to a user. A child is a process of its own, and
 * what its user can do to it is:
 *
 * - Kill it. A descriptor that it had opened in a table shared with us would be
 *   left there then, and nobody would know its number; so it has its own table,
 *   which ends with it.
 * - Stop it. Who waits as vfork(2) does would wait for ever; waitpid(2) tells of
 *   it, and the child is killed.
 * - Not look into the memory, ours, or trace it: that takes all three user ids,
 *   and the saved one stays ours. Thereby we may kill it, too, without CAP_KILL.
 *
 * All signals that can be blocked are. The child runs on a stack of its own but
 * with the calling thread's errno; that thread waits, and doesn't look at it.
 */
#include "core/child.h"

#include <limits.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The thread sanitizer's clone() is for children that don't share the memory. */
#ifdef __SANITIZE_THREAD__
int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
#define clone __clone
#endif

/* For a few system calls, and the frame of a signal that glibc keeps unblocked. */
#define STACK_SIZE 32768

struct child {
	const struct core_cred *cred;
	bool is_self; /* cred is who we are */
	int (*fn)(void *arg);
	void *arg;
	int result;
};

/* Puts those of our capabilities in force that the user has as well. */
CORE_IN_CHILD static int limit_capabilities(uint64_t caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	/* What we have in force we are permitted, and nothing else. */
	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	data[0].effective = data[0].permitted & (uint32_t)caps;
	data[1].effective = data[1].permitted & (uint32_t)(caps >> 32);
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/*
 * All of it, but for the saved user. The C library's functions for this would
 * change the threads that it knows of.
 */
CORE_IN_CHILD static int become(const struct child *child)
{
	const struct core_cred *cred = child->cred;

	if (cred->error < 0 || child->is_self)
		return cred->error;
	/* To the kernel -1 is to change nothing. */
	if (cred->uid == (uid_t)-1 || cred->gid == (gid_t)-1)
		return -EPERM;
	if (syscall(SYS_setgroups, cred->n_groups, cred->groups) < 0)
		return -errno;
	if (syscall(SYS_setresgid, cred->gid, cred->gid, cred->gid) < 0 ||
	    syscall(SYS_setresuid, cred->uid, cred->uid, (uid_t)-1) < 0)
		return -EPERM;
	return limit_capabilities(cred->caps);
}

CORE_IN_CHILD static int run(void *closure)
{
	struct child *child = closure;
	int r = 0;

	if (close_range(0, UINT_MAX, CLOSE_RANGE_UNSHARE) < 0)
		r = -errno;
	if (r == 0)
		r = become(child);
	if (r == 0)
		r = child->fn(child->arg);
	child->result = r;
	return 0;
}

int core_child_run(const struct core_cred *cred, int (*fn)(void *arg),
		   void *arg)
{
	struct child child = {
		.cred = cred,
		.is_self = core_cred_is_self(cred),
		.fn = fn,
		.arg = arg,
		.result = -EINTR,
	};
	_Alignas(16) char stack[STACK_SIZE];
	sigset_t all, old;
	int status = 0;
	pid_t pid;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	/* No signal at its end: only who asks for it by __WCLONE is told. */
	pid = clone(run, stack + sizeof(stack), CLONE_VM | CLONE_FILES, &child);
	if (pid < 0)
		child.result = -errno;
	while (pid > 0 && waitpid(pid, &status, __WCLONE | WUNTRACED) == pid &&
	       WIFSTOPPED(status))
		(void)kill(pid, SIGKILL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return child.result;
}
