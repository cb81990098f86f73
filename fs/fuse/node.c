/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A node id is the node's address: the kernel sends only ids that it got in a
 * reply and hasn't forgotten.
 *
 * After the last FORGET an id may be used again for another node. The kernel
 * drops its inode before it sends the FORGET, so the kernel can't confuse the
 * two nodes.
 */
#include "fs/fuse/node.h"

#include "core/cleanup.h"
#include "core/file.h"
#include "fs/fuse/backing.h"
#include "fs/fuse/log.h"
#include "fs/fuse/protocol.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <search.h>
#include <stdatomic.h>
#include <string.h>

static_assert(sizeof(fuse_ino_t) >= sizeof(struct fs_node *),
	      "a node id has room for an address");

struct core_lock_charge {
	struct fs_charge charge;
};

struct fs_nodes {
	struct fs_nodes_mutex lock;
	struct fs_node root;
	void *shared CORE_GUARDED_BY(fs_nodes_mutex); /* struct fs_node * */
	/* In the order in which the kernel was asked to forget the nodes. */
	TAILQ_HEAD(node_list, fs_node) all CORE_GUARDED_BY(fs_nodes_mutex);
	/*
	 * The number of nodes, and how many of them are new since the kernel
	 * was asked to forget nodes.
	 */
	size_t n CORE_GUARDED_BY(fs_nodes_mutex);
	size_t n_new CORE_GUARDED_BY(fs_nodes_mutex);
	atomic_bool cant_ask; /* the kernel is older than 6.18 */
};

static int compare(const void *a, const void *b)
{
	const struct fs_node *x = a, *y = b;

	if (x->kind != y->kind)
		return (uintptr_t)x->kind < (uintptr_t)y->kind ? -1 : 1;
	if (x->is_dir != y->is_dir)
		return x->is_dir - y->is_dir;
	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return memcmp(x->view, y->view, x->kind->view_size);
}

int fs_nodes_new(const struct fs_kind *root, const void *view,
		 struct fs_nodes **ret)
{
	struct fs_nodes *nodes = calloc(1, sizeof(*nodes));

	if (!nodes)
		return -ENOMEM;
	pthread_mutex_init(&nodes->lock.native, NULL);
	pthread_mutex_init(&nodes->root.lock.native, NULL);
	nodes->root.kind = root;
	nodes->root.is_dir = true;
	nodes->root.ino = FUSE_ROOT_ID;
	nodes->root.view = view;
	fs_nodes_mutex_lock(&nodes->lock);
	TAILQ_INIT(&nodes->all);
	fs_nodes_mutex_unlock(&nodes->lock);
	*ret = nodes;
	return 0;
}

/*
 * Functions that free a node don't lock: no other thread knows the node any
 * more.
 */

static void release_handles(struct fs *fs,
			    const struct fs_node *node) CORE_NO_THREAD_SAFETY
{
	while (!LIST_EMPTY(&node->handles))
		fs_node_release(fs, LIST_FIRST(&node->handles));
}

static void node_free(struct fs_node *node) CORE_NO_THREAD_SAFETY
{
	pthread_mutex_destroy(&node->lock.native);
	core_locks_destroy(&node->locks);
	fs_charge_release(&node->charge);
	free(node->name);
	free(node->other);
	free(node);
}

struct fs_nodes *fs_nodes_free(struct fs *fs,
			       struct fs_nodes *nodes) CORE_NO_THREAD_SAFETY
{
	struct fs_node *node;

	if (!nodes)
		return NULL;
	release_handles(fs, &nodes->root);
	while ((node = TAILQ_FIRST(&nodes->all))) {
		release_handles(fs, node);
		fs_node_forget(nodes, node, node->n_lookup);
	}
	pthread_mutex_destroy(&nodes->root.lock.native);
	pthread_mutex_destroy(&nodes->lock.native);
	free(nodes);
	return NULL;
}

