/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kind: the table of operations of a kind of object, such as shared memory.
 *
 * A kind is one const table, and an entry in the list of kinds in
 * fs/kinds/root. fs/fuse/dispatch gets the kernel's requests. There are three
 * sorts of nodes: the root; a directory of a kind, such as NAME/ and
 * NAME:info/; a file of a kind. fs/fuse/dir does what all directories have in
 * common, fs/fuse/file what all files have in common. Both call the kind's
 * slots for what differs. tests/toy_kind.c is the smallest kind that does
 * something.
 *
 * A kind needs a name, a title, find, and list or dir_fd. All other slots may
 * be empty; a slot's comment says what an empty slot means ("Empty: ..."). No
 * slot may return -ENOSYS: after ENOSYS the kernel doesn't send the operation
 * to any file of the mount again.
 *
 * Results. A slot returns 0 or -errno. A slot that succeeds fills in its ret
 * parameters, and the dispatcher makes the reply of them. The slots under
 * "Replies" reply themselves and return
 *   0               the slot has sent the reply that its comment names
 *   FS_REPLY_LATER  the slot has passed rq->req on to a waiter, which replies
 *   -errno          the slot has not replied; the dispatcher sends the error
 * Every request gets exactly one reply. No lock is held while a reply is sent.
 *
 * Threads. Any number of workers call slots at a time, also for the same object
 * or handle. A slot must not wait for another process. Instead the kind makes a
 * structure that embeds struct fs_waiting, and the slot returns FS_REPLY_LATER.
 * release is called once, after all other calls for the handle have returned.
 *
 * Rights. rq->cred is the caller, or the daemon where rights don't matter. A
 * slot must act as rq->cred whenever it resolves a name or opens an object, so
 * that the kernel checks the rights.
 *
 * Owners. The caller owns rq and everything that pointers lead to. They are
 * valid until the slot returns; but a handle is valid until its release, and
 * rq->req until its reply. The caller closes the descriptor in ret_fd. "fd" may
 * be an O_PATH descriptor; the slot doesn't keep or close it.
 */
#ifndef FS_KIND_H
#define FS_KIND_H

#include "core/statx.h"
#include "fs/fuse/request.h"

#include <dirent.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/statvfs.h>

#define FS_REPLY_LATER 1

/* The most bytes of a view, and of an extended attribute's value. */
#define FS_VIEW_MAX  96
#define FS_XATTR_MAX 32

/* How many threads serve requests; stuck threads don't count. */
enum { FS_WORKERS = 16 };

struct core_ipc_dirs;
struct core_wait;
struct fs_handle;
struct fs_kind;
struct fs_node;
struct fs_nodes;

/* One mount. fs/main and FUSE_INIT set the members up; then none changes. */
struct fs {
	struct fuse_session *session;
	const struct fs_kind *const *kinds; /* the list; NULL ends it */
	struct core_ipc_dirs *dirs;
	struct core_wait *wait;
	struct fs_nodes *nodes;
	/* What each user may have: open files, waiting requests, nodes. */
	struct fs_quota *handles, *waiting, *n_nodes;
	struct fs_quota *allocations; /* fallocate(2) calls at a time */
	struct fs_quota *holders;     /* open files of KIND:info,holders */
	dev_t device;		      /* of the mount */
	bool read_only;		      /* -o ro */
	bool debug;		      /* -d */
	bool passthrough;	      /* the kernel accepts backing files */
	size_t max_write;	   /* of one request, bytes; set at FUSE_INIT */
	struct timespec started;   /* the times of the root */
	size_t (*n_workers)(void); /* threads that serve requests */
};

/*
 * An option of a kind's views. An option such as "lines" sets the long at this
 * offset in the view to 1. An option whose name ends in "=" sets the long to
 * the number that follows, from min to max. With "seconds" the number is a time
 * from 0 to max and may have decimals; the long is then the time in
 * milliseconds, rounded. The time 0 becomes -1, because a long of 0 means that
 * the view doesn't have the option.
 */
struct fs_option {
	const char *name; /* "lines", "priority="; NULL ends the table */
	size_t offset;
	long min, max;
	bool seconds;
};

struct fs_kind {
	/* The name of the directory. */
	const char *name;
	/* "POSIX message queues", for -h. */
	const char *title;
	/*
	 * For -V: prints what works on this machine. dirs: the directories of
	 * the objects, or NULL if the directories can't be opened; r: the error
	 * then. Empty: prints nothing
	 */
	void (*probe)(const struct core_ipc_dirs *dirs, int r);

