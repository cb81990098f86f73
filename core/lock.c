/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Trees of (inode number, owner), each under a lock, which is a leaf: the kernel may
 * be long about an object with many locks, and who uses others isn't to wait for it.
 *
 * An entry is there from an owner's first lock until its locks are dropped, also when
 * it has released them all: what it costs is a descriptor. "by" is what it last took
 * one through; who uses several is a process, whose locks all go when any of them is
 * closed.
 */
#include "core/lock.h"

#include "core/cleanup.h"
#include "core/cred.h"
#include "core/object.h"

#include <pthread.h>
#include <search.h>
#include <sys/queue.h>

struct holder {
	ino_t ino; /* ino and owner: the key of the tree */
	uint64_t owner;
	const void *by;
	int fd;
	void *share;
	LIST_ENTRY(holder) entry;
};

LIST_HEAD(holder_list, holder);

struct table {
	pthread_mutex_t lock;
	void *tree; /* of struct holder * */
	struct holder_list all;
};

enum { N_TABLES = 64 };

struct core_locks {
	void (*give)(void *share);
	struct table tables[N_TABLES]; /* by inode number */
};

static struct table *table_of(struct core_locks *locks, ino_t ino)
{
	return &locks->tables[ino % N_TABLES];
}

static int compare(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return (x->owner > y->owner) - (x->owner < y->owner);
}

int core_locks_new(void (*give)(void *share), struct core_locks **ret)
{
	struct core_locks *locks = calloc(1, sizeof(*locks));

	if (!locks)
		return -ENOMEM;
	locks->give = give;
	for (int i = 0; i < N_TABLES; i++)
		pthread_mutex_init(&locks->tables[i].lock, NULL);
	*ret = locks;
	return 0;
}

static int ofd(int fd, int command, struct flock *lock)
{
	lock->l_pid = 0;
	return fcntl(fd, command, lock) < 0 ? -errno : 0;
}

/* Its locks go now: the close comes later, and the owner may be back by then. */
static void holder_remove(struct table *table, struct holder *holder)
{
	struct flock all = { .l_type = F_UNLCK };

	(void)ofd(holder->fd, F_OFD_SETLK, &all);
	tdelete(holder, &table->tree, compare);
	LIST_REMOVE(holder, entry);
}

/* Of one that was removed. Without the lock, as the close may free an object. */
static void holder_free(struct core_locks *locks, struct holder *holder)
{
	if (!holder)
		return;
	(void)close(holder->fd);
	if (holder->share)
		locks->give(holder->share);
	free(holder);
}

struct core_locks *core_locks_free(struct core_locks *locks)
{
	struct holder *holder;

	if (!locks)
		return NULL;
	for (int i = 0; i < N_TABLES; i++) {
		while ((holder = LIST_FIRST(&locks->tables[i].all))) {
			holder_remove(&locks->tables[i], holder);
			holder_free(locks, holder);
		}
		pthread_mutex_destroy(&locks->tables[i].lock);
	}
	free(locks);
	return NULL;
}

static struct holder *find(struct table *table, ino_t ino, uint64_t owner)
{
	struct holder key = { .ino = ino, .owner = owner };
	struct holder **slot = tfind(&key, &table->tree, compare);

	return slot ? *slot : NULL;
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

static int add(struct table *table, ino_t ino, uint64_t owner, int fd,
	       struct holder **ret)
{
	_cleanup_free_ struct holder *holder = calloc(1, sizeof(*holder));
	int r;

	if (!holder)
		return -ENOMEM;
	holder->ino = ino;
	holder->owner = owner;
	r = open_description(fd, &holder->fd);
	if (r < 0)
		return r;
	if (!tsearch(holder, &table->tree, compare)) {
		(void)close(holder->fd);
		return -ENOMEM;
	}
	LIST_INSERT_HEAD(&table->all, holder, entry);
	*ret = core_steal_ptr(holder);
	return 0;
}

int core_locks_set(struct core_locks *locks, ino_t ino, uint64_t owner,
		   const void *by, int fd, const struct flock *lock,
		   void **share)
{
	struct table *table = table_of(locks, ino);
	struct flock copy = *lock;
	struct holder *holder, *gone = NULL;
	bool is_new;
	int r = 0;

	pthread_mutex_lock(&table->lock);
	holder = find(table, ino, owner);
	is_new = !holder;
	if (is_new && lock->l_type != F_UNLCK)
		r = share ? add(table, ino, owner, fd, &holder) : -ENOLCK;
	if (holder)
		r = ofd(holder->fd, F_OFD_SETLK, &copy);
	if (holder && r < 0 && is_new)
		holder_remove(table, gone = holder);
	else if (holder && r == 0 && lock->l_type != F_UNLCK)
		holder->by = by;
	if (holder && r == 0 && is_new)
		holder->share = core_steal_ptr(*share);
	pthread_mutex_unlock(&table->lock);
	holder_free(locks, gone);
	return r;
}

int core_locks_get(struct core_locks *locks, ino_t ino, uint64_t owner, int fd,
		   struct flock *lock)
{
	struct table *table = table_of(locks, ino);
	const struct holder *holder;
	int r;

	pthread_mutex_lock(&table->lock);
	holder = find(table, ino, owner);
	r = ofd(holder ? holder->fd : fd, F_OFD_GETLK, lock);
	pthread_mutex_unlock(&table->lock);
	return r;
}

bool core_locks_drop(struct core_locks *locks, ino_t ino, uint64_t owner)
{
	struct table *table = table_of(locks, ino);
	struct holder *holder;
	bool had_some;

	pthread_mutex_lock(&table->lock);
	holder = find(table, ino, owner);
	had_some = holder;
	if (holder)
		holder_remove(table, holder);
	pthread_mutex_unlock(&table->lock);
	holder_free(locks, holder);
	return had_some;
}

void core_locks_drop_by(struct core_locks *locks, ino_t ino, const void *by)
{
	struct table *table = table_of(locks, ino);
	struct holder_list gone = LIST_HEAD_INITIALIZER(gone);
	struct holder *holder, *next;

	pthread_mutex_lock(&table->lock);
	for (holder = LIST_FIRST(&table->all); holder; holder = next) {
		next = LIST_NEXT(holder, entry);
		if (holder->ino == ino && holder->by == by) {
			holder_remove(table, holder);
			LIST_INSERT_HEAD(&gone, holder, entry);
		}
	}
	pthread_mutex_unlock(&table->lock);
	while ((holder = LIST_FIRST(&gone))) {
		LIST_REMOVE(holder, entry);
		holder_free(locks, holder);
	}
}
