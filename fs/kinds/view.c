/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/kinds/view.h"

#include "fs/fuse/log.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

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

/* strtol() alone would read "5x" as 5, and accept " 5" and "+5". */
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

/*
 * Reads the seconds after the "=" of an option; see struct fs_option. strtod()
 * alone would accept "-1", "1e3" and "nan".
 */
static int read_seconds(const char *word, long max, bool is_path, long *ret)
{
	const char *digits = strchr(word, '=') + 1;
	char why[80];
	char *end;
	double seconds = strtod(digits, &end);

	if (end > digits && digits[strspn(digits, "0123456789.")] == '\0' &&
	    *end == '\0' && seconds <= (double)max) {
		*ret = seconds > 0 ? MAX((long)(seconds * 1000 + 0.5), 1) : -1;
		return 0;
	}
	(void)snprintf(why, sizeof(why),
		       "it takes seconds from 0 to %ld, such as 1.5", max);
	return fs_view_wrong(is_path, word, why);
}

static int read_number(const struct fs_option *option, const char *word,
		       bool is_path, long *ret)
{
	return option->seconds ? read_seconds(word, option->max, is_path, ret)
			       : fs_view_number(word, option->min, option->max,
						is_path, ret);
}

static bool has_number(const struct fs_option *option)
{
	return option->name[strlen(option->name) - 1] == '=';
}

/* Finds the option of a word. Returns the table's end if there is none. */
static const struct fs_option *find(const struct fs_option *option,
				    const char *word)
{
	while (option->name &&
	       (has_number(option)
			? strncmp(word, option->name, strlen(option->name))
			: strcmp(word, option->name)) != 0)
		option++;
	return option;
}

int fs_view_add_option(const struct fs_kind *kind, const char *word,
		       bool is_path, struct fs_view *view)
{
	static const struct fs_option none = { 0 };
	const struct fs_option *options = kind->options ?: &none;
	const struct fs_option *option = find(options, word);
	bool is_info = kind->describe && strcmp(word, "info") == 0;
	unsigned int bit = 1U << (option - options);
	const char *why;
	long n = 1;

	assert(option - options < 32);
	assert(kind->view_size <= sizeof(view->options));
	if (is_path && kind->describe && strcmp(word, "holders") == 0) {
		if (view->holders)
			return fs_view_wrong(true, word, "it is given twice");
		view->holders = true;
		return 0;
	}
	if (!option->name && !is_info)
		return 1;
	if (view->given & bit)
		return fs_view_wrong(is_path, word, "it is given twice");
	if (option->name && has_number(option) &&
	    read_number(option, word, is_path, &n) < 0)
		return -1;
	view->given |= bit;
	view->info |= is_info;
	if (view->info && (view->given & (view->given - 1)))
		return fs_view_wrong(is_path, word,
				     "info excludes all but holders");
	if (is_info)
		return 0;
	memcpy((char *)view->options + option->offset, &n, sizeof(n));
	why = kind->check_view ? kind->check_view(view->options) : NULL;
	return why ? fs_view_wrong(is_path, word, why) : 0;
}

int fs_view_parse(const struct fs_kind *kind, const char *options,
		  struct fs_view *ret)
{
	struct fs_view view = { 0 };
	char copy[NAME_MAX + 1];
	char *rest = copy, *word;
	int r = 0;

	(void)snprintf(copy, sizeof(copy), "%s", options);
	while (r == 0 && (word = strsep(&rest, ","))) {
		r = fs_view_add_option(kind, word, true, &view);
		if (r > 0)
			(void)fs_view_wrong(true, word,
					    "there is no such option; try: "
					    "ipcfs -h");
	}
	if (r == 0 && view.holders && !view.info)
		r = fs_view_wrong(true, "holders", "it needs info");
	if (r != 0)
		return -EINVAL;
	*ret = view;
	return 0;
}
