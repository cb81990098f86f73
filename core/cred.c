/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * setgroups(3) of the C library changes all threads of the process, while the
 * system call changes only the calling thread. setfsuid(2) doesn't report
 * failure. So each change is verified with a second call that asks for an
 * impossible user: setfsuid then returns the user in force.
 *
 * The order of the calls matters. setgroups and setfsgid need CAP_SETGID, which
 * setfsuid doesn't change. The user is set last and restored first, so that no
 * step runs with the user's file access and the daemon's groups.
 */
#include "core/cred.h"

#include "core/linux.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <unistd.h>

/* New credentials take the kernel ten times as long as this question. */
static int set_groups(size_t n, const gid_t *groups)
{
	if (n == 0 && getgroups(0, NULL) == 0)
		return 0;
	return syscall(CORE_SYS_SETGROUPS, n, groups) < 0 ? -errno : 0;
}

static bool set_fsgid(gid_t gid)
{
	(void)setfsgid(gid);
	return (gid_t)setfsgid((gid_t)-1) == gid;
}

static bool set_fsuid(uid_t uid)
{
	(void)setfsuid(uid);
	return (uid_t)setfsuid((uid_t)-1) == uid;
}

/*
 * Each request asks several times who we are. On some machines a system call
 * takes 1 us, so the answer is kept.
 */
static struct core_cred self;

__attribute__((constructor)) void core_cred_read_self(void)
{
	self = (struct core_cred){ .uid = geteuid(),
				   .gid = getegid(),
				   .caps = CORE_CRED_ALL_CAPS };
}

struct core_cred core_cred_self(void)
{
	return self;
}

/*
 * The arguments of capget(2) and capset(2), for which the C library has no
 * functions. libcap-ng has functions, but keeps a state for each thread, and a
 * child with our memory would share the state with the waiting thread. Also,
 * capng_get_caps_process() reads the bounding set as well and takes 30 us;
 * capget(2) takes 0.4 us.
 */
struct caps {
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
};

CORE_IN_CHILD static int get_caps(pid_t tid, struct caps *ret)
{
	ret->header = (struct __user_cap_header_struct){
		.version = _LINUX_CAPABILITY_VERSION_3,
		.pid = tid,
	};
	return syscall(SYS_capget, &ret->header, ret->data) < 0 ? -errno : 0;
}

int core_cred_get_caps(pid_t tid, uint64_t *ret)
{
	struct caps caps;
	int r = get_caps(tid, &caps);

	if (r == 0)
		*ret = caps.data[0].effective | (uint64_t)caps.data[1].effective
							<< 32;
	return r;
}

bool core_cred_has_all(const struct core_cred *cred)
{
	struct caps caps;

	return cred->caps == CORE_CRED_ALL_CAPS ||
	       (get_caps(0, &caps) == 0 &&
		!(caps.data[0].permitted & ~(uint32_t)cred->caps) &&
		!(caps.data[1].permitted & ~(uint32_t)(cred->caps >> 32)));
}

CORE_IN_CHILD int core_cred_limit(uint64_t caps_)
{
	struct caps caps;
	int r = get_caps(0, &caps);

	if (r < 0)
		return r;
	caps.data[0].effective = caps.data[0].permitted & (uint32_t)caps_;
	caps.data[1].effective =
		caps.data[1].permitted & (uint32_t)(caps_ >> 32);
	return syscall(SYS_capset, &caps.header, caps.data) < 0 ? -errno : 0;
}

bool core_cred_is_self(const struct core_cred *cred)
{
	return cred->uid == self.uid &&
	       (self.uid != 0 ||
		(cred->gid == self.gid && core_cred_has_all(cred)));
}

/*
 * These calls fail only if the kernel can't allocate a few hundred bytes, and
 * the kernel denies such an allocation only to a process that it is killing.
 * The thread can't continue: it would serve the next request with the rights of
 * this user. The thread can't end alone either, because it owes replies and may
 * hold locks. So the process is aborted. Objects and open mappings stay valid
 * without the daemon, and a new start replaces the mount.
 */
static void restore(void)
{
	if (core_cred_limit(CORE_CRED_ALL_CAPS) < 0 || !set_fsuid(self.uid) ||
	    !set_fsgid(self.gid) || set_groups(0, NULL) < 0)
		abort();
}

int core_cred_enter_capable(const struct core_cred *cred)
{
	int r;

	if (cred->error < 0 || core_cred_is_self(cred))
		return cred->error;
	r = set_groups(cred->n_groups, cred->groups);
	if (r < 0)
		return r;
	if (!set_fsgid(cred->gid) || !set_fsuid(cred->uid)) {
		restore();
		return -EPERM;
	}
	return 0;
}

int core_cred_enter(const struct core_cred *cred)
{
	int r = core_cred_enter_capable(cred);

	if (r < 0 || core_cred_is_self(cred))
		return r;
	r = core_cred_limit(cred->caps);
	if (r < 0)
		restore();
	return r;
}

void core_cred_leave(const struct core_cred *cred)
{
	int saved = errno;

	if (!core_cred_is_self(cred))
		restore();
	errno = saved;
}

void core_cred_be_nobody(void)
{
	static _Thread_local bool is_nobody;

	/* The call fails in a user namespace that has no such user. */
	if (!is_nobody && self.uid == 0)
		(void)syscall(CORE_SYS_SETRESUID, (uid_t)-2, (uid_t)-1,
			      (uid_t)-1);
	is_nobody = true;
}