	/*
	 * Views. NAME:OPTION[,OPTION...] is the directory NAME seen through up
	 * to 31 options. The view is a structure of the kind's own: view_size
	 * bytes, at most FS_VIEW_MAX, without padding, so that equal views have
	 * equal bytes. NAME itself has a view of zeros, or the view that -o
	 * sets. rq->view is the node's. Empty: no option but "info", if the
	 * kind has it
	 */
	const struct fs_option *options;
	size_t view_size;
	/* Returns what is wrong with a view, or NULL. Empty: nothing */
	const char *(*check_view)(const void *view);
	/*
	 * Returns another table for the directory of a view and its files, with
	 * the same view_size; NULL: this table. Empty: NULL
	 */
	const struct fs_kind *(*other_kind)(const void *view);
	/*
	 * Whether -o takes these options, and "info", for the directory NAME.
	 */
	bool mount_options;
	/*
	 * For the view "info": describes the object in lines "KEY VALUE". ret
	 * has size bytes. fd is open for reading. Returns the length of the
	 * lines. Empty: there is no view "info"
	 */
	int (*describe)(const struct fs_request *rq, int fd, char *ret,
			size_t size);

	/*
	 * The directory. Slots whose comment begins with + are called for the
	 * view "info" too, with a view of zeros.
	 */

	/* + Returns the real directory that is shown, or -1. Empty: -1 */
	int (*dir_fd)(const struct fs_request *rq);
	/*
	 * + Returns the name under which a regular file of dir_fd is listed: a
	 * part of "file". NULL: the file isn't listed. Empty: "file" itself
	 */
	const char *(*listed)(const struct fs_request *rq, const char *file);
	/*
	 * + Without dir_fd: fills in the entry at offset ret->d_off (2 or
	 * more), and sets ret->d_off to the next entry's offset. Returns 1, 0
	 * (no more entries), or -errno.
	 */
	int (*list)(const struct fs_request *rq, struct dirent64 *ret);
	/*
	 * + The directory's attributes; dir sets stx_ino. Empty: those of
	 * dir_fd, or without dir_fd fs_dir_plain_attr()
	 */
	int (*dir_attr)(const struct fs_request *rq, struct statx *ret);
	/* + statvfs(3) of the objects' file system. Empty: all zero */
	int (*statfs)(const struct fs_request *rq, struct statvfs *ret);
	/*
	 * Creates or opens an object: flags (O_CREAT is set) and mode of
	 * open(2). Empty: EPERM
	 */
	int (*create)(const struct fs_request *rq, const char *name, int flags,
		      mode_t mode, int *ret_fd);
	/* Creates an object that has no name. Empty: EOPNOTSUPP */
	int (*create_anonymous)(const struct fs_request *rq, int flags,
				mode_t mode, int *ret_fd);
	/* Removes a name. Empty: EPERM */
	int (*unlink)(const struct fs_request *rq, const char *name);
	/* Adds a name to the object of fd. Empty: EPERM */
	int (*link)(const struct fs_request *rq, int fd, const char *name);
	/* Moves a name within the directory; RENAME_*. Empty: EPERM */
	int (*rename)(const struct fs_request *rq, const char *name,
		      const char *new_name, unsigned int flags);
	/* Only the root has this slot. Reply: fs_reply_entry. */
	int (*lookup)(const struct fs_request *rq, const char *name);

	/* A file. */

