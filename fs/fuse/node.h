/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * node: what the kernel knows by a node id, with its lookup count and its open
 * handles.
 *
 * A node is the object with a given inode number, not a name: the name is just
 * where the object was last seen. A node lives as long as its lookup count is
 * above zero. While a file is open, the kernel keeps the count above zero.
 *
 * Kinds with inode_per_lookup get a new node for every lookup of an object. The
 * kernel locks the inode for a write that appends. With one inode, a writer
 * that waits for room in a queue would block all other writers, unkillable.
 * With a node each, writers don't share the lock.
 */
#ifndef FS_NODE_H
#define FS_NODE_H

#include "core/lock.h"
#include "core/name.h"
#include "core/thread_safety.h"
#include "fs/fuse/kind.h"

#include <stdint.h>
#include <sys/queue.h>

/*
 * The locks of the table and of a node. A thread that needs both locks the
 * table first.
 */
CORE_MUTEX(fs_nodes_mutex);
CORE_MUTEX(fs_node_mutex);

struct fs_node {
	/* These members never change. */
	const struct fs_kind *kind;
	ino_t ino;	  /* the object's inode number */
	const void *view; /* behind the node; fs/main owns the root's */

	struct core_locks locks; /* the record locks of the object */

	/* Private. */
	struct fs_charge charge; /* of the user who pays for the node */
	uint64_t n_lookup CORE_GUARDED_BY(fs_nodes_mutex);
	TAILQ_ENTRY(fs_node) entry CORE_GUARDED_BY(fs_nodes_mutex);
	struct fs_node_mutex lock;
	/* The last two names, or NULL. */
	char *name CORE_GUARDED_BY(fs_node_mutex);
	char *other CORE_GUARDED_BY(fs_node_mutex);
	LIST_HEAD(fs_handle_list, fs_handle)
	handles CORE_GUARDED_BY(fs_node_mutex);
	/* How many handles there ever were; 2: two or more. */
	unsigned int n_opened CORE_GUARDED_BY(fs_node_mutex);

	bool is_dir; /* never changes; last, because no padding is needed here */
};

/* The file has no position: no lseek, pread or pwrite; see fs/fuse/reply.c. */
#define FS_HANDLE_STREAM 1U
/*
 * The slot flush has nothing to do: the kernel needn't send FLUSH at close(2).
 */
#define FS_HANDLE_NOFLUSH 2U
/* fd may become a backing file: see fs_node_add(). */
#define FS_HANDLE_BACKED 4U

/* An open file or directory. Part of the kind's own structure. */
struct fs_handle {
	struct fs_node *node;	 /* NULL until it is added */
	int fd;			 /* of the open object, or -1 */
	unsigned int flags;	 /* FS_HANDLE_* */
	int backing_id;		 /* see fs_node_add(); 0: none */
	struct fs_charge charge; /* of the user who opened it */
	/* Set by fs/fuse/dir and fs/fuse/file. */
	void (*release)(struct fs *fs, struct fs_handle *handle);
	LIST_ENTRY(fs_handle) entry;
};

/*
 * For the slot release: closes the fd, releases the charge and frees the
 * handle.
 */
void fs_handle_free(struct fs_handle *handle);

/*
 * Makes the table, with the root in it. root: the root's kind. view: the root's
 * view, which must outlive the table. ret: the caller calls fs_nodes_free().
 * Returns 0 or -ENOMEM.
 */
int fs_nodes_new(const struct fs_kind *root, const void *view,
		 struct fs_nodes **ret);

/*
 * Releases all handles that are still open and frees all nodes. For the end of
 * the daemon, when no request is left. NULL is allowed. Returns NULL.
 */
struct fs_nodes *fs_nodes_free(struct fs *fs, struct fs_nodes *nodes);

/* Returns the node of an id that the kernel knows. */
struct fs_node *fs_node_from_id(struct fs_nodes *nodes, fuse_ino_t id);

/* Returns the id of a node. */
fuse_ino_t fs_node_id(const struct fs_node *node);

/*
 * Finds or makes the node of an object and adds one to its lookup count. The
 * kernel does the same when it gets a reply with an entry.
 *
 * stx: stx_ino is the object's inode number, and stx_uid its owner, who is
 *     charged. Directories, and nodes of kinds with inode_per_lookup, are
 *     charged to the caller instead. The node is a directory if stx_mode says
 *     so.
 * name: where the object is now.
 *
 * ret: the node, which lives until fs_node_forget() subtracts what was added.
 *
 * The node gets the request's kind and view. Returns 0, or -ENOMEM (also if the
 * user has too many nodes).
 */
int fs_node_get(const struct fs_request *rq, const struct statx *stx,
		const char *name, struct fs_node **ret);

/*
 * Subtracts n from the lookup count, which must be at least n. At zero the node
 * is freed. The root is never freed.
 */
void fs_node_forget(struct fs_nodes *nodes, struct fs_node *node, uint64_t n);

/*
 * Charges the caller for the descriptor that an owner of record locks needs.
 * The descriptor counts as an open file. Returns the charge, which the caller
 * frees with fs_node_lock_charge_free(), unless core/lock owns it then. Returns
 * NULL if there is no memory, or the caller's quota is used up.
 */
struct core_lock_charge *fs_node_lock_charge_new(const struct fs_request *rq);

/*
 * Releases and frees a charge of fs_node_lock_charge_new(). NULL is allowed.
 */
void fs_node_lock_charge_free(struct core_lock_charge *charge);

/*
 * Gets the name where the object was last seen; "" for the root. ret:
 * NAME_MAX + 1 bytes.
 */
void fs_node_name(struct fs_node *node, char *ret);

/*
 * Gets the name where the object was seen before its last name; the last name
 * if the node has had only one. ret: NAME_MAX + 1 bytes.
 */
void fs_node_other_name(struct fs_node *node, char *ret);

/*
 * Calls the slot attr for fd, a descriptor of the object. node: the object's,
 * or NULL.
 *
 * A stat doesn't name the handle. So the slot gets the node's open handle only
 * if the node has exactly one handle and never had another. (A second handle
 * can come from opening /proc/PID/fd.) The node's lock is held during the slot,
 * so the handle stays. Returns what the slot returns.
 */
int fs_node_attr(const struct fs_request *rq, struct fs_node *node, int fd,
		 struct statx *ret);

/*
 * Adds an open handle to the node. Its fd must stay open until
 * fs_node_release().
 *
 * With FS_HANDLE_BACKED, fd may become a backing file, which the kernel reads,
 * writes and maps itself. The reply to the open must name the handle's
 * backing_id; 0 means that all requests come to the daemon. The kernel requires
 * that all open files of a node have the same backing id. So the first handle
 * decides, and removing the last handle closes the backing file.
 */
void fs_node_add(const struct fs *fs, struct fs_node *node,
		 struct fs_handle *handle);

/* Removes a handle from its node, and calls the handle's release. */
void fs_node_release(struct fs *fs, struct fs_handle *handle);

/*
 * Checks whether one more descriptor may be kept open: some descriptors are
 * reserved for requests that need a descriptor only for a moment. Returns 0 or
 * -EMFILE.
 */
int fs_node_check_fd_budget(const struct fs *fs);

/*
 * Duplicates the descriptor of an open handle of the node: the only way to
 * reach an object without a name. The caller closes *ret_fd. Returns 0, -ENOENT
 * (no handle is open), -EMFILE.
 */
int fs_node_dup(struct fs_node *node, int *ret_fd);

#endif
