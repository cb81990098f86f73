/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Message queues as files: mq/ and its files. fs/kinds/mq_handle is an open
 * queue.
 */
#include "core/mq.h"

#include "core/cleanup.h"
#include "core/file.h"
#include "core/peek.h"
#include "fs/fuse/log.h"
#include "fs/kinds/frame.h"
#include "fs/kinds/mq_peek.h"
#include "fs/kinds/mq_read.h"
#include "fs/kinds/mq_write.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/*
 * Logs why a queue can't be created. mq_open() has one error for several
 * limits.
 */
static void log_limit(const struct fs_request *rq, const char *name, int r)
{
	const struct fs_mq_view *view = rq->view;
	char printable[NAME_MAX + 1];
	struct mq_attr limits;
	struct statvfs st;

	(void)snprintf(printable, sizeof(printable), "%s", name);
	fs_log_make_printable(printable);
	if (r == -EMFILE)
		fs_log_ratelimited("queue '%s' can't be created: "
				   "RLIMIT_MSGQUEUE (ulimit -q) or "
				   "RLIMIT_NOFILE is used up; try: sudo "
				   "prlimit --pid $$ --msgqueue=unlimited",
				   printable);
	if (r == -ENOSPC && core_mq_statfs(rq->fs->dirs, &rq->cred, &st) == 0)
		fs_log_ratelimited("queue '%s' can't be created: there are as "
				   "many as fs.mqueue.queues_max allows, %ju; "
				   "try: sudo sysctl fs.mqueue.queues_max=%ju",
				   printable, (uintmax_t)st.f_files,
				   (uintmax_t)st.f_files * 2);
	if (r != -EINVAL || core_mq_limits(&limits) < 0)
		return;
	if (view->maxmsg > limits.mq_maxmsg)
		fs_log_ratelimited("queue '%s' can't be created: maxmsg=%ld "
				   "is above fs.mqueue.msg_max, %ld; try: "
				   "sudo sysctl fs.mqueue.msg_max=%ld",
				   printable, view->maxmsg, limits.mq_maxmsg,
				   view->maxmsg);
	if (view->msgsize > limits.mq_msgsize)
		fs_log_ratelimited("queue '%s' can't be created: msgsize=%ld "
				   "is above fs.mqueue.msgsize_max, %ld; try: "
				   "sudo sysctl fs.mqueue.msgsize_max=%ld",
				   printable, view->msgsize, limits.mq_msgsize,
				   view->msgsize);
}

static int obj_create(const struct fs_request *rq, const char *name, int flags,
		      mode_t mode, int *ret_fd)
{
	const struct fs_mq_view *view = rq->view;
	struct mq_attr attr = { .mq_maxmsg = view->maxmsg,
				.mq_msgsize = view->msgsize };
	int r = core_mq_open(rq->fs->dirs, &rq->cred, name, flags, mode, &attr,
			     0, ret_fd);

	if (r < 0)
		log_limit(rq, name, r);
	return r;
}

static int obj_find(const struct fs_request *rq, const char *name, ino_t ino,
		    int *ret_fd)
{
	return core_mq_find(rq->fs->dirs, &rq->cred, name, ino, ret_fd);
}

/*
 * stx_size is the number of bytes that reading the queue empty would return, as
 * far as we can know: with "prefix", priorities above 9 need more digits.
 *
 * stx_blksize is the size of stdio's buffer, and the buffer must hold a whole
 * message. FUSE reports only powers of two, rounded down. With less than 128
 * bytes, glibc writes each piece that it gets at once. A smaller buffer, or
 * none, would make two messages of a text that a program prints as one.
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
		fs_mq_read_add_received(handle, ret);
	return 0;
}

/* A queue has only one change of size: to 0, which empties the queue. */
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

/* Facts about a queue, as lines of text and as extended attributes. */

static int obj_describe(const struct fs_request *rq, int fd, char *ret,
			size_t size)
{
	struct core_mq_info info = { 0 };
	size_t n_waiting[2] = { 0 };
	int r = core_mq_get_info(fd, &info);

	r = r ?: core_wait_count(rq->fs->wait, fd, n_waiting);
	return r < 0 ? r
		     : snprintf(ret, size,
				"maxmsg %ld\nmsgsize %ld\ncurmsgs %ld\n"
				"bytes %zu\nnotify %d\n"
				"readers %zu\nwriters %zu\n",
				info.maxmsg, info.msgsize, info.curmsgs,
				info.bytes, info.notify_pid,
				n_waiting[CORE_WAIT_IN],
				n_waiting[CORE_WAIT_OUT]);
}

