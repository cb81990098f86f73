/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/kinds/mq_view.h"

#include "fs/fuse/waiting.h"

#include <limits.h>
#include <stddef.h>

#define OPTION(word, field) \
	.name = (word), .offset = offsetof(struct fs_mq_view, field)

const struct fs_option fs_mq_options[] = {
	{ OPTION("priority=", priority), .max = MQ_PRIO_MAX - 1 },
	{ OPTION("maxmsg=", maxmsg), .min = 1, .max = LONG_MAX },
	{ OPTION("msgsize=", msgsize), .min = 1, .max = LONG_MAX },
	{ OPTION("lines", lines) },
	{ OPTION("prefix", prefix) },
	{ OPTION("follow", follow) },
	{ OPTION("drain", drain) },
	{ OPTION("timeout=", timeout), .max = FS_TIMEOUT_MAX, .seconds = true },
	{ OPTION("peek", peek) },
	{ 0 },
};

const char *fs_mq_view_check(const void *view_)
{
	const struct fs_mq_view *view = view_;

	if (view->drain && view->follow)
		return "follow and drain exclude each other";
	if (view->drain && view->timeout)
		return "timeout and drain exclude each other";
	if (view->peek && (view->priority || view->maxmsg || view->msgsize ||
			   view->follow || view->drain || view->timeout))
		return "peek goes with lines and prefix only";
	return NULL;
}
