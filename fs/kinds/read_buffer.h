/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * read_buffer: the text that an open file received from a queue last.
 *
 * A read returns a piece of the text. The rest is left for the next reads. A
 * reader that seeks back within the text, as tools do after reading too far,
 * reads the text again. A piece keeps its text alive, even when the buffer is
 * filled anew.
 *
 * Not thread-safe, but pieces may be freed at any time.
 */
#ifndef FS_READ_BUFFER_H
#define FS_READ_BUFFER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct fs_read_text {
	size_t len;
	atomic_uint refs; /* private */
	char text[];
};

/* All zero: empty. */
struct fs_read_buffer {
	size_t n_fills; /* since a seek back, or since the open */

	/* Private. */
	struct fs_read_text *text; /* or NULL */
	uint64_t start; /* the position of the first byte; it may wrap */
	size_t n_read;	/* how many of its bytes were read */
};

/* The len bytes of a text that begin at "from". All zero: an empty piece. */
struct fs_read_piece {
	struct fs_read_text *text;
	size_t from, len;
};

/*
 * Makes a text with room for this many bytes. The caller writes the text, sets
 * len, and passes the text to fs_read_buffer_fill() or free(3). Returns NULL if
 * there is no memory.
 */
struct fs_read_text *fs_read_text_new(size_t room);

/*
 * Replaces the text. position: of the new text in the file. The buffer owns
 * text then.
 */
void fs_read_buffer_fill(struct fs_read_buffer *buffer,
			 struct fs_read_text *text, off_t position);

/*
 * Reads a piece of up to size bytes of the text. position: of the read, or NULL
 * if the file has no position. Without a position the piece begins where the
 * last piece ended. The same holds for a position that isn't in the text. ret:
 * an empty piece; the caller frees it with fs_read_piece_free(). Returns
 * whether there is a piece; if not, ret is untouched.
 */
bool fs_read_buffer_read(struct fs_read_buffer *buffer, const off_t *position,
			 size_t size, struct fs_read_piece *ret);

/*
 * Makes the bytes of the last piece unread again, because nobody has read them.
 * Does nothing if another piece was read since.
 */
void fs_read_buffer_put_back(struct fs_read_buffer *buffer,
			     const struct fs_read_piece *piece);

/* Whether a part of the text wasn't read yet. */
bool fs_read_buffer_has_rest(const struct fs_read_buffer *buffer);

/* Returns the position behind the text; 0 if there never was a text. */
uint64_t fs_read_buffer_end(const struct fs_read_buffer *buffer);

/* Drops the text. Pieces of the text stay valid. The struct is the caller's. */
void fs_read_buffer_free(struct fs_read_buffer *buffer);

/* Ends the use of a piece. An empty piece is allowed. */
void fs_read_piece_free(struct fs_read_piece *piece);

#endif
