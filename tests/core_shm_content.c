/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of writes, sizes and holes of shm objects. */
#include "core/shm.h"

#include "core_test.h"

#include <signal.h>

#define PATH "/dev/shm/object"

static int set_up(void **state)
{
	(void)state;
	(void)unlink(PATH);
	return 0;
}

/* As core_shm_open() opens it. */
static int must_open(int flags)
{
	int fd = open(PATH, flags | O_CLOEXEC, 0600);

	assert_return_code(fd, errno);
	return fd;
}

/* The same change of content by the native call and by core. */

enum what { TRUNCATE, ALLOCATE, PUNCH, WRITE, APPEND, N_WHAT };

struct change {
	enum what what;
	long r;
	struct stat st;
};

#define PUNCH_HOLE (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static int change_natively(void *arg)
{
	struct change *c = arg;
	int fd = open(PATH, O_RDWR | (c->what == APPEND ? O_APPEND : 0));

	if (fd < 0)
		return -errno;
	switch (c->what) {
	case TRUNCATE:
		c->r = ftruncate(fd, 3);
		break;
	case ALLOCATE:
		c->r = fallocate(fd, 0, 2, 8);
		break;
	case PUNCH:
		c->r = fallocate(fd, PUNCH_HOLE, 2, 3);
		break;
	case WRITE:
	case APPEND:
		c->r = pwrite(fd, "XYZ", 3, 1);
		break;
	default:
		break;
	}
	if (c->r < 0)
		c->r = -errno;
	return fstat(fd, &c->st) < 0 ? -errno : 0;
}

/* fd: a descriptor that root has opened. */
static long change_by_core(const struct core_cred *cred, int fd, enum what what)
{
	switch (what) {
	case TRUNCATE:
		return core_shm_truncate(cred, fd, 3);
	case ALLOCATE:
		return core_shm_allocate(cred, fd, 0, 2, 8);
	case PUNCH:
		return core_shm_allocate(cred, fd, PUNCH_HOLE, 2, 3);
	case WRITE:
	case APPEND:
		return core_shm_write(cred, fd, "XYZ", 3, 1, what == APPEND);
	default:
		return INT_MIN;
	}
}

/* Returns the content in *ret, with null bytes shown as 0. */
static const char *content(char ret[32])
{
	int fd = open(PATH, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, ret, 31);

	assert_true(n >= 0);
	close(fd);
	ret[n] = '\0';
	for (ssize_t i = 0; i < n; i++) {
		if (!ret[i])
			ret[i] = '0';
	}
	return ret;
}

static void compare(const struct core_cred *cred, struct change *native,
		    mode_t mode, gid_t gid)
{
	char theirs[32], ours[32];
	struct stat st;
	int fd;

	test_make_file(PATH, "content", mode, OTHER, gid);
	assert_int_equal(test_as(cred, change_natively, native), 0);
	(void)content(theirs);
	test_make_file(PATH, "content", mode, OTHER, gid);
	fd = must_open(O_RDWR);
	assert_int_equal(change_by_core(cred, fd, native->what), native->r);
	close(fd);
	st = test_stat(PATH);
	if (st.st_mode != native->st.st_mode)
		fail_msg("uid %u, change %d, %#o: %#o, not %#o", cred->uid,
			 native->what, mode, st.st_mode, native->st.st_mode);
	assert_int_equal(st.st_size, native->st.st_size);
	assert_string_equal(content(ours), theirs);
}

static void test_changes_are_as_native(void **state)
{
	static const struct core_cred *const creds[] = { &test_root, &test_user,
							 &test_member };
	struct change *native = test_shared(sizeof(*native));

	(void)state;
	NEEDS(test_privileged(), "root");
	for (size_t i = 0; i < N_WHAT * COUNT(creds) * 8; i++) {
		const struct core_cred *cred = creds[i / 8 % COUNT(creds)];
		mode_t mode = (i & 1 ? S_ISUID : 0) | (i & 2 ? S_ISGID : 0) |
			      (i & 4 ? 0777 : 0666);

		native->what = (enum what)(i / 8 / COUNT(creds));
		compare(cred, native, mode, OTHER);
		compare(cred, native, mode, GROUP);
	}
	munmap(native, sizeof(*native));
}

