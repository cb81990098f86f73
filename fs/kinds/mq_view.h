/* SPDX-License-Identifier: BSD-3-Clause */
/* mq_view: the options of queues. */
#ifndef FS_MQ_VIEW_H
#define FS_MQ_VIEW_H

#include "fs/fuse/kind.h"

/* All zero: the plain view. Options without a number are 0 or 1. */
struct fs_mq_view {
	long priority;	      /* of messages written */
	long maxmsg, msgsize; /* of queues created; 0: the system's default */
	long lines;	      /* messages end with a newline */
	long prefix;	      /* messages begin with their priority */
	long follow;	      /* a read of an empty queue always waits */
	long drain;	      /* an empty queue is end-of-file at once */
	long timeout;	      /* see fs_waiting_limit() */
	long peek;	      /* messages are shown, not received */
};

extern const struct fs_option fs_mq_options[];

/* See check_view in fs/fuse/kind.h. */
const char *fs_mq_view_check(const void *view);

#endif
