/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mq_io: the slots of fs/kinds/mq that open, read, write and poll a queue; see
 * fs/fuse/ops.h for what they mean.
 */
#ifndef FS_MQ_IO_H
#define FS_MQ_IO_H

#include "fs/fuse/ops.h"

/* In fs/kinds/mq_io.c. */
int fs_mq_new_handle(const struct fs_request *rq, int *fd, ino_t ino, int flags,
		     struct fs_handle **ret);
void fs_mq_release(struct fs *fs, struct fs_handle *handle);
int fs_mq_poll(const struct fs_request *rq, struct fs_handle *handle,
	       struct fuse_pollhandle *poll);

/* In fs/kinds/mq_read.c. */
void fs_mq_add_taken(struct fs_handle *handle, struct statx *stx);
int fs_mq_read(const struct fs_request *rq, struct fs_handle *handle,
	       size_t size, off_t offset, const struct fuse_file_info *fi);

/* In fs/kinds/mq_write.c. */
int fs_mq_write(const struct fs_request *rq, struct fs_handle *handle,
		const char *buf, size_t size, off_t offset,
		const struct fuse_file_info *fi);
int fs_mq_flush(const struct fs_request *rq, struct fs_handle *handle,
		uint64_t owner);

#endif
