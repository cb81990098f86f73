/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lock: the record locks of one object, held for owners that are not this
 * process.
 *
 * An owner is a process, or an open file description of another process. Each
 * owner of locks has an open file description here, which holds the owner's
 * locks as open file description locks. The kernel checks these locks against
 * all other locks, whether they were set through this module or by fcntl(2).
 * The kernel also merges and splits the locks of each owner. No call waits
 * until a lock is released: see core/wait.
 *
 * Calls of one owner run one after the other. Calls of different owners never
 * wait for each other, however long the kernel needs for a list of locks.
 */
#ifndef CORE_LOCK_H
#define CORE_LOCK_H

#include "core/thread_safety.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/*
 * The most ranges that an owner may hold on an object. The kernel has no limit,
 * and searches all ranges in each later call on the object.
 */
#define CORE_LOCKS_MAX_RANGES 256

/* The charge for the descriptor of an owner. The caller defines the struct. */
struct core_lock_charge;

CORE_MUTEX(core_locks_mutex);

/* Part of a caller's structure; private. */
struct core_locks {
	struct core_locks_mutex lock;
	LIST_HEAD(core_lock_owners, core_lock_owner)
	owners CORE_GUARDED_BY(core_locks_mutex);
	void (*release)(struct core_lock_charge *charge);
};

/*
 * release: releases an owner's charge after the owner's last lock. No mutex of
 * this module is held during the call.
 */
void core_locks_init(struct core_locks *locks,
		     void (*release)(struct core_lock_charge *charge));

/* All owners must have unlocked. */
void core_locks_destroy(struct core_locks *locks);

/*
 * fcntl(F_SETLK) for an owner: sets, changes or (F_UNLCK) releases a lock.
 *
 * owner: any number. handle: the handle through which the owner acts, for
 *     core_locks_unlock_handle().
 * fd: a descriptor of the object with the owner's access; not O_PATH. If fd is
 *     read-only, the owner's description is opened read-only too, so that it
 *     doesn't keep anybody from executing the object.
 * lock: l_whence must be SEEK_SET; l_start and l_len must not be negative, or
 *     reach beyond INT64_MAX. The kernel's lock requests keep this rule.
 * wait: whether to wait while another call of the same owner runs. Otherwise
 *     the result is -EAGAIN.
 * charge: *charge pays for the owner's descriptor. An owner's first lock takes
 *     the charge over and sets *charge to NULL. If charge is NULL, only an
 *     owner that has set a lock before can lock.
 *
 * Returns 0, or
 *   -EAGAIN     another owner has a conflicting lock; or see "wait"
 *   -EBADF      a write lock, and fd is read-only; or this process may not open
 *               the object for the lock
 *   -ENOLCK     the owner would have more than CORE_LOCKS_MAX_RANGES ranges; or
 *               charge is NULL, and this would be the owner's first lock
 *   -EINVAL     l_type isn't F_RDLCK, F_WRLCK or F_UNLCK
 *   -EMFILE, -ENFILE, -ENOMEM
 *
 * Source: fcntl(2), "Open file description locks".
 */
int core_locks_set(struct core_locks *locks, uint64_t owner, const void *handle,
		   int fd, const struct flock *lock, bool wait,
		   struct core_lock_charge **charge);

/*
 * fcntl(F_GETLK) for an owner: replaces *lock by a conflicting lock. If no lock
 * conflicts, sets l_type to F_UNLCK. l_pid is -1 if the conflicting lock
 * doesn't belong to a process.
 *
 * fd: a descriptor of the object, not O_PATH. lock: as core_locks_set().
 *
 * Returns 0, or
 *   -EINVAL     l_type isn't F_RDLCK or F_WRLCK
 *   -EOVERFLOW  the conflicting lock is beyond what off_t holds
 *
 * Source: fcntl(2), "Open file description locks".
 */
int core_locks_get(struct core_locks *locks, uint64_t owner, int fd,
		   struct flock *lock);

/*
 * Releases all locks of an owner, as close(2) does. Returns whether the owner
 * may have had locks. Makes no system call if the owner has no locks.
 */
bool core_locks_unlock_owner(struct core_locks *locks, uint64_t owner);

/* Releases all locks of each owner whose last lock was set through handle. */
void core_locks_unlock_handle(struct core_locks *locks, const void *handle);

#endif
