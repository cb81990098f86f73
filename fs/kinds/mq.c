/* SPDX-License-Identifier: BSD-3-Clause */
/* Message queues as files: mq/ and what is in it. fs/kinds/mq_handle is an open queue. */
#include "core/mq.h"

#include "core/cleanup.h"
#include "core/file.h"
#include "fs/fuse/dir.h"
#include "fs/fuse/file.h"
#include "fs/fuse/log.h"
#include "fs/kinds/frame.h"
#include "fs/kinds/mq_read.h"
#include "fs/kinds/mq_write.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* mq_open() has one error for several limits: says which it was. */
static void log_limit(const struct fs_view *view, int r)
{
	struct mq_attr limits;

	if (r == -EMFILE)
		fs_log_ratelimited("a queue can't be created: RLIMIT_MSGQUEUE "
				   "(ulimit -q) or RLIMIT_NOFILE is used up");
	if (r == -ENOSPC)
		fs_log_ratelimited(
			"a queue can't be created: there are as many "
			"as sysctl fs.mqueue.queues_max allows");
	if (r != -EINVAL || core_mq_limits(&limits) < 0)
		return;
	if (view->maxmsg > limits.mq_maxmsg)
		fs_log_ratelimited(
			"a queue can't be created: maxmsg=%ld is above "
			"sysctl fs.mqueue.msg_max, %ld",
			view->maxmsg, limits.mq_maxmsg);
	if (view->msgsize > limits.mq_msgsize)
		fs_log_ratelimited(
			"a queue can't be created: msgsize=%ld is above "
			"sysctl fs.mqueue.msgsize_max, %ld",
			view->msgsize, limits.mq_msgsize);
}

static int obj_create(const struct fs_request *rq, const char *name, int flags,
		      mode_t mode, int *ret_fd)
{
	struct mq_attr attr = { .mq_maxmsg = rq->view->maxmsg,
				.mq_msgsize = rq->view->msgsize };
	int r = core_mq_open(rq->fs->dirs, &rq->cred, name, flags, mode, &attr,
			     0, ret_fd);

	log_limit(rq->view, r);
	return r;
}

static int obj_find(const struct fs_request *rq, const char *name, ino_t ino,
		    int *ret_fd)
{
	return core_mq_find(rq->fs->dirs, &rq->cred, name, ino, ret_fd);
}

static int obj_reopen(const struct fs_request *rq, int fd, int flags,
		      int *ret_fd)
{
	return core_file_reopen(&rq->cred, fd, flags & O_ACCMODE, ret_fd);
}

/*
 * stx_size is what reading it empty would give, as far as can be known: priorities
 * above 9 take more digits in a prefix.
 *
 * stx_blksize is what stdio makes its buffer: it must hold a whole message. FUSE
 * reports only powers of two, rounding down, and with less than 128 bytes glibc
 * hands on each piece that it is given. Either would make two messages of what
 * a program prints as one.
 */
static int obj_attr(const struct fs_request *rq, struct fs_handle *handle,
		    int fd, struct statx *ret)
{
	long overhead = (long)fs_frame_overhead(rq->view);
	uint32_t size = 128;
	int r = core_mq_stat(&rq->cred, fd, overhead, ret);

	if (r < 0)
		return r;
	if (overhead > 0)
		ret->stx_blksize += (uint32_t)FS_FRAME_EXTRA;
	while (size < ret->stx_blksize)
		size *= 2;
	ret->stx_blksize = size;
	if (handle)
		fs_mq_read_add_taken(handle, ret);
	return 0;
}

/* Only emptying it is a change of size that a queue knows. */
static int obj_truncate(const struct fs_request *rq, struct fs_handle *handle,
			int fd, off_t size)
{
	_cleanup_close_ int readable = -1;
	int r;

	(void)handle;
	if (size != 0)
		return -EINVAL;
	r = core_file_reopen(&rq->cred, fd, O_RDONLY, &readable);
	if (r < 0)
		return r;
	return core_mq_purge(readable);
}

/* What a queue is, as extended attributes to read. */
static const char attributes[] = "user.mq.maxmsg\0user.mq.msgsize\0"
				 "user.mq.curmsgs\0user.mq.bytes\0"
				 "user.mq.notify_pid";

