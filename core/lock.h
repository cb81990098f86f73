/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lock: the record locks of one object, held for owners that are not this process.
 *
 * An owner is a process, or an open file description that others have. Each owner
 * of locks has an open file description here, on which its locks are taken as open
 * file description locks: they exclude those of all others, with fcntl(2) or
 * through here, and are merged and split with the owner's own. Nothing waits here:
 * see core/wait.
 *
 * Calls of one owner are made one after the other. Those of different owners never
 * wait for each other, however long the kernel takes over a list of locks.
 */
#ifndef CORE_LOCK_H
#define CORE_LOCK_H

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/*
 * The most ranges that an owner may hold on an object. The kernel has no limit, and
 * looks at all of them in each later call about the object.
 */
#define CORE_LOCKS_MAX_RANGES 256

/* Part of a caller's structure; private. */
struct core_locks {
	atomic_uint n_owners;
	pthread_mutex_t lock;
	LIST_HEAD(core_lock_owners, core_lock_owner) owners;
	void (*release)(void *charge);
};

/* release: called with the charge of an owner that has no lock any more. */
void core_locks_init(struct core_locks *locks, void (*release)(void *charge));

/* For when all owners have unlocked. */
void core_locks_destroy(struct core_locks *locks);

/*
 * fcntl(F_SETLK) for an owner: sets, changes or (F_UNLCK) releases a lock.
 *
 * owner: any number. handle: what the owner acts through, for
 *     core_locks_unlock_handle().
 * fd: a descriptor of the object with the access of the owner's; not an O_PATH one.
 *     If it is for reading alone the owner's description is so, too, and keeps
 *     nobody from executing the object.
 * lock: l_whence is SEEK_SET, and l_len isn't negative.
 * wait: false: -EAGAIN also while another call of the same owner runs.
 * charge: what the caller pays for the owner's descriptor. With an owner's first
 *     lock *charge is taken over, and NULL after. NULL: only an owner that has had
 *     a lock can set one.
 *
 * Returns 0, or
 *   -EAGAIN     another owner has a conflicting lock
 *   -EBADF      a lock to write, and fd is for reading alone; or the process may
 *               not open the object as the lock demands
 *   -ENOLCK     the owner would have more than CORE_LOCKS_MAX_RANGES; or charge is
 *               NULL and it would be the first lock
 *   -EINVAL, -EOVERFLOW, -EMFILE, -ENFILE, -ENOMEM
 *
 * Source: fcntl(2), "Open file description locks".
 */
int core_locks_set(struct core_locks *locks, uint64_t owner, const void *handle,
		   int fd, const struct flock *lock, bool wait, void **charge);

/*
 * fcntl(F_GETLK) for an owner: replaces *lock by one that conflicts, or its
 * l_type by F_UNLCK. l_pid is -1 for a lock that isn't a process's.
 * fd: of the object, not an O_PATH one. Returns 0, -EINVAL or -EOVERFLOW.
 */
int core_locks_get(struct core_locks *locks, uint64_t owner, int fd,
		   struct flock *lock);

/*
 * Releases all locks of an owner, as close(2) does. Returns whether there may have
 * been any. Where no owner has a lock, this takes no lock and makes no system call.
 */
bool core_locks_unlock_owner(struct core_locks *locks, uint64_t owner);

/* Releases all locks of the owners that took their last one through the handle. */
void core_locks_unlock_handle(struct core_locks *locks, const void *handle);

#endif
