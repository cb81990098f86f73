/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * While idle, the daemon has these descriptors:
 *
 *	0, 1, 2			inherited, or in the background /dev/null
 *	/dev/shm, mqueue	core/ipc_dirs: the objects' directories
 *	/dev/fuse		libfuse
 *	eventfd			fs/daemon/loop
 *	eventpoll, eventfd	core/wait
 *	mountinfo		fs/daemon/mountpoint
 *	bpf-prog		core/peek, after its first use
 *
 * In the background the daemon also has a socket to syslog. The socket is
 * opened early, because the log must work even when no descriptor is free.
 */
#include "fs/daemon/privileges.h"

#include "core/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void close_inherited(void)
{
	int fd;

	/* None of our descriptors may become stdin, stdout or stderr. */
	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd < 3);
	(void)close_range(3, UINT_MAX, 0);
}

/*
 * The callers' umasks count, so our umask is 0. The kernel applies the callers'
 * limits of file size, so SIGXFSZ about our own limit is ignored. Each open
 * file needs descriptors, so we raise their limit. Queues are charged up to the
 * callers' limits, which may be above ours: a process with CAP_SYS_RESOURCE can
 * raise its own hard limit. So we raise our hard limit. A thread that acts as a
 * user must not have root's groups, so we drop the groups. A process that may
 * not drop its groups doesn't act as other users.
 */
void fs_privileges_set_up(void)
{
	struct rlimit limit;

	close_inherited();
	(void)umask(0);
	(void)setgroups(0, NULL);
	(void)signal(SIGXFSZ, SIG_IGN);
	/* Sent when another process opens an object that we have a lease on. */
	(void)signal(SIGIO, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (getrlimit(RLIMIT_MSGQUEUE, &limit) == 0) {
		limit.rlim_max = RLIM_INFINITY;
		(void)setrlimit(RLIMIT_MSGQUEUE, &limit);
	}
}

/*
 * These capabilities are effective while a thread doesn't act as a user (see
 * core/cred):
 *
 *	SYS_ADMIN	backing files, the unmount, core/peek
 *	SETUID, SETGID	act as the callers
 *	SYS_PTRACE	read the callers' groups where /proc hides other users
 *	DAC_OVERRIDE	locks, whatever the mode
 *
 * These capabilities are effective only while a thread acts as a caller who has
 * the capability:
 *
 *	DAC_OVERRIDE, DAC_READ_SEARCH	open any object
 *	CHOWN, FOWNER	owner, mode and times of any
 *	FSETID		setgid bits stay
 *	SETFCAP		the extended attribute security.capability
 *	SYS_RESOURCE	queues beyond msg_max and queues_max
 *	LINUX_IMMUTABLE	chattr +i and +a
 *	LEASE		whether an object is used
 */
#define BIT(name) (UINT64_C(1) << CAP_##name)
static const uint64_t needed = BIT(SYS_ADMIN) | BIT(SETUID) | BIT(SETGID) |
			       BIT(SYS_PTRACE) | BIT(DAC_OVERRIDE) |
			       BIT(DAC_READ_SEARCH) | BIT(CHOWN) | BIT(FOWNER) |
			       BIT(FSETID) | BIT(SETFCAP) | BIT(SYS_RESOURCE) |
			       BIT(LINUX_IMMUTABLE) | BIT(LEASE);

int fs_privileges_drop(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	/* An ordinary user needs fusermount3, which is setuid, to unmount. */
	if (geteuid() != 0)
		return 0;
	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].permitted &= (uint32_t)(needed >> 32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	/*
	 * A program that we run must not have any capability. Dropping the
	 * bounding set needs CAP_SETPCAP; without CAP_SETPCAP, no_new_privs
	 * must suffice.
	 */
	for (unsigned int i = 0; i < 64; i++)
		(void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_capset, &header, data) < 0)
		return -errno;
	return 0;
}
