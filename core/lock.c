/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table's lock guards the list of owners, and is held for a look at it only. An
 * owner's own lock is held during fcntl(2). Nobody holds both.
 *
 * An owner is in the list while it is "locked", from its first lock until it
 * unlocks as a whole, and while a call uses it. So who unlocks all need not hold up
 * the owner's next call: that one finds the same owner and the same description,
 * which is closed when it is out of the list and has no lock. An owner that has
 * released its last range stays, as it is likely to lock again.
 */
#include "core/lock.h"

#include "core/cleanup.h"
#include "core/cred.h"
#include "core/object.h"

#include <assert.h>

struct core_lock_owner {
	LIST_ENTRY(core_lock_owner) entry;
	uint64_t id;
	unsigned int n_calls; /* that use it now */
	const void *handle;   /* through which it last locked */

	pthread_mutex_t lock;
	bool locked;
	int fd; /* its open file description, or -1 */
	void *charge;
};

void core_locks_init(struct core_locks *locks, void (*release)(void *charge))
{
	locks->n_owners = 0;
	pthread_mutex_init(&locks->lock, NULL);
	LIST_INIT(&locks->owners);
	locks->release = release;
}

void core_locks_destroy(struct core_locks *locks)
{
	assert(LIST_EMPTY(&locks->owners));
	pthread_mutex_destroy(&locks->lock);
}

/* The table's lock is held. */
static struct core_lock_owner *add(struct core_locks *locks, uint64_t id)
{
	struct core_lock_owner *owner = calloc(1, sizeof(*owner));

	if (!owner)
		return NULL;
	owner->id = id;
	owner->fd = -1;
	pthread_mutex_init(&owner->lock, NULL);
	LIST_INSERT_HEAD(&locks->owners, owner, entry);
	locks->n_owners++;
	return owner;
}

/* Finds an owner, or adds it, for a call that ends with put(). Or NULL. */
static struct core_lock_owner *get(struct core_locks *locks, uint64_t id,
				   bool adds)
{
	struct core_lock_owner *owner;

	pthread_mutex_lock(&locks->lock);
	owner = LIST_FIRST(&locks->owners);
	while (owner && owner->id != id)
		owner = LIST_NEXT(owner, entry);
	if (!owner && adds)
		owner = add(locks, id);
	if (owner)
		owner->n_calls++;
	pthread_mutex_unlock(&locks->lock);
	return owner;
}

/* handle: it has locked through that one; or NULL. */
static void put(struct core_locks *locks, struct core_lock_owner *owner,
		const void *handle)
{
	bool gone;

	pthread_mutex_lock(&locks->lock);
	if (handle)
		owner->handle = handle;
	gone = --owner->n_calls == 0 && !owner->locked;
	if (gone) {
		LIST_REMOVE(owner, entry);
		locks->n_owners--;
	}
	pthread_mutex_unlock(&locks->lock);
	if (!gone)
		return;
	if (owner->fd >= 0)
		(void)close(owner->fd);
	if (owner->charge)
		locks->release(owner->charge);
	pthread_mutex_destroy(&owner->lock);
	free(owner);
}

static int ofd(int fd, int command, struct flock *lock)
{
	lock->l_pid = 0;
	return fcntl(fd, command, lock) < 0 ? -errno : 0;
}

/* With all the access that there is: a lock to write needs a writable one. */
static int open_description(int fd, int *ret_fd)
{
	static const int flags[] = { O_RDWR, O_RDONLY, O_WRONLY };
	struct core_cred self = core_cred_self();
	int r = -EACCES;

	for (int i = 0; i < 3 && (r == -EACCES || r == -EPERM); i++)
		r = core_object_reopen(&self, fd, flags[i], ret_fd);
	return r == -EACCES ? -EBADF : r;
}

/* The owner's lock is held. */
static int set(struct core_lock_owner *owner, int fd, const struct flock *lock,
	       void **charge)
{
	struct flock copy = *lock;
	int r = 0;

	if (!owner->locked && lock->l_type == F_UNLCK)
		return 0;
	if (!owner->locked && !charge)
		return -ENOLCK;
	if (owner->fd < 0)
		r = open_description(fd, &owner->fd);
	if (r == 0)
		r = ofd(owner->fd, F_OFD_SETLK, &copy);
	if (r < 0 || owner->locked)
		return r;
	if (!owner->charge)
		owner->charge = core_steal_ptr(*charge);
	owner->locked = true;
	return 0;
}

int core_locks_set(struct core_locks *locks, uint64_t id, const void *handle,
		   int fd, const struct flock *lock, bool wait, void **charge)
{
	const bool unlocks = lock->l_type == F_UNLCK;
	struct core_lock_owner *owner = get(locks, id, !unlocks);
	int r = -EAGAIN;

	if (!owner)
		return unlocks ? 0 : -ENOMEM;
	if (wait)
		pthread_mutex_lock(&owner->lock);
	if (wait || pthread_mutex_trylock(&owner->lock) == 0) {
		r = set(owner, fd, lock, charge);
		pthread_mutex_unlock(&owner->lock);
	}
	put(locks, owner, r == 0 && !unlocks ? handle : NULL);
	return r;
}

int core_locks_get(struct core_locks *locks, uint64_t id, int fd,
		   struct flock *lock)
{
	struct core_lock_owner *owner = get(locks, id, false);
	int r;

	if (!owner)
		return ofd(fd, F_OFD_GETLK, lock);
	pthread_mutex_lock(&owner->lock);
	r = ofd(owner->fd >= 0 ? owner->fd : fd, F_OFD_GETLK, lock);
	pthread_mutex_unlock(&owner->lock);
	put(locks, owner, NULL);
	return r;
}

/* For a call that has got the owner, and ends here. */
static void unlock_all(struct core_locks *locks, struct core_lock_owner *owner)
{
	struct flock all = { .l_type = F_UNLCK };

	pthread_mutex_lock(&owner->lock);
	if (owner->locked)
		(void)ofd(owner->fd, F_OFD_SETLK, &all);
	owner->locked = false;
	pthread_mutex_unlock(&owner->lock);
	put(locks, owner, NULL);
}

bool core_locks_unlock_owner(struct core_locks *locks, uint64_t id)
{
	struct core_lock_owner *owner = NULL;

	if (locks->n_owners > 0)
		owner = get(locks, id, false);
	if (owner)
		unlock_all(locks, owner);
	return owner;
}

void core_locks_unlock_handle(struct core_locks *locks, const void *handle)
{
	struct core_lock_owner *owner;

	do {
		pthread_mutex_lock(&locks->lock);
		owner = LIST_FIRST(&locks->owners);
		while (owner && owner->handle != handle)
			owner = LIST_NEXT(owner, entry);
		if (owner) {
			owner->handle = NULL;
			owner->n_calls++;
		}
		pthread_mutex_unlock(&locks->lock);
		if (owner)
			unlock_all(locks, owner);
	} while (owner);
}
