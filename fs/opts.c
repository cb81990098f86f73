/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/opts.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPT(template, field)                                 \
	{                                                    \
		template, offsetof(struct fs_opts, field), 1 \
	}

/* KEEP: libfuse is told of it as well. */
static const struct fuse_opt table[] = {
	OPT("-h", help),
	OPT("--help", help),
	OPT("-V", version),
	OPT("--version", version),
	OPT("-f", foreground),
	OPT("-d", debug),
	OPT("-d", foreground),
	OPT("debug", debug),
	OPT("debug", foreground),
	OPT("ro", read_only),
	OPT("nopassthrough", no_passthrough),
	FUSE_OPT_KEY("-d", FUSE_OPT_KEY_KEEP),
	FUSE_OPT_KEY("debug", FUSE_OPT_KEY_KEEP),
	FUSE_OPT_KEY("ro", FUSE_OPT_KEY_KEEP),
	FUSE_OPT_END,
};

void fs_opts_usage(void)
{
	(void)puts(
		"usage: ipcfs [-f] [-d] [-o OPTION,...] [SOURCE] MOUNTPOINT\n"
		"\n"
		"Shows POSIX shared memory objects as MOUNTPOINT/shm/NAME and\n"
		"POSIX message queues as MOUNTPOINT/mq/NAME.\n"
		"\n"
		"    -f                 stay in the foreground\n"
		"    -d, -o debug       as -f, and print each request\n"
		"    -h, --help         print this\n"
		"    -V, --version      print versions, and what works here\n"
		"    -o ro              inspect only: nothing is created,\n"
		"                       changed or consumed\n"
		"    -o nopassthrough   move all data through the daemon\n"
		"    -o allow_other     for all users, not just who mounts it\n"
		"    -o priority=N, maxmsg=N, msgsize=N, prefix, follow,\n"
		"       drain, info     see the queues so; also in a path, as\n"
		"                       MOUNTPOINT/mq:OPTION,.../NAME\n"
		"\n"
		"SOURCE is ignored; mount(8) passes one. Other options of\n"
		"mount(8) and of libfuse, such as nosuid, are taken too.\n"
		"Unmount with: umount MOUNTPOINT, or fusermount3 -u "
		"MOUNTPOINT");
}

/* Takes [SOURCE] MOUNTPOINT; all else that isn't in the table is libfuse's. */
static int on_word(void *closure, const char *word, int key,
		   struct fuse_args *args)
{
	struct fs_opts *opts = closure;

	(void)args;
	if (key != FUSE_OPT_KEY_NONOPT)
		return 1;
	if (opts->source) {
		(void)fprintf(stderr,
			      "ipcfs: '%s' is one word too many after SOURCE "
			      "'%s' and MOUNTPOINT '%s'\n",
			      word, opts->source, opts->mountpoint);
		return -1;
	}
	opts->source = opts->mountpoint;
	opts->mountpoint = strdup(word);
	return opts->mountpoint ? 0 : -1;
}

int fs_opts_parse(struct fuse_args *args, struct fs_opts *ret)
{
	struct fs_opts opts = { 0 };

	if (fuse_opt_parse(args, &opts, table, on_word) < 0 ||
	    fs_view_parse_args(args, &opts.view) < 0) {
		fs_opts_free(&opts);
		return -EINVAL;
	}
	if (!opts.mountpoint && !opts.help && !opts.version) {
		(void)fputs("ipcfs: no MOUNTPOINT given; try 'ipcfs -h'\n",
			    stderr);
		return -EINVAL;
	}
	*ret = opts;
	return 0;
}

void fs_opts_free(struct fs_opts *opts)
{
	free(opts->source);
	free(opts->mountpoint);
}
