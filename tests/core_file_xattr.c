/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of extended attributes of objects. */
#include "core/file.h"

#include "core_test.h"

#include <sys/xattr.h>

#define PATH "/dev/shm/object"

static int set_up(void **state)
{
	(void)state;
	test_make_file(PATH, "content", 0600, 0, 0);
	return 0;
}

/* As core_file_find() opens it. */
static int must_find_object(void)
{
	int fd = open(PATH, O_PATH | O_CLOEXEC);

	assert_return_code(fd, errno);
	return fd;
}

/* tmpfs has "user." attributes since Linux 6.6. */
static int has_user_xattrs(void)
{
	return setxattr(PATH, "user.probe", "", 0, 0) == 0 &&
	       removexattr(PATH, "user.probe") == 0;
}

static void test_set_get_list_and_remove(void **state)
{
	const struct core_cred *const as = &test_root;
	char value[16] = "untouched", list[64];
	int fd = must_find_object();

	(void)state;
	NEEDS(has_user_xattrs(), "user attributes in tmpfs: Linux 6.6");
	assert_int_equal(core_file_getxattr(as, fd, "user.a", value, 16),
			 -ENODATA);
	assert_int_equal(core_file_removexattr(as, fd, "user.a"), -ENODATA);
	assert_int_equal(core_file_setxattr(as, fd, "user.a", "x", 1,
					    XATTR_REPLACE),
			 -ENODATA);
	assert_int_equal(core_file_setxattr(as, fd, "user.a", "a\0b", 3,
					    XATTR_CREATE),
			 0);
	assert_int_equal(core_file_setxattr(as, fd, "user.a", "x", 1,
					    XATTR_CREATE),
			 -EEXIST);
	assert_int_equal(core_file_getxattr(as, fd, "user.a", value, 2),
			 -ERANGE);
	assert_string_equal(value, "untouched");
	assert_int_equal(core_file_getxattr(as, fd, "user.a", NULL, 0), 3);
	assert_int_equal(core_file_getxattr(as, fd, "user.a", value, 3), 3);
	assert_memory_equal(value, "a\0bouched", 10);
	assert_int_equal(getxattr(PATH, "user.a", value, sizeof(value)), 3);

	assert_int_equal(core_file_setxattr(as, fd, "user.b", "", 0, 0), 0);
	assert_int_equal(core_file_getxattr(as, fd, "user.b", value, 16), 0);
	assert_int_equal(core_file_listxattr(as, fd, NULL, 0), 14);
	assert_int_equal(core_file_listxattr(as, fd, list, 13), -ERANGE);
	assert_int_equal(core_file_listxattr(as, fd, list, sizeof(list)), 14);
	assert_true(memcmp(list, "user.a\0user.b", 14) == 0 ||
		    memcmp(list, "user.b\0user.a", 14) == 0);
	assert_int_equal(core_file_removexattr(as, fd, "user.a"), 0);
	assert_int_equal(core_file_getxattr(as, fd, "user.a", value, 16),
			 -ENODATA);
	assert_int_equal(core_file_listxattr(as, fd, list, sizeof(list)), 7);
	assert_string_equal(list, "user.b");
	close(fd);
}

static void test_invalid_names(void **state)
{
	char name[300], value[1];
	int fd = must_find_object();

	(void)state;
	(void)snprintf(name, sizeof(name), "user.%0294d", 0);
	assert_int_equal(core_file_setxattr(&test_root, fd, name, "", 0, 0),
			 -ERANGE);
	assert_int_equal(core_file_getxattr(&test_root, fd, name, value, 1),
			 -ERANGE);
	assert_int_equal(core_file_removexattr(&test_root, fd, ""), -ERANGE);
	assert_int_equal(core_file_setxattr(&test_root, fd, "plain", "", 0, 0),
			 -EOPNOTSUPP);
	close(fd);
}

/*
 * The same access to an attribute natively and by core.
 */

enum access { GET, SET, LIST, REMOVE, N_ACCESS };

struct xattr {
	enum access access;
	const char *name;
	long r;
	char buf[64];
};

