/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The real user of a thread may send signals to the whole process of the
 * thread, so no thread of this process can become a user for a while. A child
 * is a process of its own. The child's user can do this to the child:
 *
 * - Kill the child. If the child shared our table of descriptors, a descriptor
 *   that the child had opened would stay open, and nobody would know its
 *   number. So the child has its own table, which ends with the child, and
 *   sends a descriptor through a socket.
 * - Stop the child. vfork(2) would wait for ever. waitpid(2) reports the stop,
 *   and we kill the child.
 *
 * The user can't read the child's memory, which is ours, and can't trace the
 * child: the kernel compares all three user ids, and the saved user id stays
 * ours. For the same reason we may kill the child without CAP_KILL.
 *
 * A process that controls the child's cgroup can freeze the child, and the
 * kernel doesn't report this. So a child that enters a cgroup has a time limit,
 * and no descriptors that another process needs: a frozen child must not keep
 * /dev/fuse open. The kernel charges memory to the cgroup of the process that
 * owns the address space. So this child has a copy of our memory: if the cgroup
 * runs out of memory, the kernel must not kill us.
 *
 * All signals that can be blocked are blocked. A child with our memory runs on
 * its own stack but with the errno of the calling thread, which waits. The exit
 * status is fn's result, because each errno is below 256.
 */
#include "core/child.h"

#include "core/cleanup.h"
#include "core/linux.h"

#include <assert.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/param.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * The thread sanitizer's clone() works only for children that don't share our
 * memory.
 */
#ifdef __SANITIZE_THREAD__
int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
#define clone __clone
#endif

/*
 * Large enough for a few system calls, and for the handler of a signal that
 * glibc keeps unblocked.
 */
#define STACK_SIZE 32768

struct start {
	const struct core_child *child;
	bool is_self; /* the child's cred is the process itself */
	pid_t parent;
	int socket; /* for ret_fd, or -1 */
};

/* The control data of a message: one descriptor. */
struct rights {
	_Alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof(int))];
};

CORE_IN_CHILD static int send_fd(int socket, int fd)
{
	struct rights rights = { 0 };
	struct msghdr message = { .msg_control = &rights,
				  .msg_controllen = sizeof(rights) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_len = CMSG_LEN(sizeof(fd));
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	/*
	 * sendmsg(3) is a cancellation point, and the child shares the
	 * cancellation state of the waiting thread.
	 */
	return syscall(SYS_sendmsg, socket, &message, 0) < 0 ? -errno : 0;
}

static int receive_fd(int socket, int *ret_fd)
{
	struct rights rights;
	struct msghdr message = { .msg_control = &rights,
				  .msg_controllen = sizeof(rights) };

	if (recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return -errno;
	/* If no number was free, the kernel dropped the descriptor. */
	if (message.msg_controllen < CMSG_LEN(sizeof(*ret_fd)))
		return -EMFILE;
	memcpy(ret_fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(*ret_fd));
	return 0;
}

/*
 * Makes a table of descriptors for the child alone, and closes all in the table
 * but a and b. -1: no descriptor.
 */
CORE_IN_CHILD static int keep_only(int a, int b)
{
	int low = MIN(a, b), high = MAX(a, b);

	if (close_range((unsigned int)high + 1, UINT_MAX, CLOSE_RANGE_UNSHARE) <
		    0 ||
	    (high - low > 1 && close_range((unsigned int)low + 1,
					   (unsigned int)high - 1, 0) < 0) ||
	    (low > 0 && close_range(0, (unsigned int)low - 1, 0) < 0))
		return -errno;
	return 0;
}

/*
 * Makes the child end when the thread ends that waits for the child, and enters
 * the cgroup.
 */
CORE_IN_CHILD static int enter(int group, pid_t parent)
{
	return syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
			       syscall(SYS_getppid) != parent ||
			       syscall(SYS_write, group, "0", 1) < 0
		       ? -EPERM
		       : 0;
}

/*
 * Changes all credentials but the saved user, by system calls: the C library's
 * functions would change the credentials of all threads that the library knows.
 */
CORE_IN_CHILD static int become(const struct core_cred *cred, bool is_self)
{
	if (cred->error < 0)
		return cred->error;
	/*
	 * core_cred_be_nobody() may have changed the real user of the thread.
	 */
	if (is_self)
		return syscall(CORE_SYS_SETRESUID, cred->uid, (uid_t)-1,
			       (uid_t)-1) < 0
			       ? -EPERM
			       : 0;
	/* For the kernel -1 means "no change". */
	if (cred->uid == (uid_t)-1 || cred->gid == (gid_t)-1)
		return -EPERM;
	if (syscall(CORE_SYS_SETGROUPS, cred->n_groups, cred->groups) < 0)
		return -errno;
	if (syscall(CORE_SYS_SETRESGID, cred->gid, cred->gid, cred->gid) < 0 ||
	    syscall(CORE_SYS_SETRESUID, cred->uid, cred->uid, (uid_t)-1) < 0)
		return -EPERM;
	return core_cred_limit(cred->caps);
}

CORE_IN_CHILD static int run(void *closure)
{
	const struct start *start = closure;
	const struct core_child *child = start->child;
	int r = keep_only(child->fd, MAX(child->group, start->socket));

	if (r == 0 && child->group >= 0)
		r = enter(child->group, start->parent);
	if (r == 0 && child->cred)
		r = become(child->cred, start->is_self);
	if (r == 0)
		r = child->fn(child->arg);
	if (r >= 0 && child->ret_fd)
		r = send_fd(start->socket, r);
	return -r;
}

/* Kills a child that takes longer than a number of seconds. */
static void limit_time(pid_t pid, int seconds)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd ended = { .fd = fd, .events = POLLIN };

	if (fd < 0 || poll(&ended, 1, seconds * 1000) != 1)
		(void)kill(pid, SIGKILL);
}

static int start_and_wait(struct start *start)
{
	const struct core_child *child = start->child;
	int flags = CLONE_FILES | (child->copy ? 0 : CLONE_VM);
	_Alignas(16) char stack[STACK_SIZE];
	sigset_t all, old;
	int status = 0, r = -EINTR;
	pid_t pid;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	/* The exit signal is 0, so only waitpid(__WCLONE) reports the child. */
	pid = clone(run, stack + sizeof(stack), flags, start);
	if (pid < 0)
		r = -errno;
	if (pid > 0 && child->group >= 0)
		limit_time(pid, child->seconds);
	while (pid > 0 && waitpid(pid, &status, __WCLONE | WUNTRACED) == pid &&
	       WIFSTOPPED(status))
		(void)kill(pid, SIGKILL);
	if (pid > 0 && WIFEXITED(status))
		r = -WEXITSTATUS(status);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

int core_child_run(const struct core_child *child)
{
	struct start start = {
		.child = child,
		.is_self = child->cred && core_cred_is_self(child->cred),
		.parent = getpid(),
		.socket = -1,
	};
	_cleanup_close_ int ours = -1, theirs = -1;
	int ends[2], r;

	assert(child->group < 0 || child->copy);
	assert(!child->ret_fd || (child->group < 0 && child->fd < 0));
	if (child->ret_fd) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
			       ends) < 0)
			return -errno;
		ours = ends[0];
		theirs = start.socket = ends[1];
	}
	r = start_and_wait(&start);
	return r == 0 && ours >= 0 ? receive_fd(ours, child->ret_fd) : r;
}
