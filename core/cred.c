/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * setgroups(3) of the C library changes all threads of the process, the system
 * call only the calling one. setfsuid(2) doesn't report failure: asking it for
 * an impossible user returns the one in force, which is how each change is
 * verified.
 *
 * The order of the calls matters: setgroups and setfsgid need CAP_SETGID, which
 * setfsuid leaves alone, but a user of our own choosing is set last and unset
 * first, so that no step runs with another user's file access and the daemon's
 * groups.
 */
#include "core/cred.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

static int set_groups(size_t n, const gid_t *groups)
{
	return syscall(SYS_setgroups, n, groups) < 0 ? -errno : 0;
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

struct core_cred core_cred_self(void)
{
	return (struct core_cred){ .uid = geteuid(),
				   .gid = getegid(),
				   .caps = CORE_CRED_ALL_CAPS };
}

/*
 * The capabilities in force for the process. There is no C library function for
 * capset(2), and it is of the calling thread alone.
 */
static pthread_once_t capabilities_once = PTHREAD_ONCE_INIT;
static struct __user_cap_data_struct capabilities[_LINUX_CAPABILITY_U32S_3];

static void read_capabilities(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};

	if (syscall(SYS_capget, &header, capabilities) < 0)
		abort();
}

bool core_cred_has_all(const struct core_cred *cred)
{
	pthread_once(&capabilities_once, read_capabilities);
	return !(capabilities[0].effective & ~(uint32_t)cred->caps) &&
	       !(capabilities[1].effective & ~(uint32_t)(cred->caps >> 32));
}

bool core_cred_is_self(const struct core_cred *cred)
{
	uid_t self = geteuid();

	return cred->uid == self && (self != 0 || (cred->gid == getegid() &&
						   core_cred_has_all(cred)));
}

/* Puts the process's capabilities in force, but only those that are in caps. */
static int set_capabilities(uint64_t caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	memcpy(data, capabilities, sizeof(data));
	data[0].effective &= (uint32_t)caps;
	data[1].effective &= (uint32_t)(caps >> 32);
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static void restore(void)
{
	if (set_capabilities(CORE_CRED_ALL_CAPS) < 0 || !set_fsuid(geteuid()) ||
	    !set_fsgid(getegid()) || set_groups(0, NULL) < 0)
		abort();
}

int core_cred_enter_capable(const struct core_cred *cred)
{
	int r;

	if (cred->error < 0 || core_cred_is_self(cred))
		return cred->error;
	pthread_once(&capabilities_once, read_capabilities);
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
	r = set_capabilities(cred->caps);
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

	/* It fails in a user namespace that has no such user. */
	if (!is_nobody && geteuid() == 0)
		(void)syscall(SYS_setresuid, (uid_t)-2, (uid_t)-1, (uid_t)-1);
	is_nobody = true;
}
