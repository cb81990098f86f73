/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the read buffer: the text that a handle received last. */
#include "fs/kinds/read_buffer.h"

#include "core_test.h"

#include <stdlib.h>

static struct fs_read_buffer buffer;

static void fill(const char *content, off_t position)
{
	struct fs_read_text *text = fs_read_text_new(100);

	assert_non_null(text);
	text->len = strlen(content);
	memcpy(text->text, content, text->len);
	fs_read_buffer_fill(&buffer, text, position);
}

static void assert_piece(struct fs_read_piece *piece, const char *content)
{
	assert_int_equal(piece->len, strlen(content));
	assert_memory_equal(piece->text->text + piece->from, content,
			    piece->len);
	fs_read_piece_free(piece);
	assert_null(piece->text);
}

/* Reads a piece of a file with a position. "": there is no piece. */
static void assert_taken(off_t position, size_t size, const char *content)
{
	struct fs_read_piece piece = { 0 };

	assert_int_equal(fs_read_buffer_read(&buffer, &position, size, &piece),
			 *content != '\0');
	if (*content)
		assert_piece(&piece, content);
}

static int tear_down(void **state)
{
	(void)state;
	fs_read_buffer_free(&buffer);
	return 0;
}

static void test_an_empty_buffer_has_no_text(void **state)
{
	struct fs_read_piece piece = { .from = UNKNOWN };
	off_t position = 0;

	(void)state;
	assert_false(fs_read_buffer_read(&buffer, &position, 10, &piece));
	assert_false(fs_read_buffer_read(&buffer, NULL, 10, &piece));
	assert_int_equal(piece.from, UNKNOWN);
	assert_false(fs_read_buffer_has_rest(&buffer));
	assert_int_equal(fs_read_buffer_end(&buffer), 0);
	fs_read_buffer_free(&buffer);
	fs_read_piece_free(&(struct fs_read_piece){ 0 });
}

static void test_each_read_continues_after_the_last(void **state)
{
	(void)state;
	fill("abcdef", 100);
	assert_true(fs_read_buffer_has_rest(&buffer));
	assert_int_equal(fs_read_buffer_end(&buffer), 106);
	assert_taken(100, 2, "ab");
	assert_taken(102, 3, "cde");
	assert_true(fs_read_buffer_has_rest(&buffer));
	assert_taken(105, 10, "f");
	assert_false(fs_read_buffer_has_rest(&buffer));
	assert_taken(106, 10, "");
}

static void test_reads_without_a_position_continue_too(void **state)
{
	struct fs_read_piece piece = { 0 };

	(void)state;
	fill("abc", 0);
	assert_true(fs_read_buffer_read(&buffer, NULL, 2, &piece));
	assert_piece(&piece, "ab");
	assert_true(fs_read_buffer_read(&buffer, NULL, 2, &piece));
	assert_piece(&piece, "c");
	assert_false(fs_read_buffer_read(&buffer, NULL, 2, &piece));
}

static void test_a_seek_back_reads_again(void **state)
{
	(void)state;
	fill("abc", 10);
	fill("abc", 10);
	assert_taken(10, 10, "abc");
	assert_int_equal(buffer.n_fills, 2);
	assert_taken(11, 1, "b");
	assert_int_equal(buffer.n_fills, 0);
	assert_taken(12, 9, "c");
	assert_taken(10, 1, "a");
	/* An offset before the text: the read continues where it was. */
	assert_taken(5, 1, "b");
	assert_taken(6, 9, "c");
	fill("d", 0);
	assert_int_equal(buffer.n_fills, 1);
}

static void test_any_other_position_continues(void **state)
{
	(void)state;
	fill("abcd", 10);
	assert_taken(10, 2, "ab");
	assert_taken(INT64_MAX, 1, "c");
	/* The text begins at the position of the read; its end wraps. */
	assert_taken(INT64_MAX - 2, 2, "ab");
	assert_taken(0, 1, "c");
	assert_taken(1, 1, "d");
	assert_taken(2, 1, "");
}

static void test_unread_text_is_put_back(void **state)
{
	struct fs_read_piece first = { 0 }, second = { 0 };
	off_t position = 0;

	(void)state;
	fill("abcd", 0);
	assert_true(fs_read_buffer_read(&buffer, &position, 2, &first));
	fs_read_buffer_put_back(&buffer, &first);
	fs_read_piece_free(&first);
	assert_true(fs_read_buffer_read(&buffer, &position, 2, &first));
	position = 2;
	assert_true(fs_read_buffer_read(&buffer, &position, 1, &second));
	/* The piece isn't the last one any more. */
	fs_read_buffer_put_back(&buffer, &first);
	assert_piece(&first, "ab");
	fs_read_buffer_put_back(&buffer, &second);
	assert_piece(&second, "c");
	assert_taken(2, 9, "cd");
}

static void test_a_piece_keeps_its_text(void **state)
{
	struct fs_read_piece piece = { 0 };

	(void)state;
	fill("abc", 0);
	assert_true(fs_read_buffer_read(&buffer, NULL, 9, &piece));
	fill("de", 3);
	fs_read_buffer_put_back(&buffer, &piece);
	assert_taken(3, 9, "de");
	fs_read_buffer_free(&buffer);
	assert_piece(&piece, "abc");
}

static void test_an_empty_text_has_no_piece(void **state)
{
	(void)state;
	fill("", 10);
	assert_false(fs_read_buffer_has_rest(&buffer));
	assert_taken(10, 10, "");
	assert_int_equal(fs_read_buffer_end(&buffer), 10);
}

#define TEST(name) cmocka_unit_test_teardown(test_##name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_empty_buffer_has_no_text),
		TEST(each_read_continues_after_the_last),
		TEST(reads_without_a_position_continue_too),
		TEST(a_seek_back_reads_again),
		TEST(any_other_position_continues),
		TEST(unread_text_is_put_back),
		TEST(a_piece_keeps_its_text),
		TEST(an_empty_text_has_no_piece),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
