/* SPDX-License-Identifier: BSD-3-Clause */
#include "core_objects.h"

#include <pthread.h>
#include <sys/sysmacros.h>

static void test_a_new_object(void **state)
{
	struct stat st;
	int fd = must_open("object", O_RDWR | O_CREAT);

	(void)state;
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_return_code(fstat(fd, &st), errno);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_return_code(ftruncate(fd, 2), errno);
	test_assert_content(fd, "");
	close(fd);
}

static void test_mappings_share_the_objects_memory(void **state)
{
	int fd = must_open("object", O_RDWR | O_CREAT);
	int native = shm_open("/object", O_RDWR, 0);
	char *ours, *theirs;

	(void)state;
	assert_true(native >= 0);
	assert_return_code(ftruncate(native, 1), errno);
	ours = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	theirs = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, native, 0);
	assert_ptr_not_equal(ours, MAP_FAILED);
	assert_ptr_not_equal(theirs, MAP_FAILED);
	*ours = 'x';
	assert_int_equal(*theirs, 'x');
	munmap(ours, 1);
	munmap(theirs, 1);
	close(native);
	close(fd);
}

static void test_mode_is_less_the_umask(void **state)
{
	mode_t old = umask(027);
	int fd = -1;
	int r = core_shm_open(dirs, &test_root, "object", O_RDWR | O_CREAT,
			      0666, &fd);

	(void)state;
	(void)umask(old);
	assert_int_equal(r, 0);
	close(fd);
	assert_int_equal(test_stat(PATH).st_mode, S_IFREG | 0640);
}

static void test_other_flags_are_ignored(void **state)
{
	int fd = must_open("object", O_RDWR | O_CREAT | O_APPEND | O_DIRECTORY |
					     O_NONBLOCK | O_SYNC);

	(void)state;
	assert_int_equal(fcntl(fd, F_GETFL) & (O_APPEND | O_SYNC), 0);
	close(fd);
	fd = must_open("object", O_RDWR | O_APPEND | O_DIRECTORY | O_SYNC);
	assert_int_equal(fcntl(fd, F_GETFL) & (O_APPEND | O_SYNC), 0);
	close(fd);
}

static void test_invalid_names_and_no_free_descriptor(void **state)
{
	char name[NAME_MAX + 2];
	struct rlimit old;
	int r, fd = must_open("object", O_RDWR | O_CREAT);

	(void)state;
	close(fd);
	memset(name, 'x', sizeof(name));
	name[NAME_MAX + 1] = '\0';
	assert_int_equal(open_fails(&test_root, name, O_RDWR | O_CREAT),
			 -ENAMETOOLONG);
	assert_int_equal(core_shm_unlink(dirs, &test_root, name),
			 -ENAMETOOLONG);
	assert_int_equal(open_fails(&test_root, "", O_RDWR | O_CREAT), -EINVAL);
	assert_int_equal(open_fails(&test_root, "a/b", O_RDWR | O_CREAT),
			 -EINVAL);
	assert_int_equal(core_shm_unlink(dirs, &test_root, ".."), -EINVAL);
	name[NAME_MAX] = '\0';
	close(must_open(name, O_RDWR | O_CREAT));
	assert_int_equal(core_shm_unlink(dirs, &test_root, name), 0);

	test_no_more_fds(&old);
	r = core_shm_open(dirs, &test_root, "new", O_RDWR | O_CREAT, 0, &fd);
	test_more_fds(&old);
	assert_int_equal(r, -EMFILE);
	if (!test_privileged())
		assert_int_equal(open_fails(&test_user, "object", O_RDONLY),
				 -EPERM);
}

