/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/fuse/dir.h"

#include "core/cleanup.h"
#include "core/file.h"
#include "fs/fuse/reply.h"

#include <dirent.h>
#include <pthread.h>
#include <string.h>

/*
 * How many bytes of entries a handle holds. Twice as many don't make a listing
 * of 200,000 names faster; with half as many it takes a tenth longer.
 */
enum { PAGE_SIZE = 16384 };

/*
 * An entry's offset is that of the real directory, and says where the next
 * entry begins. In the mqueue file system it is a mere count. So when entries
 * before it have come or gone, lseek(2) to an offset finds another place; but a
 * descriptor that only reads on keeps its place (lseek to the current offset
 * does nothing).
 *
 * So the descriptor must move only where the reader seeks. A reader that is
 * interrupted by a signal, or has a small buffer, takes a part of the reply and
 * asks for the rest again. So a reply is made of one page, and the page is
 * kept.
 */
struct dir_handle {
	struct fs_handle
		base;	      /* fd: its own; -1: see "next" in fs/fuse/ops.h */
	pthread_mutex_t lock; /* threads may share the handle */
	off_t start;	      /* the offset of the first entry in the page */
	size_t size;	      /* of the page's entries, bytes */
	_Alignas(struct dirent64) char page[PAGE_SIZE];
};

static int model_fd(const struct fs_request *rq, struct fs_node *node)
{
	const struct fs_ops *ops = fs_node_ops(node);

	return ops->dir_fd ? ops->dir_fd(rq) : -1;
}

int fs_dir_open(struct fs_request *rq, struct fs_node *node, int flags)
{
	_cleanup_close_ int fd = -1;
	struct dir_handle *dir;
	int model = model_fd(rq, node);
	int r = 0;

	(void)flags;
	if (model >= 0)
		r = fs_node_check_fd_budget(rq->fs);
	if (model >= 0 && r == 0)
		r = core_file_reopen(&rq->cred, model, O_RDONLY | O_DIRECTORY,
				     &fd);
	if (r < 0)
		return r;
	dir = malloc(sizeof(*dir));
	if (!dir)
		return -ENOMEM;
	dir->base = (struct fs_handle){ .fd = core_steal_fd(&fd) };
	dir->start = 0;
	dir->size = 0;
	pthread_mutex_init(&dir->lock, NULL);
	return fs_reply_open(rq, node, &dir->base);
}

void fs_dir_release(struct fs *fs, struct fs_handle *handle)
{
	struct dir_handle *dir = (struct dir_handle *)handle;

	(void)fs;
	pthread_mutex_destroy(&dir->lock);
	fs_handle_free(handle);
}

/* Returns where in the page an offset's entry is, or the page's size. */
static size_t find(const struct dir_handle *dir, off_t offset)
{
	off_t begins = dir->start;
	size_t at = 0;

	while (at < dir->size && begins != offset) {
		const struct dirent64 *entry = (const void *)&dir->page[at];

		begins = entry->d_off;
		at += entry->d_reclen;
	}
	return at;
}

/*
 * Makes the entry at an offset, if there is no descriptor. Returns as "next".
 */
static int make_entry(const struct fs_request *rq, const struct dir_handle *dir,
		      off_t offset, struct dirent64 *ret)
{
	*ret = (struct dirent64){ .d_off = offset,
				  .d_reclen = sizeof(*ret),
				  .d_type = DT_DIR };
	if (offset >= 2)
		return fs_node_ops(dir->base.node)->next(rq, ret);
	strcpy(ret->d_name, offset == 0 ? "." : "..");
	ret->d_off++;
	return 1;
}

