/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mq_peek: files of the view "peek", which show the messages of a queue and
 * leave them there. Only root may open one.
 */
#ifndef FS_MQ_PEEK_H
#define FS_MQ_PEEK_H

#include "core/thread_safety.h"
#include "fs/fuse/node.h"

CORE_MUTEX(fs_mq_peek_mutex);

struct fs_mq_peek_handle {
	struct fs_handle base;
	struct fs_mq_peek_mutex lock;
	char *text CORE_GUARDED_BY(fs_mq_peek_mutex); /* or NULL */
	size_t len CORE_GUARDED_BY(fs_mq_peek_mutex);
	bool is_cut CORE_GUARDED_BY(fs_mq_peek_mutex);
};

/* The slot attr: a read-only file of the size 4096, like those of /sys. */
int fs_mq_peek_attr(const struct fs_request *rq, struct fs_handle *handle,
		    int fd, struct statx *ret);

/*
 * The slot init_handle. Returns 0, -EACCES (the caller isn't root, or lacks
 * CAP_SYS_ADMIN), or an error of core_peek_check(); the log says why.
 */
int fs_mq_peek_init(const struct fs_request *rq, struct fs_handle *handle,
		    int flags);

/* The slot release. */
void fs_mq_peek_release(struct fs *fs, struct fs_handle *handle);

/*
 * The slot read. A read of the beginning looks at the queue; others return
 * pieces of the same text. Returns 0 after a reply, or
 *   -EINVAL  the page cache asks: splice(2), sendfile(2), mmap(2)
 *   -EFBIG   the read is behind the messages that fit into CORE_PEEK_MAX, and
 *            the queue has more
 *   -ENOMEM, or an error of core_peek()
 */
int fs_mq_peek_read(const struct fs_request *rq, struct fs_handle *handle,
		    size_t size, off_t offset, const struct fuse_file_info *fi);

#endif
