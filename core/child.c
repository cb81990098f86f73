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

#include "core/cleanup.h"

#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
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
	bool is_self; /* cred is the process itself */
	int fd;
	int (*fn)(void *arg);
	void *arg;
	int result;
};

/* Puts our capabilities in force, but only those that are in caps. */
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

	if (cred->error < 0)
		return cred->error;
	/* The thread's real user may be another: core_cred_be_nobody(). */
	if (child->is_self)
		return syscall(SYS_setresuid, cred->uid, (uid_t)-1, (uid_t)-1) <
				       0
			       ? -EPERM
			       : 0;
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
	int r = core_child_keep(child->fd, -1);

	if (r == 0)
		r = become(child);
	if (r == 0)
		r = child->fn(child->arg);
	child->result = r;
	return 0;
}

CORE_IN_CHILD int core_child_keep(int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a;

	if (close_range((unsigned int)high + 1, UINT_MAX, CLOSE_RANGE_UNSHARE) <
		    0 ||
	    (high - low > 1 && close_range((unsigned int)low + 1,
					   (unsigned int)high - 1, 0) < 0) ||
	    (low > 0 && close_range(0, (unsigned int)low - 1, 0) < 0))
		return -errno;
	return 0;
}

/* Kills a child that takes longer. It may be frozen, of which nobody is told. */
static void limit_time(pid_t pid, int seconds)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd ended = { .fd = fd, .events = POLLIN };

	if (fd < 0 || poll(&ended, 1, seconds * 1000) != 1)
		(void)kill(pid, SIGKILL);
}

int core_child_start(int (*fn)(void *arg), void *arg, int flags, int seconds)
{
	_Alignas(16) char stack[STACK_SIZE];
	sigset_t all, old;
	int status = 0, r = -EINTR;
	pid_t pid;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	/* No signal at its end: only who asks for it by __WCLONE is told. */
	pid = clone(fn, stack + sizeof(stack), flags | CLONE_FILES, arg);
	if (pid < 0)
		r = -errno;
	if (pid > 0 && seconds > 0)
		limit_time(pid, seconds);
	while (pid > 0 && waitpid(pid, &status, __WCLONE | WUNTRACED) == pid &&
	       WIFSTOPPED(status))
		(void)kill(pid, SIGKILL);
	if (pid > 0 && WIFEXITED(status))
		r = WEXITSTATUS(status);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

int core_child_run(const struct core_cred *cred, int fd, int (*fn)(void *arg),
		   void *arg)
{
	struct child child = {
		.cred = cred,
		.is_self = core_cred_is_self(cred),
		.fd = fd,
		.fn = fn,
		.arg = arg,
		.result = -EINTR,
	};
	int r = core_child_start(run, &child, CLONE_VM, 0);

	/* A child that was killed may have done all its work before. */
	return r < 0 && r != -EINTR ? r : child.result;
}

/* A message of one byte, with room for a descriptor. */
struct message {
	struct msghdr header;
	struct iovec data;
	char byte;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
};

CORE_IN_CHILD static void init(struct message *message)
{
	message->byte = 0;
	message->data = (struct iovec){ &message->byte, 1 };
	message->header = (struct msghdr){
		.msg_iov = &message->data,
		.msg_iovlen = 1,
		.msg_control = message->control,
		.msg_controllen = sizeof(message->control),
	};
}

CORE_IN_CHILD int core_child_give(int socket, int fd)
{
	struct message message;
	struct cmsghdr *control;

	init(&message);
	control = CMSG_FIRSTHDR(&message.header);
	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SCM_RIGHTS;
	control->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(control), &fd, sizeof(fd));
	/*
	 * sendmsg(3) is a cancellation point, and the child shares the
	 * cancellation state of the waiting thread.
	 */
	return syscall(SYS_sendmsg, socket, &message.header, 0) < 0 ? -errno
								    : 0;
}

int core_child_take(int socket, int *ret_fd)
{
	struct message message;
	const struct cmsghdr *control;

	init(&message);
	if (recvmsg(socket, &message.header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <
	    0)
		return errno == EAGAIN ? -ENOENT : -errno;
	/* If no descriptor number was free, the kernel has dropped it. */
	control = CMSG_FIRSTHDR(&message.header);
	if (!control || control->cmsg_len < CMSG_LEN(sizeof(int)))
		return -EMFILE;
	memcpy(ret_fd, CMSG_DATA(control), sizeof(*ret_fd));
	return 0;
}