static int access_natively(void *arg)
{
	struct xattr *x = arg;

	switch (x->access) {
	case GET:
		x->r = getxattr(PATH, x->name, x->buf, sizeof(x->buf));
		break;
	case SET:
		x->r = setxattr(PATH, x->name, "new", 3, 0);
		break;
	case LIST:
		x->r = listxattr(PATH, x->buf, sizeof(x->buf));
		break;
	case REMOVE:
		x->r = removexattr(PATH, x->name);
		break;
	default:
		break;
	}
	if (x->r < 0)
		x->r = -errno;
	return 0;
}

static void access_by_core(const struct core_cred *cred, struct xattr *x)
{
	int fd = must_find_object();

	switch (x->access) {
	case GET:
		x->r = core_file_getxattr(cred, fd, x->name, x->buf,
					  sizeof(x->buf));
		break;
	case SET:
		x->r = core_file_setxattr(cred, fd, x->name, "new", 3, 0);
		break;
	case LIST:
		x->r = core_file_listxattr(cred, fd, x->buf, sizeof(x->buf));
		break;
	case REMOVE:
		x->r = core_file_removexattr(cred, fd, x->name);
		break;
	default:
		break;
	}
	close(fd);
}

static void make_with_xattr(const char *name, mode_t mode, uid_t uid)
{
	test_make_file(PATH, "content", mode, uid, uid);
	assert_return_code(setxattr(PATH, name, "old", 3, 0), errno);
}

static void compare_xattr(const struct core_cred *cred, const char *name,
			  mode_t mode, uid_t uid)
{
	struct xattr *native = test_shared(sizeof(*native)), ours;

	for (enum access access = 0; access < N_ACCESS; access++) {
		ours = (struct xattr){ .access = access, .name = name };
		*native = ours;
		make_with_xattr(name, mode, uid);
		assert_int_equal(test_as(cred, access_natively, native), 0);
		make_with_xattr(name, mode, uid);
		access_by_core(cred, &ours);
		if (ours.r != native->r)
			fail_msg("uid %u, access %d, %s: %ld, not %ld",
				 cred->uid, access, name, ours.r, native->r);
		assert_memory_equal(ours.buf, native->buf, sizeof(ours.buf));
	}
	munmap(native, sizeof(*native));
}

static void test_results_are_as_native(void **state)
{
	(void)state;
	NEEDS(test_privileged(), "root");
	NEEDS(has_user_xattrs(), "user attributes in tmpfs: Linux 6.6");
	compare_xattr(&test_root, "user.a", 0600, USER);
	compare_xattr(&test_user, "user.a", 0600, USER);
	compare_xattr(&test_user, "user.a", 0400, USER);
	compare_xattr(&test_user, "user.a", 0200, USER);
	compare_xattr(&test_user, "user.a", 0600, 0);
	compare_xattr(&test_user, "user.a", 0604, 0);
	compare_xattr(&test_user, "user.a", 0606, 0);
	compare_xattr(&test_member, "user.a", 0660, 0);
}

/* Attributes that only privileged processes may read or set. */
static void test_privileged_results_are_as_native(void **state)
{
	(void)state;
	NEEDS(test_privileged(), "root");
	compare_xattr(&test_root, "trusted.a", 0600, USER);
	compare_xattr(&test_root, "security.a", 0600, USER);
	compare_xattr(&test_user, "trusted.a", 0600, USER);
	compare_xattr(&test_user, "security.a", 0600, USER);
}

/*
 * Another object has the name now. The attributes are still the first object's.
 */
static void test_xattrs_of_an_unlinked_object(void **state)
{
	char value[8];
	int fd = must_find_object();

	(void)state;
	NEEDS(has_user_xattrs(), "user attributes in tmpfs: Linux 6.6");
	test_make_file(PATH, "another", 0600, 0, 0);
	assert_int_equal(
		core_file_setxattr(&test_root, fd, "user.a", "x", 1, 0), 0);
	assert_int_equal(core_file_getxattr(&test_root, fd, "user.a", value, 8),
			 1);
	assert_int_equal(getxattr(PATH, "user.a", value, 8), -1);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup(test_##name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(set_get_list_and_remove),
		TEST(invalid_names),
		TEST(results_are_as_native),
		TEST(privileged_results_are_as_native),
		TEST(xattrs_of_an_unlinked_object),
	};

	(void)umask(022);
	return cmocka_run_group_tests_name("object_xattr", tests, NULL, NULL);
}
