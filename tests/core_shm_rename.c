/* SPDX-License-Identifier: BSD-3-Clause */
#include "core_objects.h"

static int renames(const char *name, const char *new_name, unsigned int flags)
{
	return core_shm_rename(dirs, &test_root, name, new_name, flags);
}

static void test_moves_replaces_and_exchanges(void **state)
{
	ino_t a, b;

	(void)state;
	test_make_file(SHM "a", "a", 0600, 0, 0);
	test_make_file(SHM "b", "b", 0600, 0, 0);
	(void)unlink(SHM "c");
	a = test_stat(SHM "a").st_ino;
	b = test_stat(SHM "b").st_ino;
	assert_int_equal(renames("a", "b", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(renames("a", "c", RENAME_EXCHANGE), -ENOENT);
	assert_int_equal(renames("a", "b", RENAME_EXCHANGE), 0);
	assert_int_equal(test_stat(SHM "a").st_ino, b);
	assert_int_equal(test_stat(SHM "b").st_ino, a);
	assert_int_equal(renames("b", "c", RENAME_NOREPLACE), 0);
	assert_int_equal(test_stat(SHM "c").st_ino, a);
	assert_int_equal(renames("b", "c", 0), -ENOENT);
	assert_int_equal(renames("b", "c", RENAME_EXCHANGE), -ENOENT);
	assert_int_equal(renames("c", "c", 0), 0);
	assert_int_equal(renames("c", "a", 0), 0);
	assert_int_equal(test_stat(SHM "a").st_ino, a);
	assert_int_equal(open_fails(&test_root, "c", O_RDONLY), -ENOENT);
	assert_int_equal(core_shm_unlink(dirs, &test_root, "a"), 0);
}

static void test_invalid_flags_and_names(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "../x" };
	char name[NAME_MAX + 2];

	(void)state;
	close(must_open("object", O_RDWR | O_CREAT));
	assert_int_equal(renames("object", "x", RENAME_WHITEOUT), -EINVAL);
	assert_int_equal(renames("object", "x",
				 RENAME_NOREPLACE | RENAME_WHITEOUT),
			 -EINVAL);
	assert_int_equal(renames("object", "x", 1U << 31), -EINVAL);
	assert_int_equal(renames("object", "object",
				 RENAME_NOREPLACE | RENAME_EXCHANGE),
			 -EINVAL);
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(renames("object", bad[i], 0), -EINVAL);
		assert_int_equal(renames(bad[i], "x", 0), -EINVAL);
	}
	memset(name, 'x', sizeof(name));
	name[NAME_MAX + 1] = '\0';
	assert_int_equal(renames("object", name, 0), -ENAMETOOLONG);
	assert_int_equal(renames(name, "object", 0), -ENAMETOOLONG);
	name[NAME_MAX] = '\0';
	assert_int_equal(renames("object", name, 0), 0);
	assert_int_equal(renames(name, "object", RENAME_NOREPLACE), 0);
	assert_int_equal(access(PATH, F_OK), 0);
}

static void test_rights(void **state)
{
	int r;

	(void)state;
	close(must_open("object", O_RDWR | O_CREAT));
	if (!test_privileged()) {
		assert_int_equal(core_shm_rename(dirs, &test_user, "object",
						 "x", 0),
				 -EPERM);
		return;
	}
	/*
	 * In a sticky directory a user can't move or replace another user's
	 * object.
	 */
	test_make_file(SHM "users", "", 0600, USER, USER);
	assert_int_equal(core_shm_rename(dirs, &test_user, "object", "x", 0),
			 -EPERM);
	assert_int_equal(core_shm_rename(dirs, &test_user, "users", "object",
					 0),
			 -EPERM);
	assert_int_equal(core_shm_rename(dirs, &test_user, "users", "object",
					 RENAME_EXCHANGE),
			 -EPERM);
	assert_int_equal(core_shm_rename(dirs, &test_user, "users", "object",
					 RENAME_NOREPLACE),
			 -EEXIST);
	assert_return_code(chmod(SHM, 0755), errno);
	r = core_shm_rename(dirs, &test_user, "users", "x", 0);
	assert_return_code(chmod(SHM, 01777), errno);
	assert_int_equal(r, -EACCES);
	assert_int_equal(core_shm_rename(dirs, &test_user, "users", "x", 0), 0);
	assert_int_equal(core_shm_unlink(dirs, &test_user, "x"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_moves_replaces_and_exchanges,
				       set_up),
		cmocka_unit_test_setup(test_invalid_flags_and_names, set_up),
		cmocka_unit_test_setup(test_rights, set_up),
	};

	return cmocka_run_group_tests_name("shm_rename", tests, set_up_group,
					   tear_down_group);
}
