/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/name_set.h"

#include "core_test.h"

#include <pthread.h>

/* Returns the number of names in the set. *ret: how often the set has "name". */
static size_t count(struct core_name_set *set, const char *name, size_t *ret)
{
	char found[NAME_MAX + 1];
	size_t place = 0, n = 0;

	*ret = 0;
	while (core_name_set_next(set, &place, found)) {
		n++;
		*ret += strcmp(found, name) == 0;
	}
	return n;
}

static bool has(struct core_name_set *set, const char *name)
{
	size_t n;

	(void)count(set, name, &n);
	return n == 1;
}

static void test_add_remove_and_list(void **state)
{
	static const char *const added[] = { "b", "\xff", "a", "b", "B", "ab" };
	struct core_name_set *set;
	size_t n;

	(void)state;
	set = core_name_set_new();
	assert_non_null(set);
	assert_int_equal(count(set, "", &n), 0);
	for (size_t i = 0; i < COUNT(added); i++)
		core_name_set_add(set, added[i]);
	assert_int_equal(count(set, "b", &n), 5);
	assert_int_equal(n, 1);
	core_name_set_remove(set, "b"); /* added twice, removed by one call */
	core_name_set_remove(set, "missing");
	assert_int_equal(count(set, "b", &n), 4);
	assert_int_equal(n, 0);
	for (size_t i = 1; i < COUNT(added); i++)
		assert_true(i == 3 || has(set, added[i]));
	assert_null(core_name_set_free(set));
	assert_null(core_name_set_free(NULL));
}

static void test_names_are_copied(void **state)
{
	char name[NAME_MAX + 1], found[NAME_MAX + 1];
	struct core_name_set *set;
	size_t place = 0;

	(void)state;
	memset(name, 'x', NAME_MAX);
	name[NAME_MAX] = '\0';
	set = core_name_set_new();
	assert_non_null(set);
	core_name_set_add(set, name);
	name[0] = 'y';
	assert_true(core_name_set_next(set, &place, found));
	assert_int_equal(found[0], 'x');
	assert_string_equal(found + 1, name + 1);
	assert_false(core_name_set_next(set, &place, found));
	assert_string_equal(found + 1, name + 1);
	core_name_set_free(set);
}

static void test_a_kept_name_is_listed_once(void **state)
{
	char name[32], found[NAME_MAX + 1];
	struct core_name_set *set;
	size_t place = 0, n = 0;

	(void)state;
	set = core_name_set_new();
	assert_non_null(set);
	for (int i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), i % 2 ? "goes%d" : "stays%d",
			       i);
		core_name_set_add(set, name);
	}
	/* Other names are added and removed at each step. */
	for (int i = 0; core_name_set_next(set, &place, found); i++) {
		n += strncmp(found, "stays", 5) == 0;
		(void)snprintf(name, sizeof(name), "goes%d", i);
		core_name_set_remove(set, name);
		(void)snprintf(name, sizeof(name), "comes%d", i);
		if (i < 10)
			core_name_set_add(set, name);
	}
	assert_int_equal(n, 10);
	place = SIZE_MAX;
	assert_false(core_name_set_next(set, &place, found));
	core_name_set_free(set);
}

static void test_a_full_set_keeps_the_last_names(void **state)
{
	struct core_name_set *set;
	char name[32];
	size_t n;

	(void)state;
	set = core_name_set_new();
	assert_non_null(set);
	for (int i = 0; i < CORE_NAME_SET_MAX + 10; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		core_name_set_add(set, name);
	}
	assert_int_equal(count(set, "0", &n), CORE_NAME_SET_MAX);
	assert_int_equal(n, 0);
	assert_false(has(set, "9"));
	assert_true(has(set, "10"));
	assert_true(has(set, name));
	/* A removed name makes room for another. */
	core_name_set_remove(set, "500");
	core_name_set_add(set, "another");
	assert_true(has(set, "10") && has(set, "another"));
	core_name_set_free(set);
}

struct hammer {
	struct core_name_set *set;
	char base;
	int errors;
};

/* Adds 200 names and removes the odd ones, and checks the set at each step. */
static void *hammer(void *closure)
{
	struct hammer *h = closure;
	char name[32];

	for (int i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "%c%d", h->base, i);
		core_name_set_add(h->set, name);
		if (!has(h->set, name))
			h->errors++;
		if (i % 2)
			core_name_set_remove(h->set, name);
	}
	return NULL;
}

static void test_threads_share_a_set(void **state)
{
	struct hammer h[2] = { { .base = 'a' }, { .base = 'b' } };
	struct core_name_set *set;
	pthread_t threads[2];
	size_t n;

	(void)state;
	set = core_name_set_new();
	assert_non_null(set);
	for (int i = 0; i < 2; i++) {
		h[i].set = set;
		pthread_create(&threads[i], NULL, hammer, &h[i]);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(h[i].errors, 0);
	}
	assert_int_equal(count(set, "a198", &n), 200);
	assert_int_equal(n, 1);
	assert_false(has(set, "b199"));
	core_name_set_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add_remove_and_list),
		cmocka_unit_test(test_names_are_copied),
		cmocka_unit_test(test_a_kept_name_is_listed_once),
		cmocka_unit_test(test_a_full_set_keeps_the_last_names),
		cmocka_unit_test(test_threads_share_a_set),
	};

	return cmocka_run_group_tests_name("name_set", tests, NULL, NULL);
}
