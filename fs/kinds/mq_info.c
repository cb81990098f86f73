/* SPDX-License-Identifier: BSD-3-Clause */
/* The view "info": what a queue is, as text, instead of its messages. */
#include "core/mq.h"

#include "core/cleanup.h"
#include "core/file.h"
#include "fs/fuse/dir.h"
#include "fs/fuse/file.h"
#include "fs/fuse/node.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* A byte of a name takes up to four bytes of text. */
enum { ESCAPED_MAX = 4 * NAME_MAX + 1 };

struct info_handle {
	struct fs_handle base;
	pthread_mutex_t lock;
	size_t len;
	char text[ESCAPED_MAX + 512];
};

static int info_find(const struct fs_request *rq, const char *name, ino_t ino,
		     int *ret_fd)
{
	return core_mq_find(rq->fs->dirs, &rq->cred, name, ino, ret_fd);
}

static int info_reopen(const struct fs_request *rq, int fd, int flags,
		       int *ret_fd)
{
	if ((flags & O_ACCMODE) != O_RDONLY)
		return -EACCES;
	return core_file_reopen(&rq->cred, fd, O_RDONLY, ret_fd);
}

/* Like a file of /proc: with no size, so that tools read it to its end. */
static int info_attr(const struct fs_request *rq, struct fs_handle *handle,
		     int fd, struct statx *ret)
{
	int r = core_file_statx(fd, ret);

	(void)rq, (void)handle;
	if (r < 0)
		return r;
	ret->stx_mode &= (uint16_t)~0222;
	ret->stx_size = 0;
	ret->stx_blocks = 0;
	return 0;
}

static int info_new_handle(const struct fs_request *rq, int *fd, ino_t ino,
			   int flags, struct fs_handle **ret)
{
	struct info_handle *handle;

	(void)rq, (void)ino, (void)flags;
	handle = calloc(1, sizeof(*handle));
	if (!handle)
		return -ENOMEM;
	pthread_mutex_init(&handle->lock, NULL);
	handle->base.fd = core_steal_fd(fd);
	*ret = &handle->base;
	return 0;
}

static void info_release(struct fs *fs, struct fs_handle *handle)
{
	(void)fs;
	pthread_mutex_destroy(&((struct info_handle *)handle)->lock);
	fs_handle_free(handle);
}

/* Writes a name without newlines, in octal as /proc/mounts does: "\012". */
static void escape(const char *name, char ret[static ESCAPED_MAX])
{
	for (; *name; name++) {
		if (*name == '\n' || *name == '\\')
			ret += sprintf(ret, "\\%03o", (unsigned int)*name);
		else
			*ret++ = *name;
	}
	*ret = '\0';
}

static int write_text(struct info_handle *handle)
{
	struct core_mq_info info;
	char name[NAME_MAX + 1], escaped[ESCAPED_MAX];
	struct stat st = { 0 };
	int r = core_mq_get_info(handle->base.fd, &info);

	if (r == 0)
		r = core_file_stat(handle->base.fd, &st);
	if (r < 0)
		return r;
	fs_node_name(handle->base.node, name);
	escape(name, escaped);
	r = snprintf(handle->text, sizeof(handle->text),
		     "name %s\nmaxmsg %ld\nmsgsize %ld\ncurmsgs %ld\n"
		     "bytes %zu\nnotify %d\nuid %u\ngid %u\nmode %04o\n",
		     escaped, info.maxmsg, info.msgsize, info.curmsgs,
		     info.bytes, info.notify_pid, st.st_uid, st.st_gid,
		     st.st_mode & 07777U);
	handle->len = (size_t)r;
	return 0;
}

/* The text is made when its begin is read, and then stays in one piece. */
static int info_read(const struct fs_request *rq, struct fs_handle *handle_,
		     size_t size, off_t offset, const struct fuse_file_info *fi)
{
	struct info_handle *handle = (struct info_handle *)handle_;
	char text[sizeof(handle->text)];
	size_t from = (size_t)offset, n = 0;
	int r = 0;

	(void)fi;
	pthread_mutex_lock(&handle->lock);
	if (offset == 0)
		r = write_text(handle);
	if (r == 0 && from < handle->len) {
		n = handle->len - from < size ? handle->len - from : size;
		memcpy(text, handle->text + from, n);
	}
	pthread_mutex_unlock(&handle->lock);
	if (r < 0)
		return r;
	(void)fuse_reply_buf(rq->req, text, n);
	return 0;
}

static int info_statfs(const struct fs_request *rq, struct statvfs *ret)
{
	return fs_mq_dir_ops.statfs(rq, ret);
}

static int dir_next(const struct fs_request *rq, struct dirent64 *ret)
{
	return fs_mq_dir_ops.next(rq, ret);
}

static int dir_attr(const struct fs_request *rq, struct statx *ret)
{
	return fs_mq_dir_ops.dir_attr(rq, ret);
}

static int dir_fd(const struct fs_request *rq)
{
	return rq->fs->dirs->mq_dir;
}

static const struct fs_ops info_ops = {
	.debug_prefix = "/mq:info/",
	.find = info_find,
	.attr = info_attr,
	.reopen = info_reopen,
	.new_handle = info_new_handle,
	.inode_per_lookup = true,
	.node_attr = fs_file_attr,
	.access = fs_file_access,
	.statfs = info_statfs,
	.open = fs_file_open,
	.read = info_read,
	.release = info_release,
};

const struct fs_ops fs_mq_info_dir_ops = {
	.permanent = true,
	.next = dir_next,
	.child = &info_ops,
	.lookup = fs_file_lookup,
	.node_attr = fs_dir_attr,
	.dir_attr = dir_attr,
	.dir_fd = dir_fd,
	.access = fs_dir_access,
	.statfs = info_statfs,
	.open = fs_dir_open,
	.readdir = fs_dir_read,
	.release = fs_dir_release,
};
