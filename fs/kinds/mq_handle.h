/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mq_handle: an open queue, as fs/kinds/mq_io, fs/kinds/mq_read and fs/kinds/mq_write share it.
 *
 * A read that finds no message and a write that finds no room become waiters of
 * core/wait, which replies when their time has come; so does a read or write
 * that needn't wait, for only the line knows whose turn it is.
 *
 * The handle's lock is taken inside attempts, so core/wait is never called with
 * it.
 */
#ifndef FS_MQ_HANDLE_H
#define FS_MQ_HANDLE_H

#include "core/poll_notify.h"
#include "fs/fuse/node.h"
#include "fs/fuse/waiting.h"
#include "fs/kinds/frame.h"

#include <pthread.h>
#include <stdatomic.h>

/*
 * So many bytes of lines are moved by one request, or as many as a message may
 * have: nobody waits for long, and for who waits no more memory is held.
 */
#define FS_MQ_BATCH 65536
/* Most messages that one attempt moves: they take half a millisecond. */
#define FS_MQ_MANY 1024

struct fs_mq_partial;
struct fs_mq_window;
TAILQ_HEAD(fs_mq_partials, fs_mq_partial);

struct fs_mq_handle {
	struct fs_handle base;
	struct fs *fs;
	uid_t uid;	      /* the user who opened it */
	int readable;	      /* for core_mq_is_awaited(), or -1 */
	atomic_ullong looked; /* when that last returned false */
	struct core_wait_source *source;
	size_t msgsize;
	struct fs_view view;
	bool stream;	  /* the file has no position: reads just go on */
	atomic_uint refs; /* the open file, and sends that outlive it */

	pthread_mutex_t lock;	     /* of what follows */
	struct fs_mq_window *window; /* of fs/kinds/mq_read, or NULL */
	size_t start;	/* the position of its first byte; it may wrap */
	size_t taken;	/* how many of its bytes were read */
	bool received;	/* a message since the open or the last end */
	bool nonblock;	/* O_NONBLOCK of the last read, or else the open */
	size_t n_reads; /* that took a message, since a seek back */
	struct fs_mq_partials partials; /* of fs/kinds/mq_write */
	size_t n_partial;		/* bytes in them */
	struct fuse_pollhandle *poll;	/* whom to tell of a change, or NULL */

	struct core_poll_notify notify;
};

/*
 * Whether this is a later piece of a read or write that the kernel has cut, for
 * instance one of very many iovecs. A stream has no position, so what doesn't
 * begin at 0 is. Only an append is told a position all the same.
 */
bool fs_mq_is_continued(const struct fs_mq_handle *handle, off_t offset,
			const struct fuse_file_info *fi);

/* Gives up a reference; the last one closes the queue. */
void fs_mq_unref(struct fs_mq_handle *handle);

/* Whether text is left to read. In fs/kinds/mq_read; needs the handle's lock. */
bool fs_mq_has_rest(const struct fs_mq_handle *handle);
/*
 * Whether an empty queue is end of file. In fs/kinds/mq_read; needs the handle's lock.
 */
bool fs_mq_ends_if_empty(const struct fs_mq_handle *handle);
/* Of fs/kinds/mq_read: at the end of a handle. */
void fs_mq_window_free(struct fs_mq_window *window);
/* Of fs/kinds/mq_write: sends the lines that no newline ended; when the file closes. */
void fs_mq_send_partials(struct fs_mq_handle *handle);

#endif
