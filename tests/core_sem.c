/* SPDX-License-Identifier: BSD-3-Clause */
/* The names of semaphores: creating, finding and removing, rights. */
#include "core_semaphores.h"

#include <semaphore.h>

enum { LONGEST = NAME_MAX - 4 };

/* The result of core_sem_open(), which must have opened nothing. */
static int open_fails(const struct core_cred *cred, const char *name, int flags)
{
	int fd = UNKNOWN;
	int r = core_sem_open(dirs, cred, name, flags, 0600, &fd);

	assert_int_equal(fd, UNKNOWN);
	return r;
}

static void test_a_new_semaphore(void **state)
{
	int fd = must_open(O_RDWR | O_CREAT);
	struct stat st = test_stat(PATH);

	(void)state;
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(st.st_size, SIZE);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(get(fd).value, 0);
	assert_int_equal(get(fd).waiters, 0);
	close(fd);
}

static void test_create_and_exclusive(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(open_fails(&test_root, "it", O_RDWR), -ENOENT);
	assert_int_equal(open_fails(&test_root, "it", O_RDWR | O_EXCL),
			 -ENOENT);
	fd = must_open(O_RDWR | O_CREAT | O_EXCL);
	set(fd, 7);
	close(fd);
	assert_int_equal(open_fails(&test_root, "it",
				    O_RDWR | O_CREAT | O_EXCL),
			 -EEXIST);
	for (int flags = O_RDONLY; flags <= O_RDWR; flags++) {
		fd = must_open(flags | O_CREAT);
		assert_int_equal(get(fd).value, 7);
		close(fd);
	}
	assert_int_equal(core_sem_unlink(dirs, &test_root, "it"), 0);
	assert_int_equal(core_sem_unlink(dirs, &test_root, "it"), -ENOENT);
	assert_int_equal(access(PATH, F_OK), -1);
}

static void test_mode_is_less_the_umask(void **state)
{
	mode_t old = umask(027);
	int fd = -1;
	int r = core_sem_open(dirs, &test_root, "it", O_RDWR | O_CREAT, 0666,
			      &fd);

	(void)state;
	(void)umask(old);
	assert_int_equal(r, 0);
	set(fd, 1);
	close(fd);
	assert_int_equal(test_stat(PATH).st_mode, S_IFREG | 0640);
	assert_int_equal(core_sem_unlink(dirs, &test_root, "it"), 0);
	/* The creator's descriptor can change the semaphore, whatever its mode. */
	assert_int_equal(core_sem_open(dirs, &test_root, "it", O_RDWR | O_CREAT,
				       0, &fd),
			 0);
	set(fd, 1);
	close(fd);
	assert_int_equal(test_stat(PATH).st_mode, S_IFREG);
}

/* Files that aren't semaphores. */

static void assert_is_no_semaphore(int fd)
{
	struct core_sem_info info = { .value = UNKNOWN, .waiters = UNKNOWN };

	assert_int_equal(core_sem_get(fd, &info), -EOPNOTSUPP);
	assert_int_equal(info.value, UNKNOWN);
	assert_int_equal(info.waiters, UNKNOWN);
	for (enum core_sem_change change = CORE_SEM_POST;
	     change <= CORE_SEM_SET; change++)
		for (unsigned int n = 0; n < 2; n++)
			assert_int_equal(core_sem_change(fd, change, n),
					 -EOPNOTSUPP);
}

static void test_files_of_other_sizes(void **state)
{
	static const size_t sizes[] = { 0, 16, 31, 33, 4096 };
	char content[4096], now[sizeof(content)];

	(void)state;
	memset(content, 'x', sizeof(content));
	for (size_t i = 0; i < COUNT(sizes); i++) {
		int fd;

		test_make_file(PATH, "", 0600, 0, 0);
		fd = must_open(O_RDWR | O_CREAT);
		assert_int_equal(write(fd, content, sizes[i]), sizes[i]);
		assert_is_no_semaphore(fd);
		assert_int_equal(pread(fd, now, sizeof(now), 0), sizes[i]);
		assert_memory_equal(now, content, sizes[i]);
		close(fd);
	}
	assert_int_equal(core_sem_unlink(dirs, &test_root, "it"), 0);
}