struct fs_node *fs_node_from_id(struct fs_nodes *nodes, fuse_ino_t id)
{
	if (id == FUSE_ROOT_ID)
		return &nodes->root;
	return (struct fs_node *)(uintptr_t)id;
}

fuse_ino_t fs_node_id(const struct fs_node *node)
{
	if (node->ino == FUSE_ROOT_ID && node->is_dir)
		return FUSE_ROOT_ID;
	return (fuse_ino_t)(uintptr_t)node;
}

struct core_lock_charge *fs_node_lock_charge_new(const struct fs_request *rq)
{
	struct core_lock_charge *charge = calloc(1, sizeof(*charge));

	if (charge && fs_charge_user(&charge->charge, rq->fs->handles,
				     rq->caller->uid, 0) < 0) {
		free(charge);
		return NULL;
	}
	return charge;
}

void fs_node_lock_charge_free(struct core_lock_charge *charge)
{
	if (charge)
		fs_charge_release(&charge->charge);
	free(charge);
}

/*
 * Returns the user who pays for a node. If callers paid, a user could keep many
 * removed objects in use, and use up the quota of everybody who lists them. So
 * objects are charged to their owner.
 */
static uid_t payer(const struct fs_request *rq, const struct statx *stx)
{
	return S_ISDIR(stx->stx_mode) || rq->kind->inode_per_lookup
		       ? rq->caller->uid
		       : stx->stx_uid;
}

static bool is_shared(const struct fs_node *node)
{
	return node->is_dir || !node->kind->inode_per_lookup;
}

/*
 * Finds a shared node, or makes a node. more: how many nodes the user may have
 * beyond the quota. Returns 0, -EAGAIN (the user has all of these) or -ENOMEM.
 */
static int get(const struct fs_request *rq, const struct statx *stx,
	       size_t more, struct fs_node **ret) CORE_REQUIRES(fs_nodes_mutex)
{
	struct fs_node key = { .kind = rq->kind,
			       .is_dir = S_ISDIR(stx->stx_mode),
			       .ino = stx->stx_ino,
			       .view = rq->view };
	struct fs_nodes *nodes = rq->fs->nodes;
	struct fs_node **slot = NULL, *node;
	int r;

	if (is_shared(&key))
		slot = tfind(&key, &nodes->shared, compare);
	if (slot) {
		*ret = *slot;
		return 0;
	}
	node = malloc(sizeof(*node) + key.kind->view_size);
	if (!node)
		return -ENOMEM;
	*node = key;
	node->view = memcpy(node + 1, key.view, key.kind->view_size);
	r = fs_charge_user(&node->charge, rq->fs->n_nodes, payer(rq, stx),
			   more);
	if (r < 0) {
		free(node);
		return r;
	}
	if (is_shared(node) && !tsearch(node, &nodes->shared, compare)) {
		fs_charge_release(&node->charge);
		free(node);
		return -ENOMEM;
	}
	pthread_mutex_init(&node->lock.native, NULL);
	core_locks_init(&node->locks, fs_node_lock_charge_free);
	TAILQ_INSERT_TAIL(&nodes->all, node, entry);
	nodes->n++;
	nodes->n_new++;
	*ret = node;
	return 0;
}

/*
 * Up to MANY nodes, some 14 MB, the kernel decides when to forget nodes. If
 * there are more nodes, we ask the kernel to forget PRUNED of them at a time.
 * The kernel forgets the nodes that aren't in use. Forgetting costs nothing, as
 * the kernel looks names up at each use anyway.
 */
enum { MANY = 32768, PRUNED = 512 };

struct prune {
	struct fuse_out_header header;
	struct fs_notify_prune_out out;
	uint64_t ids[PRUNED];
};

/*
 * Chooses the nodes whose last choice is longest ago. urgent: a user has too
 * many nodes.
 */
