/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/kinds/read_buffer.h"

#include <stdlib.h>
#include <sys/param.h>

struct fs_read_text *fs_read_text_new(size_t room)
{
	struct fs_read_text *text = malloc(sizeof(*text) + room);

	if (text)
		text->refs = 1;
	return text;
}

static void unref(struct fs_read_text *text)
{
	if (text && atomic_fetch_sub(&text->refs, 1) == 1)
		free(text);
}

void fs_read_buffer_fill(struct fs_read_buffer *buffer,
			 struct fs_read_text *text, off_t position)
{
	struct fs_read_text *shrunk = realloc(text, sizeof(*text) + text->len);

	unref(buffer->text);
	buffer->text = shrunk ?: text;
	buffer->start = (uint64_t)position;
	buffer->n_read = 0;
	buffer->n_fills++;
}

bool fs_read_buffer_read(struct fs_read_buffer *buffer, const off_t *position,
			 size_t size, struct fs_read_piece *ret)
{
	struct fs_read_text *text = buffer->text;
	size_t from = buffer->n_read;

	if (text && position &&
	    (uint64_t)*position - buffer->start < text->len) {
		from = (size_t)((uint64_t)*position - buffer->start);
		if (from < buffer->n_read)
			buffer->n_fills = 0; /* the reader had read too far */
	} else if (position && fs_read_buffer_has_rest(buffer)) {
		buffer->start = (uint64_t)*position - from;
	}
	if (!text || from >= text->len)
		return false;
	atomic_fetch_add(&text->refs, 1);
	*ret = (struct fs_read_piece){ .text = text,
				       .from = from,
				       .len = MIN(size, text->len - from) };
	buffer->n_read = from + ret->len;
	return true;
}

void fs_read_buffer_put_back(struct fs_read_buffer *buffer,
			     const struct fs_read_piece *piece)
{
	if (buffer->text == piece->text &&
	    buffer->n_read == piece->from + piece->len)
		buffer->n_read = piece->from;
}

bool fs_read_buffer_has_rest(const struct fs_read_buffer *buffer)
{
	return buffer->text && buffer->n_read < buffer->text->len;
}

uint64_t fs_read_buffer_end(const struct fs_read_buffer *buffer)
{
	return buffer->text ? buffer->start + buffer->text->len : 0;
}

void fs_read_buffer_free(struct fs_read_buffer *buffer)
{
	unref(buffer->text);
	*buffer = (struct fs_read_buffer){ 0 };
}

void fs_read_piece_free(struct fs_read_piece *piece)
{
	unref(piece->text);
	*piece = (struct fs_read_piece){ 0 };
}
