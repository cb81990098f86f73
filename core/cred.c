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
#include <stdbool.h>
#include <stdlib.h>
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
	return (struct core_cred){ .uid = geteuid(), .gid = getegid() };
}

/* Whether the process itself already acts as cred. */
static bool is_self(const struct core_cred *cred)
{
	uid_t self = geteuid();

	return cred->uid == self && (self != 0 || cred->gid == getegid());
}

static void restore(void)
{
	if (!set_fsuid(geteuid()) || !set_fsgid(getegid()) ||
	    set_groups(0, NULL) < 0)
		abort();
}

int core_cred_enter(const struct core_cred *cred)
{
	int r;

	if (is_self(cred))
		return 0;
	r = set_groups(cred->n_groups, cred->groups);
	if (r < 0)
		return r;
	if (!set_fsgid(cred->gid) || !set_fsuid(cred->uid)) {
		restore();
		return -EPERM;
	}
	return 0;
}

void core_cred_leave(const struct core_cred *cred)
{
	int saved = errno;

	if (!is_self(cred))
		restore();
	errno = saved;
}
