/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/file.h"

#include "core_test.h"

#include <mqueue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#define SHM  "/dev/shm/"
#define PATH SHM "object"

static int dir = -1;

static int set_up_group(void **state)
{
	(void)state;
	(void)umask(022);
	dir = open(SHM, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0;
}

static int tear_down_group(void **state)
{
	(void)state;
	return close(dir);
}

static int set_up(void **state)
{
	(void)state;
	test_make_file(PATH, "content", 0600, 0, 0);
	return 0;
}

static int must_find(const char *name)
{
	int fd = -1;

	assert_int_equal(core_file_find(dir, &test_root, name, 0, &fd), 0);
	return fd;
}

/* The result of core_file_find(), which must have opened nothing. */
static int find_fails(const struct core_cred *cred, const char *name, ino_t ino)
{
	int fd = UNKNOWN;
	int r = core_file_find(dir, cred, name, ino, &fd);

	assert_int_equal(fd, UNKNOWN);
	return r;
}

static void test_find_an_object(void **state)
{
	ino_t ino = test_stat(PATH).st_ino;
	struct stat st;
	int fd = -1;

	(void)state;
	assert_int_equal(core_file_find(dir, &test_root, "object", ino, &fd),
			 0);
	assert_true(fcntl(fd, F_GETFL) & O_PATH);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_return_code(fstat(fd, &st), errno);
	assert_int_equal(st.st_ino, ino);
	assert_int_equal(st.st_size, 7);
	close(fd);
}

static void test_find_needs_no_right_to_the_object(void **state)
{
	int fd = -1;

	(void)state;
	NEEDS(test_privileged(), "root");
	assert_int_equal(core_file_find(dir, &test_user, "object", 0, &fd), 0);
	close(fd);
}

static void test_find_errors(void **state)
{
	ino_t ino = test_stat(PATH).st_ino;
	char name[NAME_MAX + 2];
	struct rlimit old;
	int r, fd = UNKNOWN;

	(void)state;
	memset(name, 'x', sizeof(name));
	name[NAME_MAX + 1] = '\0';
	assert_int_equal(find_fails(&test_root, name, 0), -ENAMETOOLONG);
	assert_int_equal(find_fails(&test_root, "", 0), -EINVAL);
	assert_int_equal(find_fails(&test_root, "..", 0), -EINVAL);
	assert_int_equal(find_fails(&test_root, "a/b", 0), -EINVAL);
	assert_int_equal(find_fails(&test_root, "missing", 0), -ENOENT);
	assert_int_equal(find_fails(&test_root, "object", ino + 1), -ESTALE);

	test_no_more_fds(&old);
	r = core_file_find(dir, &test_root, "object", 0, &fd);
	test_more_fds(&old);
	assert_int_equal(r, -EMFILE);
	assert_int_equal(fd, UNKNOWN);
	if (!test_privileged()) {
		assert_int_equal(find_fails(&test_user, "object", 0), -EPERM);
		return;
	}
	assert_return_code(fchmod(dir, 0700), errno);
	r = find_fails(&test_user, "object", 0);
	assert_return_code(fchmod(dir, 01777), errno);
	assert_int_equal(r, -EACCES);
}

/* Another object has the name now. Its inode number differs. */
static void test_find_of_a_reused_name(void **state)
{
	struct stat old;
	int fd = must_find("object");

	(void)state;
	assert_return_code(fstat(fd, &old), errno);
	test_make_file(PATH, "another", 0600, 0, 0);
	assert_int_equal(find_fails(&test_root, "object", old.st_ino), -ESTALE);
	close(fd);
}

static void test_only_regular_files_are_objects(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX,
				       .sun_path = SHM "socket" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_return_code(
		bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	close(fd);
	assert_return_code(mkdir(SHM "directory", 0755), errno);
	assert_return_code(mkfifo(SHM "fifo", 0666), errno);
	assert_return_code(symlink("object", SHM "link"), errno);
	assert_return_code(symlink("gone", SHM "dangling"), errno);
	assert_int_equal(find_fails(&test_root, "socket", 0), -ENOENT);
	assert_int_equal(find_fails(&test_root, "directory", 0), -ENOENT);
	assert_int_equal(find_fails(&test_root, "fifo", 0), -ENOENT);
	assert_int_equal(find_fails(&test_root, "link", 0), -ENOENT);
	assert_int_equal(find_fails(&test_root, "dangling", 0), -ENOENT);
	if (test_privileged()) {
		assert_return_code(mknod(SHM "null", S_IFCHR | 0666,
					 makedev(1, 3)),
				   errno);
		assert_int_equal(find_fails(&test_root, "null", 0), -ENOENT);
	}
}

static void test_reopen_with_other_flags(void **state)
{
	int fd = must_find("object"), open_fd = -1;

	(void)state;
	assert_int_equal(core_file_reopen(&test_root, fd, O_RDWR, &open_fd), 0);
	test_assert_content(open_fd, "content");
	assert_int_equal(pwrite(open_fd, "C", 1, 0), 1);
	assert_int_equal(fcntl(open_fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(open_fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK),
			 O_RDWR | O_NONBLOCK);
	close(open_fd);
	assert_int_equal(core_file_reopen(&test_root, fd, O_RDONLY, &open_fd),
			 0);
	test_assert_content(open_fd, "Content");
	assert_int_equal(pwrite(open_fd, "c", 1, 0), -1);
	close(open_fd);
	assert_int_equal(core_file_reopen(&test_root, fd, O_WRONLY | O_TRUNC,
					  &open_fd),
			 0);
	assert_int_equal(test_stat(PATH).st_size, 0);
	close(open_fd);
	close(fd);
}

static void test_reopen_errors(void **state)
{
	int fd = must_find("object"), open_fd = UNKNOWN;
	struct rlimit old;
	int r;

	(void)state;
	test_no_more_fds(&old);
	r = core_file_reopen(&test_root, fd, O_RDONLY, &open_fd);
	test_more_fds(&old);
	assert_int_equal(r, -EMFILE);
	assert_int_equal(core_file_reopen(&test_user, fd, O_RDONLY, &open_fd),
			 test_privileged() ? -EACCES : -EPERM);
	assert_int_equal(open_fd, UNKNOWN);
	close(fd);
}

/* A link in /proc/self/fd leads to the inode, not to the name. */
static void test_operations_follow_the_object_not_its_name(void **state)
{
	struct stat st;
	int fd = must_find("object"), open_fd = -1;

	(void)state;
	assert_return_code(unlink(PATH), errno);
	test_make_file(PATH, "another", 0644, 0, 0);
	assert_int_equal(core_file_reopen(&test_root, fd, O_RDONLY, &open_fd),
			 0);
	test_assert_content(open_fd, "content");
	assert_int_equal(core_file_chmod(&test_root, fd, 0640), 0);
	assert_int_equal(core_file_chown(&test_root, fd, 0, (gid_t)-1), 0);
	assert_int_equal(core_file_access(&test_root, fd, R_OK), 0);
	assert_return_code(fstat(fd, &st), errno);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(test_stat(PATH).st_mode, S_IFREG | 0644);
	close(open_fd);
	close(fd);
}

static void test_link_a_second_name(void **state)
{
	int fd = must_find("object");
	struct stat st;

	(void)state;
	assert_int_equal(core_file_link(&test_root, fd, dir, "object"),
			 -EEXIST);
	assert_int_equal(core_file_link(&test_root, fd, dir, "a/b"), -EINVAL);
	assert_int_equal(core_file_link(&test_root, fd, dir, ".."), -EINVAL);
	assert_int_equal(core_file_link(&test_root, fd, dir, "other"), 0);
	assert_return_code(fstat(fd, &st), errno);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(test_stat(SHM "other").st_ino, st.st_ino);
	assert_return_code(unlink(PATH), errno);
	assert_return_code(unlink(SHM "other"), errno);
	assert_int_equal(core_file_link(&test_root, fd, dir, "other"), -ENOENT);
	close(fd);
}

static void test_dup_and_its_errors(void **state)
{
	struct rlimit limit, none;
	int fd = must_find("object"), copy = UNKNOWN;
	struct statx stx, of_copy;

	(void)state;
	assert_int_equal(core_file_dup(-1, &copy), -EBADF);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 1; /* the number 0 exists; its error is EINVAL */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(core_file_dup(fd, &copy), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(copy, UNKNOWN);

	assert_int_equal(core_file_dup(fd, &copy), 0);
	assert_int_equal(fcntl(copy, F_GETFD), FD_CLOEXEC);
	assert_int_equal(core_file_statx(fd, &stx), 0);
	close(fd);
	assert_int_equal(core_file_statx(copy, &of_copy), 0);
	assert_int_equal(of_copy.stx_ino, stx.stx_ino);
	close(copy);
}

static void test_statx_of_a_closed_descriptor(void **state)
{
	struct statx stx = { .stx_size = UNKNOWN };

	(void)state;
	assert_int_equal(core_file_statx(-1, &stx), -EBADF);
	assert_int_equal(stx.stx_size, UNKNOWN);
}

/* The same change by the native call and by core, of two equal files. */

enum what { CHMOD, CHOWN, UTIMENS, TRUNCATE, ACCESS };

struct change {
	enum what what;
	unsigned int a, b;
	struct timespec times[2];
};

#define NONE ((unsigned int)-1)

static const struct change changes[] = {
	{ .what = CHMOD, .a = 0640 },
	{ .what = CHMOD, .a = 07755 },
	{ .what = CHOWN, .a = NONE, .b = NONE },
	{ .what = CHOWN, .a = USER, .b = NONE },
	{ .what = CHOWN, .a = NONE, .b = USER },
	{ .what = CHOWN, .a = NONE, .b = GROUP },
	{ .what = CHOWN, .a = OTHER, .b = NONE },
	{ .what = CHOWN, .a = OTHER, .b = OTHER },
	{ .what = CHOWN, .a = 0, .b = 0 },
	{ .what = UTIMENS, .times = { { 1, 2 }, { 3, 4 } } },
	{ .what = UTIMENS, .times = { { 0, UTIME_NOW }, { 0, UTIME_NOW } } },
	{ .what = UTIMENS, .times = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } } },
	{ .what = UTIMENS, .times = { { 0, UTIME_OMIT }, { 5, 6 } } },
	{ .what = UTIMENS, .times = { { 0, UTIME_NOW }, { 0, UTIME_OMIT } } },
	{ .what = UTIMENS, .times = { { 0, -1 }, { 0, 0 } } },
	{ .what = TRUNCATE, .a = 0 },
	{ .what = TRUNCATE, .a = sizeof("content") - 1 },
	{ .what = TRUNCATE, .a = 100 },
	{ .what = ACCESS, .a = F_OK },
	{ .what = ACCESS, .a = R_OK },
	{ .what = ACCESS, .a = W_OK },
	{ .what = ACCESS, .a = X_OK },
	{ .what = ACCESS, .a = R_OK | W_OK },
	{ .what = ACCESS, .a = 8 },
};

static int change_natively(void *arg)
{
	const struct change *c = arg;
	int r = -1;

	switch (c->what) {
	case CHMOD:
		r = chmod(PATH, c->a);
		break;
	case CHOWN:
		r = chown(PATH, c->a, c->b);
		break;
	case UTIMENS:
		r = utimensat(AT_FDCWD, PATH, c->times, 0);
		break;
	case TRUNCATE:
		r = truncate(PATH, (off_t)c->a);
		break;
	case ACCESS:
		r = access(PATH, (int)c->a);
		break;
	}
	return r < 0 ? -errno : 0;
}

static int change_by_core(const struct core_cred *cred, const struct change *c)
{
	int fd = must_find("object");
	int r = -1;

	switch (c->what) {
	case CHMOD:
		r = core_file_chmod(cred, fd, c->a);
		break;
	case CHOWN:
		r = core_file_chown(cred, fd, c->a, c->b);
		break;
	case UTIMENS:
		r = core_file_utimens(cred, fd, c->times);
		break;
	case TRUNCATE:
		r = core_file_truncate(cred, fd, (off_t)c->a);
		break;
	case ACCESS:
		r = core_file_access(cred, fd, (int)c->a);
		break;
	}
	close(fd);
	return r;
}

/*
 * UTIME_NOW differs between the runs, so times after the first day are "now".
 */
static long seconds(const struct timespec *time)
{
	return time->tv_sec < 86400 ? time->tv_sec : 86400;
}

static void compare(const struct core_cred *cred, const struct change *c,
		    mode_t mode, uid_t uid, gid_t gid)
{
	struct change copy = *c;
	struct stat native, ours;
	int r;

	test_make_file(PATH, "content", mode, uid, gid);
	r = test_as(cred, change_natively, &copy);
	native = test_stat(PATH);
	test_make_file(PATH, "content", mode, uid, gid);
	assert_int_equal(change_by_core(cred, c), r);
	ours = test_stat(PATH);
	assert_int_equal(ours.st_mode, native.st_mode);
	assert_int_equal(ours.st_uid, native.st_uid);
	assert_int_equal(ours.st_gid, native.st_gid);
	assert_int_equal(ours.st_size, native.st_size);
	assert_int_equal(seconds(&ours.st_atim), seconds(&native.st_atim));
	assert_int_equal(seconds(&ours.st_mtim), seconds(&native.st_mtim));
}

static void test_changes_are_as_native(void **state)
{
	(void)state;
	NEEDS(test_privileged(), "root");
	for (size_t i = 0; i < COUNT(changes); i++) {
		compare(&test_root, &changes[i], 0600, USER, USER);
		compare(&test_user, &changes[i], 0600, USER, USER);
		compare(&test_user, &changes[i], 0400, USER, OTHER);
		compare(&test_user, &changes[i], 06755, USER, OTHER);
		compare(&test_user, &changes[i], 0666, 0, 0);
		compare(&test_user, &changes[i], 0644, 0, 0);
		compare(&test_user, &changes[i], 0600, 0, 0);
		compare(&test_member, &changes[i], 0600, USER, USER);
		compare(&test_member, &changes[i], 02660, OTHER, GROUP);
	}
}

/* A queue is an object too, through any of its descriptors. */
static void test_operations_on_a_queue(void **state)
{
	const struct timespec times[2] = { { 1, 2 }, { 3, 4 } };
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 1 };
	mqd_t mqd = mq_open("/object", O_RDWR | O_CREAT, 0600, &attr);
	struct stat st;

	(void)state;
	assert_true(mqd >= 0);
	mq_unlink("/object");
	assert_int_equal(core_file_access(&test_user, mqd, R_OK),
			 test_privileged() ? -EACCES : -EPERM);
	assert_int_equal(core_file_chmod(&test_root, mqd, 0640), 0);
	assert_int_equal(core_file_utimens(&test_root, mqd, times), 0);
	if (test_privileged()) {
		assert_int_equal(core_file_chown(&test_root, mqd, USER, OTHER),
				 0);
		assert_int_equal(core_file_access(&test_user, mqd, R_OK), 0);
	}
	assert_return_code(fstat(mqd, &st), errno);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(st.st_uid, test_privileged() ? USER : 0);
	assert_int_equal(st.st_atim.tv_sec, 1);
	assert_int_equal(st.st_mtim.tv_sec, 3);
	/* The kernel keeps the times of queues in whole seconds. */
	assert_int_equal(st.st_mtim.tv_nsec, 0);
	mq_close(mqd);
}

static void test_check_type_and_inode_number(void **state)
{
	ino_t ino = test_stat(PATH).st_ino;
	int fd = must_find("object"), pipe_fds[2];

	(void)state;
	assert_int_equal(core_file_check(fd, ino), 0);
	assert_int_equal(core_file_check(fd, 0), 0);
	assert_int_equal(core_file_check(fd, ino + 1), -ESTALE);
	assert_int_equal(core_file_check(dir, 0), -ENOENT);
	/* A directory or a pipe is no object, whatever its inode number. */
	assert_int_equal(core_file_check(dir, test_stat(SHM).st_ino), -ENOENT);
	assert_return_code(pipe2(pipe_fds, O_CLOEXEC), errno);
	assert_int_equal(core_file_check(pipe_fds[0], ino), -ENOENT);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	assert_int_equal(core_file_check(-1, 0), -EBADF);
	assert_return_code(unlink(PATH), errno);
	assert_int_equal(core_file_check(fd, ino), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_find_an_object, set_up),
		cmocka_unit_test_setup(test_find_needs_no_right_to_the_object,
				       set_up),
		cmocka_unit_test_setup(test_find_errors, set_up),
		cmocka_unit_test_setup(test_find_of_a_reused_name, set_up),
		cmocka_unit_test_setup(test_only_regular_files_are_objects,
				       set_up),
		cmocka_unit_test_setup(test_reopen_with_other_flags, set_up),
		cmocka_unit_test_setup(test_reopen_errors, set_up),
		cmocka_unit_test_setup(
			test_operations_follow_the_object_not_its_name, set_up),
		cmocka_unit_test_setup(test_link_a_second_name, set_up),
		cmocka_unit_test_setup(test_dup_and_its_errors, set_up),
		cmocka_unit_test(test_statx_of_a_closed_descriptor),
		cmocka_unit_test_setup(test_check_type_and_inode_number,
				       set_up),
		cmocka_unit_test(test_changes_are_as_native),
		cmocka_unit_test(test_operations_on_a_queue),
	};

	return cmocka_run_group_tests_name("object", tests, set_up_group,
					   tear_down_group);
}
