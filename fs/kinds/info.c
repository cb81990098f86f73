/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/kinds/info.h"

#include "core/cleanup.h"
#include "core/file.h"
#include "core/thread_safety.h"
#include "fs/fuse/dir.h"
#include "fs/fuse/node.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>

/* A byte of a name takes up to four bytes of text. */
enum { ESCAPED_MAX = 4 * NAME_MAX + 1 };

CORE_MUTEX(info_mutex);

struct info_handle {
	struct fs_handle base;
	struct info_mutex lock;
	size_t len CORE_GUARDED_BY(info_mutex);
	char text[ESCAPED_MAX + 512] CORE_GUARDED_BY(info_mutex);
};

/* Turns a request into one for the plain directory of the described kind. */
static struct fs_request described(const struct fs_request *rq)
{
	static const long plain[FS_VIEW_MAX / sizeof(long)];
	struct fs_request inner = *rq;

	inner.kind = *(const struct fs_kind *const *)rq->view;
	inner.view = plain;
	return inner;
}

static int info_find(const struct fs_request *rq, const char *name, ino_t ino,
		     int *ret_fd)
{
	struct fs_request inner = described(rq);

	return inner.kind->find(&inner, name, ino, ret_fd);
}

/*
 * The kind's slot attr isn't called: its result may include facts that only
 * readers of the object may know.
 */
int fs_info_attr(const struct fs_request *rq, struct fs_handle *handle, int fd,
		 struct statx *ret)
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

static int info_init_handle(const struct fs_request *rq,
			    struct fs_handle *handle, int flags)
{
	(void)rq, (void)flags;
	pthread_mutex_init(&((struct info_handle *)handle)->lock.native, NULL);
	return 0;
}

static void info_release(struct fs *fs, struct fs_handle *handle)
{
	(void)fs;
	pthread_mutex_destroy(&((struct info_handle *)handle)->lock.native);
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

static int write_text(const struct fs_request *rq, struct info_handle *handle)
	CORE_REQUIRES(info_mutex)
{
	char name[NAME_MAX + 1], escaped[ESCAPED_MAX], lines[256];
	struct fs_request inner = described(rq);
	struct statx stx;
	int fd = handle->base.fd, n, r;

	n = inner.kind->describe(&inner, fd, lines, sizeof(lines));
	if (n < 0)
		return n;
	r = core_file_statx(fd, &stx);
	if (r < 0)
		return r;
	fs_node_name(handle->base.node, name);
	escape(name, escaped);
	r = snprintf(handle->text, sizeof(handle->text),
		     "name %s\n%.*suid %u\ngid %u\nmode %04o\n", escaped, n,
		     lines, stx.stx_uid, stx.stx_gid, stx.stx_mode & 07777U);
	handle->len = (size_t)r;
	return 0;
}

/*
 * The text is made when its beginning is read. Later reads return pieces of the
 * same text.
 */
static int info_read(const struct fs_request *rq, struct fs_handle *handle_,
		     size_t size, off_t offset, const struct fuse_file_info *fi)
{
	struct info_handle *handle = (struct info_handle *)handle_;
	char text[sizeof(handle->text)];
	size_t from = (size_t)MIN(offset, SSIZE_MAX), n = 0;
	int r = 0;

	(void)fi;
	info_mutex_lock(&handle->lock);
	if (offset == 0)
		r = write_text(rq, handle);
	if (r == 0 && from < handle->len) {
		n = handle->len - from < size ? handle->len - from : size;
		memcpy(text, handle->text + from, n);
	}
	info_mutex_unlock(&handle->lock);
	if (r < 0)
		return r;
	(void)fuse_reply_buf(rq->req, text, n);
	return 0;
}

static int info_statfs(const struct fs_request *rq, struct statvfs *ret)
{
	struct fs_request inner = described(rq);

	return inner.kind->statfs ? inner.kind->statfs(&inner, ret) : 0;
}

static int info_list(const struct fs_request *rq, struct dirent64 *ret)
{
	struct fs_request inner = described(rq);

	return inner.kind->list ? inner.kind->list(&inner, ret) : 0;
}

static const char *info_listed(const struct fs_request *rq, const char *file)
{
	struct fs_request inner = described(rq);

	return inner.kind->listed ? inner.kind->listed(&inner, file) : file;
}

static int info_dir_attr(const struct fs_request *rq, struct statx *ret)
{
	struct fs_request inner = described(rq);

	return fs_dir_attr(&inner, 0, ret);
}

static int info_dir_fd(const struct fs_request *rq)
{
	struct fs_request inner = described(rq);

	return inner.kind->dir_fd ? inner.kind->dir_fd(&inner) : -1;
}

const struct fs_kind fs_info = {
	.name = "info",
	.view_size = sizeof(const struct fs_kind *),
	.dir_fd = info_dir_fd,
	.listed = info_listed,
	.list = info_list,
	.dir_attr = info_dir_attr,
	.statfs = info_statfs,
	.find = info_find,
	.attr = fs_info_attr,
	.handle_size = sizeof(struct info_handle),
	.init_handle = info_init_handle,
	.release = info_release,
	.read = info_read,
};
