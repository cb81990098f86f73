/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lock: record locks on objects, held for owners that are not this process.
 *
 * Each owner of locks on an object has an open file description of its own, on
 * which its locks are taken as open file description locks: they exclude those of
 * all others, with fcntl(2) or through here, and are merged and split with the
 * owner's own. Nothing waits here: see core/wait.
 */
#ifndef CORE_LOCK_H
#define CORE_LOCK_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct core_locks;

/*
 * Makes an empty table. give: called with what core_locks_set() was given for an
 * owner when that has no lock any more. Returns 0 or -ENOMEM.
 */
int core_locks_new(void (*give)(void *share), struct core_locks **ret);

/* Releases all locks; NULL is allowed. Returns NULL. */
struct core_locks *core_locks_free(struct core_locks *locks);

/*
 * fcntl(F_SETLK) for an owner: sets, changes or (F_UNLCK) releases a lock.
 *
 * ino: the object's inode number. fd: a descriptor of it, of any access.
 * by: what the owner acts through, for core_locks_drop_by().
 * share: what the caller pays with for an owner, which costs a descriptor. If this
 *        is its first lock *share is taken over, and NULL after. NULL: only an owner
 *        that has had a lock may go on.
 *
 * Returns 0, -EAGAIN (another has a conflicting lock), -EINVAL, -EOVERFLOW,
 * -EBADF (the process may not open the object as the lock demands), -ENOLCK (also:
 * share is NULL, and it would be the first), -EMFILE, -ENFILE, -ENOMEM. Source:
 * fcntl(2), "Open file description locks".
 */
int core_locks_set(struct core_locks *locks, ino_t ino, uint64_t owner,
		   const void *by, int fd, const struct flock *lock,
		   void **share);

/*
 * fcntl(F_GETLK) for an owner: replaces *lock by one that conflicts, or its
 * l_type by F_UNLCK. l_pid is -1 for a lock that isn't a process's.
 * Errors as core_locks_set().
 */
int core_locks_get(struct core_locks *locks, ino_t ino, uint64_t owner, int fd,
		   struct flock *lock);

/*
 * Releases all locks of an owner on an object, as close(2) does. Returns whether
 * there may have been any.
 */
bool core_locks_drop(struct core_locks *locks, ino_t ino, uint64_t owner);

/* Releases all locks of the owners that took their last one there through "by". */
void core_locks_drop_by(struct core_locks *locks, ino_t ino, const void *by);

#endif
