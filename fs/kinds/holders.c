/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A grep over all files of shm:info,holders opens one after the other. If each
 * open read all of /proc, the command would take minutes. So one reading finds
 * the holders of all objects, and serves the same thread's next opens, each
 * object once, while the thread does nothing else between two opens.
 */
#include "fs/kinds/holders.h"

#include "core/cleanup.h"
#include "core/thread_safety.h"
#include "core/wait.h"

#include <string.h>
#include <sys/stat.h>

/* How long a reading serves, after it was made, and after it served last. */
#define LIFETIME_NS UINT64_C(2000000000)
#define PAUSE_NS    UINT64_C(50000000)

/* How many objects a reading serves: 32 KiB. */
#define SERVED_MAX 4096

CORE_MUTEX(holders_mutex);

/* Which thread read /proc with which rights, and for which objects. */
struct key {
	pid_t thread;
	uid_t uid;
	gid_t gid;
	uint64_t caps;
	const struct fs_kind *kind;
	dev_t device;
};

/* The last reading: of at most CORE_HOLDERS_MAX holders, 4 MiB. */
static struct {
	struct holders_mutex lock;
	struct key key CORE_GUARDED_BY(holders_mutex);
	/* By core_wait_now(). */
	uint64_t made CORE_GUARDED_BY(holders_mutex);
	uint64_t used CORE_GUARDED_BY(holders_mutex);
	/* The objects that were served. */
	ino_t served[SERVED_MAX] CORE_GUARDED_BY(holders_mutex);
	size_t n_served CORE_GUARDED_BY(holders_mutex);
	struct core_holder *all CORE_GUARDED_BY(holders_mutex);
	size_t n CORE_GUARDED_BY(holders_mutex);
} last = {
	.lock = { PTHREAD_MUTEX_INITIALIZER },
};

/* For is_object(). */
struct object {
	const struct fs_kind *kind, *const *kinds;
};

static bool is_same(const struct key *a, const struct key *b)
{
	return a->thread == b->thread && a->uid == b->uid && a->gid == b->gid &&
	       a->caps == b->caps && a->kind == b->kind &&
	       a->device == b->device;
}

/*
 * Whether a file of our mount is one of the kind's objects. The mount shows
 * objects of several kinds, whose inode numbers may be equal, and info files,
 * which have the numbers of their objects. The path's last directory shows
 * which: KIND or KIND:VIEW. If a directory of the mount is bound elsewhere, its
 * name may be any other.
 */
static bool is_object(const void *closure, const char *path)
{
	const struct object *object = closure;
	const char *end = strrchr(path, '/'), *dir = end;
	size_t len;

	while (dir && dir > path && dir[-1] != '/')
		dir--;
	if (!dir)
		return false;
	len = strcspn(dir, ":/");
	if (dir[len] == ':' && strncmp(dir + len, ":info", 5) == 0)
		return false;
	for (const struct fs_kind *const *kind = object->kinds; *kind; kind++)
		if (strlen((*kind)->name) == len &&
		    strncmp((*kind)->name, dir, len) == 0)
			return *kind == object->kind;
	return true;
}

/* Copies the holders of an object. */
static int copy(const struct core_holder *all, size_t n, ino_t ino,
		struct core_holder **ret, size_t *ret_n)
{
	struct core_holder *found;
	size_t n_found = 0;

	for (size_t i = 0; i < n; i++)
		n_found += all[i].ino == ino;
	found = calloc(n_found + 1, sizeof(*found));
	if (!found)
		return -ENOMEM;
	n_found = 0;
	for (size_t i = 0; i < n; i++)
		if (all[i].ino == ino)
			found[n_found++] = all[i];
	*ret = found;
	*ret_n = n_found;
	return 0;
}

static bool can_serve(const struct key *key, ino_t ino, uint64_t now)
	CORE_REQUIRES(holders_mutex)
{
	if (key->thread == 0 || !is_same(&last.key, key) ||
	    now - last.made > LIFETIME_NS || now - last.used > PAUSE_NS ||
	    last.n_served == SERVED_MAX)
		return false;
	for (size_t i = 0; i < last.n_served; i++)
		if (last.served[i] == ino)
			return false;
	return true;
}

/* Returns 1 if there is no reading that can serve. */
static int get_kept(const struct key *key, ino_t ino, struct core_holder **ret,
		    size_t *ret_n)
{
	const uint64_t now = core_wait_now();
	int r = 1;

	holders_mutex_lock(&last.lock);
	if (can_serve(key, ino, now)) {
		r = copy(last.all, last.n, ino, ret, ret_n);
		last.served[last.n_served++] = ino;
		last.used = now;
	}
	holders_mutex_unlock(&last.lock);
	return r;
}

static void keep(const struct key *key, ino_t first, struct core_holder *all,
		 size_t n)
{
	struct core_holder *old;

	holders_mutex_lock(&last.lock);
	old = last.all;
	last.key = *key;
	last.made = last.used = core_wait_now();
	last.served[0] = first;
	last.n_served = 1;
	last.all = all;
	last.n = n;
	holders_mutex_unlock(&last.lock);
	free(old);
}

int fs_holders_get(const struct fs_request *rq, const struct fs_kind *kind,
		   int fd, struct core_holder **ret, size_t *ret_n)
{
	const struct object object = { kind, rq->fs->kinds };
	struct core_holders_search search = { .mount = rq->fs->device,
					      .is_object = is_object,
					      .closure = &object };
	struct key key = { .thread = rq->caller->pid,
			   .uid = rq->cred.uid,
			   .gid = rq->cred.gid,
			   .caps = rq->cred.caps,
			   .kind = kind };
	struct core_holder *all = NULL;
	struct stat st;
	size_t n = 0;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	search.device = key.device = st.st_dev;
	r = get_kept(&key, st.st_ino, ret, ret_n);
	if (r <= 0)
		return r;
	r = core_holders_find(&rq->cred, &search, &all, &n);
	if (r == -E2BIG) {
		search.ino = st.st_ino;
		return core_holders_find(&rq->cred, &search, ret, ret_n);
	}
	if (r == 0)
		r = copy(all, n, st.st_ino, ret, ret_n);
	if (r == 0)
		keep(&key, st.st_ino, all, n);
	else
		free(all);
	return r;
}
