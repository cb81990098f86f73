/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/name.h"

#include "core_test.h"

/* Returns n times 'x'. */
static const char *long_name(size_t n)
{
	static char name[NAME_MAX + 2];

	memset(name, 'x', n);
	name[n] = '\0';
	return name;
}

static void test_good_names_are_accepted(void **state)
{
	static const char *const names[] = { "a",     "jobs",	      ".hidden",
					     "...",   "..a",	      " a b ",
					     "a\nb",  "\xff\xfe\x80", "\x01",
					     "sem.x", "a\\b" };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		assert_int_equal(core_name_check(names[i]), 0);
}

static void test_bad_names_are_refused(void **state)
{
	static const char *const names[] = { "",   ".",	 "..", "/",
					     "/a", "a/", "a/b" };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		assert_int_equal(core_name_check(names[i]), -EINVAL);
}

static void test_length_limit(void **state)
{
	(void)state;
	assert_int_equal(core_name_check(long_name(256)), -ENAMETOOLONG);
	assert_int_equal(core_name_check(long_name(255)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_names_are_accepted),
		cmocka_unit_test(test_bad_names_are_refused),
		cmocka_unit_test(test_length_limit),
	};

	return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}