static bool choose(struct fs_nodes *nodes, bool urgent, struct prune *ret)
	CORE_REQUIRES(fs_nodes_mutex)
{
	if (nodes->n < MANY || nodes->cant_ask ||
	    (nodes->n_new < PRUNED / 2 && !urgent))
		return false;
	nodes->n_new = 0;
	*ret = (struct prune){
		.header = { .len = sizeof(*ret), .error = FS_NOTIFY_PRUNE },
		.out.count = PRUNED,
	};
	for (size_t i = 0; i < PRUNED; i++) {
		struct fs_node *node = TAILQ_FIRST(&nodes->all);

		TAILQ_REMOVE(&nodes->all, node, entry);
		TAILQ_INSERT_TAIL(&nodes->all, node, entry);
		ret->ids[i] = fs_node_id(node);
	}
	return true;
}

/*
 * Returns how many nodes a user may have beyond the quota: the number of
 * objects, so that each object can be looked up. The quota itself then limits
 * views, queues and removed objects that O_PATH keeps in use.
 *
 * Without FUSE_NOTIFY_PRUNE the kernel forgets removed objects only when it
 * needs memory, so a user may have a million nodes more. The same holds where
 * the file system doesn't count its files.
 */
static size_t more_nodes(const struct fs_request *rq)
{
	enum { A_MILLION = 1 << 20 };
	struct statvfs sv;

	if (!rq->kind->statfs || rq->kind->statfs(rq, &sv) < 0)
		return 0;
	return sv.f_files - sv.f_ffree +
	       (rq->fs->nodes->cant_ask || sv.f_files == 0 ? A_MILLION : 0);
}

static void swap(char **a, char **b)
{
	char *old = *a;

	*a = *b;
	*b = old;
}

int fs_node_get(const struct fs_request *rq, const struct statx *stx,
		const char *name, struct fs_node **ret)
{
	_cleanup_free_ char *copy = strdup(name);
	struct fs_nodes *nodes = rq->fs->nodes;
	struct fs_node *node;
	struct prune prune;
	size_t more;
	bool asks;
	int r;

	if (!copy)
		return -ENOMEM;
	fs_nodes_mutex_lock(&nodes->lock);
	r = get(rq, stx, 0, &node);
	if (r == -EAGAIN) {
		/* Counting queues lists them, so don't hold the lock. */
		fs_nodes_mutex_unlock(&nodes->lock);
		more = more_nodes(rq);
		fs_nodes_mutex_lock(&nodes->lock);
		r = get(rq, stx, more, &node);
	}
	if (r == 0) {
		node->n_lookup++;
		fs_node_mutex_lock(&node->lock);
		if (node->name && strcmp(node->name, name) != 0)
			swap(&node->name, &node->other);
		swap(&node->name, &copy);
		fs_node_mutex_unlock(&node->lock);
		*ret = node;
	}
	asks = choose(nodes, r == -EAGAIN, &prune);
	fs_nodes_mutex_unlock(&nodes->lock);
	if (asks &&
	    write(fuse_session_fd(rq->fs->session), &prune, sizeof(prune)) <
		    0 &&
	    errno == EINVAL)
		nodes->cant_ask = true;
	return r == -EAGAIN ? -ENOMEM : r;
}

void fs_node_forget(struct fs_nodes *nodes, struct fs_node *node, uint64_t n)
{
	bool last;

	if (node == &nodes->root)
		return;
	fs_nodes_mutex_lock(&nodes->lock);
	node->n_lookup -= n;
	last = node->n_lookup == 0;
	if (last) {
		if (is_shared(node))
			tdelete(node, &nodes->shared, compare);
		TAILQ_REMOVE(&nodes->all, node, entry);
		nodes->n--;
	}
	fs_nodes_mutex_unlock(&nodes->lock);
	if (last)
		node_free(node);
}

