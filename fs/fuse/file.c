/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/fuse/file.h"

#include "core/cleanup.h"
#include "core/file.h"
#include "fs/fuse/dir.h"
#include "fs/fuse/reply.h"
#include "fs/fuse/retry.h"

#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

/* exec(2) opens with this flag of the kernel's, which only FUSE servers see. */
#define FMODE_EXEC 0x20

int fs_file_lookup(const struct fs_request *rq, const char *name)
{
	_cleanup_close_ int fd = -1;
	struct statx stx = { 0 };
	int r = rq->kind->find(rq, name, 0, &fd);

	if (r == 0)
		r = fs_node_attr(rq, NULL, fd, &stx);
	if (r < 0)
		return r;
	fs_retry_keep(rq, stx.stx_ino, fd);
	return fs_reply_entry(rq, name, &stx);
}

/*
 * Removes an object that was created, when a later step has failed for lack of
 * memory. Another process may have removed the object meanwhile, and the name
 * may be another object's. So the inode number is compared first. The name can
 * still change between the comparison and the removal: Linux removes names, not
 * objects.
 */
static void undo(const struct fs_request *rq, const char *name,
		 const struct statx *made)
{
	_cleanup_close_ int fd = -1;

	if (rq->kind->unlink &&
	    rq->kind->find(rq, name, made->stx_ino, &fd) == 0)
		(void)rq->kind->unlink(rq, name);
}

static void plain_release(struct fs *fs, struct fs_handle *handle)
{
	(void)fs;
	fs_handle_free(handle);
}

/* Makes the kind's handle of *fd. The handle owns the descriptor then. */
static int new_handle(const struct fs_request *rq, int *fd, int flags,
		      struct fs_handle **ret)
{
	const struct fs_kind *kind = rq->kind;
	struct fs_handle *handle =
		calloc(1, MAX(kind->handle_size, sizeof(*handle)));
	int r = 0;

	if (!handle)
		return -ENOMEM;
	handle->fd = core_steal_fd(fd);
	handle->flags = kind->handle_flags;
	/* On a read-only mount nobody sets a lock or sends a line. */
	if (!kind->flush || rq->fs->read_only)
		handle->flags |= FS_HANDLE_NOFLUSH;
	handle->release = kind->release ?: plain_release;
	if (kind->init_handle)
		r = kind->init_handle(rq, handle, flags);
	if (r < 0)
		fs_handle_free(handle);
	else
		*ret = handle;
	return r;
}

/*
 * Replies with the entry of an object that was created or opened as *fd. Unless
 * flags is -1, the reply has a handle as well.
 */
static int reply_object(struct fs_request *rq, const char *name, int *fd,
			int flags)
{
	struct fs_handle *handle = NULL;
	struct statx stx;
	int r = fs_node_attr(rq, NULL, *fd, &stx);

	if (r == 0 && flags == -1)
		return fs_reply_entry(rq, name, &stx);
	if (r == 0)
		r = new_handle(rq, fd, flags, &handle);
	return r < 0 ? r : fs_reply_create(rq, name, &stx, handle);
}

/*
 * Creates an object. The first attempt has O_EXCL, even if the caller didn't
 * ask for O_EXCL: so we know whether we made the object, and must remove the
 * object when a later step fails.
 */
static int create(struct fs_request *rq, const char *name, mode_t mode,
		  int flags, bool opens)
{
	const struct fs_kind *kind = rq->kind;
	_cleanup_close_ int fd = -1;
	struct statx made = { 0 };
	bool created;
	int r;

	flags |= O_CREAT;
	r = kind->create(rq, name, flags | O_EXCL, mode, &fd);
	created = r == 0;
	if (r == -EEXIST && !(flags & O_EXCL))
		r = kind->create(rq, name, flags, mode, &fd);
	if (r == 0)
		r = core_file_statx(fd, &made);
	if (r < 0)
		return r;
	r = reply_object(rq, name, &fd, opens ? flags : -1);
	if (r < 0 && created)
		undo(rq, name, &made);
	return r;
}

