/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/fuse/dir.h"

#include "core/cleanup.h"
#include "core/file.h"
#include "core/ipc_dirs.h"
#include "core/thread_safety.h"
#include "fs/fuse/reply.h"

#include <dirent.h>
#include <string.h>

/*
 * How many bytes of entries a handle holds. A page twice as large doesn't make
 * a listing of 200,000 names faster; with half the page the listing takes a
 * tenth longer.
 */
enum { PAGE_SIZE = 16384 };

CORE_MUTEX(dir_mutex);

/*
 * An entry's offset comes from the real directory, and says where the next
 * entry begins. In the mqueue file system the offset is a mere count of
 * entries. When earlier entries have been added or removed, lseek(2) to an
 * offset therefore finds another entry. A descriptor that only reads keeps its
 * position (lseek to the current offset does nothing).
 *
 * So the descriptor must move only where the reader seeks. A reader that is
 * interrupted by a signal, or has a small buffer, uses a part of the reply and
 * asks for the rest again. Therefore a reply is made of one page, and the page
 * is kept.
 */
struct dir_handle {
	struct fs_handle
		base; /* fd: of this listing; -1: the kind has "list" */
	struct dir_mutex lock; /* threads may share the handle */
	/* The offset of the first entry in the page. */
	off_t start CORE_GUARDED_BY(dir_mutex);
	/* How many bytes of the page are entries. */
	size_t size CORE_GUARDED_BY(dir_mutex);
	_Alignas(struct dirent64) char page[PAGE_SIZE] CORE_GUARDED_BY(
		dir_mutex);
};

static int model_fd(const struct fs_request *rq)
{
	return rq->kind->dir_fd ? rq->kind->dir_fd(rq) : -1;
}

static void dir_release(struct fs *fs, struct fs_handle *handle)
{
	(void)fs;
	pthread_mutex_destroy(&((struct dir_handle *)handle)->lock.native);
	fs_handle_free(handle);
}

int fs_dir_open(struct fs_request *rq)
{
	_cleanup_close_ int fd = -1;
	struct dir_handle *dir;
	int model = model_fd(rq);
	int r = 0;

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
	dir->base = (struct fs_handle){ .fd = core_steal_fd(&fd),
					.release = dir_release };
	pthread_mutex_init(&dir->lock.native, NULL);
	dir_mutex_lock(&dir->lock);
	dir->start = 0;
	dir->size = 0;
	dir_mutex_unlock(&dir->lock);
	return fs_reply_open(rq, rq->node, &dir->base);
}

/*
 * Finds the entry at an offset. Returns its place in the page, or the page's
 * size.
 */
static size_t find(const struct dir_handle *dir, off_t offset)
	CORE_REQUIRES(dir_mutex)
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
 * Makes the entry at an offset, for a directory without a descriptor. Returns
 * what the slot "list" returns.
 */
static int make_entry(const struct fs_request *rq, off_t offset,
		      struct dirent64 *ret)
{
	*ret = (struct dirent64){ .d_off = offset,
				  .d_reclen = sizeof(*ret),
				  .d_type = DT_DIR };
	if (offset >= 2)
		return rq->kind->list ? rq->kind->list(rq, ret) : 0;
	strcpy(ret->d_name, offset == 0 ? "." : "..");
	ret->d_off++;
	return 1;
}

/* Fills the page from an offset on. Returns 1, 0 at the end, or -errno. */
static int fill_page(const struct fs_request *rq, struct dir_handle *dir,
		     off_t offset) CORE_REQUIRES(dir_mutex)
{
	ssize_t n;

	dir->start = offset;
	dir->size = 0;
	if (dir->base.fd < 0) {
		n = make_entry(rq, offset, (void *)dir->page);
		if (n > 0)
			dir->size = sizeof(struct dirent64);
		return (int)n;
	}
	if (lseek(dir->base.fd, offset, SEEK_SET) < 0)
		return -errno;
	n = getdents64(dir->base.fd, (void *)dir->page, sizeof(dir->page));
	if (n < 0)
		return -errno;
	dir->size = (size_t)n;
	return n > 0;
}