void fs_node_name(struct fs_node *node, char *ret)
{
	fs_node_mutex_lock(&node->lock);
	strcpy(ret, node->name ?: "");
	fs_node_mutex_unlock(&node->lock);
}

void fs_node_other_name(struct fs_node *node, char *ret)
{
	fs_node_mutex_lock(&node->lock);
	strcpy(ret, node->other ?: node->name ?: "");
	fs_node_mutex_unlock(&node->lock);
}

/*
 * RELEASE comes some time after close(2). So after a second open we can't know
 * whether only one handle is left, and n_opened never decreases.
 */
int fs_node_attr(const struct fs_request *rq, struct fs_node *node, int fd,
		 struct statx *ret)
{
	int (*attr)(const struct fs_request *, struct fs_handle *, int,
		    struct statx *) = rq->kind->attr;
	struct fs_handle *handle;
	int r;

	if (!attr)
		return core_file_statx(fd, ret);
	if (!node)
		return attr(rq, NULL, fd, ret);
	fs_node_mutex_lock(&node->lock);
	handle = node->n_opened == 1 ? LIST_FIRST(&node->handles) : NULL;
	r = attr(rq, handle, fd, ret);
	fs_node_mutex_unlock(&node->lock);
	return r;
}

/* Returns the id of the backing file, or 0: all requests come to the daemon. */
static int register_backing(const struct fs *fs, int fd)
{
	int id = 0;
	int r;

	if (!fs->passthrough)
		return 0;
	r = fs_backing_open(fs->session, fd, &id);
	if (r < 0)
		fs_log_ratelimited("an object is without passthrough: %s",
				   strerror(-r));
	return id;
}

void fs_node_add(const struct fs *fs, struct fs_node *node,
		 struct fs_handle *handle)
{
	const struct fs_handle *first;

	handle->node = node;
	fs_node_mutex_lock(&node->lock);
	first = LIST_FIRST(&node->handles);
	if (first)
		handle->backing_id = first->backing_id;
	else if (handle->flags & FS_HANDLE_BACKED)
		handle->backing_id = register_backing(fs, handle->fd);
	LIST_INSERT_HEAD(&node->handles, handle, entry);
	node->n_opened += node->n_opened < 2;
	fs_node_mutex_unlock(&node->lock);
}

void fs_node_release(struct fs *fs, struct fs_handle *handle)
{
	struct fs_node *node = handle->node;

	fs_node_mutex_lock(&node->lock);
	LIST_REMOVE(handle, entry);
	if (handle->backing_id && LIST_EMPTY(&node->handles))
		fs_backing_close(fs->session, handle->backing_id);
	fs_node_mutex_unlock(&node->lock);
	handle->release(fs, handle);
}

void fs_handle_free(struct fs_handle *handle)
{
	core_closep(&handle->fd);
	if (fs_charge_is_held(&handle->charge))
		fs_charge_release(&handle->charge);
	free(handle);
}

/* Three descriptors for each worker, and some for the needs of a queue. */
#define SPARE_FDS (3 * FS_WORKERS + 10)

/*
 * The last free descriptors are for requests that need a descriptor only for a
 * moment. So a full table refuses descriptors that would stay open, and no
 * others. A new descriptor, such as a duplicate of the session's, gets the
 * lowest free number, so the number tells how full the table is.
 */
int fs_node_check_fd_budget(const struct fs *fs)
{
	_cleanup_close_ int fd =
		fcntl(fuse_session_fd(fs->session), F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	return fd < sysconf(_SC_OPEN_MAX) - SPARE_FDS ? 0 : -EMFILE;
}

int fs_node_dup(struct fs_node *node, int *ret_fd)
{
	const struct fs_handle *handle;
	int r = -ENOENT;

	fs_node_mutex_lock(&node->lock);
	handle = LIST_FIRST(&node->handles);
	if (handle)
		r = core_file_dup(handle->fd, ret_fd);
	fs_node_mutex_unlock(&node->lock);
	return r;
}