int fs_file_mknod(struct fs_request *rq, const char *name, mode_t mode)
{
	return create(rq, name, mode, O_RDONLY | O_EXCL, false);
}

int fs_file_create(struct fs_request *rq, const char *name, mode_t mode,
		   int flags)
{
	int r = fs_node_check_fd_budget(rq->fs);

	return r < 0 ? r : create(rq, name, mode, flags, true);
}

int fs_file_tmpfile(struct fs_request *rq, mode_t mode, int flags)
{
	_cleanup_close_ int fd = -1;
	int r = fs_node_check_fd_budget(rq->fs);

	if (r == 0)
		r = rq->kind->create_anonymous(rq, flags, mode, &fd);
	return r < 0 ? r : reply_object(rq, "", &fd, flags);
}

/*
 * Gets a descriptor of the node's object. A descriptor of an open handle comes
 * first, as the object may have no name any more; then a descriptor that
 * fs/fuse/retry keeps. Without either, the object is found by name. If the name
 * is another object's by now, the result is ESTALE, and the kernel looks the
 * path up again.
 */
static int node_fd(const struct fs_request *rq, int *ret_fd)
{
	const struct fs_kind *kind = rq->kind;
	struct fs_request finder = *rq;
	char name[NAME_MAX + 1];
	int r;

	if (rq->node->is_dir)
		return fs_dir_fd(rq, ret_fd);
	r = fs_node_dup(rq->node, ret_fd);
	if (r == -ENOENT)
		r = fs_retry_dup(rq, rq->node->ino, ret_fd);
	if (r != -ENOENT)
		return r;
	/* As in a lookup, where every user may search the directory. */
	if (fs_dir_is_public(rq))
		finder.cred = core_cred_self();
	fs_node_name(rq->node, name);
	r = kind->find(&finder, name, rq->node->ino, ret_fd);
	if (r == -ENOENT || r == -ESTALE) {
		/* If the object has had two names, one name may be removed. */
		fs_node_other_name(rq->node, name);
		r = kind->find(&finder, name, rq->node->ino, ret_fd);
	}
	if (r == -ENOENT)
		r = -ESTALE;
	if (r == -ESTALE)
		fs_retry_begin(rq);
	return r;
}

int fs_file_open(struct fs_request *rq, int flags)
{
	const struct fs_kind *kind = rq->kind;
	_cleanup_close_ int found = -1, fd = -1;
	struct fs_handle *handle = NULL;
	int r;

	if (!kind->write && (flags & O_ACCMODE) != O_RDONLY)
		return -EACCES;
	r = node_fd(rq, &found);

	/*
	 * Check before the reopen: with O_TRUNC the reopen empties the object.
	 */
	if (r == 0)
		r = fs_node_check_fd_budget(rq->fs);
	/*
	 * A program must be readable to be executed. The kernel treats every
	 * file of FUSE as readable, and so lets a tracer read the program.
	 * Therefore the reopen below checks the right to read.
	 */
	if (r == 0 && (flags & FMODE_EXEC))
		r = core_file_access(&rq->cred, found, X_OK);
	if (r == 0)
		r = kind->reopen ? kind->reopen(rq, found, flags, &fd)
				 : core_file_reopen(&rq->cred, found,
						    flags & O_ACCMODE, &fd);
	if (r == 0)
		r = new_handle(rq, &fd, flags, &handle);
	if (r < 0)
		return r;
	return fs_reply_open(rq, rq->node, handle);
}

static int attr(const struct fs_request *rq, int fd, struct statx *ret)
{
	return rq->node->is_dir ? fs_dir_attr(rq, rq->node->ino, ret)
				: fs_node_attr(rq, rq->node, fd, ret);
}

int fs_file_attr(const struct fs_request *rq, struct statx *ret)
{
	_cleanup_close_ int fd = -1;
	int r = rq->node->is_dir ? 0 : node_fd(rq, &fd);

	return r < 0 ? r : attr(rq, fd, ret);
}

