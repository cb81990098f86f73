/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table's mutex guards the list of owners, and is held only to search the
 * list. An owner's mutex is held during fcntl(2), so that the ranges here are
 * the same as the kernel's. No thread holds both mutexes.
 *
 * We keep the ranges because the kernel doesn't limit their number, and reports
 * the number only in a text (/proc/self/fdinfo), after the call. An unlock can
 * split a range and so add one: it must be refused before the call.
 *
 * An owner is in the list while it is "locked" and while a call uses the owner.
 * "Locked" begins with the owner's first lock and ends when all its locks are
 * released together. So the owner's next call may begin while all locks are
 * being released: the call finds the same owner and the same description. The
 * description is closed when the owner leaves the list. An owner that has
 * unlocked its last range stays in the list, because the owner is likely to
 * lock again.
 */
#include "core/lock.h"

#include "core/cleanup.h"
#include "core/cred.h"
#include "core/file.h"

#include <assert.h>
#include <string.h>
#include <sys/param.h>

struct range {
	off_t start, end; /* end: the last byte; INT64_MAX: no end */
	short type;
};

CORE_MUTEX(core_lock_mutex);
#define OF_TABLE CORE_GUARDED_BY(core_locks_mutex)
#define OF_OWNER CORE_GUARDED_BY(core_lock_mutex)

struct core_lock_owner {
	LIST_ENTRY(core_lock_owner) entry OF_TABLE;
	uint64_t id;
	unsigned int n_calls OF_TABLE; /* running calls of the owner */
	const void *handle OF_TABLE;   /* of the owner's last lock */

	struct core_lock_mutex lock;
	bool locked OF_OWNER;
	bool writable OF_OWNER; /* fd can be written, as a write lock needs */
	int fd OF_OWNER;	/* the open file description, or -1 */
	struct core_lock_charge *charge OF_OWNER;
	/* The locks: sorted, disjoint, and merged as the kernel merges. */
	size_t n_ranges OF_OWNER;
	struct range *ranges OF_OWNER;
};

void core_locks_init(struct core_locks *locks,
		     void (*release)(struct core_lock_charge *charge))
{
	pthread_mutex_init(&locks->lock.native, NULL);
	LIST_INIT(&locks->owners);
	locks->release = release;
}

/* clang doesn't check this function: no other thread knows the owner yet. */
static struct core_lock_owner *owner_new(struct core_locks *locks, uint64_t id)
	CORE_REQUIRES(core_locks_mutex) CORE_NO_THREAD_SAFETY
{
	struct core_lock_owner *owner = calloc(1, sizeof(*owner));

	if (!owner)
		return NULL;
	owner->id = id;
	owner->fd = -1;
	pthread_mutex_init(&owner->lock.native, NULL);
	LIST_INSERT_HEAD(&locks->owners, owner, entry);
	return owner;
}

void core_locks_destroy(struct core_locks *locks) CORE_NO_THREAD_SAFETY
{
	assert(LIST_EMPTY(&locks->owners));
	pthread_mutex_destroy(&locks->lock.native);
}

/*
 * Finds the owner for a call, which ends with put(). If handle isn't NULL,
 * finds the owner by its handle, and the owner then has no handle any more.
 * Otherwise finds the owner by its number. adds: make an owner if there is
 * none. Returns NULL without an owner.
 */
static struct core_lock_owner *get(struct core_locks *locks, uint64_t id,
				   const void *handle, bool adds)
{
	struct core_lock_owner *owner;

	core_locks_mutex_lock(&locks->lock);
	owner = LIST_FIRST(&locks->owners);
	while (owner && (handle ? owner->handle != handle : owner->id != id))
		owner = LIST_NEXT(owner, entry);
	if (!owner && adds)
		owner = owner_new(locks, id);
	if (owner)
		owner->n_calls++;
	if (owner && handle)
		owner->handle = NULL;
	core_locks_mutex_unlock(&locks->lock);
	return owner;
}

