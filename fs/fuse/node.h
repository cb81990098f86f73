/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * node: what the kernel knows by a node id, how often it was told of it, and
 * what it has open.
 *
 * A node is the object with a given inode number, not a name: the name is just
 * where the object was last seen. A node lives as long as its lookup count is
 * above zero; an open file keeps it so.
 *
 * Kinds with inode_per_lookup get a fresh node for every lookup of one object. The
 * kernel takes a lock on the inode for a write that appends, and so would make
 * one writer wait, unkillable, for another who waits for room in a queue; with
 * a node each they don't share the lock.
 */
#ifndef FS_NODE_H
#define FS_NODE_H

#include "core/lock.h"
#include "core/name.h"
#include "core/thread_safety.h"
#include "fs/fuse/kind.h"

#include <stdint.h>
#include <sys/queue.h>

/* Of the table, and of a node. Both may be held, the table's first. */
CORE_MUTEX(fs_nodes_mutex);
CORE_MUTEX(fs_node_mutex);

struct fs_node {
	/* These stay as they are. */
	const struct fs_kind *kind;
	ino_t ino;	  /* the object's inode number */
	const void *view; /* behind the node; the root's is fs/main's */

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
	/* Handles ever; 2: two or more. */
	unsigned int n_opened CORE_GUARDED_BY(fs_node_mutex);

	bool is_dir; /* stays as it is; here it takes no room */
};

/* The file has no position: no lseek, pread or pwrite; see fs/fuse/reply.c. */
#define FS_HANDLE_STREAM 1U
/* Nothing is to be done at close(2): the kernel needn't ask for the slot flush. */
#define FS_HANDLE_NOFLUSH 2U
/* The kernel may go straight to fd: fs_node_add(). */
#define FS_HANDLE_BACKED 4U

/* An open file or directory. Part of the kind's own structure. */
struct fs_handle {
	struct fs_node *node;	 /* NULL until it is added */
	int fd;			 /* of the open object, or -1 */
	unsigned int flags;	 /* FS_HANDLE_* */
	int backing_id;		 /* see fs_node_add(); 0: none */
	struct fs_charge charge; /* of who opened it */
	/* Set by fs/fuse/dir and fs/fuse/file. */
	void (*release)(struct fs *fs, struct fs_handle *handle);
	LIST_ENTRY(fs_handle) entry;
};

/* For the slot release: closes the fd, releases the charge and frees the handle. */
void fs_handle_free(struct fs_handle *handle);

/*
 * Makes the table, with the root in it. view: the root's, which must stay.
 * Returns 0 or -ENOMEM.
 */
int fs_nodes_new(const struct fs_kind *root, const void *view,
		 struct fs_nodes **ret);

/*
 * Releases all handles that are still open and frees all nodes; for the end,
 * when no request is left. NULL is allowed. Returns NULL.
 */
struct fs_nodes *fs_nodes_free(struct fs *fs, struct fs_nodes *nodes);

/* The node of a node id that the kernel holds. */
struct fs_node *fs_node_from_id(struct fs_nodes *nodes, fuse_ino_t id);

/* Its node id. */
fuse_ino_t fs_node_id(const struct fs_node *node);

/*
 * Finds or makes the node of an object and adds one to its lookup count, as a
 * reply with an entry does.
 *
 * stx: stx_ino is the object's inode number, and stx_uid its owner, who is charged.
 * Views, and nodes that each lookup makes, are charged to the caller instead.
 * name: where the object is now. The node's kind and view are those of the
 * request; it is a directory if stx_mode says so. Returns 0, or -ENOMEM (also if the user has too many nodes).
 */
int fs_node_get(const struct fs_request *rq, const struct statx *stx,
		const char *name, struct fs_node **ret);

/* Takes n from the lookup count; at zero the node is freed. */
void fs_node_forget(struct fs_nodes *nodes, struct fs_node *node, uint64_t n);

/*
 * The charge for the descriptor of an owner of record locks, which counts as an open
 * file of the caller's. NULL: there is no memory, or the quota is used up.
 */
struct core_lock_charge *fs_node_lock_charge_new(const struct fs_request *rq);

/* NULL is allowed. */
void fs_node_lock_charge_free(struct core_lock_charge *charge);

/* Where the object was last seen; "" for the root. ret: NAME_MAX + 1 bytes. */
void fs_node_name(struct fs_node *node, char *ret);

/* The name before that; the same if the node has had one name only. */
void fs_node_other_name(struct fs_node *node, char *ret);

/*
 * The slot attr for fd, a descriptor of the object. node: NULL, or the object's: then
 * the slot gets the node's open handle, locked by the node, if there is exactly one
 * and there never was another, as a stat doesn't name the handle. (A second one can
 * come from opening /proc/PID/fd.) Returns what the slot returns.
 */
int fs_node_attr(const struct fs_request *rq, struct fs_node *node, int fd,
		 struct statx *ret);

/*
 * Adds an open handle to the node. Its fd must stay open until fs_node_release().
 *
 * With FS_HANDLE_BACKED the kernel may take reads, writes and mappings straight to
 * fd, the backing file. Then backing_id is what the reply to the open must name,
 * or 0 if all goes through the daemon. The kernel wants all open files of a node
 * to be of one sort and to name the same backing id. So the first one decides,
 * and the last one removed closes the backing file.
 */
void fs_node_add(const struct fs *fs, struct fs_node *node,
		 struct fs_handle *handle);

/* Removes a handle from the node that it was added to, and calls its release. */
void fs_node_release(struct fs *fs, struct fs_handle *handle);

/* Whether one more file may be kept open: 0 or -EMFILE. */
int fs_node_check_fd_budget(const struct fs *fs);

/*
 * Duplicates the descriptor of an open handle of the node, through which an
 * object without a name can be reached. ret_fd: the caller's. Returns 0,
 * -ENOENT (no handle is open), -EMFILE.
 */
int fs_node_dup(struct fs_node *node, int *ret_fd);

#endif