/* The open must not block, though nobody else has the FIFO open. */
static void test_a_fifo_or_a_link_is_not_a_semaphore(void **state)
{
	int fd = UNKNOWN;

	(void)state;
	for (int is_link = 0; is_link < 2; is_link++) {
		assert_return_code(is_link ? symlink("target", PATH)
					   : mkfifo(PATH, 0666),
				   errno);
		for (int acc = O_RDONLY; acc <= O_RDWR; acc++) {
			assert_int_equal(open_fails(&test_root, "it", acc),
					 -ENOENT);
			assert_int_equal(open_fails(&test_root, "it",
						    acc | O_CREAT),
					 -ENOENT);
			assert_int_equal(open_fails(&test_root, "it",
						    acc | O_CREAT | O_EXCL),
					 -EEXIST);
		}
		assert_int_equal(core_sem_find(dirs, &test_root, "it", 0, &fd),
				 -ENOENT);
		assert_return_code(unlink(PATH), errno);
	}
	assert_int_equal(fd, UNKNOWN);
	assert_int_equal(access("/dev/shm/target", F_OK), -1);
}

static void test_longest_and_invalid_names(void **state)
{
	char name[LONGEST + 2], file[NAME_MAX + 1];
	int fd = UNKNOWN;
	sem_t *sem;

	(void)state;
	assert_string_equal(core_sem_name("sem.it"), "it");
	assert_string_equal(core_sem_name("sem.sem.it"), "sem.it");
	assert_string_equal(core_sem_name("sem...."), "...");
	for (size_t i = 0; i < 8; i++)
		assert_null(core_sem_name((
			(const char *[]){ "", "s", "sem", "sem.", "sem..",
					  "sem...", "Sem.it", "xsem.it" })[i]));

	memset(name, 'x', sizeof(name));
	name[LONGEST + 1] = '\0';
	assert_int_equal(open_fails(&test_root, name, O_RDWR | O_CREAT),
			 -ENAMETOOLONG);
	assert_int_equal(core_sem_find(dirs, &test_root, name, 0, &fd),
			 -ENAMETOOLONG);
	assert_int_equal(core_sem_unlink(dirs, &test_root, name),
			 -ENAMETOOLONG);
	assert_int_equal(open_fails(&test_root, "", O_RDWR | O_CREAT), -EINVAL);
	assert_int_equal(open_fails(&test_root, "a/b", O_RDWR | O_CREAT),
			 -EINVAL);
	assert_int_equal(core_sem_unlink(dirs, &test_root, ".."), -EINVAL);
	assert_int_equal(core_sem_find(dirs, &test_root, ".", 0, &fd), -EINVAL);
	assert_int_equal(fd, UNKNOWN);

	name[LONGEST] = '\0';
	assert_int_equal(core_sem_open(dirs, &test_root, name, O_RDWR | O_CREAT,
				       0600, &fd),
			 0);
	close(fd);
	sem = sem_open(name, 0);
	assert_ptr_not_equal(sem, SEM_FAILED);
	(void)sem_close(sem);
	(void)strcpy(stpcpy(file, "sem."), name);
	assert_string_equal(core_sem_name(file), name);
	assert_int_equal(core_sem_unlink(dirs, &test_root, name), 0);
}

static void test_wrong_inode_number_and_no_free_descriptor(void **state)
{
	int r, fd = must_open(O_RDWR | O_CREAT);
	ino_t ino = test_stat(PATH).st_ino;
	struct rlimit old;

	(void)state;
	close(fd);
	assert_int_equal(core_sem_find(dirs, &test_root, "it", ino, &fd), 0);
	close(fd);
	fd = UNKNOWN;
	assert_int_equal(core_sem_find(dirs, &test_root, "it", ino + 1, &fd),
			 -ESTALE);
	test_no_more_fds(&old);
	r = core_sem_open(dirs, &test_root, "it", O_RDWR | O_CREAT, 0, &fd);
	test_more_fds(&old);
	assert_int_equal(r, -EMFILE);
	assert_int_equal(fd, UNKNOWN);
	if (!test_privileged())
		assert_int_equal(open_fails(&test_user, "it", O_RDONLY),
				 -EPERM);
}

/*
 * Rights.
 */