/* A name's place among them, or -1. */
static int find_attribute(const char *name)
{
	const char *attribute = attributes;

	for (int i = 0; attribute < attributes + sizeof(attributes); i++) {
		if (strcmp(name, attribute) == 0)
			return i;
		attribute += strlen(attribute) + 1;
	}
	return -1;
}

static int obj_getxattr(const struct fs_request *rq, struct fs_node *node,
			const char *name, size_t size)
{
	int attribute = find_attribute(name);
	struct core_mq_info info = { 0 };
	_cleanup_close_ int fd = -1, readable = -1;
	char text[32];
	int r;

	if (attribute < 0)
		return -ENODATA;
	r = fs_file_fd(rq, node, &fd);
	if (r == 0)
		r = core_file_reopen(&rq->cred, fd, O_RDONLY, &readable);
	if (r == 0)
		r = core_mq_get_info(readable, &info);
	if (r < 0)
		return r;
	/* In the order of the names. */
	const long values[] = { info.maxmsg, info.msgsize, info.curmsgs,
				(long)info.bytes, info.notify_pid };

	r = snprintf(text, sizeof(text), "%ld", values[attribute]);
	return fs_reply_xattr(rq, text, size, r);
}

static int obj_listxattr(const struct fs_request *rq, struct fs_node *node,
			 size_t size)
{
	(void)node;
	return fs_reply_xattr(rq, attributes, size, sizeof(attributes));
}

static int mq_statfs(const struct fs_request *rq, struct statvfs *ret)
{
	return core_mq_statfs(rq->fs->dirs, &rq->cred, ret);
}

static int dir_next(const struct fs_request *rq, struct dirent64 *ret)
{
	size_t place = (size_t)(ret->d_off - 2);

	if (!core_mq_next(rq->fs->dirs, &rq->cred, &place, ret->d_name,
			  &ret->d_ino))
		return 0;
	ret->d_type = DT_REG;
	ret->d_off = (off_t)place + 2;
	return 1;
}

static int dir_fd(const struct fs_request *rq)
{
	return rq->fs->dirs->mq_dir;
}

static int dir_attr(const struct fs_request *rq, struct statx *ret)
{
	return core_ipc_dirs_stat(rq->fs->dirs, rq->fs->dirs->mq_dir, ret);
}

static int dir_unlink(const struct fs_request *rq, const char *name)
{
	return core_mq_unlink(rq->fs->dirs, &rq->cred, name);
}

static void obj_release(struct fs *fs, struct fs_handle *handle_)
{
	struct fs_mq_handle *handle = (struct fs_mq_handle *)handle_;

	(void)fs;
	fs_mq_handle_end_poll(handle);
	fs_mq_write_end(handle);
	fs_mq_handle_unref(handle);
}

static const struct fs_ops obj_ops = {
	.debug_prefix = "/mq/",
	.find = obj_find,
	.create = obj_create,
	.reopen = obj_reopen,
	.new_handle = fs_mq_handle_new,
	.attr = obj_attr,
	.attr_as_caller = true,
	.truncate = obj_truncate,
	.endless = true,
	.inode_per_lookup = true,
	.node_attr = fs_file_attr,
	.setattr = fs_file_setattr,
	.access = fs_file_access,
	.getxattr = obj_getxattr,
	.listxattr = obj_listxattr,
	.statfs = mq_statfs,
	.open = fs_file_open,
	.read = fs_mq_read,
	.write = fs_mq_write,
	.flush = fs_mq_write_flush,
	.poll = fs_mq_handle_poll,
	.release = obj_release,
};

const struct fs_ops fs_mq_dir_ops = {
	.permanent = true,
	.next = dir_next,
	.child = &obj_ops,
	.lookup = fs_file_lookup,
	.node_attr = fs_dir_attr,
	.dir_attr = dir_attr,
	.dir_fd = dir_fd,
	.setattr = fs_file_setattr,
	.access = fs_dir_access,
	.statfs = mq_statfs,
	.unlink = dir_unlink,
	.open = fs_dir_open,
	.readdir = fs_dir_read,
	.release = fs_dir_release,
};