/*
 * Ends a call. handle: the handle of a lock that the call has set; or NULL.
 * clang doesn't check this function: it can't know that no other thread uses
 * the owner after the owner's last call.
 */
static void put(struct core_locks *locks, struct core_lock_owner *owner,
		const void *handle) CORE_NO_THREAD_SAFETY
{
	bool gone;

	core_locks_mutex_lock(&locks->lock);
	if (handle)
		owner->handle = handle;
	gone = --owner->n_calls == 0 && !owner->locked;
	if (gone)
		LIST_REMOVE(owner, entry);
	core_locks_mutex_unlock(&locks->lock);
	if (!gone)
		return;
	core_closep(&owner->fd);
	if (owner->charge)
		locks->release(owner->charge);
	pthread_mutex_destroy(&owner->lock.native);
	free(owner->ranges);
	free(owner);
}

static int ofd(int fd, int command, struct flock *lock)
{
	lock->l_pid = 0;
	return fcntl(fd, command, lock) < 0 ? -errno : 0;
}

/*
 * Sets an owner's read locks on a second description: read locks don't
 * conflict.
 */
static int copy_ranges(const struct core_lock_owner *owner, int fd)
	CORE_REQUIRES(core_lock_mutex)
{
	int r = 0;

	for (size_t i = 0; i < owner->n_ranges && r == 0; i++) {
		const struct range *range = &owner->ranges[i];
		struct flock lock = { .l_type = range->type,
				      .l_start = range->start };

		if (range->end != INT64_MAX)
			lock.l_len = range->end - range->start + 1;
		r = ofd(fd, F_OFD_SETLK, &lock);
	}
	return r;
}

/*
 * Opens the owner's description: read-only if fd is read-only, otherwise with
 * all the access that this process can get, as an owner may use several
 * descriptors.
 *
 * An owner whose description is read-only has only read locks. The new
 * description gets these locks before the old description is closed, so there
 * is no moment in which another owner can set a write lock there. Append-only
 * files can't be opened without O_APPEND.
 */
