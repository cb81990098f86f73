/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frame: how messages stand in what is written to and read from a queue. Without
 * options a message is all that one write gives; with "prefix" its priority in
 * decimal and a space stand before it; with "lines" a newline ends it.
 */
#ifndef FS_FRAME_H
#define FS_FRAME_H

#include "fs/kinds/mq_view.h"

#include <stddef.h>

/* How much longer a framed message may be than the message: bytes. */
#define FS_FRAME_EXTRA sizeof("4294967295 \n")

/* A message in a text: all in bytes, from the text's beginning. */
struct fs_frame {
	size_t start, len; /* the message */
	size_t end;	   /* where the next one begins */
	unsigned int priority;
};

/*
 * Finds the first message of a text.
 *
 * msgsize: the longest message allowed. last: nothing comes behind the text, so
 * it needs no newline at its end.
 *
 * Returns 1, 0 (no message: there is no newline yet, or no text), -EMSGSIZE (it
 * is too long, or already more than may stand before a newline), or -EINVAL (it
 * has no prefix, or a priority above MQ_PRIO_MAX - 1).
 */
int fs_frame_next(const struct fs_mq_view *view, size_t msgsize,
		  const char *text, size_t size, bool last,
		  struct fs_frame *ret);

/*
 * Frames the message of len bytes at text, in place.
 *
 * text: has room for len + FS_FRAME_EXTRA. Returns its length now.
 */
size_t fs_frame_put(const struct fs_mq_view *view, unsigned int priority,
		    char *text, size_t len);

/* The least that framing adds to a message: bytes. */
size_t fs_frame_overhead(const struct fs_mq_view *view);

#endif
