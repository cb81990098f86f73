/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pending_lines: the beginnings of lines that no newline has ended yet.
 *
 * Any number of processes may write to one open file, and each process has a
 * line of its own. Not thread-safe.
 */
#ifndef FS_PENDING_LINES_H
#define FS_PENDING_LINES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct fs_pending_line {
	uint64_t owner; /* the kernel's number for the process */
	size_t len;
	TAILQ_ENTRY(fs_pending_line) entry; /* private */
	char text[];
};

/* fs_pending_lines_init() must set this up. */
struct fs_pending_lines {
	/* Private. */
	size_t size; /* bytes of all lines */
	TAILQ_HEAD(fs_pending_line_list, fs_pending_line) list;
};

/* Sets up a list without lines. */
void fs_pending_lines_init(struct fs_pending_lines *lines);

/* Frees all lines. The struct is the caller's. */
void fs_pending_lines_free(struct fs_pending_lines *lines);

/*
 * Adds a line.
 *
 * len: bytes of text, above zero. max: the most bytes of all lines together.
 *
 * Returns 0, -EAGAIN (the lines would have more than max bytes) or -ENOMEM.
 */
int fs_pending_lines_add(struct fs_pending_lines *lines, uint64_t owner,
			 const char *text, size_t len, size_t max);

/*
 * Removes the oldest line of an owner; if owner is NULL, of any owner. Returns
 * the line, or NULL. The caller frees the line with free(3), or puts it back.
 */
struct fs_pending_line *fs_pending_lines_remove(struct fs_pending_lines *lines,
						const uint64_t *owner);

/* Puts a line back, before the lines that were added since. NULL is allowed. */
void fs_pending_lines_put_back(struct fs_pending_lines *lines,
			       struct fs_pending_line *line);

#endif
