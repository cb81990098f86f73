/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * view: options through which the queues are seen: "mq:OPTION[,OPTION...]" is a
 * directory beside mq, and after -o they are those of mq itself. Both are parsed
 * by one table.
 */
#ifndef FS_VIEW_H
#define FS_VIEW_H

#include <fuse_lowlevel.h>
#include <stdbool.h>

/* All zero is the plain view. */
struct fs_view {
	unsigned int priority; /* of messages written */
	long maxmsg, msgsize;  /* of queues created; 0: the system's default */
	bool lines;	       /* messages end with a newline */
	bool prefix;	       /* messages begin with their priority */
	bool follow;	       /* an empty queue always waits */
	bool drain;	       /* an empty queue is the end of file at once */
	bool info;	       /* text about the queues; excludes all others */
};

/*
 * Parses the options of a path, those after "mq:". The log names a wrong option.
 *
 * Returns 0, -EINVAL (an option is unknown or empty, given twice, has a bad
 * number, or excludes another), or -ENOMEM.
 */
int fs_view_parse(const char *options, struct fs_view *ret);

/*
 * Takes the options of views out of a command line; the others stay. On wrong
 * use it says on stderr what is wrong. Returns 0, -EINVAL or -ENOMEM.
 */
int fs_view_parse_args(struct fuse_args *args, struct fs_view *ret);

/*
 * Reports a wrong option: in the log if it is of a path (is_path), on stderr if
 * it is of a command line. Returns -1.
 */
int fs_view_wrong(bool is_path, const char *word, const char *why);

/*
 * Reads the number after the "=" of an option: digits only. Returns 0; or, if
 * the number is not from min to max, reports that by fs_view_wrong() and
 * returns -1.
 */
int fs_view_number(const char *word, long min, long max, bool is_path,
		   long *ret);

/* Orders views, for a tree of them; equal ones are 0. */
int fs_view_compare(const struct fs_view *a, const struct fs_view *b);

#endif
