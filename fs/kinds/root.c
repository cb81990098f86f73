/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/kinds/root.h"

#include "core/name.h"
#include "fs/fuse/dir.h"
#include "fs/fuse/reply.h"
#include "fs/kinds/info.h"
#include "fs/kinds/status.h"

#include <assert.h>
#include <string.h>

/* The list of kinds. The entry KIND(NAME) adds the struct fs_kind fs_NAME. */
#define KINDS(KIND) \
	KIND(shm)   \
	KIND(mq)    \
	KIND(sem)

#define DECLARE(name) extern const struct fs_kind fs_##name;
KINDS(DECLARE)

#define ENTRY(name) &fs_##name,
const struct fs_kind *const fs_kinds[] = { KINDS(ENTRY) NULL };

#define COUNT(name) KIND_##name,
enum { KINDS(COUNT) N_KINDS };
static_assert(N_KINDS <= FS_KINDS_MAX, "too many kinds");

/* The inode numbers of the kinds' directories follow the number of the root. */
static ino_t entry_ino(size_t i)
{
	return FUSE_ROOT_ID + 1 + i;
}

int fs_root_add_option(struct fs_root_view *view, const char *word)
{
	int r = 1;

	for (size_t i = 0; i < N_KINDS && r == 1; i++)
		if (fs_kinds[i]->mount_options)
			r = fs_view_add_option(fs_kinds[i], word, false,
					       &view->plain[i]);
	return r;
}

static int root_list(const struct fs_request *rq, struct dirent64 *ret)
{
	size_t i = (size_t)(ret->d_off - 2);

	(void)rq;
	if (i >= N_KINDS)
		return 0;
	strcpy(ret->d_name, fs_kinds[i]->name);
	ret->d_ino = entry_ino(i);
	ret->d_type = DT_DIR;
	ret->d_off++;
	return 1;
}

static const struct fs_kind *kind_of(const struct fs_kind *kind,
				     const struct fs_view *view)
{
	const struct fs_kind *other = NULL;

	if (view->info)
		return &fs_info;
	if (kind->other_kind)
		other = kind->other_kind(view->options);
	return other ?: kind;
}

/*
 * Replies to a lookup with the directory of the i-th kind, or with its
 * directory of info files, seen through a view.
 */
static int reply_dir(const struct fs_request *rq, size_t i,
		     const struct fs_view *view, const char *name)
{
	const struct fs_info_view info = { .kind = fs_kinds[i],
					   .holders = view->holders };
	struct fs_request child_rq = *rq;
	struct statx stx;
	int r;

	child_rq.kind = kind_of(fs_kinds[i], view);
	child_rq.view = view->info ? (const void *)&info : view->options;
	r = fs_dir_attr(&child_rq, entry_ino(i), &stx);
	return r < 0 ? r : fs_reply_entry(&child_rq, name, &stx);
}

/* A lookup finds the views of kinds, but no listing shows them. */
static int root_lookup(const struct fs_request *rq, const char *name)
{
	const struct fs_root_view *root = rq->view;
	const char *options = strchr(name, ':');
	size_t i = 0, len = options ? (size_t)(options - name) : strlen(name);
	struct fs_view view;
	int r = core_name_check(name);

	if (r < 0)
		return r;
	while (i < N_KINDS && (strncmp(name, fs_kinds[i]->name, len) != 0 ||
			       fs_kinds[i]->name[len] != '\0'))
		i++;
	if (i == N_KINDS)
		return -ENOENT;
	if (!options)
		return reply_dir(rq, i, &root->plain[i], name);
	if (!fs_kinds[i]->options && !fs_kinds[i]->describe)
		return -ENOENT;
	r = fs_view_parse(fs_kinds[i], options + 1, &view);
	return r < 0 ? r : reply_dir(rq, i, &view, name);
}

static int root_attr(const struct fs_request *rq, struct statx *ret)
{
	fs_dir_plain_attr(rq->fs, 2 + N_KINDS, ret);
	return 0;
}

/* Returns the values of the first kind: its file system has the memory. */
static int root_statfs(const struct fs_request *rq, struct statvfs *ret)
{
	return fs_kinds[0]->statfs(rq, ret);
}

const struct fs_kind fs_root = {
	.name = "",
	.view_size = sizeof(struct fs_root_view),
	.list = root_list,
	.dir_attr = root_attr,
	.statfs = root_statfs,
	.xattrs = FS_STATUS_XATTRS,
	.xattrs_size = sizeof(FS_STATUS_XATTRS),
	.dir_xattrs = true,
	.getxattr = fs_status_getxattr,
	.lookup = root_lookup,
};
