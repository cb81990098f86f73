/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FOPEN_STREAM takes the file position away. With one, the kernel holds a lock
 * on it during each read and write of a descriptor that threads or processes
 * share, and a read that waits would block a write, unkillable, for ever.
 * fuse_reply_open() and fuse_reply_create() can't set it, so for a stream these
 * two are built here from the kernel's structures and sent as they are.
 *
 * FOPEN_DIRECT_IO: every read and write comes to the daemon, so what others do to
 * an object shows at once; mmap(MAP_SHARED) is ENODEV then. With a backing file
 * none does, and it is the object's own memory that is mapped. FOPEN_NOFLUSH:
 * nothing is to be done at close(2).
 */
#include "fs/fuse/reply.h"

#include "core/cleanup.h"

#include <linux/fuse.h>

/* Fills in the reply for a node; only names that are permanent are cached. */
static struct fuse_entry_param entry_param(const struct fs_node *node,
					   const struct stat *st)
{
	return (struct fuse_entry_param){
		.ino = fs_node_id(node),
		.attr = *st,
		.entry_timeout = fs_node_ops(node)->permanent ? 3600 : 0,
	};
}

/* Adds the handle to the node; what the kernel is to know of it. */
static struct fuse_file_info add(const struct fs_request *rq,
				 struct fs_node *node, struct fs_handle *handle)
{
	if (handle->flags & FS_HANDLE_BACKED)
		fs_node_add_backed(rq, node, handle);
	else
		fs_node_add(node, handle);
	handle->share = core_steal_ptr(*rq->share);
	return (struct fuse_file_info){
		.fh = (uintptr_t)handle,
		.backing_id = handle->backing_id,
		.direct_io = !handle->backing_id,
		.parallel_direct_writes = !handle->backing_id,
		.noflush = (handle->flags & FS_HANDLE_NOFLUSH) != 0,
	};
}

static struct fuse_open_out stream_out(const struct fs_handle *handle)
{
	struct fuse_open_out out = {
		.fh = (uintptr_t)handle,
		.open_flags = FOPEN_STREAM | FOPEN_DIRECT_IO |
			      FOPEN_PARALLEL_DIRECT_WRITES,
	};

	if (handle->flags & FS_HANDLE_NOFLUSH)
		out.open_flags |= FOPEN_NOFLUSH;
	return out;
}

static struct fuse_entry_out entry_out(const struct fs_node *node,
				       const struct stat *st)
{
	return (struct fuse_entry_out){
		.nodeid = fs_node_id(node),
		.attr = {
			.ino = st->st_ino,
			.size = (uint64_t)st->st_size,
			.blocks = (uint64_t)st->st_blocks,
			.atime = (uint64_t)st->st_atim.tv_sec,
			.mtime = (uint64_t)st->st_mtim.tv_sec,
			.ctime = (uint64_t)st->st_ctim.tv_sec,
			.atimensec = (uint32_t)st->st_atim.tv_nsec,
			.mtimensec = (uint32_t)st->st_mtim.tv_nsec,
			.ctimensec = (uint32_t)st->st_ctim.tv_nsec,
			.mode = st->st_mode,
			.nlink = (uint32_t)st->st_nlink,
			.uid = st->st_uid,
			.gid = st->st_gid,
			.blksize = (uint32_t)st->st_blksize,
		},
	};
}

int fs_reply_entry(const struct fs_request *rq, const struct fs_ops *ops,
		   const char *name, const struct stat *st)
{
	struct fuse_entry_param entry;
	struct fs_node *node;
	int r = fs_node_get(rq, ops, st, name, &node);

	if (r < 0)
		return r;
	entry = entry_param(node, st);
	if (fuse_reply_entry(rq->req, &entry) < 0)
		fs_node_forget(rq->fs->nodes, node, 1);
	return 0;
}

int fs_reply_open(const struct fs_request *rq, struct fs_node *node,
		  struct fs_handle *handle)
{
	struct fuse_file_info fi = add(rq, node, handle);
	struct fuse_open_out out = stream_out(handle);
	int r;

	if (handle->flags & FS_HANDLE_STREAM)
		r = fuse_reply_buf(rq->req, (const char *)&out, sizeof(out));
	else
		r = fuse_reply_open(rq->req, &fi);
	if (r < 0)
		fs_node_ops(node)->release(NULL, handle);
	return 0;
}

int fs_reply_create(const struct fs_request *rq, const struct fs_ops *ops,
		    const char *name, const struct stat *st,
		    struct fs_handle *handle)
{
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out;
	struct fuse_entry_param entry;
	struct fuse_file_info fi;
	struct fs_node *node;
	int r = fs_node_get(rq, ops, st, name, &node);

	if (r < 0) {
		ops->release(NULL, handle);
		return r;
	}
	fi = add(rq, node, handle);
	if (handle->flags & FS_HANDLE_STREAM) {
		out.entry = entry_out(node, st);
		out.open = stream_out(handle);
		r = fuse_reply_buf(rq->req, (const char *)&out, sizeof(out));
	} else {
		entry = entry_param(node, st);
		r = fuse_reply_create(rq->req, &entry, &fi);
	}
	if (r < 0) {
		ops->release(NULL, handle);
		fs_node_forget(rq->fs->nodes, node, 1);
	}
	return 0;
}
