/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/kinds/info.h"

#include "core/caller.h"
#include "core/cleanup.h"
#include "core/file.h"
#include "core/thread_safety.h"
#include "fs/fuse/dir.h"
#include "fs/fuse/node.h"
#include "fs/kinds/holders.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <time.h>

/* How often an object that is in use is looked at. */
enum { TRIES = 3 };

/* The most holders that are listed for an object; their text takes 0.5 MB. */
enum { HOLDERS_MAX = 4096 };

CORE_MUTEX(info_mutex);

struct info_handle {
	struct fs_handle base;
	struct fs_charge holders; /* held in the view "holders" */
	size_t len;
	char *text;
};

/* Turns a request into one for the plain directory of the described kind. */
static struct fs_request described(const struct fs_request *rq)
{
	static const long plain[FS_VIEW_MAX / sizeof(long)];
	struct fs_request inner = *rq;

	inner.kind = ((const struct fs_info_view *)rq->view)->kind;
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

/*
 * Describes the object, in size bytes of lines. Returns the length of the
 * lines. ret_used: the result of core_file_is_used().
 *
 * Our own descriptors must not make the object look used, so only one thread at
 * a time opens an object here. The kernel reports a close(2) some time
 * after the close has returned, and other requests open an object for a moment.
 * So an object that is in use is looked at again.
 */
static int describe(const struct fs_request *rq, int path_fd, char *lines,
		    size_t size, int *ret_used)
{
	static struct info_mutex lock = { PTHREAD_MUTEX_INITIALIZER };
	const struct timespec pause = { .tv_nsec = 1000000 };
	int n = 0, used = 1;

	for (int i = 0; i < TRIES && n >= 0 && used == 1; i++) {
		int fd = -1;

		if (i > 0)
			(void)nanosleep(&pause, NULL);
		info_mutex_lock(&lock);
		n = core_file_reopen(&rq->cred, path_fd, O_RDONLY, &fd);
		if (n == 0)
			n = rq->kind->describe(rq, fd, lines, size);
		if (n >= 0)
			used = core_file_is_used(&rq->cred, fd);
		core_closep(&fd);
		info_mutex_unlock(&lock);
	}
	*ret_used = used;
	return n;
}

/* Prints a text with some characters in octal, as in /proc/mounts: "\012". */
static void print_escaped(FILE *out, const char *text, const char *escaped)
{
	for (; *text; text++)
		(void)fprintf(out, strchr(escaped, *text) ? "\\%03o" : "%c",
			      (unsigned char)*text);
}

static void print_holder(FILE *out, const struct core_holder *holder,
			 const char *how, int rights)
{
	if (rights == 0)
		return;
	(void)fprintf(out, "holder %d ", holder->pid);
	print_escaped(out, holder->command, " \t\n\\");
	(void)fprintf(out, " %s %s%s%s\n", how, rights & R_OK ? "r" : "",
		      rights & W_OK ? "w" : "", rights & X_OK ? "x" : "");
}

static int print_holders(FILE *out, const struct fs_request *rq, int fd)
{
	_cleanup_free_ struct core_holder *holders = NULL;
	size_t n = 0;
	int r;

	if (!core_caller_is_in_our_namespaces(rq->caller->pid)) {
		(void)fputs("holders unknown\n", out);
		return 0;
	}
	r = fs_holders_get(rq, rq->kind, fd, &holders, &n);
	for (size_t i = 0; i < n && i < HOLDERS_MAX; i++) {
		print_holder(out, &holders[i], "fd", holders[i].fd);
		print_holder(out, &holders[i], "map", holders[i].map);
	}
	if (n > HOLDERS_MAX)
		(void)fprintf(out, "more_holders %zu\n", n - HOLDERS_MAX);
	return r;
}

static int print_text(FILE *out, const struct fs_request *rq, int fd)
{
	const struct fs_info_view *view = rq->view;
	struct fs_request inner = described(rq);
	char name[NAME_MAX + 1], lines[256];
	struct statx stx;
	int used, r;
	int n = describe(&inner, fd, lines, sizeof(lines), &used);

	if (n < 0)
		return n;
	r = core_file_statx(fd, &stx);
	if (r < 0)
		return r;
	fs_node_name(rq->node, name);
	(void)fputs("name ", out);
	print_escaped(out, name, "\n\\");
	(void)fprintf(out, "\n%.*suid %u\ngid %u\nmode %04o\nused %s\n", n,
		      lines, stx.stx_uid, stx.stx_gid, stx.stx_mode & 07777U,
		      used < 0	  ? "unknown"
		      : used == 0 ? "no"
				  : "yes");
	return view->holders ? print_holders(out, &inner, fd) : 0;
}

/* The handle's descriptor must not make the object look used. */
static int info_reopen(const struct fs_request *rq, int fd, int flags,
		       int *ret_fd)
{
	(void)rq, (void)flags;
	return core_file_dup(fd, ret_fd);
}

/* The text is made at the open, and doesn't change any more. */
static int info_init_handle(const struct fs_request *rq,
			    struct fs_handle *handle_, int flags)
{
	const struct fs_info_view *view = rq->view;
	struct info_handle *handle = (struct info_handle *)handle_;
	FILE *out = NULL;
	int r = 0;

	(void)flags;
	if (view->holders)
		r = fs_charge_user(&handle->holders, rq->fs->holders,
				   rq->caller->uid, 0);
	if (r == -EAGAIN)
		r = -EMFILE;
	if (r == 0) {
		out = open_memstream(&handle->text, &handle->len);
		r = out ? print_text(out, rq, handle_->fd) : -ENOMEM;
	}
	if (out && fclose(out) == EOF && r == 0)
		r = -ENOMEM;
	if (r < 0) {
		free(handle->text);
		if (fs_charge_is_held(&handle->holders))
			fs_charge_release(&handle->holders);
	}
	return r;
}

static void info_release(struct fs *fs, struct fs_handle *handle_)
{
	struct info_handle *handle = (struct info_handle *)handle_;

	(void)fs;
	free(handle->text);
	if (fs_charge_is_held(&handle->holders))
		fs_charge_release(&handle->holders);
	fs_handle_free(handle_);
}

/* The text is copied: after the reply the handle may be released. */
static int info_read(const struct fs_request *rq, struct fs_handle *handle_,
		     size_t size, off_t offset, const struct fuse_file_info *fi)
{
	const struct info_handle *handle = (struct info_handle *)handle_;
	size_t from = MIN((size_t)offset, handle->len);
	size_t n = MIN(size, handle->len - from);
	_cleanup_free_ char *text = malloc(n + 1);

	(void)fi;
	if (!text)
		return -ENOMEM;
	(void)fuse_reply_buf(rq->req, memcpy(text, handle->text + from, n), n);
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
	.view_size = sizeof(struct fs_info_view),
	.dir_fd = info_dir_fd,
	.listed = info_listed,
	.list = info_list,
	.dir_attr = info_dir_attr,
	.statfs = info_statfs,
	.find = info_find,
	.attr = fs_info_attr,
	.reopen = info_reopen,
	.handle_size = sizeof(struct info_handle),
	.init_handle = info_init_handle,
	.release = info_release,
	.read = info_read,
};