int fs_file_link(struct fs_request *rq, const char *name)
{
	_cleanup_close_ int fd = -1;
	int r = node_fd(rq, &fd);

	if (r == 0)
		r = rq->kind->link(rq, fd, name);
	return r < 0 ? r : reply_object(rq, name, &fd, -1);
}

static struct timespec new_time(int to_set, int set, int now,
				struct timespec value)
{
	if (to_set & now)
		value = (struct timespec){ .tv_nsec = UTIME_NOW };
	else if (!(to_set & set))
		value = (struct timespec){ .tv_nsec = UTIME_OMIT };
	return value;
}

static int set_times(const struct fs_request *rq, int fd,
		     const struct stat *set, int to_set)
{
	struct timespec times[2] = {
		new_time(to_set, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW,
			 set->st_atim),
		new_time(to_set, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW,
			 set->st_mtim),
	};

	return core_file_utimens(&rq->cred, fd, times);
}

#define SET_OWNER (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)
#define SET_TIMES (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)

/*
 * The kernel sends a SETATTR that changes nothing in two cases: for chown(2)
 * with -1 and -1, and before a write to a backing file. In both cases the
 * setuid and setgid bits must be cleared and the time of change be set. The
 * second case must not fail for a writer who may not change the mode, as only
 * the owner may: the write itself clears the bits then. A message doesn't clear
 * bits of a queue, so for a queue nothing is done.
 */
int fs_file_setattr(const struct fs_request *rq, struct fs_handle *handle,
		    const struct stat *set, int to_set)
{
	const struct fs_kind *kind = rq->kind;
	const struct core_cred *cred = &rq->cred;
	_cleanup_close_ int fd = -1;
	struct statx stx;
	int r = kind->write ? node_fd(rq, &fd) : -EPERM;

	if (r == 0 &&
	    ((to_set & SET_OWNER) ||
	     (to_set == 0 && !rq->node->is_dir && kind->clears_setuid)))
		r = core_file_chown(
			cred, fd,
			(to_set & FUSE_SET_ATTR_UID) ? set->st_uid : (uid_t)-1,
			(to_set & FUSE_SET_ATTR_GID) ? set->st_gid : (gid_t)-1);
	if (r == -EPERM && to_set == 0)
		r = 0;
	if (r == 0 && (to_set & FUSE_SET_ATTR_MODE))
		r = core_file_chmod(cred, fd, set->st_mode & 07777);
	if (r == 0 && (to_set & FUSE_SET_ATTR_SIZE))
		r = kind->truncate
			    ? kind->truncate(rq, handle, fd, set->st_size)
			    : -EPERM;
	/*
	 * With a new size comes its time; the truncate has set the time
	 * already.
	 */
	else if (r == 0 && (to_set & SET_TIMES))
		r = set_times(rq, fd, set, to_set);
	if (r < 0)
		return r;
	r = attr(rq, fd, &stx);
	return r < 0 ? r : fs_reply_attr(rq, &stx);
}

int fs_file_access(const struct fs_request *rq, int mask)
{
	_cleanup_close_ int fd = -1;
	int r = node_fd(rq, &fd);

	return r < 0 ? r : core_file_access(&rq->cred, fd, mask);
}

/* Returns the place of a name in the kind's xattrs, or -1. */
static int find_xattr(const struct fs_kind *kind, const char *name)
{
	const char *end = kind->xattrs + kind->xattrs_size;
	int i = 0;

	for (const char *xattr = kind->xattrs; xattr < end; i++) {
		if (strcmp(name, xattr) == 0)
			return i;
		xattr += strlen(xattr) + 1;
	}
	return -1;
}

/* Lists a kind's attributes in buf. */
static ssize_t list_xattrs(const struct fs_request *rq, char *buf)
{
	const struct fs_kind *kind = rq->kind;
	const char *xattr = kind->xattrs, *end = xattr + kind->xattrs_size;
	char value[FS_XATTR_MAX], *to = buf;

	for (size_t i = 0; xattr < end; i++) {
		if (!kind->dir_xattrs || kind->getxattr(rq, -1, i, value) >= 0)
			to = stpcpy(to, xattr) + 1;
		xattr += strlen(xattr) + 1;
	}
	return to - buf;
}

