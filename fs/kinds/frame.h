/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frame: how the text that is written to and read from a queue is divided into
 * messages. Without options a message is the text of one write. With "prefix"
 * the message begins with its priority in decimal and a space. With "lines" a
 * newline ends the message.
 */
#ifndef FS_FRAME_H
#define FS_FRAME_H

#include "fs/kinds/mq_view.h"

#include <stddef.h>

/* The most bytes that framing adds to a message. */
#define FS_FRAME_EXTRA sizeof("4294967295 \n")

/* A message in a text. Positions are in bytes, from the text's beginning. */
struct fs_frame {
	size_t start, len; /* the message */
	size_t end;	   /* where the next message begins */
	unsigned int priority;
};

/*
 * Finds the first message of a text.
 *
 * msgsize: the longest message allowed. last: nothing follows the text, so the
 * text needs no newline at its end.
 *
 * Returns 1, 0 (no message: there is no newline yet, or no text), -EMSGSIZE
 * (the message is too long, even if its newline hasn't come yet), or -EINVAL
 * (the message has no prefix, or a priority above MQ_PRIO_MAX - 1).
 */
int fs_frame_next(const struct fs_mq_view *view, size_t msgsize,
		  const char *text, size_t size, bool last,
		  struct fs_frame *ret);

/*
 * Frames the message of len bytes at text, in place.
 *
 * text: a buffer with room for len + FS_FRAME_EXTRA bytes. Returns the length
 * of the framed message.
 */
size_t fs_frame_put(const struct fs_mq_view *view, unsigned int priority,
		    char *text, size_t len);

/* Returns the least number of bytes that framing adds to a message. */
size_t fs_frame_overhead(const struct fs_mq_view *view);

#endif
