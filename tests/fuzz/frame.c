/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Divides a text into messages. The first byte chooses the view, the second
 * byte the longest message, the third byte how the text is cut into writes. A
 * text written in pieces must have the same messages as the text written at
 * once. A message that is framed again must be found again.
 */
#include "fs/kinds/frame.h"

#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

struct found {
	size_t start, len; /* in the whole text */
	unsigned int priority;
};

static void must_be_found_again(const struct fs_mq_view *view,
				const char *message,
				const struct fs_frame *frame)
{
	size_t size = frame->len + FS_FRAME_EXTRA;
	char *text = malloc(size);
	struct fs_frame again;

	MUST(text);
	memcpy(text, message, frame->len);
	size = fs_frame_put(view, frame->priority, text, frame->len);
	MUST(size >= frame->len + fs_frame_overhead(view));
	MUST(fs_frame_next(view, frame->len, text, size, false, &again) == 1);
	MUST(again.end == size && again.len == frame->len);
	MUST(again.priority == frame->priority || !view->prefix);
	MUST(memcmp(text + again.start, message, again.len) == 0);
	free(text);
}

/*
 * Finds the messages of a text that comes in pieces, as a handle does. Returns
 * the number of messages. ret_end: the last result of fs_frame_next().
 */
static size_t take_all(const struct fs_mq_view *view, size_t msgsize,
		       const char *text, size_t size, size_t piece,
		       struct found *ret, int *ret_end)
{
	size_t n = 0, begin = 0, end = 0;
	struct fs_frame frame;

	do {
		end = size - end < piece ? size : end + piece;
		while ((*ret_end = fs_frame_next(view, msgsize, text + begin,
						 end - begin, end == size,
						 &frame)) > 0) {
			MUST(frame.len <= msgsize && frame.end <= end - begin);
			MUST(frame.start + frame.len <= frame.end);
			must_be_found_again(view, text + begin + frame.start,
					    &frame);
			ret[n].start = begin + frame.start;
			ret[n].len = frame.len;
			ret[n++].priority = frame.priority;
			begin += frame.end;
			if (!view->lines)
				return n;
		}
	} while (*ret_end == 0 && end < size);
	MUST(*ret_end < 0 || begin == size);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fs_mq_view view = { 0 };
	struct found *whole, *pieces;
	int end, end_in_pieces;
	const char *text;
	size_t n, msgsize, piece;

	if (size < 3 || size > 4096)
		return 0;
	view.lines = data[0] & 1;
	view.prefix = data[0] & 2;
	view.priority = data[0] >> 2;
	msgsize = data[1] + 1U;
	piece = data[2] + 1U;
	text = (const char *)data + 3;
	size -= 3;
	whole = calloc(size + 1, sizeof(*whole));
	pieces = calloc(size + 1, sizeof(*pieces));
	MUST(whole && pieces);
	n = take_all(&view, msgsize, text, size, size + 1, whole, &end);
	MUST(end == 0 || end == 1 || end == -EMSGSIZE || end == -EINVAL);
	if (view.lines) {
		MUST(take_all(&view, msgsize, text, size, piece, pieces,
			      &end_in_pieces) == n);
		MUST((end < 0) == (end_in_pieces < 0));
		MUST(memcmp(whole, pieces, n * sizeof(*whole)) == 0);
	}
	free(whole);
	free(pieces);
	return 0;
}
