/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mq_twin: a queue as it should be on the mount, made of native calls and the
 * mount's rules: the options of views, how reads divide messages, when reads
 * wait, and when they return end-of-file.
 */
#ifndef TESTS_MODEL_MQ_TWIN_H
#define TESTS_MODEL_MQ_TWIN_H

#include <mqueue.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

/*
 * The defaults: queues are small. EXTRA: the bytes that a view may add to a
 * message.
 */
enum { MAXMSG = 2, MSGSIZE = 128, EXTRA = sizeof("4294967295 \n") };

enum mode { DEFAULT, FOLLOW, DRAIN };

struct view {
	const char *dir;
	enum mode mode;
	bool prefix, lines, timeout;
	unsigned int priority;
	long maxmsg, msgsize; /* 0: the default */
};

/* An open queue. On the mount only fd is used; the twin uses all members. */
struct handle {
	unsigned int refs;
	int fd; /* the twin's has O_NONBLOCK */
	const struct view *view;
	int access;	    /* O_RDONLY, O_WRONLY or O_RDWR */
	bool nonblock;	    /* O_NONBLOCK of the step's process */
	bool nonblock_then; /* at the last read, or at the open */
	bool several;	    /* opened again by /proc/PID/fd */
	bool received; /* a message since the open or the last end of file */
	off_t pos;     /* where it is read, if it is read-only */
	off_t start;   /* where the text received last began */
	size_t len, taken;
	unsigned int n_reads; /* that received a message, since a seek */
	char text[10 * (MSGSIZE + EXTRA)];
};

/* All facts about a queue. */
struct info {
	struct mq_attr attr;
	long bytes; /* in all messages */
	struct stat st;
};

/*
 * Gets the facts about the queue at a path. Acts as root from then on. The
 * queue's access time doesn't change.
 */
struct info twin_look(const char *path);

/*
 * Returns how many bytes reading the queue empty would return at least: the
 * size that stat(2) shows.
 */
long twin_size(const struct view *view, const struct info *info);

/*
 * Each function returns the result, and the errno, that the call of this name
 * has on the mount. A call that would wait fails with EINTR; in a view with a
 * timeout, with ETIMEDOUT. waits: whether the call would wait for a signal, even
 * if a part was done.
 */
int twin_open(const char *name, const struct view *view, int flags,
	      mode_t mode);
ssize_t twin_read(struct handle *handle, char *buf, size_t size, off_t pos);
ssize_t twin_write(struct handle *handle, const char *text, size_t size,
		   bool *waits);
off_t twin_lseek(struct handle *handle, off_t offset, int whence);
int twin_truncate(const char *path, off_t size);
ssize_t twin_getxattr(const char *path, const char *name, char *buf,
		      size_t size);

/* Whether a part of the last text wasn't read yet. */
bool twin_has_rest(const struct handle *handle);

/* Whether a read would not wait. */
bool twin_is_readable(const struct handle *handle);

#endif
