/* SPDX-License-Identifier: BSD-3-Clause */
/* mq_read: reads of a queue. */
#ifndef FS_MQ_READ_H
#define FS_MQ_READ_H

#include "fs/kinds/mq_handle.h"

/*
 * The slot read. Returns FS_REPLY_LATER, or
 *   -EINVAL  the page cache asks: splice(2), sendfile(2), mmap(2)
 *   -ENOMEM
 */
int fs_mq_read(const struct fs_request *rq, struct fs_handle *handle,
	       size_t size, off_t offset, const struct fuse_file_info *fi);

/*
 * Adds to stx_size the text that this handle has read. The size of an open file
 * with a position is the text that was read through the file plus the text that
 * is in the queue now. So a read doesn't make the file shorter: tail -f
 * believes that a file that has become shorter is a new file, and seeks back to
 * the beginning.
 */
void fs_mq_read_add_received(struct fs_handle *handle, struct statx *stx);

#endif
