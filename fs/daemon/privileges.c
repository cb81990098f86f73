/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Idle, the daemon has these descriptors:
 *
 *	0, 1, 2			as it was started, or in the background /dev/null
 *	/dev/shm, mqueue	core/ipc_dirs: the objects' directories
 *	/dev/fuse		libfuse
 *	eventfd			fs/daemon/loop
 *	eventpoll, eventfd, 2 timerfds	core/wait
 *	mountinfo		fs/daemon/mountpoint
 *
 * and in the background a socket to syslog, opened early: the log must also
 * work when descriptors are used up.
 */
#include "fs/daemon/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_inherited(void)
{
	int fd;

	/* What is opened is not to be taken for stdin, stdout or stderr. */
	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd < 3);
	(void)close_range(3, UINT_MAX, 0);
}

/*
 * Modes are the callers' business, a caller's file size limit is the kernel's, and
 * descriptors are what open files cost. What queues cost counts against the
 * callers' limits, which may be above ours: who has the privilege can grant them
 * all. Root's groups would only be in the way of acting as others; who may not
 * drop them doesn't do that.
 */
void fs_privileges_set_up(void)
{
	struct rlimit limit;

	close_inherited();
	(void)umask(0);
	(void)setgroups(0, NULL);
	(void)signal(SIGXFSZ, SIG_IGN);
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
 * In force while it doesn't act as a user, see core/cred:
 *
 *	SYS_ADMIN	backing files, the unmount
 *	SETUID, SETGID	to act as the callers are
 *	SYS_PTRACE	what groups they have, where /proc hides others
 *	DAC_OVERRIDE	locks, whatever the mode
 *
 * and in force only for callers who have the capability themselves:
 *
 *	DAC_OVERRIDE, DAC_READ_SEARCH	open any object
 *	CHOWN, FOWNER	owner, mode and times of any
 *	FSETID		setgid bits stay
 *	SETFCAP		the extended attribute security.capability
 *	SYS_RESOURCE	queues beyond msg_max and queues_max
 *	LINUX_IMMUTABLE	chattr +i and +a
 */
static const unsigned int needed[] = {
	CAP_SYS_ADMIN,	CAP_SETUID,	  CAP_SETGID,
	CAP_SYS_PTRACE, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH,
	CAP_CHOWN,	CAP_FOWNER,	  CAP_FSETID,
	CAP_SETFCAP,	CAP_SYS_RESOURCE, CAP_LINUX_IMMUTABLE,
};

int fs_privileges_drop(void)
{
	const size_t n = sizeof(needed) / sizeof(*needed);
	bool have[sizeof(needed) / sizeof(*needed)];

	/* Without, the setuid fusermount3 is needed to unmount. */
	if (geteuid() != 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		have[i] = capng_have_capability(CAPNG_PERMITTED, needed[i]);
	capng_clear(CAPNG_SELECT_ALL);
	for (size_t i = 0; i < n; i++) {
		if (have[i])
			(void)capng_update(CAPNG_ADD,
					   CAPNG_EFFECTIVE | CAPNG_PERMITTED,
					   needed[i]);
	}
	/* This takes CAP_SETPCAP; where it is lacking the next step has to do. */
	(void)capng_apply(CAPNG_SELECT_BOUNDS);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    capng_apply(CAPNG_SELECT_CAPS) < 0)
		return -EPERM;
	return 0;
}
