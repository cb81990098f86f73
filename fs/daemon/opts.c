/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/daemon/opts.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPT(template, field)                                 \
	{                                                    \
		template, offsetof(struct fs_opts, field), 1 \
	}

enum { TARGET, MAX_USER_HANDLES, MAX_USER_WAITING };

#define DISCARD(word) FUSE_OPT_KEY(word, FUSE_OPT_KEY_DISCARD)

/*
 * KEEP: the option is also passed on to libfuse. If both "ro" and "rw" are
 * given, the last option counts.
 */
static const struct fuse_opt table[] = {
	OPT("-h", help),
	OPT("--help", help),
	OPT("-V", version),
	OPT("--version", version),
	OPT("-f", foreground),
	OPT("-d", debug),
	OPT("debug", debug),
	OPT("-r", read_only),
	OPT("ro", read_only),
	{ "rw", offsetof(struct fs_opts, read_only), 0 },
	OPT("nopassthrough", no_passthrough),
	OPT("allow_other", allow_other),
	FUSE_OPT_KEY("target=", TARGET),
	FUSE_OPT_KEY("max_user_handles=", MAX_USER_HANDLES),
	FUSE_OPT_KEY("max_user_waiting=", MAX_USER_WAITING),
	FUSE_OPT_KEY("-d", FUSE_OPT_KEY_KEEP),
	FUSE_OPT_KEY("debug", FUSE_OPT_KEY_KEEP),
	FUSE_OPT_KEY("-r", FUSE_OPT_KEY_KEEP),
	FUSE_OPT_KEY("ro", FUSE_OPT_KEY_KEEP),
	FUSE_OPT_KEY("rw", FUSE_OPT_KEY_KEEP),
	FUSE_OPT_KEY("allow_other", FUSE_OPT_KEY_KEEP),
	FUSE_OPT_END,
};

/*
 * Options that only mount(8) and its relatives read in fstab(5), and options
 * that are defaults. "x- " matches "x-ANYTHING".
 */
static const char *const discarded[] = {
	"auto",	       "noauto",	"user",	    "user=",	  "nouser",
	"users",       "owner",		"group",    "nofail",	  "_netdev",
	"defaults",    "atime",		"diratime", "relatime",	  "norelatime",
	"strictatime", "nostrictatime", "lazytime", "nolazytime", "iversion",
	"noiversion",  "mand",		"nomand",   "silent",	  "loud",
	"comment=",    "x- ",		"X- "
};

static bool matches(const char *word, const char *option)
{
	const struct fuse_opt opts[] = { FUSE_OPT_KEY(option, 0),
					 FUSE_OPT_END };

	return fuse_opt_match(opts, word);
}

static bool is_discarded(const char *word)
{
	for (size_t i = 0; i < sizeof(discarded) / sizeof(*discarded); i++)
		if (matches(word, discarded[i]))
			return true;
	return false;
}

/* Options of libfuse that ipcfs can't have. */
static const struct {
	const char *word, *why;
} refused[] = {
	{ "blkdev", "ipcfs has no block device" },
	{ "blksize=", "ipcfs has no block device" },
	{ "max_read=", "ipcfs itself chooses the size of reads" },
};

/* Returns why ipcfs can't have an option, or NULL. */
static const char *why_refused(const char *word)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		if (matches(word, refused[i].word))
			return refused[i].why;
	return NULL;
}

/*
 * The flags of a program called mount.TYPE: mount(8), "EXTERNAL HELPERS".
 */
static const struct fuse_opt helper_table[] = {
	OPT("-f", fake), { "-N %s", offsetof(struct fs_opts, namespace), 0 },
	DISCARD("-n"),	 DISCARD("-s"),
	DISCARD("-v"),	 DISCARD("-t "),
	FUSE_OPT_END,
};

static bool is_helper(const char *program)
{
	return strncmp(basename(program), "mount.", strlen("mount.")) == 0;
}

static int print_option(const struct fs_option *option)
{
	return printf("%s%s", option->name,
		      option->seconds		  ? "SECONDS"
		      : strchr(option->name, '=') ? "N"
						  : "");
}

/* Prints a kind's options like the other options, in some 60 columns. */
static void print_options(const struct fs_kind *kind)
{
	int column = printf("    -o ");

	for (const struct fs_option *option = kind->options; option->name;
	     option++) {
		column += print_option(option);
		column = column > 48 ? printf(",\n       ")
				     : column + printf(", ");
	}
	(void)printf("info\n"
		     "                       how %s are shown; also in\n"
		     "                       a path: "
		     "MOUNTPOINT/%s:OPTION,.../NAME\n",
		     kind->title, kind->name);
}