	/*
	 * + Resolves a name to a descriptor. ino: the inode number that the
	 * object must have (otherwise -ESTALE), or 0 for any. Errors: see
	 * core_file_find().
	 */
	int (*find)(const struct fs_request *rq, const char *name, ino_t ino,
		    int *ret_fd);
	/*
	 * statx(2) of an object. stx_ino must never change. handle: see
	 * fs_node_attr(), or NULL. Empty: core_file_statx()
	 */
	int (*attr)(const struct fs_request *rq, struct fs_handle *handle,
		    int fd, struct statx *ret);
	/* Whether the result of attr depends on the caller's rights. */
	bool attr_as_caller;
	/* Whether a seek to the end (SEEK_END) fails with ESPIPE. */
	bool endless;
	/* Whether a write clears setuid and setgid bits. */
	bool clears_setuid;
	/* Whether each lookup makes a new node; see fs/fuse/node.h. */
	bool inode_per_lookup;
	/*
	 * Whether files have the extended attributes and inode flags (lsattr)
	 * of their objects, and the directory has the attributes and flags of
	 * dir_fd. Otherwise there are no flags (ENOTTY), and no attributes but
	 * the attributes in xattrs.
	 */
	bool inode_attributes;
	/*
	 * Names of a file's extended attributes, each ended by a 0, and the
	 * bytes of all names. Reading another attribute fails with ENODATA:
	 * after ENOTSUP, ls(1) would not look for ACLs any more, on the whole
	 * mount. Empty: no attributes
	 */
	const char *xattrs;
	size_t xattrs_size;
	/*
	 * Whether xattrs are attributes of the directory, and not of its files.
	 * Attributes that getxattr refuses aren't listed.
	 */
	bool dir_xattrs;
	/*
	 * Reads the value of the i-th attribute in xattrs. fd: -1 for a
	 * directory. Returns the length of the value.
	 */
	int (*getxattr)(const struct fs_request *rq, int fd, size_t i,
			char ret[static FS_XATTR_MAX]);
	/*
	 * Changes the size: ftruncate(2) of an open handle. If handle is NULL,
	 * truncate(2) of the object of fd, with the caller's rights. Empty:
	 * EPERM
	 */
	int (*truncate)(const struct fs_request *rq, struct fs_handle *handle,
			int fd, off_t size);
	/*
	 * Opens the object of fd as the caller; flags of open(2). Empty:
	 * core_file_reopen(), with no flags but O_ACCMODE
	 */
	int (*reopen)(const struct fs_request *rq, int fd, int flags,
		      int *ret_fd);
	/*
	 * A handle: the size of the kind's structure, which begins with struct
	 * fs_handle. 0: the kind has no structure of its own. handle_flags: the
	 * FS_HANDLE_* of each handle.
	 */
	size_t handle_size;
	unsigned int handle_flags;
	/*
	 * Initializes a handle. Its fd is set and was opened with these flags;
	 * all other members are zero. After an error the slot leaves nothing to
	 * release. Empty: nothing to initialize
	 */
	int (*init_handle)(const struct fs_request *rq,
			   struct fs_handle *handle, int flags);
	/*
	 * Releases an initialized handle, at last with fs_handle_free(). The
	 * handle's node still exists, but doesn't list the handle any more.
	 * Empty: fs_handle_free()
	 */
	void (*release)(struct fs *fs, struct fs_handle *handle);

	/* Replies. A comment begins with the reply of a success. */

	/*
	 * fuse_reply_buf; fi->flags: the current ones. Empty: pread(2) of the
	 * handle's fd
	 */
	int (*read)(const struct fs_request *rq, struct fs_handle *handle,
		    size_t size, off_t offset, const struct fuse_file_info *fi);
	/*
	 * fuse_reply_write; acts as cred; fi->flags: the current ones. Empty:
	 * the kind is read-only; an open for writing fails with EACCES, a
	 * change of attributes with EPERM
	 */
	int (*write)(const struct fs_request *rq, struct fs_handle *handle,
		     const char *buf, size_t size, off_t offset,
		     const struct fuse_file_info *fi);
	/* fuse_reply_err(0); mode: FALLOC_FL_*. Empty: EOPNOTSUPP */
	int (*fallocate)(const struct fs_request *rq, struct fs_handle *handle,
			 int mode, off_t offset, off_t length);
	/*
	 * fuse_reply_write; both handles are of this kind. After EOPNOTSUPP the
	 * kernel copies by itself. Empty: EINVAL, after which tools read and
	 * write instead
	 */
	int (*copy_file_range)(const struct fs_request *rq,
			       struct fs_handle *from, off_t offset_from,
			       struct fs_handle *to, off_t offset_to,
			       size_t size);
	/* fuse_reply_lseek; whence: SEEK_DATA or SEEK_HOLE. Empty: EINVAL */
	int (*lseek)(const struct fs_request *rq, struct fs_handle *handle,
		     off_t offset, int whence);
	/*
	 * fuse_reply_poll; poll: owned by the slot, to notify the kernel of a
	 * change, or NULL. Empty: always ready
	 */
	int (*poll)(const struct fs_request *rq, struct fs_handle *handle,
		    struct fuse_pollhandle *poll);
	/*
	 * fuse_reply_err(0), at each close(2) of a descriptor, but not on a
	 * read-only mount. Empty: nothing to do at a close
	 */
	int (*flush)(const struct fs_request *rq, struct fs_handle *handle,
		     uint64_t owner);
	/*
	 * fuse_reply_lock; owner: the kernel's number of the lock's owner. Empty:
	 * ENOLCK
	 */
	int (*getlk)(const struct fs_request *rq, struct fs_handle *handle,
		     uint64_t owner, const struct flock *lock);
	/* fuse_reply_err(0); sleep: wait for the lock. Empty: ENOLCK */
	int (*setlk)(const struct fs_request *rq, struct fs_handle *handle,
		     uint64_t owner, const struct flock *lock, bool sleep);
	/* fuse_reply_err(0); operation: of flock(2). Empty: ENOLCK */
	int (*flock)(const struct fs_request *rq, struct fs_handle *handle,
		     int operation);
};

#endif
