/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The replies are the kernel's own structures: libfuse's functions can't set
 * FS_FOPEN_STREAM.
 */
#include "fs/fuse/reply.h"

#include "fs/fuse/protocol.h"

#include <assert.h>

static_assert(sizeof(((struct fs_open_out *)0)->handle) >=
		      sizeof(struct fs_handle *),
	      "a handle's number has room for an address");

/* Converts attributes for the kernel. No other function does. */
static struct fuse_attr attr_of(const struct statx *stx)
{
	return (struct fuse_attr){
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
	};
}

int fs_reply_attr(const struct fs_request *rq, const struct statx *stx)
{
	struct fuse_attr_out out = { .attr = attr_of(stx) };

	(void)fuse_reply_buf(rq->req, (const char *)&out, sizeof(out));
	return 0;
}

/* The kernel may cache only names of directories. */
static struct fuse_entry_out entry_of(const struct fs_node *node,
				      const struct statx *stx)
{
	return (struct fuse_entry_out){
		.nodeid = fs_node_id(node),
		.attr = attr_of(stx),
		.entry_valid = node->is_dir ? 3600 : 0,
	};
}

/*
 * Adds the handle to the node. Returns what the kernel must know of the handle.
 */
static struct fs_open_out add(struct fs_request *rq, struct fs_node *node,
			      struct fs_handle *handle)
{
	fs_node_add(rq->fs, node, handle);
	fs_charge_move(&handle->charge, &rq->charge);
	return (struct fs_open_out){
		.handle = (uintptr_t)handle,
		.flags = (handle->backing_id
				  ? FS_FOPEN_PASSTHROUGH
				  : FS_FOPEN_DIRECT_IO |
					    FS_FOPEN_PARALLEL_DIRECT_WRITES) |
			 (handle->flags & FS_HANDLE_STREAM ? FS_FOPEN_STREAM
							   : 0) |
			 (handle->flags & FS_HANDLE_NOFLUSH ? FS_FOPEN_NOFLUSH
							    : 0),
		.backing_id = handle->backing_id,
	};
}

int fs_reply_entry(const struct fs_request *rq, const char *name,
		   const struct statx *stx)
{
	struct fuse_entry_out out;
	struct fs_node *node;
	int r = fs_node_get(rq, stx, name, &node);

	if (r < 0)
		return r;
	out = entry_of(node, stx);
	if (fuse_reply_buf(rq->req, (const char *)&out, sizeof(out)) < 0)
		fs_node_forget(rq->fs->nodes, node, 1);
	return 0;
}

int fs_reply_open(struct fs_request *rq, struct fs_node *node,
		  struct fs_handle *handle)
{
	struct fs_open_out out = add(rq, node, handle);

	if (fuse_reply_buf(rq->req, (const char *)&out, sizeof(out)) < 0)
		fs_node_release(rq->fs, handle);
	return 0;
}

int fs_reply_create(struct fs_request *rq, const char *name,
		    const struct statx *stx, struct fs_handle *handle)
{
	struct {
		struct fuse_entry_out entry;
		struct fs_open_out open;
	} out;
	struct fs_node *node;
	int r = fs_node_get(rq, stx, name, &node);

	if (r < 0) {
		handle->release(rq->fs, handle);
		return r;
	}
	out.entry = entry_of(node, stx);
	out.open = add(rq, node, handle);
	if (fuse_reply_buf(rq->req, (const char *)&out, sizeof(out)) < 0) {
		fs_node_release(rq->fs, handle);
		fs_node_forget(rq->fs->nodes, node, 1);
	}
	return 0;
}
