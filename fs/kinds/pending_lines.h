/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pending_lines: the beginnings of lines that no newline has ended yet.
 *
 * Any number of processes may write to one open file, and each has a line of its
 * own. A line is kept in parts, as it was written: so parts that were taken can be
 * put back without memory. Not thread-safe.
 */
#ifndef FS_PENDING_LINES_H
#define FS_PENDING_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct fs_pending_line;

/* To be set up with fs_pending_lines_init(). */
struct fs_pending_lines {
	size_t size; /* bytes of all lines */
	/* Private. */
	TAILQ_HEAD(fs_pending_line_list, fs_pending_line) list;
};

void fs_pending_lines_init(struct fs_pending_lines *lines);
void fs_pending_lines_free(struct fs_pending_lines *lines);

/*
 * Adds a part to an owner's line.
 *
 * owner: the process, as the kernel names it. len: above zero. max: of all lines
 * together, in bytes.
 *
 * Returns 0, -EAGAIN (they would have more than max) or -ENOMEM.
 */
int fs_pending_lines_add(struct fs_pending_lines *lines, uint64_t owner,
			 const char *text, size_t len, size_t max);

/* Moves the line of an owner, if there is one, to ret, which is empty. */
void fs_pending_lines_take(struct fs_pending_lines *lines, uint64_t owner,
			   struct fs_pending_lines *ret);

/* Moves what was taken back. taken is empty then. */
void fs_pending_lines_put_back(struct fs_pending_lines *lines,
			       struct fs_pending_lines *taken);

/* Copies all lines, one behind the other. ret: has room for size bytes. */
void fs_pending_lines_copy(const struct fs_pending_lines *lines, char *ret);

/* Whether there is a line, and the owner of the oldest one. */
bool fs_pending_lines_first(const struct fs_pending_lines *lines,
			    uint64_t *ret_owner);

#endif
