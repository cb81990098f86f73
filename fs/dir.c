/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/dir.h"

#include "core/cleanup.h"
#include "fs/reply.h"

#include <pthread.h>

struct dir_handle {
	struct fs_handle base;
	pthread_mutex_t lock; /* a descriptor may be shared and read at once */
	struct core_list list;
};

int fs_dir_open(const struct fs_call *call, struct fs_node *node, int flags)
{
	struct dir_handle *dir = calloc(1, sizeof(*dir));

	(void)flags;
	if (!dir)
		return -ENOMEM;
	dir->base.fd = -1;
	pthread_mutex_init(&dir->lock, NULL);
	return fs_reply_open(call, node, &dir->base, 0);
}

void fs_dir_release(const struct fs_call *call, struct fs_handle *handle)
{
	struct dir_handle *dir = (struct dir_handle *)handle;

	fs_node_remove(call, handle);
	core_list_free(&dir->list);
	pthread_mutex_destroy(&dir->lock);
	free(dir);
}

/*
 * Fills buf with entries from offset on. An entry's offset is its place in the
 * listing plus one: that of the entry to go on with.
 */
static size_t fill(fuse_req_t req, const struct core_list *list, char *buf,
		   size_t size, size_t offset)
{
	size_t used = 0;

	for (size_t i = offset; i < list->n; i++) {
		const struct dirent *entry = list->entries[i];
		struct stat st = { .st_ino = entry->d_ino,
				   .st_mode = DTTOIF(entry->d_type) };
		size_t n =
			fuse_add_direntry(req, buf + used, size - used,
					  entry->d_name, &st, (off_t)(i + 1));

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
	if (offset == 0 || !dir->list.entries) {
		core_list_free(&dir->list);
		r = fs_node_ops(handle->node)->list(call, &dir->list);
	}
	if (r == 0)
		used = fill(call->req, &dir->list, buf, size, (size_t)offset);
	pthread_mutex_unlock(&dir->lock);
	if (r == 0)
		(void)fuse_reply_buf(call->req, buf, used);
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
