/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared memory objects as files: shm/ and what is in it. */
#include "core/shm.h"

#include "core/cleanup.h"
#include "core/object.h"
#include "fs/dir.h"
#include "fs/object.h"
#include "fs/reply.h"

#include <fcntl.h>

static const struct fs_ops obj_ops;

static int obj_find(const struct fs_call *call, const char *name, ino_t ino,
		    int *ret_fd)
{
	return core_object_find(call->fs->ns->shm_dir, &call->cred, name, ino,
				ret_fd);
}

static int obj_truncate(const struct fs_call *call, struct fs_handle *handle,
			int fd, off_t size)
{
	_cleanup_close_ int writable = -1;
	int r = 0;

	if (!handle)
		r = core_object_reopen(&call->cred, fd, O_WRONLY, &writable);
	if (r < 0)
		return r;
	return core_shm_truncate(&call->cred, handle ? handle->fd : writable,
				 size);
}

static int handle_new(int *fd, struct fs_handle **ret)
{
	struct fs_handle *handle = calloc(1, sizeof(*handle));

	if (!handle)
		return -ENOMEM;
	handle->fd = core_steal_fd(fd);
	*ret = handle;
	return 0;
}

static void obj_release(const struct fs_call *call, struct fs_handle *handle)
{
	fs_node_remove(call, handle);
	(void)close(handle->fd);
	free(handle);
}

static int obj_open(const struct fs_call *call, struct fs_node *node, int flags)
{
	_cleanup_close_ int fd = -1;
	struct fs_handle *handle = NULL;
	char name[NAME_MAX + 1];
	int r;

	fs_node_name(node, name);
	r = core_shm_open(call->fs->ns, &call->cred, name, flags & ~O_CREAT, 0,
			  fs_node_ino(node), &fd);
	if (r == 0)
		r = handle_new(&fd, &handle);
	if (r < 0)
		return r == -ENOENT ? -ESTALE : r;
	return fs_reply_open(call, node, handle, FS_OPEN_BACKED);
}

static int dir_create(const struct fs_call *call, struct fs_node *dir,
		      const char *name, mode_t mode, int flags)
{
	_cleanup_close_ int fd = -1;
	struct fs_handle *handle = NULL;
	struct stat st;
	int r;

	(void)dir;
	r = core_shm_open(call->fs->ns, &call->cred, name, flags | O_CREAT,
			  mode, 0, &fd);
	if (r == 0)
		r = core_object_stat(fd, &st);
	if (r == 0)
		r = handle_new(&fd, &handle);
	if (r < 0)
		return r;
	return fs_reply_create(call, &obj_ops, name, &st, handle,
			       FS_OPEN_BACKED);
}

static int dir_mknod(const struct fs_call *call, struct fs_node *dir,
		     const char *name, mode_t mode)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	(void)dir;
	r = core_shm_open(call->fs->ns, &call->cred, name,
			  O_RDONLY | O_CREAT | O_EXCL, mode, 0, &fd);
	if (r == 0)
		r = core_object_stat(fd, &st);
	if (r < 0)
		return r;
	return fs_reply_entry(call, &obj_ops, name, &st);
}

static int obj_read(const struct fs_call *call, struct fs_handle *handle,
		    size_t size, off_t offset, const struct fuse_file_info *fi)
{
	struct fuse_bufvec buf = FUSE_BUFVEC_INIT(size);

	(void)fi;
	buf.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	buf.buf[0].fd = handle->fd;
	buf.buf[0].pos = offset;
	(void)fuse_reply_data(call->req, &buf, FUSE_BUF_NO_SPLICE);
	return 0;
}

/*
 * Where an append goes is for the object to say: the kernel computes its offset
 * from a size that others may have changed since. A write is only made as the
 * caller where that is to clear setuid and setgid bits: it costs.
 */