/*
 * Reads an attribute, or without a name the list of attributes. buf has room
 * for every attribute of the kind.
 */
static ssize_t get_xattr(const struct fs_request *rq, const char *name,
			 char *buf, size_t size)
{
	const struct fs_kind *kind = rq->kind;
	_cleanup_close_ int fd = -1;
	bool has_any;
	int i = -1, r;

	if (!kind->inode_attributes) {
		has_any = rq->node->is_dir == kind->dir_xattrs;
		i = name && has_any ? find_xattr(kind, name) : -1;
		if (i < 0 && name)
			return -ENODATA;
		if (i < 0)
			return has_any ? list_xattrs(rq, buf) : 0;
	}
	r = i >= 0 && rq->node->is_dir ? 0 : node_fd(rq, &fd);
	if (r < 0)
		return r;
	if (i >= 0)
		return kind->getxattr(rq, fd, (size_t)i, buf);
	return name ? core_file_getxattr(&rq->cred, fd, name, buf, size)
		    : core_file_listxattr(&rq->cred, fd, buf, size);
}

int fs_file_getxattr(const struct fs_request *rq, const char *name, size_t size)
{
	_cleanup_free_ char *buf =
		malloc(size + rq->kind->xattrs_size + FS_XATTR_MAX);
	ssize_t n = buf ? get_xattr(rq, name, buf, size) : -ENOMEM;

	/*
	 * After ENOTSUP ls(1) doesn't ask for the labels of other files. The
	 * request shows that there are no labels: SELinux itself would answer.
	 */
	if (n == -ENODATA && name && strcmp(name, "security.selinux") == 0)
		n = -ENOTSUP;
	if (n < 0)
		return (int)n;
	if (size > 0 && (size_t)n > size)
		return -ERANGE;
	if (size > 0)
		(void)fuse_reply_buf(rq->req, buf, (size_t)n);
	else
		(void)fuse_reply_xattr(rq->req, (size_t)n);
	return 0;
}

int fs_file_setxattr(const struct fs_request *rq, const char *name,
		     const void *value, size_t size, int flags)
{
	_cleanup_close_ int fd = -1;
	int r = rq->kind->inode_attributes ? node_fd(rq, &fd) : -ENOTSUP;

	if (r < 0)
		return r;
	return value ? core_file_setxattr(&rq->cred, fd, name, value, size,
					  flags)
		     : core_file_removexattr(&rq->cred, fd, name);
}

/*
 * For lsattr(1) and chattr(1). The kernel has opened the handle for this
 * request.
 */
int fs_file_ioctl(const struct fs_request *rq, struct fs_handle *handle,
		  unsigned int cmd, const void *in, size_t in_size,
		  size_t out_size)
{
	struct fsxattr data = { 0 }; /* or an int */
	int r;

	if (!rq->kind->inode_attributes)
		return -ENOTTY;
	if (cmd != FS_IOC_GETFLAGS && cmd != FS_IOC_SETFLAGS &&
	    cmd != FS_IOC_FSGETXATTR && cmd != FS_IOC_FSSETXATTR)
		return -ENOTTY;
	if (in_size > sizeof(data) || out_size > sizeof(data))
		return -EINVAL;
	if (in_size > 0)
		memcpy(&data, in, in_size);
	r = core_file_ioctl(&rq->cred, handle->fd, cmd, &data);
	if (r < 0)
		return r;
	(void)fuse_reply_ioctl(rq->req, r, &data, out_size);
	return 0;
}

int fs_file_read(const struct fs_request *rq, struct fs_handle *handle,
		 size_t size, off_t offset, const struct fuse_file_info *fi)
{
	_cleanup_free_ char *buf = NULL;
	ssize_t n;

	if (rq->kind->read)
		return rq->kind->read(rq, handle, size, offset, fi);
	buf = malloc(size);
	if (!buf)
		return -ENOMEM;
	n = pread(handle->fd, buf, size, offset);
	if (n < 0)
		return -errno;
	(void)fuse_reply_buf(rq->req, buf, (size_t)n);
	return 0;
}
