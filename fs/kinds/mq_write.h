/* SPDX-License-Identifier: BSD-3-Clause */
/* mq_write: writes to a queue. */
#ifndef FS_MQ_WRITE_H
#define FS_MQ_WRITE_H

#include "fs/kinds/mq_handle.h"

/*
 * The slot write. Returns FS_REPLY_LATER, or
 *   -EMSGSIZE  without the view "lines": the kernel has split the write, or may
 *              have split it
 *   -ENOMEM
 */
int fs_mq_write(const struct fs_request *rq, struct fs_handle *handle,
		const char *buf, size_t size, off_t offset,
		const struct fuse_file_info *fi);

/*
 * The slot flush: sends the owner's unfinished lines, and replies when they are
 * sent or must wait for room. Returns 0 after a reply, FS_REPLY_LATER,
 * -EMSGSIZE or -EINVAL (a line is no message of the queue), or -ENOMEM.
 */
int fs_mq_write_flush(const struct fs_request *rq, struct fs_handle *handle,
		      uint64_t owner);

/*
 * Sends the unfinished lines, when the file is closed. A line that waits for
 * room keeps a reference to the handle.
 */
void fs_mq_write_end(struct fs_mq_handle *handle);

#endif
