/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of pending lines: lines of text that no newline has ended yet. */
#include "fs/kinds/pending_lines.h"

#include "core_test.h"

#include <stdlib.h>

static struct fs_pending_lines lines;

static int set_up(void **state)
{
	(void)state;
	fs_pending_lines_init(&lines);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fs_pending_lines_free(&lines);
	assert_null(fs_pending_lines_remove(&lines, NULL));
	return 0;
}

static int add(uint64_t owner, const char *text)
{
	return fs_pending_lines_add(&lines, owner, text, strlen(text), 10);
}

static void assert_is(const struct fs_pending_line *line, uint64_t owner,
		      const char *text)
{
	assert_non_null(line);
	assert_int_equal(line->owner, owner);
	assert_int_equal(line->len, strlen(text));
	assert_memory_equal(line->text, text, line->len);
}

/* Removes a line of an owner. NULL: the owner has no line. */
static void assert_line(uint64_t owner, const char *text)
{
	struct fs_pending_line *line = fs_pending_lines_remove(&lines, &owner);

	if (text)
		assert_is(line, owner, text);
	else
		assert_null(line);
	free(line);
}

static void test_each_owner_has_a_line(void **state)
{
	struct fs_pending_line *line;

	(void)state;
	assert_int_equal(add(1, "abc"), 0);
	assert_int_equal(add(2, "XY"), 0);
	assert_int_equal(add(UINT64_MAX, "-"), 0);
	assert_line(3, NULL);
	assert_line(UINT64_MAX, "-");
	assert_line(UINT64_MAX, NULL);
	line = fs_pending_lines_remove(&lines, NULL);
	assert_is(line, 1, "abc");
	free(line);
	assert_line(2, "XY");
}

static void test_the_limit_is_for_all_owners_together(void **state)
{
	(void)state;
	assert_int_equal(add(1, "01234"), 0);
	assert_int_equal(add(2, "567890"), -EAGAIN);
	assert_int_equal(add(2, "56789"), 0);
	assert_int_equal(add(1, "x"), -EAGAIN);
	assert_line(1, "01234");
	assert_int_equal(add(3, "xxxxx"), 0);
	assert_int_equal(add(4, "x"), -EAGAIN);
}

static void test_a_line_is_put_back(void **state)
{
	struct fs_pending_line *line;
	uint64_t owner = 1;

	(void)state;
	assert_int_equal(add(1, "abc"), 0);
	line = fs_pending_lines_remove(&lines, &owner);
	assert_int_equal(add(1, "d"), 0);
	fs_pending_lines_put_back(&lines, line);
	fs_pending_lines_put_back(&lines, NULL);
	assert_int_equal(add(2, "1234567"), -EAGAIN);
	assert_line(1, "abc");
	assert_line(1, "d");
	assert_line(1, NULL);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_owner_has_a_line),
		TEST(the_limit_is_for_all_owners_together),
		TEST(a_line_is_put_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