/*
 * Returns the name under which an entry is listed, or NULL. ret: its inode
 * number and type.
 */
static const char *listed(const struct fs_request *rq,
			  const struct dir_handle *dir,
			  const struct dirent64 *entry, struct stat *ret)
{
	const struct fs_kind *kind = rq->kind;
	bool is_self = strcmp(entry->d_name, ".") == 0;
	bool is_parent = strcmp(entry->d_name, "..") == 0;

	*ret = (struct stat){ .st_ino = entry->d_ino,
			      .st_mode = DTTOIF(entry->d_type) };
	if (is_self)
		ret->st_ino = dir->base.node->ino;
	if (is_parent)
		ret->st_ino = FUSE_ROOT_ID;
	if (is_self || is_parent || dir->base.fd < 0)
		return entry->d_name;
	/* Neither tmpfs nor mqueue leaves d_type at DT_UNKNOWN. */
	if (entry->d_type != DT_REG)
		return NULL;
	return kind->listed ? kind->listed(rq, entry->d_name) : entry->d_name;
}

/*
 * Adds the page's entries from "at" on to a reply, if they are listed, as many
 * as fit. *offset becomes the offset of the first entry that wasn't looked at.
 */
static size_t add_entries(const struct fs_request *rq,
			  const struct dir_handle *dir, size_t at,
			  off_t *offset, char *buf, size_t size)
	CORE_REQUIRES(dir_mutex)
{
	size_t used = 0;
	struct stat st;

	while (at < dir->size) {
		const struct dirent64 *entry = (const void *)&dir->page[at];
		const char *name = listed(rq, dir, entry, &st);

		if (name) {
			size_t n = fuse_add_direntry(rq->req, buf + used,
						     size - used, name, &st,
						     entry->d_off);

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
	dir_mutex_lock(&dir->lock);
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
		used = add_entries(rq, dir, at, &offset, buf,
				   size < sizeof(buf) ? size : sizeof(buf));
		at = dir->size;
	}
	dir_mutex_unlock(&dir->lock);
	if (r < 0)
		return r;
	(void)fuse_reply_buf(rq->req, buf, used);
	return 0;
}

int fs_dir_access(const struct fs_request *rq, int mask)
{
	int fd = model_fd(rq);

	return fd < 0 ? 0 : core_file_access(&rq->cred, fd, mask);
}

void fs_dir_plain_attr(const struct fs *fs, uint32_t nlink, struct statx *ret)
{
	struct statx_timestamp started = {
		.tv_sec = fs->started.tv_sec,
		.tv_nsec = (uint32_t)fs->started.tv_nsec,
	};
	struct core_cred self = core_cred_self();

	*ret = (struct statx){ .stx_mask = STATX_BASIC_STATS,
			       .stx_mode = S_IFDIR | 0755,
			       .stx_nlink = nlink,
			       .stx_uid = self.uid,
			       .stx_gid = self.gid,
			       .stx_atime = started,
			       .stx_mtime = started,
			       .stx_ctime = started };
}

int fs_dir_attr(const struct fs_request *rq, ino_t ino, struct statx *ret)
{
	const int fd = model_fd(rq);
	struct statx stx;
	int r = 0;

	if (rq->kind->dir_attr)
		r = rq->kind->dir_attr(rq, &stx);
	else if (fd >= 0)
		r = core_ipc_dirs_stat(rq->fs->dirs, fd, &stx);
	else
		fs_dir_plain_attr(rq->fs, 2, &stx);
	if (r < 0)
		return r;
	stx.stx_ino = ino;
	*ret = stx;
	return 0;
}

int fs_dir_fd(const struct fs_request *rq, int *ret_fd)
{
	int fd = model_fd(rq);

	return fd < 0 ? -EPERM : core_file_dup(fd, ret_fd);
}

bool fs_dir_is_public(const struct fs_request *rq)
{
	int fd = model_fd(rq);

	return !rq->kind->attr_as_caller && fd >= 0 &&
	       core_file_is_searchable(fd);
}