/* The open must not block, though nobody else has the FIFO open. */
static void test_a_fifo_or_a_link_is_not_an_object(void **state)
{
	static const char *const names[] = { "directory", "fifo", "link",
					     "dangling", "null" };
	size_t n = COUNT(names) - (test_privileged() ? 0 : 1);

	(void)state;
	assert_return_code(mkdir(SHM "directory", 0755), errno);
	assert_return_code(mkfifo(SHM "fifo", 0666), errno);
	close(must_open("target", O_RDWR | O_CREAT));
	assert_return_code(symlink("target", SHM "link"), errno);
	assert_return_code(symlink("gone", SHM "dangling"), errno);
	if (test_privileged())
		assert_return_code(mknod(SHM "null", S_IFCHR | 0666,
					 makedev(1, 3)),
				   errno);
	for (size_t i = 0; i < n; i++) {
		for (int acc = O_RDONLY; acc <= O_RDWR; acc++) {
			assert_int_equal(open_fails(&test_root, names[i], acc),
					 -ENOENT);
			assert_int_equal(open_fails(&test_root, names[i],
						    acc | O_CREAT | O_TRUNC),
					 -ENOENT);
			assert_int_equal(open_fails(&test_root, names[i],
						    acc | O_CREAT | O_EXCL),
					 -EEXIST);
		}
	}
	assert_int_equal(access(SHM "gone", F_OK), -1);
}

/* The same open by the native call and by core. */

enum before { MISSING, OWN, OPEN_TO_ALL, READABLE, PRIVATE, N_BEFORE };

struct outcome {
	int flags, r, access_mode;
	struct stat st; /* all zero: no such object */
};

static void prepare(enum before before)
{
	static const struct {
		mode_t mode;
		uid_t owner;
	} files[] = {
		[OWN] = { 0600, USER },
		[OPEN_TO_ALL] = { 0666, OTHER },
		[READABLE] = { 0644, OTHER },
		[PRIVATE] = { 0600, OTHER },
	};

	(void)unlink(PATH);
	if (before != MISSING)
		test_make_file(PATH, "content", files[before].mode,
			       files[before].owner, files[before].owner);
}

static void note(struct outcome *outcome, int fd)
{
	if (outcome->r == 0) {
		outcome->access_mode = fcntl(fd, F_GETFL) & O_ACCMODE;
		close(fd);
	}
	if (stat(PATH, &outcome->st) < 0)
		memset(&outcome->st, 0, sizeof(outcome->st));
}

static int open_natively(void *arg)
{
	struct outcome *outcome = arg;
	int fd = shm_open("/object", outcome->flags, 0606);

	outcome->r = fd < 0 ? -errno : 0;
	note(outcome, fd);
	return 0;
}

static void open_by_core(const struct core_cred *cred, struct outcome *outcome)
{
	int fd = -1;

	outcome->r =
		core_shm_open(dirs, cred, "object", outcome->flags, 0606, &fd);
	note(outcome, fd);
}

static void test_flags_are_as_native(void **state)
{
	static const struct core_cred *const creds[] = { &test_root,
							 &test_user };
	static const int more[] = {
		0,
		O_TRUNC,
		O_CREAT,
		O_CREAT | O_TRUNC,
		O_CREAT | O_EXCL,
		O_CREAT | O_EXCL | O_TRUNC,
	};
	struct outcome *native = test_shared(sizeof(*native)), ours;

	(void)state;
	NEEDS(test_privileged(), "root");
	for (size_t i = 0; i < COUNT(creds) * N_BEFORE * COUNT(more) * 3; i++) {
		const struct core_cred *cred = creds[i % 2];
		enum before before = (i / 2) % N_BEFORE;
		int flags = more[i / 2 / N_BEFORE % COUNT(more)] |
			    (int)(i / 2 / N_BEFORE / COUNT(more));

		memset(native, 0, sizeof(*native));
		native->flags = flags;
		prepare(before);
		assert_int_equal(test_as(cred, open_natively, native), 0);
		ours = (struct outcome){ .flags = flags };
		prepare(before);
		open_by_core(cred, &ours);
		if (ours.r != native->r ||
		    ours.st.st_size != native->st.st_size)
			fail_msg("uid %u, before %d, flags %#o: %d, not %d",
				 cred->uid, before, (unsigned int)flags, ours.r,
				 native->r);
		assert_int_equal(ours.access_mode, native->access_mode);
		assert_int_equal(ours.st.st_mode, native->st.st_mode);
		assert_int_equal(ours.st.st_uid, native->st.st_uid);
		assert_int_equal(ours.st.st_gid, native->st.st_gid);
	}
	munmap(native, sizeof(*native));
}

