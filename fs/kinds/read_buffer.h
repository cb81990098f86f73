/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * read_buffer: the text that an open file took from a queue last.
 *
 * A read gets a piece of it; what the read had no room for is left to the next
 * reads. A reader that seeks back within the text, as tools do that read too far,
 * reads it again. A piece keeps its text, also when the buffer is filled anew.
 *
 * Not thread-safe, but pieces may be freed at any time.
 */
#ifndef FS_READ_BUFFER_H
#define FS_READ_BUFFER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fs_read_text {
	size_t len;
	atomic_uint refs; /* private */
	char text[];
};

/* All zero: empty. */
struct fs_read_buffer {
	size_t n_fills; /* since a seek back, or from the beginning on */

	/* Private. */
	struct fs_read_text *text; /* or NULL */
	size_t start; /* the position of the first byte; it may wrap */
	size_t taken; /* how many bytes were read */
};

/* len bytes from "from" on. All zero: an empty piece. */
struct fs_read_piece {
	struct fs_read_text *text;
	size_t from, len;
};

/*
 * Makes a text with room for this many bytes. The caller writes to it, sets len,
 * and gives it to fs_read_buffer_fill() or free(3). NULL: no memory.
 */
struct fs_read_text *fs_read_text_new(size_t room);

/*
 * Replaces the text, which is at a position of the file then. text: taken over.
 */
void fs_read_buffer_fill(struct fs_read_buffer *buffer,
			 struct fs_read_text *text, off_t position);

/*
 * Cuts a piece of up to size bytes out of the text. position: of the read; NULL if
 * the file has none: the piece goes on behind the last one. So does a piece at a
 * position that isn't in the text. ret: an empty piece, to be freed with
 * fs_read_piece_free(). Returns whether there is anything; if not, ret is
 * untouched.
 */
bool fs_read_buffer_take(struct fs_read_buffer *buffer, const off_t *position,
			 size_t size, struct fs_read_piece *ret);

/*
 * What was taken last was read by nobody: its bytes are unread again. Nothing
 * happens if something else was taken since.
 */
void fs_read_buffer_put_back(struct fs_read_buffer *buffer,
			     const struct fs_read_piece *piece);

/* Whether there is text that was not read. */
bool fs_read_buffer_has_rest(const struct fs_read_buffer *buffer);

/* The position behind the text; 0 if there never was one. */
size_t fs_read_buffer_end(const struct fs_read_buffer *buffer);

void fs_read_buffer_free(struct fs_read_buffer *buffer);
void fs_read_piece_free(struct fs_read_piece *piece);

#endif
