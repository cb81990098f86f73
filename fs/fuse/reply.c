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

static struct timespec time_of(struct statx_timestamp time)
{
	return (struct timespec){ time.tv_sec, time.tv_nsec };
}

/* The one place where attributes become those of stat(2). */
static struct stat stat_of(const struct statx *stx)
{
	return (struct stat){
		.st_ino = stx->stx_ino,
		.st_mode = stx->stx_mode,
		.st_nlink = stx->stx_nlink,
		.st_uid = stx->stx_uid,
		.st_gid = stx->stx_gid,
		.st_size = (off_t)stx->stx_size,
		.st_blksize = (blksize_t)stx->stx_blksize,
		.st_blocks = (blkcnt_t)stx->stx_blocks,
		.st_atim = time_of(stx->stx_atime),
		.st_mtim = time_of(stx->stx_mtime),
		.st_ctim = time_of(stx->stx_ctime),
	};
}

int fs_reply_attr(const struct fs_request *rq, const struct statx *stx)
{
	struct stat st = stat_of(stx);

	(void)fuse_reply_attr(rq->req, &st, 0);
	return 0;
}

/* Fills in the reply for a node; only names of directories are cached. */
static struct fuse_entry_param entry_param(const struct fs_node *node,
					   const struct statx *stx)
{
	return (struct fuse_entry_param){
		.ino = fs_node_id(node),
		.attr = stat_of(stx),
		.entry_timeout = fs_node_is_dir(node) ? 3600 : 0,
	};
}

/* Adds the handle to the node; what the kernel is to know of it. */
static struct fuse_file_info add(struct fs_request *rq, struct fs_node *node,
				 struct fs_handle *handle)
{
	if (handle->flags & FS_HANDLE_BACKED)
		fs_node_add_backed(rq, node, handle);
	else
		fs_node_add(node, handle);
	fs_charge_move(&handle->charge, &rq->charge);
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
				       const struct statx *stx)
{
	return (struct fuse_entry_out){
		.nodeid = fs_node_id(node),
		.attr = {
			.ino = stx->stx_ino,
			.size = stx->stx_size,
			.blocks = stx->stx_blocks,
			.atime = (uint64_t)stx->stx_atime.tv_sec,
			.mtime = (uint64_t)stx->stx_mtime.tv_sec,
			.ctime = (uint64_t)stx->stx_ctime.tv_sec,
			.atimensec = stx->stx_atime.tv_nsec,
			.mtimensec = stx->stx_mtime.tv_nsec,
			.ctimensec = stx->stx_ctime.tv_nsec,
			.mode = stx->stx_mode,
			.nlink = stx->stx_nlink,
			.uid = stx->stx_uid,
			.gid = stx->stx_gid,
			.blksize = stx->stx_blksize,
		},
	};
}

int fs_reply_entry(const struct fs_request *rq, const char *name,
		   const struct statx *stx)
{
	struct fuse_entry_param entry;
	struct fs_node *node;
	int r = fs_node_get(rq, stx, name, &node);

	if (r < 0)
		return r;
	entry = entry_param(node, stx);
	if (fuse_reply_entry(rq->req, &entry) < 0)
		fs_node_forget(rq->fs->nodes, node, 1);
	return 0;
}

int fs_reply_open(struct fs_request *rq, struct fs_node *node,
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
		fs_node_release(rq->fs, handle);
	return 0;
}

int fs_reply_create(struct fs_request *rq, const char *name,
		    const struct statx *stx, struct fs_handle *handle)
{
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out;
	struct fuse_entry_param entry;
	struct fuse_file_info fi;
	struct fs_node *node;
	int r = fs_node_get(rq, stx, name, &node);

	if (r < 0) {
		handle->release(rq->fs, handle);
		return r;
	}
	fi = add(rq, node, handle);
	if (handle->flags & FS_HANDLE_STREAM) {
		out.entry = entry_out(node, stx);
		out.open = stream_out(handle);
		r = fuse_reply_buf(rq->req, (const char *)&out, sizeof(out));
	} else {
		entry = entry_param(node, stx);
		r = fuse_reply_create(rq->req, &entry, &fi);
	}
	if (r < 0) {
		fs_node_release(rq->fs, handle);
		fs_node_forget(rq->fs->nodes, node, 1);
	}
	return 0;
}