static int open_natively(void *unused)
{
	(void)unused;
	return sem_open("/it", 0) == SEM_FAILED ? -errno : 0;
}

static int unlink_natively(void *unused)
{
	(void)unused;
	return sem_unlink("/it") < 0 ? -errno : 0;
}

static int open_as(const struct core_cred *cred, int flags)
{
	int fd = UNKNOWN;
	int r = core_sem_open(dirs, cred, "it", flags, 0600, &fd);

	assert_int_equal(fd == UNKNOWN, r < 0);
	if (r == 0)
		close(fd);
	return r;
}

/*
 * The kernel checks the bits of the user's class only: owner, group or others.
 */
static void test_rights_are_as_native(void **state)
{
	static const struct {
		uid_t owner;
		gid_t group;
		int shift;
	} classes[] = { { USER, OTHER, 6 },
			{ OTHER, USER, 3 },
			{ OTHER, GROUP, 3 },
			{ OTHER, OTHER, 0 } };

	(void)state;
	NEEDS(test_privileged(), "root");
	for (size_t i = 0; i < COUNT(classes) * 8; i++) {
		const mode_t bits = i % 8;
		const int shift = classes[i / 8].shift;
		bool reads = bits & 4, changes = reads && bits & 2;
		char zero[SIZE + 1] = { 0 };
		int fd;

		test_make_file(PATH, zero, bits << shift, classes[i / 8].owner,
			       classes[i / 8].group);
		assert_return_code(truncate(PATH, SIZE), errno);
		assert_int_equal(open_as(&test_member, O_RDONLY),
				 reads ? 0 : -EACCES);
		for (int create = 0; create <= O_CREAT; create += O_CREAT) {
			assert_int_equal(open_as(&test_member, O_RDWR | create),
					 changes ? 0 : -EACCES);
			assert_int_equal(open_as(&test_member,
						 O_WRONLY | create),
					 changes ? 0 : -EACCES);
		}
		assert_int_equal(test_as(&test_member, open_natively, NULL),
				 changes ? 0 : -EACCES);
		assert_int_equal(open_as(&test_root, O_RDWR), 0);

		assert_int_equal(
			core_sem_find(dirs, &test_member, "it", 0, &fd), 0);
		close(fd);
	}
	/*
	 * In a sticky directory only the owner removes a file. The C library
	 * turns EPERM into EACCES.
	 */
	assert_int_equal(core_sem_unlink(dirs, &test_member, "it"), -EPERM);
	assert_int_equal(test_as(&test_member, unlink_natively, NULL), -EACCES);
	assert_int_equal(access(PATH, F_OK), 0);
	assert_return_code(unlink(PATH), errno);

	assert_int_equal(open_as(&test_user, O_RDWR | O_CREAT), 0);
	assert_int_equal(test_stat(PATH).st_uid, USER);
	assert_int_equal(test_stat(PATH).st_gid, USER);
	assert_int_equal(core_sem_unlink(dirs, &test_user, "it"), 0);
}

static void test_no_semaphores_on_a_32_bit_machine(void **state)
{
	(void)state;
	assert_int_equal(open_fails(&test_root, "it", O_RDWR | O_CREAT),
			 -EOPNOTSUPP);
	assert_int_equal(access(PATH, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests_32_bit[] = {
		cmocka_unit_test_setup(test_no_semaphores_on_a_32_bit_machine,
				       set_up),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_new_semaphore, set_up),
		cmocka_unit_test_setup(test_create_and_exclusive, set_up),
		cmocka_unit_test_setup(test_mode_is_less_the_umask, set_up),
		cmocka_unit_test_setup(test_files_of_other_sizes, set_up),
		cmocka_unit_test_setup(test_a_fifo_or_a_link_is_not_a_semaphore,
				       set_up),
		cmocka_unit_test_setup(test_longest_and_invalid_names, set_up),
		cmocka_unit_test_setup(
			test_wrong_inode_number_and_no_free_descriptor, set_up),
		cmocka_unit_test_setup(test_rights_are_as_native, set_up),
	};

	if (sizeof(long) < 8)
		return cmocka_run_group_tests(tests_32_bit, set_up_group,
					      tear_down_group);
	return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
