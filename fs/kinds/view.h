/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * view: a kind seen through options: "mq:OPTION[,OPTION...]" is a directory beside
 * mq, and options after -o are those of mq itself. Which options there are, the
 * kind's table says; "info" is there for each kind that has "describe".
 */
#ifndef FS_VIEW_H
#define FS_VIEW_H

#include "fs/fuse/kind.h"

/* A view while it is parsed. All zero is the plain one. */
struct fs_view {
	unsigned int given; /* a bit for each option of the kind */
	bool info;	    /* text about the objects; excludes all others */
	long options[FS_VIEW_MAX / sizeof(long)]; /* the kind's view */
};

/*
 * Parses the options of a path, those after "NAME:". The log names a wrong option.
 *
 * Returns 0, or -EINVAL: an option is unknown or empty, given twice, has a bad
 * number, or excludes another.
 */
int fs_view_parse(const struct fs_kind *kind, const char *options,
		  struct fs_view *ret);

/*
 * Adds an option to a view. is_path: as fs_view_wrong(). Returns 0; 1 if the kind
 * has no such option; or -1 if the option is wrong, which is reported.
 */
int fs_view_take(const struct fs_kind *kind, const char *word, bool is_path,
		 struct fs_view *view);

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

#endif
