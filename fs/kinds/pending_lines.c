/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/kinds/pending_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A part of a line. */
struct fs_pending_line {
	TAILQ_ENTRY(fs_pending_line) entry;
	uint64_t owner;
	size_t len;
	char text[];
};

void fs_pending_lines_init(struct fs_pending_lines *lines)
{
	TAILQ_INIT(&lines->list);
	lines->size = 0;
}

void fs_pending_lines_free(struct fs_pending_lines *lines)
{
	struct fs_pending_line *part;

	while ((part = TAILQ_FIRST(&lines->list))) {
		TAILQ_REMOVE(&lines->list, part, entry);
		free(part);
	}
	lines->size = 0;
}

int fs_pending_lines_add(struct fs_pending_lines *lines, uint64_t owner,
			 const char *text, size_t len, size_t max)
{
	struct fs_pending_line *part;

	if (lines->size + len > max)
		return -EAGAIN;
	part = malloc(sizeof(*part) + len);
	if (!part)
		return -ENOMEM;
	part->owner = owner;
	part->len = len;
	memcpy(part->text, text, len);
	TAILQ_INSERT_TAIL(&lines->list, part, entry);
	lines->size += len;
	return 0;
}

void fs_pending_lines_take(struct fs_pending_lines *lines, uint64_t owner,
			   struct fs_pending_lines *ret)
{
	struct fs_pending_line *part, *next;

	for (part = TAILQ_FIRST(&lines->list); part; part = next) {
		next = TAILQ_NEXT(part, entry);
		if (part->owner != owner)
			continue;
		TAILQ_REMOVE(&lines->list, part, entry);
		TAILQ_INSERT_TAIL(&ret->list, part, entry);
		lines->size -= part->len;
		ret->size += part->len;
	}
}

void fs_pending_lines_put_back(struct fs_pending_lines *lines,
			       struct fs_pending_lines *taken)
{
	TAILQ_CONCAT(&lines->list, &taken->list, entry);
	lines->size += taken->size;
	taken->size = 0;
}

void fs_pending_lines_copy(const struct fs_pending_lines *lines, char *ret)
{
	const struct fs_pending_line *part;

	TAILQ_FOREACH (part, &lines->list, entry)
		ret = mempcpy(ret, part->text, part->len);
}

bool fs_pending_lines_first(const struct fs_pending_lines *lines,
			    uint64_t *ret_owner)
{
	const struct fs_pending_line *part = TAILQ_FIRST(&lines->list);

	if (part)
		*ret_owner = part->owner;
	return part;
}