static void test_unlink_removes_the_name(void **state)
{
	int fd = must_open("object", O_RDWR | O_CREAT);

	(void)state;
	assert_int_equal(write(fd, "content", 7), 7);
	assert_int_equal(core_shm_unlink(dirs, &test_root, "object"), 0);
	assert_int_equal(core_shm_unlink(dirs, &test_root, "object"), -ENOENT);
	assert_int_equal(open_fails(&test_root, "object", O_RDONLY), -ENOENT);
	test_assert_content(fd, "content");
	close(fd);
}

static void test_unlink_errors(void **state)
{
	int r;

	(void)state;
	close(must_open("object", O_RDWR | O_CREAT));
	if (!test_privileged()) {
		assert_int_equal(core_shm_unlink(dirs, &test_user, "object"),
				 -EPERM);
		return;
	}
	assert_int_equal(core_shm_unlink(dirs, &test_user, "object"), -EPERM);
	assert_return_code(chmod(SHM, 0755), errno);
	r = core_shm_unlink(dirs, &test_user, "object");
	assert_return_code(chmod(SHM, 01777), errno);
	assert_int_equal(r, -EACCES);
	assert_return_code(chown(PATH, USER, USER), errno);
	assert_int_equal(core_shm_unlink(dirs, &test_user, "object"), 0);
}

static void test_names_of_objects_and_semaphores(void **state)
{
	static const char *const objects[] = { ".sem.", "a\nb\xff", "sem",
					       "semaphore", "x" };
	static const char *const semaphores[] = { "sem.", "sem.x" };

	(void)state;
	for (size_t i = 0; i < COUNT(objects); i++)
		assert_true(core_shm_is_object(objects[i]));
	for (size_t i = 0; i < COUNT(semaphores); i++)
		assert_false(core_shm_is_object(semaphores[i]));
}

static void test_statfs_is_that_of_dev_shm(void **state)
{
	struct statvfs before, native, after;
	int fd = must_open("object", O_RDWR | O_CREAT);

	(void)state;
	assert_int_equal(core_ipc_dirs_statfs(dirs, &before), 0);
	assert_return_code(statvfs("/dev/shm", &native), errno);
	assert_int_equal(before.f_blocks, native.f_blocks);
	assert_int_equal(before.f_files, native.f_files);
	assert_int_equal(before.f_namemax, NAME_MAX);
	assert_return_code(posix_fallocate(fd, 0, 1 << 20), errno);
	assert_int_equal(core_ipc_dirs_statfs(dirs, &after), 0);
	assert_int_equal((before.f_bfree - after.f_bfree) * before.f_frsize,
			 1 << 20);
	close(fd);
}

static void test_anonymous_object(void **state)
{
	size_t before = test_count_entries(SHM);
	struct stat st;
	int r, fd = -1;

	(void)state;
	assert_int_equal(core_shm_open_anonymous(dirs, &test_root, O_RDWR, 0666,
						 &fd),
			 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	assert_return_code(fstat(fd, &st), errno);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(st.st_dev, test_stat(SHM).st_dev);
	assert_int_equal(write(fd, "content", 7), 7);
	test_assert_content(fd, "content");
	close(fd);
	assert_int_equal(test_count_entries(SHM), before);

	assert_int_equal(core_shm_open_anonymous(dirs, &test_root,
						 O_WRONLY | O_APPEND | O_CREAT,
						 0, &fd),
			 0);
	assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND), O_WRONLY);
	close(fd);
	fd = UNKNOWN;
	r = core_shm_open_anonymous(dirs, &test_root, O_RDONLY, 0600, &fd);
	assert_int_equal(r, -EINVAL);
	assert_int_equal(fd, UNKNOWN);
}

