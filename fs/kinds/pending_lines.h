/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pending_lines: the beginnings of lines that no newline has ended yet.
 *
 * Any number of processes may write to one open file, and each has a line of its
 * own. Not thread-safe.
 */
#ifndef FS_PENDING_LINES_H
#define FS_PENDING_LINES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct fs_pending_line {
	uint64_t owner; /* the process, as the kernel names it */
	size_t len;
	TAILQ_ENTRY(fs_pending_line) entry; /* private */
	char text[];
};

/* To be set up with fs_pending_lines_init(). */
struct fs_pending_lines {
	/* Private. */
	size_t size; /* bytes of all lines */
	TAILQ_HEAD(fs_pending_line_list, fs_pending_line) list;
};

void fs_pending_lines_init(struct fs_pending_lines *lines);
void fs_pending_lines_free(struct fs_pending_lines *lines);

/*
 * Adds a line.
 *
 * len: above zero. max: of all lines together, in bytes.
 *
 * Returns 0, -EAGAIN (they would have more than max) or -ENOMEM.
 */
int fs_pending_lines_add(struct fs_pending_lines *lines, uint64_t owner,
			 const char *text, size_t len, size_t max);

/*
 * Takes out the oldest line of an owner, or if that is NULL of any owner. Returns
 * the line, for free(3) or to be put back, or NULL.
 */
struct fs_pending_line *fs_pending_lines_take(struct fs_pending_lines *lines,
					      const uint64_t *owner);

/* Puts a line back, before those that were added since. NULL is allowed. */
void fs_pending_lines_put_back(struct fs_pending_lines *lines,
			       struct fs_pending_line *line);

#endif
