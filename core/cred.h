/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cred: act as a given user on the calling thread, and back.
 *
 * Linux keeps credentials per thread. Only the credentials that file access
 * looks at are changed: the file system user and group and the supplementary
 * groups. The thread's real, effective and saved user stay the daemon's, so the
 * user for whom the thread acts can't send signals to the thread. While a
 * thread acts as a user, its capabilities are limited to the user's
 * capabilities: the thread may do what the user may do, and no more.
 */
#ifndef CORE_CRED_H
#define CORE_CRED_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CORE_CRED_ALL_CAPS UINT64_MAX

/*
 * Marks a function that may run in a child with this process's memory
 * (core/child). The thread sanitizer would mistake the child for the thread
 * that waits for the child.
 */
#define CORE_IN_CHILD __attribute__((no_sanitize("thread")))

/*
 * The user to act as. groups: n_groups supplementary groups; the array is the
 * caller's.
 */
struct core_cred {
	int error; /* why the credentials are unknown, a negative errno; or 0 */
	uid_t uid;
	gid_t gid;
	size_t n_groups;
	const gid_t *groups;
	uint64_t caps; /* a bit for each capability: capabilities(7) */
	pid_t pid;     /* the thread whose limits and cgroup count; 0: ours */
};

/*
 * The credentials of the process itself, as they are when no core_cred_enter()
 * is in force. A process that may act as other users needs no supplementary
 * groups. So a thread that has acted as a user, or failed to, has no
 * supplementary groups.
 */
struct core_cred core_cred_self(void);

/*
 * Reads the effective user and group of the process for core_cred_self() and
 * the functions below. Runs before main(). A process that changes its user must
 * call the function again, before it has threads.
 */
void core_cred_read_self(void);

/* Whether acting as cred changes nothing. */
bool core_cred_is_self(const struct core_cred *cred);

/* Whether cred has all permitted capabilities of the calling thread. */
bool core_cred_has_all(const struct core_cred *cred);

/*
 * Reads the effective capabilities of a thread, one bit for each capability.
 * They count in the thread's user namespace. Returns 0 or -ESRCH. Source:
 * capget(2).
 */
int core_cred_get_caps(pid_t tid, uint64_t *ret);

/*
 * Makes effective the permitted capabilities of the calling thread that are
 * also in caps, and no others. core_cred_enter() does this, too. CORE_IN_CHILD.
 * Returns 0 or -ENOMEM.
 */
int core_cred_limit(uint64_t caps);

/*
 * Makes the calling thread act as cred until core_cred_leave(). Does not nest.
 *
 * A process without privileges has only one identity: with its own uid the call
 * changes nothing, and with any other uid the call fails.
 *
 * Returns 0, or
 *   cred->error, if it isn't 0
 *   -EPERM   the thread can't become the user, and still acts as itself
 *   -EINVAL  cred has more groups than the kernel accepts
 *   -ENOMEM
 *
 * Source: credentials(7), setfsuid(2), setgroups(2) ("C library/kernel
 * differences"), capabilities(7) ("Effect of user ID changes").
 */
int core_cred_enter(const struct core_cred *cred);

/*
 * As core_cred_enter(), but the thread keeps its capabilities, except the
 * capabilities that override file permissions. cred's own capabilities don't
 * count.
 */
int core_cred_enter_capable(const struct core_cred *cred);

/*
 * Makes the thread act as itself again, after core_cred_enter(cred). errno
 * isn't changed. If the identity of the process can't be restored, the process
 * is aborted, because it must not continue as somebody else.
 */
void core_cred_leave(const struct core_cred *cred);

/*
 * If the thread is root's, sets the real user of the calling thread to
 * 4294967294, a user that nobody has, for good. The effective, saved and file
 * system users stay, so rights don't change. A notification by mq_notify(3)
 * carries the real user of the sender, and the receiver must not take the
 * sender for root.
 *
 * The thread must not start programs afterwards: some programs refuse to run if
 * the real and the effective user differ. If the user namespace has no such
 * user, nothing changes.
 */
void core_cred_be_nobody(void);

/*
 * Makes a system call as cred, or another call that fails with -1 and errno.
 * The value is the call's result, its negative errno, or an error of
 * core_cred_enter().
 */
#define CORE_CRED_AS(cred, call)                             \
	({                                                   \
		__typeof__(call) r_ = core_cred_enter(cred); \
		if (r_ == 0) {                               \
			r_ = (call);                         \
			if (r_ < 0)                          \
				r_ = -errno;                 \
			core_cred_leave(cred);               \
		}                                            \
		r_;                                          \
	})

#endif
