/* SPDX-License-Identifier: BSD-3-Clause */
/* The beginnings of lines that no newline has ended yet. */
#include "fs/kinds/pending_lines.h"

#include "core_test.h"

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
	assert_int_equal(lines.size, 0);
	return 0;
}

static int add(uint64_t owner, const char *text)
{
	return fs_pending_lines_add(&lines, owner, text, strlen(text), 10);
}

static void assert_content(const struct fs_pending_lines *those,
			   const char *content)
{
	char text[11] = "";

	assert_int_equal(those->size, strlen(content));
	fs_pending_lines_copy(those, text);
	assert_string_equal(text, content);
}

/* Takes the line of an owner away. */
static void assert_line(uint64_t owner, const char *content)
{
	struct fs_pending_lines taken;

	fs_pending_lines_init(&taken);
	fs_pending_lines_take(&lines, owner, &taken);
	assert_content(&taken, content);
	fs_pending_lines_free(&taken);
}

static void test_each_owner_has_a_line(void **state)
{
	(void)state;
	assert_int_equal(add(1, "ab"), 0);
	assert_int_equal(add(2, "XY"), 0);
	assert_int_equal(add(1, "c"), 0);
	assert_int_equal(add(UINT64_MAX, "-"), 0);
	assert_content(&lines, "abXYc-");
	assert_line(3, "");
	assert_line(1, "abc");
	assert_line(1, "");
	assert_line(UINT64_MAX, "-");
	assert_content(&lines, "XY");
}

static void test_all_have_a_limit_together(void **state)
{
	(void)state;
	assert_int_equal(add(1, "01234"), 0);
	assert_int_equal(add(2, "567890"), -EAGAIN);
	assert_content(&lines, "01234");
	assert_int_equal(add(2, "56789"), 0);
	assert_int_equal(add(1, "x"), -EAGAIN);
	assert_line(1, "01234");
	assert_int_equal(add(2, "xxxxx"), 0);
	assert_int_equal(add(2, "x"), -EAGAIN);
}

static void test_what_was_taken_is_put_back(void **state)
{
	struct fs_pending_lines taken;

	(void)state;
	fs_pending_lines_init(&taken);
	assert_int_equal(add(1, "ab"), 0);
	assert_int_equal(add(2, "X"), 0);
	assert_int_equal(add(1, "c"), 0);
	fs_pending_lines_take(&lines, 1, &taken);
	assert_content(&lines, "X");
	fs_pending_lines_put_back(&lines, &taken);
	assert_content(&taken, "");
	assert_content(&lines, "Xabc");
	assert_int_equal(add(1, "d"), 0);
	assert_line(1, "abcd");
	/* Nothing is put back too. */
	fs_pending_lines_put_back(&lines, &taken);
	assert_content(&lines, "X");
}

static void test_the_first_owner_is_told(void **state)
{
	uint64_t owner = UNKNOWN;

	(void)state;
	assert_false(fs_pending_lines_first(&lines, &owner));
	assert_int_equal(owner, UNKNOWN);
	assert_int_equal(add(7, "a"), 0);
	assert_int_equal(add(8, "b"), 0);
	assert_true(fs_pending_lines_first(&lines, &owner));
	assert_int_equal(owner, 7);
	assert_line(7, "a");
	assert_true(fs_pending_lines_first(&lines, &owner));
	assert_int_equal(owner, 8);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_owner_has_a_line),
		TEST(all_have_a_limit_together),
		TEST(what_was_taken_is_put_back),
		TEST(the_first_owner_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
