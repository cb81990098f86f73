/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * opts: the command line.
 */
#ifndef FS_OPTS_H
#define FS_OPTS_H

#include "fs/kinds/root.h"

#include <fuse_lowlevel.h>

/* libfuse's parser sets int members to 0 or 1. */
struct fs_opts {
	struct fs_root_view view; /* the kinds' options */
	int help;
	int version;
	int foreground;
	int debug;
	int read_only;
	int no_passthrough;
	int allow_other;
	long max_user_handles; /* 0: not given */
	long max_user_waiting;
	long target;	  /* the process whose objects are shown; 0: ours */
	int fake;	  /* do all but mount */
	char *namespace;  /* whose mount namespace to mount in, or NULL */
	char *source;	  /* as given, or NULL */
	char *mountpoint; /* as given; NULL with help or version */
};

/*
 * Parses the command line. If a word is wrong, a message on stderr names the
 * word and what would be right.
 *
 * args: the options for fuse_session_new() stay in args.
 * ret: the caller calls fs_opts_free().
 *
 * Returns 0 or -EINVAL.
 */
int fs_opts_parse(struct fuse_args *args, struct fs_opts *ret);

/* Frees the strings. The struct is the caller's. */
void fs_opts_free(struct fs_opts *opts);

/* Prints the usage to stdout. */
void fs_opts_usage(void);

#endif
