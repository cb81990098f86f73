/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ops: what a kind of node can do.
 *
 * A node is what the kernel knows by a node id: the root, a directory of
 * objects, an object. One const table of operations makes a kind; fs/fuse/dispatch
 * turns each request into a call of one slot of the node's table.
 *
 * A slot that answers a request returns
 *   0          it has replied, with the one reply that its comment names
 *   FS_REPLY_LATER  it will be replied to later, or has been, by somebody else
 *   -errno     it has not replied: fs/fuse/dispatch replies with the error
 * An empty slot stands for the errno in its comment.
 */
#ifndef FS_OPS_H
#define FS_OPS_H

#include "fs/fuse/request.h"
#include "fs/kinds/view.h"

#include <dirent.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define FS_REPLY_LATER 1

/* The threads that serve requests, besides those that are stuck. */
enum { FS_WORKERS = 16 };

struct core_ipc_dirs;
struct core_wait;
struct fs_handle;
struct fs_node;
struct fs_nodes;
struct fs_retries;

/* One mount. Set up by fs/main and FUSE_INIT; then it stays as it is. */
struct fs {
	struct fuse_session *session;
	struct core_ipc_dirs *dirs;
	struct core_wait *wait;
	struct fs_nodes *nodes;
	struct fs_retries *retries;
	/* What each user may have: open files, waiting requests, nodes. */
	struct fs_quota *handles, *waiting, *n_nodes;
	struct fs_quota *allocations; /* and fallocate(2) calls at a time */
	struct fs_view view;	      /* of mq: -o options */
	bool read_only;		      /* -o ro */
	bool debug;		      /* -d */
	bool passthrough;	      /* the kernel takes backing files */
	size_t max_write;	 /* of one request, bytes; set at FUSE_INIT */
	struct timespec started; /* the times of the root */
};

struct fs_ops {
	/* For objects: what stands before their names, for -d. */
	const char *debug_prefix;

	/*
	 * These return 0 or -errno and fill in what is asked for; the replies are
	 * made of it by fs/fuse/dispatch, fs/fuse/dir and fs/fuse/file.
	 */

	/* Of the file system of the node's kind: statvfs(3). Required. */
	int (*statfs)(const struct fs_request *rq, struct statvfs *ret);

	/* For directories. Whether to list a regular file. Empty: yes */
	bool (*lists)(const char *name);
	/*
	 * For a directory without dir_fd: fills in the entry at offset
	 * ret->d_off (2 or more), and sets ret->d_off to the next entry's
	 * offset. Returns 1, 0 (no more entries), or -errno.
	 */
	int (*next)(const struct fs_request *rq, struct dirent64 *ret);
	/* statx(2) of the directory; its inode number is the node's. */
	int (*dir_attr)(const struct fs_request *rq, struct statx *ret);
	/* The directory that it stands for, or -1. Empty: -1 */
	int (*dir_fd)(const struct fs_request *rq);
	/* Removes a name. Empty: EPERM */
	int (*unlink)(const struct fs_request *rq, const char *name);
	/* Gives the object behind fd another name. Empty: EPERM */
	int (*link)(const struct fs_request *rq, int fd, const char *name);
	/* Moves a name within the directory; RENAME_*. Empty: EPERM */
	int (*rename)(const struct fs_request *rq, const char *name,
		      const char *new_name, unsigned int flags);
	/* The kind of its objects; NULL: lookup is the directory's own. */
	const struct fs_ops *child;

	/* For objects. Resolves a name to a descriptor: core_file_find(). */
	int (*find)(const struct fs_request *rq, const char *name, ino_t ino,
		    int *ret_fd);
	/* Creates or opens one: flags (O_CREAT is set) and mode of open(2). */
	int (*create)(const struct fs_request *rq, const char *name, int flags,
		      mode_t mode, int *ret_fd);
	/* Creates one that has no name. Empty: EOPNOTSUPP */
	int (*create_anonymous)(const struct fs_request *rq, int flags,
				mode_t mode, int *ret_fd);
	/* Opens the object behind fd as the caller; flags of open(2). */
	int (*reopen)(const struct fs_request *rq, int fd, int flags,
		      int *ret_fd);
	/*
	 * Makes a handle of a descriptor that was opened with these flags, and
	 * takes it over on success. ino: the object's inode number.
	 */
	int (*new_handle)(const struct fs_request *rq, int *fd, ino_t ino,
			  int flags, struct fs_handle **ret);
	/*
	 * statx(2) of an object by its descriptor. handle: see fs_node_attr();
	 * or NULL.
	 */
	int (*attr)(const struct fs_request *rq, struct fs_handle *handle,
		    int fd, struct statx *ret);
	/* Whether the result of attr depends on the caller's rights. */
	bool attr_as_caller;
	/*
	 * Changes the size: ftruncate(2) of an open handle, or if that is NULL
	 * truncate(2) of the object behind fd, with the rights of the caller.
	 */
	int (*truncate)(const struct fs_request *rq, struct fs_handle *handle,
			int fd, off_t size);
	/* Whether a seek to the end (SEEK_END) is ESPIPE. */
	bool endless;
	/* Whether a write clears setuid and setgid bits. */
	bool clears_setuid;
	/* Whether each lookup gives a node of its own; see fs/fuse/node.h. */
	bool inode_per_lookup;
	/* Whether its name stands for it as long as the mount is there. */
	bool permanent;

