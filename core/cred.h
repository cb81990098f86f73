/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cred: act as a given user on the calling thread, and back.
 *
 * Linux keeps credentials per thread. Only those that file access looks at are
 * changed: the file system user and group and the supplementary groups. The
 * thread's real, effective and saved user stay the daemon's, so the user that
 * it acts for can't send it signals. While a thread acts as a user, its
 * capabilities are limited to those that the user has: the thread may do what
 * the user may, and no more.
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
 * A function that may run in a child with this process's memory (core/child). The
 * thread sanitizer would take the child for the thread that waits for it.
 */
#define CORE_IN_CHILD __attribute__((no_sanitize("thread")))

/* Whom to act as. groups: n_groups supplementary groups, the caller's. */
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
 * The process itself, as it is when no core_cred_enter() is in force. A
 * process that may act as others needs no supplementary groups, so a thread that has
 * acted as a user, or failed to, has none.
 */
struct core_cred core_cred_self(void);

/* Whether acting as cred changes nothing. */
bool core_cred_is_self(const struct core_cred *cred);

/* Whether cred has all capabilities that are permitted to the calling thread. */
bool core_cred_has_all(const struct core_cred *cred);

/*
 * Reads the capabilities in force of a thread, a bit for each; they count in the
 * thread's user namespace. Returns 0 or -ESRCH. Source: capget(2).
 */
int core_cred_get_caps(pid_t tid, uint64_t *ret);

/*
 * Puts in force what is permitted to the calling thread, but only capabilities that
 * are in caps. core_cred_enter() does this, too. CORE_IN_CHILD. Returns 0 or -ENOMEM.
 */
int core_cred_limit(uint64_t caps);

/*
 * Makes the calling thread act as cred until core_cred_leave(). Does not nest.
 *
 * A process without privileges has just one identity: for its own uid nothing
 * changes, for any other the call fails.
 *
 * Returns 0, or
 *   cred->error, if it isn't 0
 *   -EPERM   the thread can't become that user; it acts as itself
 *   -EINVAL  more groups than the kernel takes
 *   -ENOMEM
 *
 * Source: credentials(7), setfsuid(2), setgroups(2) ("C library/kernel
 * differences"), capabilities(7) ("Effect of user ID changes").
 */
int core_cred_enter(const struct core_cred *cred);

/*
 * core_cred_enter() that leaves the thread its capabilities, but for those that
 * override file permissions; of cred's own capabilities none counts.
 */
int core_cred_enter_capable(const struct core_cred *cred);

/*
 * Ends what core_cred_enter(cred) began. errno is kept. The process is aborted
 * if its own identity can't be restored: it must not go on as somebody else.
 */
void core_cred_leave(const struct core_cred *cred);

/*
 * Sets the real user of the calling thread, if the thread is root's, to one
 * that nobody has, 4294967294; for good. The effective, saved and file system
 * users stay, so rights don't change. mq_notify(3) tells the receiver the real
 * user of the sender: the receiver must not take the sender for root.
 *
 * The thread must not start programs afterwards: some refuse to run if real and
 * effective user differ. If the user namespace has no such user, nothing
 * changes.
 */
void core_cred_be_nobody(void);

/*
 * Makes a system call, or another call that fails with -1 and errno, as cred. The
 * value is the call's result, its negative errno, or an error of core_cred_enter().
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
