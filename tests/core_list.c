/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/list.h"

#include "core/seen.h"
#include "core_test.h"

#include <pthread.h>
#include <stdlib.h>

#define DIR_PATH "/dev/shm/list"
#define FILE_A	 DIR_PATH "/a"
#define FILE_B	 DIR_PATH "/.b"
#define FILE_C	 DIR_PATH "/c\n\xff"

static int open_dir(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* A directory with three files, and one each of what isn't a file. */
static int set_up(void **state)
{
	(void)state;
	(void)umask(022);
	assert_return_code(mkdir(DIR_PATH, 0755), errno);
	test_make_file(FILE_A, "", 0644, 0, 0);
	test_make_file(FILE_B, "", 0000, 0, 0);
	test_make_file(FILE_C, "", 0644, 0, 0);
	assert_return_code(mkdir(DIR_PATH "/dir", 0755), errno);
	assert_return_code(mkfifo(DIR_PATH "/fifo", 0644), errno);
	assert_return_code(symlink("a", DIR_PATH "/link"), errno);
	assert_return_code(symlink("gone", DIR_PATH "/dangling"), errno);
	return 0;
}

static void test_regular_files(void **state)
{
	struct core_list list;
	int dir = open_dir(DIR_PATH);

	(void)state;
	/* Twice: the directory isn't moved. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(core_list_read(dir, NULL, &list), 0);
		assert_int_equal(list.n, 3);
		assert_int_equal(test_entry(&list, "a")->d_ino,
				 test_stat(FILE_A).st_ino);
		assert_int_equal(test_entry(&list, ".b")->d_ino,
				 test_stat(FILE_B).st_ino);
		assert_int_equal(test_entry(&list, "c\n\xff")->d_ino,
				 test_stat(FILE_C).st_ino);
		core_list_free(&list);
	}
	close(dir);
}

static int all_but_a(const struct dirent *entry)
{
	return strcmp(entry->d_name, "a") != 0;
}

/* A filter alone decides. */
static void test_filter(void **state)
{
	struct core_list list;
	int dir = open_dir(DIR_PATH);

	(void)state;
	assert_int_equal(core_list_read(dir, all_but_a, &list), 0);
	close(dir);
	assert_null(test_entry(&list, "a"));
	assert_non_null(test_entry(&list, ".b"));
	assert_non_null(test_entry(&list, "dir"));
	assert_non_null(test_entry(&list, "fifo"));
	assert_non_null(test_entry(&list, "link"));
	core_list_free(&list);
}

static void test_empty(void **state)
{
	struct core_list list;
	int dir = open_dir(DIR_PATH "/dir");

	(void)state;
	assert_int_equal(core_list_read(dir, NULL, &list), 0);
	close(dir);
	assert_int_equal(list.n, 0);
	core_list_free(&list);
}

static void test_free_leaves_an_empty_list(void **state)
{
	struct core_list list;
	int dir = open_dir(DIR_PATH);

	(void)state;
	assert_int_equal(core_list_read(dir, NULL, &list), 0);
	close(dir);
	core_list_free(&list);
	assert_int_equal(list.n, 0);
	assert_null(list.entries);
	core_list_free(&list);
}

static int read_dir(void *arg)
{
	struct core_list list;
	int r = core_list_read(*(int *)arg, NULL, &list);

	if (r == 0)
		core_list_free(&list);
	return r;
}

static void test_errors(void **state)
{
	struct core_list list = { .n = UNKNOWN };
	int dir = open_dir(DIR_PATH);
	struct rlimit old;
	int r;

	(void)state;
	test_no_more_fds(&old);
	r = core_list_read(dir, NULL, &list);
	test_more_fds(&old);
	assert_int_equal(r, -EMFILE);
	assert_int_equal(list.n, UNKNOWN);

	if (test_privileged()) {
		assert_int_equal(test_as(&test_user, read_dir, &dir), 0);
		assert_return_code(chmod(DIR_PATH, 0711), errno);
		assert_int_equal(test_as(&test_user, read_dir, &dir), -EACCES);
		assert_return_code(chmod(DIR_PATH, 0755), errno);
	}
	close(dir);
}

static void test_seen_is_an_ordered_set(void **state)
{
	static const char *const added[] = { "b", "\xff", "a", "b", "B", "ab" };
	static const char *const ordered[] = { "B", "a", "ab", "\xff" };
	struct core_list list;
	struct core_seen *seen;

	(void)state;
	assert_int_equal(core_seen_new(&seen), 0);
	assert_int_equal(core_seen_list(seen, &list), 0);
	assert_int_equal(list.n, 0);
	core_list_free(&list);

	for (size_t i = 0; i < COUNT(added); i++)
		assert_int_equal(core_seen_add(seen, added[i]), 0);
	core_seen_remove(seen, "b"); /* added twice, gone at once */
	core_seen_remove(seen, "missing");
	assert_int_equal(core_seen_list(seen, &list), 0);
	assert_int_equal(list.n, COUNT(ordered));
	for (size_t i = 0; i < COUNT(ordered); i++) {
		assert_string_equal(list.entries[i]->d_name, ordered[i]);
		assert_int_equal(list.entries[i]->d_ino, 0);
	}
	core_list_free(&list);
	assert_null(core_seen_free(seen));
	assert_null(core_seen_free(NULL));
}

static void test_seen_copies_names(void **state)
{
	char name[NAME_MAX + 1];
	struct core_list list;
	struct core_seen *seen;

	(void)state;
	memset(name, 'x', NAME_MAX);
	name[NAME_MAX] = '\0';
	assert_int_equal(core_seen_new(&seen), 0);
	assert_int_equal(core_seen_add(seen, name), 0);
	name[0] = 'y';
	assert_int_equal(core_seen_list(seen, &list), 0);
	assert_int_equal(list.n, 1);
	assert_int_equal(list.entries[0]->d_name[0], 'x');
	assert_int_equal(strlen(list.entries[0]->d_name), NAME_MAX);
	core_list_free(&list);
	core_seen_free(seen);
}

struct hammer {
	struct core_seen *seen;
	char base;
	int errors;
};

/* Adds 200 names and removes the odd ones, listing all the while. */
static void *hammer(void *closure)
{
	struct hammer *h = closure;
	struct core_list list;
	char name[16];

	for (int i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "%c%d", h->base, i);
		if (core_seen_add(h->seen, name) != 0)
			h->errors++;
		if (core_seen_list(h->seen, &list) != 0) {
			h->errors++;
			continue;
		}
		if (!test_entry(&list, name))
			h->errors++;
		core_list_free(&list);
		if (i % 2)
			core_seen_remove(h->seen, name);
	}
	return NULL;
}

static void test_seen_is_shared_by_threads(void **state)
{
	struct hammer h[2] = { { .base = 'a' }, { .base = 'b' } };
	struct core_list list;
	struct core_seen *seen;
	pthread_t threads[2];

	(void)state;
	assert_int_equal(core_seen_new(&seen), 0);
	for (int i = 0; i < 2; i++) {
		h[i].seen = seen;
		pthread_create(&threads[i], NULL, hammer, &h[i]);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(h[i].errors, 0);
	}
	assert_int_equal(core_seen_list(seen, &list), 0);
	assert_int_equal(list.n, 200);
	assert_non_null(test_entry(&list, "a198"));
	assert_null(test_entry(&list, "b199"));
	core_list_free(&list);
	core_seen_free(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_regular_files),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_free_leaves_an_empty_list),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_seen_is_an_ordered_set),
		cmocka_unit_test(test_seen_copies_names),
		cmocka_unit_test(test_seen_is_shared_by_threads),
	};

	return cmocka_run_group_tests_name("list", tests, set_up, NULL);
}