static const char xattrs[] = "user.mq.maxmsg\0user.mq.msgsize\0"
			     "user.mq.curmsgs\0user.mq.bytes\0"
			     "user.mq.notify_pid";

static int obj_getxattr(const struct fs_request *rq, int fd, size_t i,
			char ret[static FS_XATTR_MAX])
{
	struct core_mq_info info = { 0 };
	_cleanup_close_ int readable = -1;
	int r = core_file_reopen(&rq->cred, fd, O_RDONLY, &readable);

	if (r == 0)
		r = core_mq_get_info(readable, &info);
	if (r < 0)
		return r;
	/* In the order of the names. */
	const long values[] = { info.maxmsg, info.msgsize, info.curmsgs,
				(long)info.bytes, info.notify_pid };

	return snprintf(ret, FS_XATTR_MAX, "%ld", values[i]);
}

static int mq_statfs(const struct fs_request *rq, struct statvfs *ret)
{
	return core_mq_statfs(rq->fs->dirs, &rq->cred, ret);
}

static int dir_list(const struct fs_request *rq, struct dirent64 *ret)
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

/* Queues that can't be listed have a directory, too. */
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

static const char *listing(enum core_ipc_dirs_mq mq)
{
	switch (mq) {
	case CORE_IPC_DIRS_MQ_DETACHED:
		return "yes, through a mount of its own";
	case CORE_IPC_DIRS_MQ_MOUNTED:
		return "yes, through /dev/mqueue";
	case CORE_IPC_DIRS_MQ_NONE:
		break;
	}
	return "only those opened here: needs root or a mounted /dev/mqueue";
}

static void mq_probe(const struct core_ipc_dirs *dirs, int r)
{
	const char *why = NULL;
	int peek = core_peek_check(&why);

	(void)printf("message queues: %s\n",
		     core_mq_is_supported() ? "yes" : "not in this kernel");
	(void)printf("listing queues: %s\n",
		     dirs ? listing(dirs->mq) : strerror(-r));
	(void)printf("peeking at queues: %s%s\n", peek == 0 ? "yes" : "no: ",
		     peek == 0 ? "" : why ?: strerror(-peek));
}

/* The files of mq:peek. */
static const struct fs_kind mq_peek = {
	.name = "mq",
	.view_size = sizeof(struct fs_mq_view),
	.dir_fd = dir_fd,
	.list = dir_list,
	.dir_attr = dir_attr,
	.statfs = mq_statfs,
	.find = obj_find,
	.attr = fs_mq_peek_attr,
	.endless = true,
	.xattrs = xattrs,
	.xattrs_size = sizeof(xattrs),
	.getxattr = obj_getxattr,
	.handle_size = sizeof(struct fs_mq_peek_handle),
	.init_handle = fs_mq_peek_init,
	.release = fs_mq_peek_release,
	.read = fs_mq_peek_read,
};

static const struct fs_kind *other_kind(const void *view)
{
	return ((const struct fs_mq_view *)view)->peek ? &mq_peek : NULL;
}

const struct fs_kind fs_mq = {
	.name = "mq",
	.title = "POSIX message queues",
	.probe = mq_probe,
	.options = fs_mq_options,
	.view_size = sizeof(struct fs_mq_view),
	.check_view = fs_mq_view_check,
	.other_kind = other_kind,
	.mount_options = true,
	.describe = obj_describe,
	.dir_fd = dir_fd,
	.list = dir_list,
	.dir_attr = dir_attr,
	.statfs = mq_statfs,
	.create = obj_create,
	.unlink = dir_unlink,
	.find = obj_find,
	.attr = obj_attr,
	.attr_as_caller = true,
	.endless = true,
	.inode_per_lookup = true,
	.xattrs = xattrs,
	.xattrs_size = sizeof(xattrs),
	.getxattr = obj_getxattr,
	.truncate = obj_truncate,
	.handle_size = sizeof(struct fs_mq_handle),
	.init_handle = fs_mq_handle_init,
	.release = obj_release,
	.read = fs_mq_read,
	.write = fs_mq_write,
	.poll = fs_mq_handle_poll,
	.flush = fs_mq_write_flush,
};