/* Fills the page from an offset on. Returns 1, 0 at the end, or -errno. */
static int fill_page(const struct fs_request *rq, struct dir_handle *dir,
		     off_t offset)
{
	ssize_t n;

	dir->start = offset;
	dir->size = 0;
	if (dir->base.fd < 0) {
		n = make_entry(rq, dir, offset, (void *)dir->page);
		if (n > 0)
			dir->size = sizeof(struct dirent64);
		return (int)n;
	}
	if (lseek(dir->base.fd, offset, SEEK_SET) < 0)
		return -errno;
	n = getdents64(dir->base.fd, dir->page, sizeof(dir->page));
	if (n < 0)
		return -errno;
	dir->size = (size_t)n;
	return n > 0;
}

/* Whether an entry is listed. ret: its inode number and type. */
static bool is_listed(const struct dir_handle *dir,
		      const struct dirent64 *entry, struct stat *ret)
{
	const struct fs_ops *ops = fs_node_ops(dir->base.node);
	bool is_self = strcmp(entry->d_name, ".") == 0;
	bool is_parent = strcmp(entry->d_name, "..") == 0;

	*ret = (struct stat){ .st_ino = entry->d_ino,
			      .st_mode = DTTOIF(entry->d_type) };
	if (is_self)
		ret->st_ino = fs_node_ino(dir->base.node);
	if (is_parent)
		ret->st_ino = FUSE_ROOT_ID;
	/* Neither tmpfs nor mqueue leaves d_type at DT_UNKNOWN. */
	return is_self || is_parent || dir->base.fd < 0 ||
	       (entry->d_type == DT_REG &&
		(!ops->lists || ops->lists(entry->d_name)));
}

/*
 * Adds the page's entries from "at" on to a reply, if they are listed, as many
 * as fit. *offset becomes the offset of the first entry that wasn't looked at.
 */
static size_t add_entries(fuse_req_t req, const struct dir_handle *dir,
			  size_t at, off_t *offset, char *buf, size_t size)
{
	size_t used = 0;
	struct stat st;

	while (at < dir->size) {
		const struct dirent64 *entry = (const void *)&dir->page[at];

		if (is_listed(dir, entry, &st)) {
			size_t n = fuse_add_direntry(req, buf + used,
						     size - used, entry->d_name,
						     &st, entry->d_off);

			if (n > size - used)
				break;
			used += n;
		}
		*offset = entry->d_off;
		at += entry->d_reclen;
	}
	return used;
}

int fs_dir_read(const struct fs_request *rq, struct fs_handle *handle,
		size_t size, off_t offset)
{
	struct dir_handle *dir = (struct dir_handle *)handle;
	char buf[PAGE_SIZE / 3 * 4]; /* FUSE's entries are a third larger */
	size_t used = 0, at;
	int r = 1;

	if (size < sizeof(struct dirent64))
		return -EINVAL;
	pthread_mutex_lock(&dir->lock);
	/* After rewinddir(3) the reader must see changes. */
	at = offset == 0 ? dir->size : find(dir, offset);
	/*
	 * An empty reply means the end, so skip pages without a listed entry.
	 */
	while (r > 0 && used == 0) {
		if (at == dir->size) {
			r = fill_page(rq, dir, offset);
			at = 0;
		}
		used = add_entries(rq->req, dir, at, &offset, buf,
				   size < sizeof(buf) ? size : sizeof(buf));
		at = dir->size;
	}
	pthread_mutex_unlock(&dir->lock);
	if (r < 0)
		return r;
	(void)fuse_reply_buf(rq->req, buf, used);
	return 0;
}

int fs_dir_access(const struct fs_request *rq, struct fs_node *node, int mask)
{
	int fd = model_fd(rq, node);
	int r = fd < 0 ? 0 : core_file_access(&rq->cred, fd, mask);

	if (r == 0)
		(void)fuse_reply_err(rq->req, 0);
	return r;
}

int fs_dir_attr(const struct fs_request *rq, struct fs_node *node,
		struct statx *ret)
{
	int r = fs_node_ops(node)->dir_attr(rq, ret);

	ret->stx_ino = fs_node_ino(node);
	return r;
}