	/* The node's attributes: fs_dir_attr() or fs_file_attr(). Required. */
	int (*node_attr)(const struct fs_request *rq, struct fs_node *node,
			 struct statx *ret);

	/*
	 * These answer a request, with the reply that is named.
	 */

	/* fuse_reply_entry. Empty: ENOENT */
	int (*lookup)(const struct fs_request *rq, struct fs_node *dir,
		      const char *name);
	/*
	 * fuse_reply_attr; handle: of ftruncate(2), else NULL;
	 * to_set: FUSE_SET_ATTR_*. Empty: EPERM
	 */
	int (*setattr)(const struct fs_request *rq, struct fs_node *node,
		       struct fs_handle *handle, const struct stat *attr,
		       int to_set);
	/* fuse_reply_err(0); mask: R_OK, W_OK, X_OK. Empty: allowed */
	int (*access)(const struct fs_request *rq, struct fs_node *node,
		      int mask);
	/*
	 * fs_reply_xattr. Empty: no attributes, ENODATA. After ENOTSUP ls(1)
	 * would not look for ACLs any more, on the whole mount.
	 */
	int (*getxattr)(const struct fs_request *rq, struct fs_node *node,
			const char *name, size_t size);
	int (*listxattr)(const struct fs_request *rq, struct fs_node *node,
			 size_t size);
	/* fuse_reply_err(0); flags: XATTR_*. Empty: ENOTSUP */
	int (*setxattr)(const struct fs_request *rq, struct fs_node *node,
			const char *name, const void *value, size_t size,
			int flags);
	int (*removexattr)(const struct fs_request *rq, struct fs_node *node,
			   const char *name);

	/* fs_reply_open; flags: of open(2). Required. */
	int (*open)(struct fs_request *rq, struct fs_node *node, int flags);
	/* fuse_reply_buf or fuse_reply_data; fi->flags: now. Empty: EISDIR */
	int (*read)(const struct fs_request *rq, struct fs_handle *handle,
		    size_t size, off_t offset, const struct fuse_file_info *fi);
	/* fuse_reply_write; acts as cred; fi->flags: now. Empty: EISDIR */
	int (*write)(const struct fs_request *rq, struct fs_handle *handle,
		     const char *buf, size_t size, off_t offset,
		     const struct fuse_file_info *fi);
	/* fuse_reply_err(0); mode: FALLOC_FL_*. Empty: EOPNOTSUPP */
	int (*fallocate)(const struct fs_request *rq, struct fs_handle *handle,
			 int mode, off_t offset, off_t length);
	/*
	 * fuse_reply_write, to a handle of the same kind. With EOPNOTSUPP the
	 * kernel copies itself. Empty: EINVAL, after which tools read and write
	 * instead
	 */
	int (*copy_file_range)(const struct fs_request *rq,
			       struct fs_handle *from, off_t offset_from,
			       struct fs_handle *to, off_t offset_to,
			       size_t size);
	/* fuse_reply_lseek; whence: SEEK_DATA or SEEK_HOLE. Empty: EINVAL */
	int (*lseek)(const struct fs_request *rq, struct fs_handle *handle,
		     off_t offset, int whence);
	/*
	 * fuse_reply_poll; poll: takes it over, to tell of a change, or NULL.
	 * Empty: always ready
	 */
	int (*poll)(const struct fs_request *rq, struct fs_handle *handle,
		    struct fuse_pollhandle *poll);
	/* fuse_reply_err(0), at each close(2) of a descriptor. Empty: allowed */
	int (*flush)(const struct fs_request *rq, struct fs_handle *handle,
		     uint64_t owner);
	/* fuse_reply_lock; owner: who asks, as the kernel names it. Empty: ENOLCK */
	int (*getlk)(const struct fs_request *rq, struct fs_handle *handle,
		     uint64_t owner, const struct flock *lock);
	/* fuse_reply_err(0); sleep: wait for it. Empty: ENOLCK */
	int (*setlk)(const struct fs_request *rq, struct fs_handle *handle,
		     uint64_t owner, const struct flock *lock, bool sleep);
	/* fuse_reply_err(0); operation: of flock(2). Empty: ENOLCK */
	int (*flock)(const struct fs_request *rq, struct fs_handle *handle,
		     int operation);
	/* fuse_reply_ioctl; in: in_size bytes. Empty: ENOTTY */
	int (*ioctl)(const struct fs_request *rq, struct fs_handle *handle,
		     unsigned int cmd, const void *in, size_t in_size,
		     size_t out_size);
	/* fuse_reply_buf with fuse_add_direntry. Empty: ENOTDIR */
	int (*readdir)(const struct fs_request *rq, struct fs_handle *handle,
		       size_t size, off_t offset);
	/*
	 * Ends a handle that open or create made, with fs_handle_free(). No
	 * reply. Its node is there, but doesn't know the handle any more.
	 */
	void (*release)(struct fs *fs, struct fs_handle *handle);
};

/* The kinds that others start from: the root and its entries. */
extern const struct fs_ops fs_root_ops;
extern const struct fs_ops fs_shm_dir_ops;
extern const struct fs_ops fs_mq_dir_ops;
extern const struct fs_ops fs_mq_info_dir_ops;

#endif
