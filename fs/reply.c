/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuse_reply_open() and fuse_reply_create() can't set FOPEN_STREAM, so these two
 * replies are built here from the kernel's structures and sent as they are.
 *
 * FOPEN_STREAM takes the file position away. With one, the kernel holds a lock
 * on it during each read and write of a descriptor that threads or processes
 * share, and a read that waits would block a write, unkillable, for ever.
 *
 * FOPEN_DIRECT_IO: every read and write comes to the daemon, so what others do to
 * an object shows at once; mmap(MAP_SHARED) is ENODEV then. FOPEN_NOFLUSH:
 * nothing is to be done at close(2).
 */
#include "fs/reply.h"

#include <linux/fuse.h>

struct fuse_entry_param fs_entry(const struct fs_node *node,
				 const struct stat *st)
{
	return (struct fuse_entry_param){
		.ino = fs_node_id(node),
		.attr = *st,
	};
}

static struct fuse_open_out open_out(const struct fs_handle *handle,
				     unsigned int flags)
{
	struct fuse_open_out out = {
		.fh = (uintptr_t)handle,
		.open_flags = FOPEN_DIRECT_IO | FOPEN_NOFLUSH |
			      FOPEN_PARALLEL_DIRECT_WRITES,
	};

	if (flags & FS_OPEN_STREAM)
		out.open_flags |= FOPEN_STREAM;
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

int fs_reply_entry(const struct fs_call *call, const struct fs_ops *ops,
		   const char *name, const struct stat *st)
{
	struct fuse_entry_param entry;
	struct fs_node *node;
	int r = fs_node_get(call->fs->nodes, ops, st->st_ino, name, &node);

	if (r < 0)
		return r;
	entry = fs_entry(node, st);
	if (fuse_reply_entry(call->req, &entry) < 0)
		fs_node_forget(call->fs->nodes, node, 1);
	return 0;
}

int fs_reply_open(const struct fs_call *call, struct fs_node *node,
		  struct fs_handle *handle, unsigned int flags)
{
	struct fuse_open_out out = open_out(handle, flags);

	fs_node_add(node, handle);
	if (fuse_reply_buf(call->req, (const char *)&out, sizeof(out)) < 0)
		fs_node_ops(node)->release(handle);
	return 0;
}

int fs_reply_create(const struct fs_call *call, const struct fs_ops *ops,
		    const char *name, const struct stat *st,
		    struct fs_handle *handle, unsigned int flags)
{
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out;
	struct fs_node *node;
	int r = fs_node_get(call->fs->nodes, ops, st->st_ino, name, &node);

	if (r < 0) {
		ops->release(handle);
		return r;
	}
	out.entry = entry_out(node, st);
	out.open = open_out(handle, flags);
	fs_node_add(node, handle);
	if (fuse_reply_buf(call->req, (const char *)&out, sizeof(out)) < 0) {
		ops->release(handle);
		fs_node_forget(call->fs->nodes, node, 1);
	}
	return 0;
}