/* Prints the options of a kind that has them only in a path. */
static void print_path_options(const struct fs_kind *kind)
{
	(void)printf("    in a path only     MOUNTPOINT/%s:OPTION/NAME, with",
		     kind->name);
	for (const struct fs_option *option = kind->options; option->name;
	     option++) {
		(void)putchar(' ');
		(void)print_option(option);
	}
	(void)putchar('\n');
}

void fs_opts_usage(void)
{
	(void)puts(
		"usage: ipcfs [-f] [-d] [-o OPTION,...] [SOURCE] MOUNTPOINT\n");
	for (size_t i = 0; fs_kinds[i]; i++)
		(void)printf("Shows %s as MOUNTPOINT/%s/NAME.\n",
			     fs_kinds[i]->title, fs_kinds[i]->name);
	(void)puts(
		"\n"
		"    -f                 stay in the foreground\n"
		"    -d, -o debug       as -f, and print each request\n"
		"    -h, --help         print this\n"
		"    -V, --version      print the versions, and which features "
		"work\n"
		"    -o ro              allow inspection only: nothing is\n"
		"                       created, changed or consumed\n"
		"    -o target=PID      show the objects of the namespaces of "
		"a\n"
		"                       process, for example of a container\n"
		"    -o nopassthrough   move all data through the daemon\n"
		"    -o allow_other     allow access by all users\n"
		"    -o max_user_handles=N, max_user_waiting=N\n"
		"                       the most open files, and waiting\n"
		"                       requests, of each user but root");
	for (size_t i = 0; fs_kinds[i]; i++) {
		if (fs_kinds[i]->mount_options)
			print_options(fs_kinds[i]);
		else if (fs_kinds[i]->options)
			print_path_options(fs_kinds[i]);
	}
	(void)puts(
		"                       MOUNTPOINT/KIND:info/NAME describes "
		"an\n"
		"                       object; KIND:info,holders also lists "
		"the\n"
		"                       processes that have it open or mapped\n"
		"\n"
		"SOURCE is ignored; mount(8) passes one. Other options of\n"
		"mount(8) and of libfuse, such as nosuid, are accepted too.\n"
		"Unmount with: umount MOUNTPOINT, or fusermount3 -u "
		"MOUNTPOINT");
}

/* Handles an option that isn't in the table, as on_word() does. */
static int add_option(struct fs_opts *opts, const char *word)
{
	const char *why = why_refused(word);

	if (why)
		return fs_view_wrong(false, word, why);
	return is_discarded(word) ? 0 : fs_root_add_option(&opts->view, word);
}

/*
 * Handles [SOURCE] MOUNTPOINT, and the kinds' options. Any other word that
 * isn't in the table is passed on to libfuse.
 */
static int on_word(void *closure, const char *word, int key,
		   struct fuse_args *args)
{
	struct fs_opts *opts = closure;
	long *const numbers[] = {
		[TARGET] = &opts->target,
		[MAX_USER_HANDLES] = &opts->max_user_handles,
		[MAX_USER_WAITING] = &opts->max_user_waiting,
	};

	(void)args;
	if (key == TARGET && opts->target)
		return fs_view_wrong(false, word, "it is given twice");
	if (key >= TARGET)
		return fs_view_number(word, 1,
				      key == TARGET ? INT_MAX : LONG_MAX, false,
				      numbers[key]);
	if (key != FUSE_OPT_KEY_NONOPT)
		return add_option(opts, word);
	if (opts->source) {
		(void)fprintf(stderr,
			      "ipcfs: '%s' is one word too many after SOURCE "
			      "'%s' and MOUNTPOINT '%s'; try: ipcfs -h\n",
			      word, opts->source, opts->mountpoint);
		return -1;
	}
	opts->source = opts->mountpoint;
	opts->mountpoint = strdup(word);
	if (!opts->mountpoint)
		(void)fprintf(stderr, "ipcfs: %s\n", strerror(ENOMEM));
	return opts->mountpoint ? 0 : -1;
}

int fs_opts_parse(struct fuse_args *args, struct fs_opts *ret)
{
	struct fs_opts opts = { 0 };
	int r = (is_helper(args->argv[0]) &&
		 fuse_opt_parse(args, &opts, helper_table, NULL) < 0) ||
				fuse_opt_parse(args, &opts, table, on_word) < 0
			? -EINVAL
			: 0;

	if (r == 0 && (!opts.mountpoint || !*opts.mountpoint) && !opts.help &&
	    !opts.version) {
		(void)fputs("ipcfs: no MOUNTPOINT given; try: ipcfs -h\n",
			    stderr);
		r = -EINVAL;
	}
	opts.foreground |= opts.debug;
	if (r < 0)
		fs_opts_free(&opts);
	else
		*ret = opts;
	return r;
}

void fs_opts_free(struct fs_opts *opts)
{
	free(opts->source);
	free(opts->mountpoint);
	free(opts->namespace);
}
