/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libfuse's parser finds the options. The numbers are read here: it would take
 * "5x" for 5, and an option that is given twice without a word.
 */
#include "fs/kinds/view.h"

#include "fs/fuse/log.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PRIORITY, MAXMSG, MSGSIZE, LINES, PREFIX, FOLLOW, DRAIN, INFO };

static const struct fuse_opt table[] = {
	FUSE_OPT_KEY("priority=", PRIORITY),
	FUSE_OPT_KEY("maxmsg=", MAXMSG),
	FUSE_OPT_KEY("msgsize=", MSGSIZE),
	FUSE_OPT_KEY("lines", LINES),
	FUSE_OPT_KEY("prefix", PREFIX),
	FUSE_OPT_KEY("follow", FOLLOW),
	FUSE_OPT_KEY("drain", DRAIN),
	FUSE_OPT_KEY("info", INFO),
	FUSE_OPT_END,
};

struct parse {
	struct fs_view view;
	unsigned int given; /* a bit for each key */
	bool is_path;	    /* of a path, where unknown options are wrong */
	bool is_wrong;
};

int fs_view_wrong(bool is_path, const char *word, const char *why)
{
	char printable[NAME_MAX + 1];

	if (is_path) {
		(void)snprintf(printable, sizeof(printable), "%s", word);
		fs_log_make_printable(printable);
		fs_log_ratelimited("view option '%s': %s", printable, why);
	} else {
		(void)fprintf(stderr, "ipcfs: option '%s': %s\n", word, why);
	}
	return -1;
}

int fs_view_number(const char *word, long min, long max, bool is_path,
		   long *ret)
{
	const char *digits = strchr(word, '=') + 1;
	char why[80];
	char *end;
	long n;

	errno = 0;
	n = strtol(digits, &end, 10);
	if (isdigit((unsigned char)*digits) && *end == '\0' && errno == 0 &&
	    n >= min && n <= max) {
		*ret = n;
		return 0;
	}
	(void)snprintf(why, sizeof(why), "it takes a number from %ld to %ld",
		       min, max);
	return fs_view_wrong(is_path, word, why);
}

static int take(struct parse *parse, const char *word, int key)
{
	struct fs_view *view = &parse->view;
	long n = 0;
	int r = 0;

	/* On a command line it may be an option of ipcfs or libfuse. */
	if (key < 0 && !parse->is_path)
		return 1;
	if (key < 0)
		return fs_view_wrong(true, word, "there is no such option");
	if (parse->given & (1U << key))
		return fs_view_wrong(parse->is_path, word, "it is given twice");
	parse->given |= 1U << key;
	switch (key) {
	case PRIORITY:
		r = fs_view_number(word, 0, sysconf(_SC_MQ_PRIO_MAX) - 1,
				   parse->is_path, &n);
		view->priority = (unsigned int)n;
		break;
	case MAXMSG:
		r = fs_view_number(word, 1, LONG_MAX, parse->is_path,
				   &view->maxmsg);
		break;
	case MSGSIZE:
		r = fs_view_number(word, 1, LONG_MAX, parse->is_path,
				   &view->msgsize);
		break;
	case LINES:
		view->lines = true;
		break;
	case PREFIX:
		view->prefix = true;
		break;
	case FOLLOW:
		view->follow = true;
		break;
	case DRAIN:
		view->drain = true;
		break;
	default:
		view->info = true;
		break;
	}
	if (r == 0 && view->follow && view->drain)
		r = fs_view_wrong(parse->is_path, word,
				  "follow and drain exclude each other");
	if (r == 0 && view->info && parse->given != 1U << INFO)
		r = fs_view_wrong(parse->is_path, word,
				  "info excludes all others");
	return r;
}

static int on_option(void *closure, const char *word, int key,
		     struct fuse_args *args)
{
	struct parse *parse = closure;
	int r = take(parse, word, key);

	(void)args;
	parse->is_wrong = r < 0;
	return r;
}

int fs_view_parse(const char *options, struct fs_view *ret)
{
	char *argv[] = { "mq", "-o", (char *)(uintptr_t)options, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);
	struct parse parse = { .is_path = true };
	int r;

	/* The parser takes it for an escape: a view has one spelling. */
	if (strchr(options, '\\')) {
		(void)fs_view_wrong(true, options, "it has a backslash");
		return -EINVAL;
	}
	r = fuse_opt_parse(&args, &parse, table, on_option);
	fuse_opt_free_args(&args);
	/* All else that is wrong for the parser is that there is no memory. */
	if (r < 0 && !parse.is_wrong)
		return -ENOMEM;
	if (r < 0)
		return -EINVAL;
	*ret = parse.view;
	return 0;
}

int fs_view_parse_args(struct fuse_args *args, struct fs_view *ret)
{
	struct parse parse = { .is_path = false };

	if (fuse_opt_parse(args, &parse, table, on_option) < 0)
		return -EINVAL;
	*ret = parse.view;
	return 0;
}

static int order(long a, long b)
{
	return (a > b) - (a < b);
}

int fs_view_compare(const struct fs_view *a, const struct fs_view *b)
{
	int r = order(a->priority, b->priority);

	r = r ?: order(a->maxmsg, b->maxmsg);
	r = r ?: order(a->msgsize, b->msgsize);
	r = r ?: order(a->lines, b->lines);
	r = r ?: order(a->prefix, b->prefix);
	r = r ?: order(a->follow, b->follow);
	r = r ?: order(a->drain, b->drain);
	return r ?: order(a->info, b->info);
}
