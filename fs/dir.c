/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/dir.h"

#include "core/cleanup.h"
#include "core/object.h"
#include "fs/quota.h"
#include "fs/reply.h"

#include <pthread.h>

struct dir_handle {
	struct fs_handle base;
	pthread_mutex_t lock; /* a descriptor may be shared and read at once */
	struct core_list list;
	struct fs_share *share; /* of its reader, for the memory it takes */
	size_t n_shares;
};

/* So many entries of a list, 10 KiB, count as an open file. */
#define ENTRIES_PER_SHARE 256

static void drop_list(struct dir_handle *dir)
{
	core_list_free(&dir->list);
	fs_quota_give_n(dir->share, dir->n_shares);
	dir->share = NULL;
}

static int get_list(const struct fs_call *call, struct dir_handle *dir)
{
	int r;

	drop_list(dir);
	r = fs_node_ops(dir->base.node)->list(call, &dir->list);
	if (r < 0)
		return r;
	dir->n_shares = dir->list.n / ENTRIES_PER_SHARE;
	if (dir->n_shares == 0)
		return 0;
	r = fs_quota_take_n(call->fs->handles, call->uid, dir->n_shares,
			    &dir->share);
	if (r == 0)
		return 0;
	drop_list(dir);
	return r == -EAGAIN ? -EMFILE : r;
}

static int model_fd(const struct fs_call *call, struct fs_node *node)
{
	const struct fs_ops *ops = fs_node_ops(node);

	return ops->dir_fd ? ops->dir_fd(call) : -1;
}

int fs_dir_open(const struct fs_call *call, struct fs_node *node, int flags)
{
	int fd = model_fd(call, node);
	struct dir_handle *dir;
	int r = 0;

	(void)flags;
	if (fd >= 0)
		r = core_object_access(&call->cred, fd, R_OK);
	if (r < 0)
		return r;
	dir = calloc(1, sizeof(*dir));
	if (!dir)
		return -ENOMEM;
	dir->base.fd = -1;
	pthread_mutex_init(&dir->lock, NULL);
	return fs_reply_open(call, node, &dir->base);
}

void fs_dir_release(const struct fs_call *call, struct fs_handle *handle)
{
	struct dir_handle *dir = (struct dir_handle *)handle;

	fs_node_remove(call, handle);
	drop_list(dir);
	pthread_mutex_destroy(&dir->lock);
	free(dir);
}

/*
 * Fills buf with entries from offset on: "." and "..", then the list. An entry's
 * offset is its place plus one: that of the entry to go on with.
 */
static size_t fill(fuse_req_t req, const struct dir_handle *dir, char *buf,
		   size_t size, size_t offset)
{
	const struct core_list *list = &dir->list;
	size_t used = 0;

	for (size_t i = offset; i < list->n + 2; i++) {
		struct stat st = { .st_ino = FUSE_ROOT_ID, .st_mode = S_IFDIR };
		const char *name = "..";
		size_t n;

		if (i == 0) {
			name = ".";
			st.st_ino = fs_node_ino(dir->base.node);
		} else if (i >= 2) {
			name = list->entries[i - 2]->d_name;
			st.st_ino = list->entries[i - 2]->d_ino;
			st.st_mode = DTTOIF(list->entries[i - 2]->d_type);
		}
		n = fuse_add_direntry(req, buf + used, size - used, name, &st,
				      (off_t)(i + 1));
		if (n > size - used)
			break;
		used += n;
	}
	return used;
}

int fs_dir_read(const struct fs_call *call, struct fs_handle *handle,
		size_t size, off_t offset)
{
	struct dir_handle *dir = (struct dir_handle *)handle;
	_cleanup_free_ char *buf = malloc(size);
	size_t used = 0;
	int r = 0;

	if (!buf)
		return -ENOMEM;
	pthread_mutex_lock(&dir->lock);
	if (offset == 0 || !dir->list.entries)
		r = get_list(call, dir);
	if (r == 0)
		used = fill(call->req, dir, buf, size, (size_t)offset);
	pthread_mutex_unlock(&dir->lock);
	if (r == 0)
		(void)fuse_reply_buf(call->req, buf, used);
	return r;
}

int fs_dir_access(const struct fs_call *call, struct fs_node *node, int mask)
{
	int fd = model_fd(call, node);
	int r = fd < 0 ? 0 : core_object_access(&call->cred, fd, mask);

	if (r == 0)
		(void)fuse_reply_err(call->req, 0);
	return r;
}

int fs_dir_getattr(const struct fs_call *call, struct fs_node *node)
{
	struct stat st;
	int r = fs_node_ops(node)->stat_dir(call, &st);

	if (r < 0)
		return r;
	st.st_ino = fs_node_ino(node);
	(void)fuse_reply_attr(call->req, &st, 0);
	return 0;
}

static struct statx_timestamp statx_time(struct timespec time)
{
	return (struct statx_timestamp){ .tv_sec = time.tv_sec,
					 .tv_nsec = (uint32_t)time.tv_nsec };
}

/* Its attributes are what stat(2) tells: of the birth nothing is known. */
int fs_dir_statx(const struct fs_call *call, struct fs_node *node,
		 struct statx *ret)
{
	struct stat st;
	int r = fs_node_ops(node)->stat_dir(call, &st);

	if (r < 0)
		return r;
	*ret = (struct statx){
		.stx_mask = STATX_BASIC_STATS,
		.stx_blksize = (uint32_t)st.st_blksize,
		.stx_nlink = (uint32_t)st.st_nlink,
		.stx_uid = st.st_uid,
		.stx_gid = st.st_gid,
		.stx_mode = (uint16_t)st.st_mode,
		.stx_ino = fs_node_ino(node),
		.stx_size = (uint64_t)st.st_size,
		.stx_blocks = (uint64_t)st.st_blocks,
		.stx_atime = statx_time(st.st_atim),
		.stx_mtime = statx_time(st.st_mtim),
		.stx_ctime = statx_time(st.st_ctim),
	};
	return 0;
}
