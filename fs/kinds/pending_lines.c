/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/kinds/pending_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void fs_pending_lines_init(struct fs_pending_lines *lines)
{
	TAILQ_INIT(&lines->list);
	lines->size = 0;
}

void fs_pending_lines_free(struct fs_pending_lines *lines)
{
	struct fs_pending_line *line;

	while ((line = fs_pending_lines_remove(lines, NULL)))
		free(line);
}

int fs_pending_lines_add(struct fs_pending_lines *lines, uint64_t owner,
			 const char *text, size_t len, size_t max)
{
	struct fs_pending_line *line;

	if (lines->size + len > max)
		return -EAGAIN;
	line = malloc(sizeof(*line) + len);
	if (!line)
		return -ENOMEM;
	line->owner = owner;
	line->len = len;
	memcpy(line->text, text, len);
	TAILQ_INSERT_TAIL(&lines->list, line, entry);
	lines->size += len;
	return 0;
}

struct fs_pending_line *fs_pending_lines_remove(struct fs_pending_lines *lines,
						const uint64_t *owner)
{
	struct fs_pending_line *line = TAILQ_FIRST(&lines->list);

	while (line && owner && line->owner != *owner)
		line = TAILQ_NEXT(line, entry);
	if (line) {
		TAILQ_REMOVE(&lines->list, line, entry);
		lines->size -= line->len;
	}
	return line;
}

void fs_pending_lines_put_back(struct fs_pending_lines *lines,
			       struct fs_pending_line *line)
{
	if (!line)
		return;
	TAILQ_INSERT_HEAD(&lines->list, line, entry);
	lines->size += line->len;
}
