/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mq_twin: what a queue of the mount is, made of the native calls and the mount's
 * rules: the views' options, how reads take messages apart, when they wait and
 * when they end.
 */
#ifndef TESTS_MODEL_MQ_TWIN_H
#define TESTS_MODEL_MQ_TWIN_H

#include <mqueue.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Queues are small: the defaults. EXTRA: what a view may add to a message. */
enum { MAXMSG = 2, MSGSIZE = 128, EXTRA = sizeof("4294967295 \n") };

enum mode { DEFAULT, FOLLOW, DRAIN };

struct view {
	const char *dir;
	enum mode mode;
	bool prefix, lines;
	unsigned int priority;
	long maxmsg, msgsize; /* 0: the default */
};

/* An open queue. On the mount it is just fd; the rest is the twin's. */
struct handle {
	unsigned int refs;
	int fd; /* O_NONBLOCK, if it is the twin's */
	const struct view *view;
	int access;	    /* O_RDONLY, O_WRONLY or O_RDWR */
	bool nonblock;	    /* as its user has it */
	bool nonblock_then; /* at the last read, or when it was opened */
	bool several;	    /* the file was opened again, by its descriptor */
	bool received; /* a message since the open or the last end of file */
	off_t pos;     /* where it is read, if that is all that is done */
	off_t start;   /* where the text that was taken last began */
	size_t len, taken;
	unsigned int n_reads; /* that took a message, since a seek back */
	char text[10 * (MSGSIZE + EXTRA)];
};

/* What there is to know of a queue. */
struct info {
	struct mq_attr attr;
	long bytes; /* in all messages */
	struct stat st;
};

/*
 * Looks at the queue that a path leads to, as root from then on, and leaves its
 * access time as it was.
 */
struct info twin_look(const char *path);

/* What reading it empty would give at least: a size, as stat(2) shows it. */
long twin_size(const struct view *view, const struct info *info);

/*
 * The calls of their names: they return what these do on the mount, and errno.
 * Where they would wait that is EINTR. waits: also after a part was done.
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

/* Whether the rest of a message is left to be read. */
bool twin_has_rest(const struct handle *handle);

/* Whether a read would not wait. */
bool twin_is_readable(const struct handle *handle);

#endif
