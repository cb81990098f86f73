/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mq_handle: an open queue, which fs/kinds/mq_read and mq_write share.
 *
 * Each read that needs a message and each write with a message to send is
 * submitted to core/wait. A request that needn't wait is submitted too, as only
 * the waitlist knows which request's turn it is. core/wait makes the attempts;
 * done() replies.
 *
 * Attempts lock the handle, so core/wait must not be called while the handle's
 * lock is held.
 */
#ifndef FS_MQ_HANDLE_H
#define FS_MQ_HANDLE_H

#include "core/poll_notify.h"
#include "core/thread_safety.h"
#include "fs/fuse/node.h"
#include "fs/fuse/waiting.h"
#include "fs/kinds/frame.h"
#include "fs/kinds/pending_lines.h"
#include "fs/kinds/read_buffer.h"

#include <stdatomic.h>

/*
 * Most bytes of text that one request moves, or one message of maximal length
 * if that is more. It bounds the time per request and the memory held while it
 * waits.
 */
#define FS_MQ_BATCH 65536
/* Most messages that one attempt moves, in about half a millisecond. */
#define FS_MQ_MANY 1024

CORE_MUTEX(fs_mq_handle_mutex);

struct fs_mq_handle {
	struct fs_handle base;
	struct fs *fs;
	uid_t uid;	      /* the user who opened it */
	int readable;	      /* for core_mq_is_awaited(), or -1 */
	atomic_ullong looked; /* when that function last returned false */
	struct core_wait_source *source;
	size_t msgsize;
	struct fs_mq_view view;
	bool stream;	  /* the file has no position */
	atomic_uint refs; /* the open file, and writes that outlive it */
	struct core_poll_notify notify;

	struct fs_mq_handle_mutex lock;
	struct fs_read_buffer buffer CORE_GUARDED_BY(fs_mq_handle_mutex);
	/* A message was received since the open or the last end of file. */
	bool received CORE_GUARDED_BY(fs_mq_handle_mutex);
	/* O_NONBLOCK of the last read; until the first read, of the open. */
	bool nonblock CORE_GUARDED_BY(fs_mq_handle_mutex);
	struct fs_pending_lines pending CORE_GUARDED_BY(fs_mq_handle_mutex);
	/* The kernel's poll handle, to be notified of a change; or NULL. */
	struct fuse_pollhandle *poll CORE_GUARDED_BY(fs_mq_handle_mutex);
};

/*
 * The slot init_handle. Returns 0, -EROFS (a read with -o ro), or an error of
 * core_wait_open_queue().
 */
int fs_mq_handle_init(const struct fs_request *rq, struct fs_handle *handle,
		      int flags);

/* Releases a reference. Releasing the last reference closes the queue. */
void fs_mq_handle_unref(struct fs_mq_handle *handle);

/*
 * Whether a request is a later piece of a read or write that the kernel has
 * cut, for instance because of very many iovecs. A stream has no position, so
 * every request with an offset above 0 is a later piece. Appends are an
 * exception: the kernel sends them with an offset.
 */
bool fs_mq_handle_is_continued(const struct fs_mq_handle *handle, off_t offset,
			       const struct fuse_file_info *fi);

/* Whether a read of an empty queue returns end-of-file. */
bool fs_mq_handle_ends_if_empty(const struct fs_mq_handle *handle)
	CORE_REQUIRES(fs_mq_handle_mutex);

/*
 * The slot poll. Returns 0 after a reply, or an error of core_poll_notify_add()
 * or poll(2).
 */
int fs_mq_handle_poll(const struct fs_request *rq, struct fs_handle *handle,
		      struct fuse_pollhandle *poll);

/* Ends all notification of changes, when the file is closed. */
void fs_mq_handle_end_poll(struct fs_mq_handle *handle);

#endif