static int open_description(struct core_lock_owner *owner, int fd)
	CORE_REQUIRES(core_lock_mutex)
{
	static const int flags[] = { O_RDWR, O_WRONLY, O_RDONLY };
	const bool writable = (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
	struct core_cred self = core_cred_self();
	_cleanup_close_ int opened = -1;
	int r = -EACCES, i;

	for (i = writable ? 0 : 2; i < 3 && (r == -EACCES || r == -EPERM); i++)
		r = core_file_reopen(&self, fd, flags[i] | O_APPEND, &opened);
	if (r == 0)
		r = copy_ranges(owner, opened);
	if (r < 0)
		return r == -EACCES ? -EBADF : r;
	core_closep(&owner->fd);
	owner->fd = core_steal_fd(&opened);
	owner->writable = flags[i - 1] != O_RDONLY;
	return 0;
}

static struct range to_range(const struct flock *lock)
{
	assert(lock->l_whence == SEEK_SET && lock->l_start >= 0 &&
	       lock->l_len >= 0 &&
	       lock->l_len - 1 <= INT64_MAX - lock->l_start);
	return (struct range){
		.type = lock->l_type,
		.start = lock->l_start,
		.end = lock->l_len == 0 ? INT64_MAX
					: lock->l_start + (lock->l_len - 1),
	};
}

static void append(struct range *ranges, size_t *n, short type, off_t start,
		   off_t end)
{
	struct range *last = *n > 0 ? &ranges[*n - 1] : NULL;

	if (last && last->type == type && last->end + 1 == start)
		last->end = end;
	else
		ranges[(*n)++] = (struct range){ start, end, type };
}

/*
 * Computes the owner's ranges after "new" is set: at most two more than before.
 * Returns their number.
 */
static size_t change_ranges(const struct core_lock_owner *owner,
			    const struct range *new, struct range *ret)
	CORE_REQUIRES(core_lock_mutex)
{
	const struct range *old, *end = owner->ranges + owner->n_ranges;
	size_t n = 0;

	for (old = owner->ranges; old < end && old->start < new->start; old++)
		append(ret, &n, old->type, old->start,
		       MIN(old->end, new->start - 1));
	if (new->type != F_UNLCK)
		append(ret, &n, new->type, new->start, new->end);
	for (old = owner->ranges; old < end; old++) {
		if (old->end > new->end)
			append(ret, &n, old->type,
			       MAX(old->start, new->end + 1), old->end);
	}
	return n;
}

static int set(struct core_lock_owner *owner, int fd, const struct flock *lock,
	       struct core_lock_charge **charge) CORE_REQUIRES(core_lock_mutex)
{
	_cleanup_free_ struct range *ranges = NULL;
	struct range new = to_range(lock);
	struct flock copy = *lock;
	size_t n;
	int r = 0;

	if (!owner->locked && lock->l_type == F_UNLCK)
		return 0;
	if (!owner->locked && !charge)
		return -ENOLCK;
	if (owner->fd < 0 || (lock->l_type == F_WRLCK && !owner->writable))
		r = open_description(owner, fd);
	if (r < 0)
		return r;
	ranges = calloc(owner->n_ranges + 2, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	n = change_ranges(owner, &new, ranges);
	if (n > CORE_LOCKS_MAX_RANGES)
		return -ENOLCK;
	r = ofd(owner->fd, F_OFD_SETLK, &copy);
	if (r < 0)
		return r;
	free(owner->ranges);
	owner->ranges = core_steal_ptr(ranges);
	owner->n_ranges = n;
	if (!owner->locked && !owner->charge)
		owner->charge = core_steal_ptr(*charge);
	owner->locked = true;
	return 0;
}

int core_locks_set(struct core_locks *locks, uint64_t id, const void *handle,
		   int fd, const struct flock *lock, bool wait,
		   struct core_lock_charge **charge)
{
	const bool unlocks = lock->l_type == F_UNLCK;
	struct core_lock_owner *owner = get(locks, id, NULL, !unlocks);
	int r;

	if (!owner)
		return unlocks ? 0 : -ENOMEM;
	if (wait) {
		core_lock_mutex_lock(&owner->lock);
	} else if (!core_lock_mutex_trylock(&owner->lock)) {
		put(locks, owner, NULL);
		return -EAGAIN;
	}
	r = set(owner, fd, lock, charge);
	core_lock_mutex_unlock(&owner->lock);
	put(locks, owner, r == 0 && !unlocks ? handle : NULL);
	return r;
}

int core_locks_get(struct core_locks *locks, uint64_t id, int fd,
		   struct flock *lock)
{
	struct core_lock_owner *owner = get(locks, id, NULL, false);
	int r;

	if (!owner)
		return ofd(fd, F_OFD_GETLK, lock);
	core_lock_mutex_lock(&owner->lock);
	r = ofd(owner->fd >= 0 ? owner->fd : fd, F_OFD_GETLK, lock);
	core_lock_mutex_unlock(&owner->lock);
	put(locks, owner, NULL);
	return r;
}

/*
 * Releases all locks of an owner that get() has returned, and ends the call
 * with put().
 */
static void unlock_all(struct core_locks *locks, struct core_lock_owner *owner)
{
	struct flock all = { .l_type = F_UNLCK };

	core_lock_mutex_lock(&owner->lock);
	if (owner->n_ranges > 0)
		(void)ofd(owner->fd, F_OFD_SETLK, &all);
	owner->n_ranges = 0;
	owner->locked = false;
	core_lock_mutex_unlock(&owner->lock);
	put(locks, owner, NULL);
}

bool core_locks_unlock_owner(struct core_locks *locks, uint64_t id)
{
	struct core_lock_owner *owner = get(locks, id, NULL, false);

	if (owner)
		unlock_all(locks, owner);
	return owner;
}

void core_locks_unlock_handle(struct core_locks *locks, const void *handle)
{
	struct core_lock_owner *owner;

	assert(handle);
	while ((owner = get(locks, 0, handle, false)))
		unlock_all(locks, owner);
}
