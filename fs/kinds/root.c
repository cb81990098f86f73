/* SPDX-License-Identifier: BSD-3-Clause */
/* The root: a fixed directory with one entry for each kind of object. */
#include "core/name.h"
#include "fs/fuse/dir.h"
#include "fs/fuse/reply.h"

#include <string.h>

/* A directory's inode number is its place here after that of the root. */
static const struct {
	const char *name;
	const struct fs_ops *ops;
	/* Of the view "info"; NULL: NAME:OPTIONS is no view of it. */
	const struct fs_ops *info_ops;
} entries[] = {
	{ "shm", &fs_shm_dir_ops, NULL },
	{ "mq", &fs_mq_dir_ops, &fs_mq_info_dir_ops },
};

#define N_ENTRIES (sizeof(entries) / sizeof(*entries))

static ino_t entry_ino(size_t i)
{
	return FUSE_ROOT_ID + 1 + i;
}

static int root_next(const struct fs_request *rq, struct dirent64 *ret)
{
	size_t i = (size_t)(ret->d_off - 2);

	(void)rq;
	if (i >= N_ENTRIES)
		return 0;
	strcpy(ret->d_name, entries[i].name);
	ret->d_ino = entry_ino(i);
	ret->d_type = DT_DIR;
	ret->d_off++;
	return 1;
}

static int reply_dir(const struct fs_request *rq, const struct fs_ops *ops,
		     ino_t ino, const char *name)
{
	struct statx stx;
	int r = ops->dir_attr(rq, &stx);

	if (r < 0)
		return r;
	stx.stx_ino = ino;
	return fs_reply_entry(rq, ops, name, &stx);
}

/* Views are found by name, and not listed. */
static int root_lookup(const struct fs_request *rq, struct fs_node *dir,
		       const char *name)
{
	struct fs_request child_rq = *rq;
	struct fs_view view;
	int r = core_name_check(name);

	(void)dir;
	if (r < 0)
		return r;
	for (size_t i = 0; i < N_ENTRIES; i++) {
		size_t len = strlen(entries[i].name);

		if (strncmp(name, entries[i].name, len) != 0)
			continue;
		if (name[len] == '\0') {
			child_rq.view = &rq->fs->view;
		} else if (name[len] == ':' && entries[i].info_ops) {
			r = fs_view_parse(name + len + 1, &view);
			if (r < 0)
				return r;
			child_rq.view = &view;
		} else {
			continue;
		}
		return reply_dir(&child_rq,
				 child_rq.view->info && entries[i].info_ops
					 ? entries[i].info_ops
					 : entries[i].ops,
				 entry_ino(i), name);
	}
	return -ENOENT;
}

static int root_attr(const struct fs_request *rq, struct statx *ret)
{
	struct statx_timestamp started = {
		.tv_sec = rq->fs->started.tv_sec,
		.tv_nsec = (uint32_t)rq->fs->started.tv_nsec,
	};
	struct core_cred self = core_cred_self();

	*ret = (struct statx){ .stx_mask = STATX_BASIC_STATS,
			       .stx_mode = S_IFDIR | 0755,
			       .stx_nlink = 2 + N_ENTRIES,
			       .stx_uid = self.uid,
			       .stx_gid = self.gid,
			       .stx_atime = started,
			       .stx_mtime = started,
			       .stx_ctime = started };
	return 0;
}

static int root_statfs(const struct fs_request *rq, struct statvfs *ret)
{
	return fs_shm_dir_ops.statfs(rq, ret);
}

const struct fs_ops fs_root_ops = {
	.next = root_next,
	.lookup = root_lookup,
	.node_attr = fs_dir_attr,
	.dir_attr = root_attr,
	.statfs = root_statfs,
	.open = fs_dir_open,
	.readdir = fs_dir_read,
	.release = fs_dir_release,
};
