/* SPDX-License-Identifier: BSD-3-Clause */
/* A name behind "mq:": one that is a view means the same when written anew. */
#include "fs/kinds/view.h"

#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static void write_out(const struct fs_view *view, char *ret, size_t size)
{
	int n = snprintf(ret, size, "priority=%u", view->priority);

	if (view->maxmsg)
		n += snprintf(ret + n, size - (size_t)n, ",maxmsg=%ld",
			      view->maxmsg);
	if (view->msgsize)
		n += snprintf(ret + n, size - (size_t)n, ",msgsize=%ld",
			      view->msgsize);
	(void)snprintf(ret + n, size - (size_t)n, "%s%s%s%s",
		       view->lines ? ",lines" : "",
		       view->prefix ? ",prefix" : "",
		       view->follow ? ",follow" : "",
		       view->drain ? ",drain" : "");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char options[NAME_MAX + 1] = "";
	struct fs_view view, again;
	int r;

	if (size > NAME_MAX)
		return 0;
	memcpy(options, data, size);
	r = fs_view_parse(options, &view);
	MUST(r == 0 || r == -EINVAL || r == -ENOMEM);
	if (r < 0)
		return 0;
	MUST(view.priority < 32768 && view.maxmsg >= 0 && view.msgsize >= 0);
	MUST(!(view.follow && view.drain));
	if (view.info) {
		MUST(strstr(options, "info"));
		return 0;
	}
	write_out(&view, options, sizeof(options));
	MUST(fs_view_parse(options, &again) == 0);
	MUST(fs_view_compare(&view, &again) == 0);
	return 0;
}
