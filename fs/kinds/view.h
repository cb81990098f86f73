/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * view: a kind seen through options. "mq:OPTION[,OPTION...]" is a directory
 * next to mq; options after -o apply to mq itself. The kind's table lists the
 * options. Each kind that has the slot "describe" also has the options "info"
 * and, in a path, "info,holders".
 */
#ifndef FS_VIEW_H
#define FS_VIEW_H

#include "fs/fuse/kind.h"

/* A view while it is parsed. All zero: the plain view. */
struct fs_view {
	unsigned int given; /* a bit for each option of the kind */
	bool info;	    /* text about the objects; no other options */
	bool holders;	    /* with info: who has the object open or mapped */
	long options[FS_VIEW_MAX / sizeof(long)]; /* the kind's view */
};

/*
 * Parses the options of a path, which follow "NAME:". The log names a wrong
 * option.
 *
 * Returns 0, or -EINVAL: an option is unknown or empty, given twice, has a bad
 * number, or excludes another.
 */
int fs_view_parse(const struct fs_kind *kind, const char *options,
		  struct fs_view *ret);

/*
 * Adds an option to a view. is_path: see fs_view_wrong(). Returns 0; 1 if the
 * kind has no such option; or -1 if the option is wrong. A wrong option is
 * reported.
 */
int fs_view_add_option(const struct fs_kind *kind, const char *word,
		       bool is_path, struct fs_view *view);

/*
 * Reports a wrong option. is_path: the option comes from a path, so report it
 * in the log; otherwise it comes from the command line, so report it on stderr.
 * Returns -1.
 */
int fs_view_wrong(bool is_path, const char *word, const char *why);

/*
 * Reads the number after the "=" of an option: digits only. Returns 0. If the
 * number isn't from min to max, reports the option with fs_view_wrong() and
 * returns -1.
 */
int fs_view_number(const char *word, long min, long max, bool is_path,
		   long *ret);

#endif