static void test_anonymous_object_of_another_user(void **state)
{
	struct rlimit old;
	struct stat st;
	int r, fd = UNKNOWN;

	(void)state;
	test_no_more_fds(&old);
	r = core_shm_open_anonymous(dirs, &test_root, O_RDWR, 0600, &fd);
	test_more_fds(&old);
	assert_int_equal(r, -EMFILE);
	if (!test_privileged()) {
		assert_int_equal(core_shm_open_anonymous(dirs, &test_user,
							 O_RDWR, 0600, &fd),
				 -EPERM);
		return;
	}
	assert_return_code(chmod(SHM, 0755), errno);
	r = core_shm_open_anonymous(dirs, &test_user, O_RDWR, 0600, &fd);
	assert_return_code(chmod(SHM, 01777), errno);
	assert_int_equal(r, -EACCES);
	assert_int_equal(fd, UNKNOWN);
	assert_int_equal(
		core_shm_open_anonymous(dirs, &test_user, O_RDWR, 0, &fd), 0);
	assert_return_code(fstat(fd, &st), errno);
	assert_int_equal(st.st_uid, USER);
	assert_int_equal(st.st_gid, USER);
	close(fd);
}

/* Creates, opens and removes one name, and counts unexpected errors. */
static void *hammer(void *closure)
{
	int *unexpected = closure;
	int r, fd = -1;

	for (int i = 0; i < 2000; i++) {
		r = core_shm_open(dirs, &test_root, "object", O_RDWR | O_CREAT,
				  0600, &fd);
		if (r == 0)
			close(fd);
		else
			++*unexpected;
		r = core_shm_open(dirs, &test_root, "object", O_RDONLY, 0, &fd);
		if (r == 0)
			close(fd);
		else if (r != -ENOENT)
			++*unexpected;
		r = core_shm_unlink(dirs, &test_root, "object");
		if (r != 0 && r != -ENOENT)
			++*unexpected;
		r = core_shm_open(dirs, &test_root, "object",
				  O_RDWR | O_CREAT | O_EXCL, 0600, &fd);
		if (r == 0)
			close(fd);
		else if (r != -EEXIST)
			++*unexpected;
	}
	return NULL;
}

static void test_races_end_in_expected_errors(void **state)
{
	int unexpected[2] = { 0 };
	pthread_t threads[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, hammer, &unexpected[i]);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(unexpected[0] + unexpected[1], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_new_object, set_up),
		cmocka_unit_test_setup(test_mappings_share_the_objects_memory,
				       set_up),
		cmocka_unit_test_setup(test_mode_is_less_the_umask, set_up),
		cmocka_unit_test_setup(test_other_flags_are_ignored, set_up),
		cmocka_unit_test_setup(
			test_invalid_names_and_no_free_descriptor, set_up),
		cmocka_unit_test_setup(test_a_fifo_or_a_link_is_not_an_object,
				       set_up),
		cmocka_unit_test_setup(test_flags_are_as_native, set_up),
		cmocka_unit_test_setup(test_unlink_removes_the_name, set_up),
		cmocka_unit_test_setup(test_unlink_errors, set_up),
		cmocka_unit_test_setup(test_names_of_objects_and_semaphores,
				       set_up),
		cmocka_unit_test_setup(test_statfs_is_that_of_dev_shm, set_up),
		cmocka_unit_test_setup(test_anonymous_object, set_up),
		cmocka_unit_test_setup(test_anonymous_object_of_another_user,
				       set_up),
		cmocka_unit_test_setup(test_races_end_in_expected_errors,
				       set_up),
	};

	return cmocka_run_group_tests_name("shm", tests, set_up_group,
					   tear_down_group);
}
