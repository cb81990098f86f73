/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table's mutex guards the list of owners, and is held only to search the
 * list. An owner's mutex is held during fcntl(2), so that the ranges here are
 * those that the kernel has. No thread holds both.
 *
 * An owner is in the list while it is "locked", which is from its first lock
 * until all its locks are released together, and while a call uses it. So the
 * owner's next call may begin while all locks are released: the call finds the
 * same owner and the same description. The description is closed when the owner
 * leaves the list. An owner that has unlocked its last range stays, as it is
 * likely to lock again.
 */
#include "core/lock.h"

#include "core/cleanup.h"
#include "core/cred.h"
#include "core/file.h"

#include <assert.h>
#include <string.h>
#include <sys/param.h>

struct range {
	off_t start, end; /* the last byte; INT64_MAX: no end */
	short type;
};

struct core_lock_owner {
	LIST_ENTRY(core_lock_owner) entry;
	uint64_t id;
	unsigned int n_calls; /* running calls of the owner */
	const void *handle;   /* of the owner's last lock */

	pthread_mutex_t lock;
	bool locked;
	bool writable; /* fd is; a write lock needs that */
	int fd;	       /* the open file description, or -1 */
	struct core_lock_charge *charge;
	/* The locks: sorted, disjoint, and merged as the kernel merges. */
	size_t n_ranges;
	struct range *ranges;
};

void core_locks_init(struct core_locks *locks,
		     void (*release)(struct core_lock_charge *charge))
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

/* Called with the table's mutex. */
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

/* Finds or adds an owner for a call, which ends with put(). Or NULL. */
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

/* handle: the handle of a lock that this call has set; or NULL. */
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
	free(owner->ranges);
	free(owner);
}

static int ofd(int fd, int command, struct flock *lock)
{
	lock->l_pid = 0;
	return fcntl(fd, command, lock) < 0 ? -errno : 0;
}

/* The functions up to set() are called with the owner's mutex. */

/*
 * Sets an owner's read locks on a second description: read locks don't
 * conflict.
 */
static int copy_ranges(const struct core_lock_owner *owner, int fd)
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
 * An owner whose description is read-only has read locks only. The new
 * description gets them before the old one is closed, so there is no moment in
 * which another owner can set a write lock there. O_APPEND is for append-only
 * files, which can't be opened without.
 */
static int open_description(struct core_lock_owner *owner, int fd)
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
	if (owner->fd >= 0)
		(void)close(owner->fd);
	owner->fd = core_steal_fd(&opened);
	owner->writable = flags[i - 1] != O_RDONLY;
	return 0;
}

static int to_range(const struct flock *lock, struct range *ret)
{
	if (lock->l_whence != SEEK_SET || lock->l_start < 0 || lock->l_len < 0)
		return -EINVAL;
	if (lock->l_len > 0 && lock->l_len - 1 > INT64_MAX - lock->l_start)
		return -EOVERFLOW;
	*ret = (struct range){
		.type = lock->l_type,
		.start = lock->l_start,
		.end = lock->l_len == 0 ? INT64_MAX
					: lock->l_start + (lock->l_len - 1),
	};
	return 0;
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

/* The owner's ranges after "new" is set: at most two more than before. */
static size_t change_ranges(const struct core_lock_owner *owner,
			    const struct range *new, struct range *ret)
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
	       struct core_lock_charge **charge)
{
	_cleanup_free_ struct range *ranges = NULL;
	struct flock copy = *lock;
	struct range new;
	size_t n;
	int r = to_range(lock, &new);

	if (r < 0)
		return r;
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

/*
 * Releases all locks of an owner that get() has returned, and ends with put().
 */
static void unlock_all(struct core_locks *locks, struct core_lock_owner *owner)
{
	struct flock all = { .l_type = F_UNLCK };

	pthread_mutex_lock(&owner->lock);
	if (owner->n_ranges > 0)
		(void)ofd(owner->fd, F_OFD_SETLK, &all);
	owner->n_ranges = 0;
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