/*
 * The comparisons also hold if neither way clears the bits. So this test checks
 * the bits.
 */
static void test_changes_clear_setuid_and_setgid(void **state)
{
	int fd;

	(void)state;
	NEEDS(test_privileged(), "root");
	for (enum what what = 0; what < N_WHAT; what++) {
		test_make_file(PATH, "content", 06777, OTHER, OTHER);
		fd = must_open(O_RDWR);
		assert_true(change_by_core(&test_root, fd, what) >= 0);
		assert_int_equal(test_stat(PATH).st_mode, S_IFREG | 06777);
		assert_true(change_by_core(&test_user, fd, what) >= 0);
		assert_int_equal(test_stat(PATH).st_mode, S_IFREG | 0777);
		close(fd);
	}
}

static void test_write_at_a_position_or_at_the_end(void **state)
{
	const struct core_cred *const as = &test_root;
	int fd = must_open(O_RDWR | O_CREAT);

	(void)state;
	assert_int_equal(core_shm_write(as, fd, "abc", 3, 0, true), 3);
	assert_int_equal(core_shm_write(as, fd, "def", 3, 0, true), 3);
	assert_int_equal(core_shm_write(as, fd, "ghi", 3, 1000, true), 3);
	assert_int_equal(core_shm_write(as, fd, "DE", 2, 3, false), 2);
	assert_int_equal(core_shm_write(as, fd, "", 0, 100, false), 0);
	test_assert_content(fd, "abcDEfghi");
	/* The offset of the descriptor doesn't matter. */
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	close(fd);
}

static void test_change_errors(void **state)
{
	const struct core_cred *const as = &test_root;
	struct rlimit old, limit;
	ssize_t written;
	int fd = must_open(O_RDWR | O_CREAT), read_only, r;

	(void)state;
	read_only = must_open(O_RDONLY);
	assert_int_equal(core_shm_truncate(as, fd, -1), -EINVAL);
	assert_int_equal(core_shm_truncate(as, read_only, 0), -EINVAL);
	assert_int_equal(core_shm_allocate(as, fd, 0, 0, 0), -EINVAL);
	assert_int_equal(core_shm_allocate(as, fd, 0, -1, 1), -EINVAL);
	assert_int_equal(core_shm_allocate(as, fd, FALLOC_FL_COLLAPSE_RANGE, 0,
					   4096),
			 -EOPNOTSUPP);
	assert_int_equal(core_shm_allocate(as, read_only, 0, 0, 1), -EBADF);
	assert_int_equal(core_shm_write(as, read_only, "x", 1, 0, false),
			 -EBADF);
	assert_int_equal(core_shm_write(as, fd, "x", 1, -2, false), -EINVAL);
	assert_int_equal(core_shm_write(as, fd, NULL, 1, 0, false), -EFAULT);
	(void)getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = 4;
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)setrlimit(RLIMIT_FSIZE, &limit);
	r = core_shm_truncate(as, fd, 5);
	written = core_shm_write(as, fd, "abcdefgh", 8, 0, false);
	(void)setrlimit(RLIMIT_FSIZE, &old);
	(void)signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(r, -EFBIG);
	assert_int_equal(written, 4);
	test_assert_content(fd, "abcd");
	if (!test_privileged())
		assert_int_equal(core_shm_truncate(&test_user, fd, 0), -EPERM);
	close(read_only);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup(test_##name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(changes_are_as_native),
		TEST(changes_clear_setuid_and_setgid),
		TEST(write_at_a_position_or_at_the_end),
		TEST(change_errors),
	};

	(void)umask(022);
	return cmocka_run_group_tests_name("shm_content", tests, NULL, NULL);
}