static int obj_write(const struct fs_call *call, struct fs_handle *handle,
		     const char *buf, size_t size, off_t offset,
		     const struct fuse_file_info *fi)
{
	struct core_cred self = core_cred_self();
	ssize_t n = core_shm_write(fi->kill_suidgid ? &call->cred : &self,
				   handle->fd, buf, size, offset,
				   fi->flags & O_APPEND);

	if (n < 0)
		return (int)n;
	(void)fuse_reply_write(call->req, (size_t)n);
	return 0;
}

static int obj_fallocate(const struct fs_call *call, struct fs_handle *handle,
			 int mode, off_t offset, off_t length)
{
	int r = core_shm_allocate(&call->cred, handle->fd, mode, offset,
				  length);

	if (r < 0)
		return r;
	(void)fuse_reply_err(call->req, 0);
	return 0;
}

static int obj_lseek(const struct fs_call *call, struct fs_handle *handle,
		     off_t offset, int whence)
{
	off_t r = lseek(handle->fd, offset, whence);

	if (r < 0)
		return -errno;
	(void)fuse_reply_lseek(call->req, r);
	return 0;
}

static int dir_statfs(const struct fs_call *call)
{
	struct statvfs sv;
	int r = core_shm_statfs(call->fs->ns, &sv);

	if (r < 0)
		return r;
	(void)fuse_reply_statfs(call->req, &sv);
	return 0;
}

static int dir_unlink(const struct fs_call *call, const char *name)
{
	int r = core_shm_unlink(call->fs->ns, &call->cred, name);

	if (r < 0)
		return r;
	(void)fuse_reply_err(call->req, 0);
	return 0;
}

static int dir_rename(const struct fs_call *call, const char *name,
		      const char *new_name, unsigned int flags)
{
	int r = core_shm_rename(call->fs->ns, &call->cred, name, new_name,
				flags);

	if (r < 0)
		return r;
	(void)fuse_reply_err(call->req, 0);
	return 0;
}

static int dir_tmpfile(const struct fs_call *call, mode_t mode, int flags)
{
	_cleanup_close_ int fd = -1;
	struct fs_handle *handle = NULL;
	struct stat st;
	int r = core_shm_open_anonymous(call->fs->ns, &call->cred, flags, mode,
					&fd);

	if (r == 0)
		r = core_object_stat(fd, &st);
	if (r == 0)
		r = handle_new(&fd, &handle);
	if (r < 0)
		return r;
	return fs_reply_create(call, &obj_ops, "", &st, handle, FS_OPEN_BACKED);
}

static int dir_list(const struct fs_call *call, struct core_list *ret)
{
	return core_shm_list(call->fs->ns, ret);
}

static int dir_getattr(const struct fs_call *call, struct fs_node *node)
{
	struct stat st;
	int r = core_object_stat(call->fs->ns->shm_dir, &st);

	if (r < 0)
		return r;
	return fs_dir_reply_attr(call, node, &st);
}

static const struct fs_ops obj_ops = {
	.find = obj_find,
	.stat = core_object_stat,
	.truncate = obj_truncate,
	.getattr = fs_object_getattr,
	.setattr = fs_object_setattr,
	.access = fs_object_access,
	.getxattr = fs_object_getxattr,
	.setxattr = fs_object_setxattr,
	.listxattr = fs_object_listxattr,
	.removexattr = fs_object_removexattr,
	.statfs = dir_statfs,
	.open = obj_open,
	.read = obj_read,
	.write = obj_write,
	.fallocate = obj_fallocate,
	.lseek = obj_lseek,
	.release = obj_release,
};

const struct fs_ops fs_shm_dir_ops = {
	.list = dir_list,
	.child = &obj_ops,
	.lookup = fs_object_lookup,
	.getattr = dir_getattr,
	.statfs = dir_statfs,
	.create = dir_create,
	.mknod = dir_mknod,
	.tmpfile = dir_tmpfile,
	.unlink = dir_unlink,
	.rename = dir_rename,
	.open = fs_dir_open,
	.readdir = fs_dir_read,
	.release = fs_dir_release,
};
