/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A name behind "mq:". If the name is a view, it must mean the same written
 * anew.
 */
#include "fs/kinds/view.h"
#include "fs/fuse/waiting.h"
#include "fs/kinds/mq_view.h"

#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>

static int describe(const struct fs_request *rq, int fd, char *ret, size_t size)
{
	(void)rq, (void)fd, (void)ret, (void)size;
	return 0;
}

static const struct fs_kind kind = {
	.name = "mq",
	.options = fs_mq_options,
	.view_size = sizeof(struct fs_mq_view),
	.check_view = fs_mq_view_check,
	.describe = describe,
};

static void write_out(const struct fs_mq_view *view, char *ret, size_t size)
{
	int n = snprintf(ret, size, "priority=%ld", view->priority);

	if (view->maxmsg)
		n += snprintf(ret + n, size - (size_t)n, ",maxmsg=%ld",
			      view->maxmsg);
	if (view->msgsize)
		n += snprintf(ret + n, size - (size_t)n, ",msgsize=%ld",
			      view->msgsize);
	if (view->timeout)
		n += snprintf(ret + n, size - (size_t)n, ",timeout=%ld.%03ld",
			      MAX(view->timeout, 0) / 1000,
			      MAX(view->timeout, 0) % 1000);
	(void)snprintf(ret + n, size - (size_t)n, "%s%s%s%s%s",
		       view->lines ? ",lines" : "",
		       view->prefix ? ",prefix" : "",
		       view->follow ? ",follow" : "",
		       view->drain ? ",drain" : "", view->peek ? ",peek" : "");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char options[NAME_MAX + 1] = "";
	struct fs_view parsed, again;
	struct fs_mq_view view;
	int r;

	if (size > NAME_MAX)
		return 0;
	memcpy(options, data, size);
	r = fs_view_parse(&kind, options, &parsed);
	MUST(r == 0 || r == -EINVAL);
	if (r < 0)
		return 0;
	memcpy(&view, parsed.options, sizeof(view));
	MUST(view.priority >= 0 && view.priority < 32768);
	MUST(view.maxmsg >= 0 && view.msgsize >= 0);
	MUST(view.timeout >= -1 && view.timeout <= FS_TIMEOUT_MAX * 1000L);
	MUST(!((view.follow || view.timeout) && view.drain));
	MUST(!view.peek || !(view.priority || view.maxmsg || view.msgsize ||
			     view.follow || view.drain || view.timeout));
	if (parsed.info) {
		MUST(strcmp(options, "info") == 0);
		return 0;
	}
	write_out(&view, options, sizeof(options));
	MUST(fs_view_parse(&kind, options, &again) == 0);
	MUST(memcmp(parsed.options, again.options, sizeof(again.options)) == 0);
	return 0;
}
