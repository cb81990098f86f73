/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/ipc_dirs.h"

#include "core_test.h"

#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#define MQUEUE_TYPE 0x19800202

static int is_mqueue(int dir)
{
	struct statfs sf;

	return fstatfs(dir, &sf) == 0 && sf.f_type == MQUEUE_TYPE;
}

static int is_shm(int dir)
{
	struct stat st = { 0 }, shm = { 0 };

	return fstat(dir, &st) == 0 && stat("/dev/shm", &shm) == 0 &&
	       st.st_dev == shm.st_dev && st.st_ino == shm.st_ino;
}

static void test_root_mounts_a_private_mqueue(void **state)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 1 };
	struct core_ipc_dirs *dirs;
	struct stat st;
	mqd_t mqd;

	(void)state;
	assert_int_equal(core_ipc_dirs_new(&dirs), 0);
	assert_int_equal(dirs->mq, CORE_IPC_DIRS_MQ_DETACHED);
	assert_true(is_shm(dirs->shm_dir));
	assert_true(is_mqueue(dirs->mq_dir));
	assert_null(dirs->mq_names);
	assert_int_equal(fcntl(dirs->shm_dir, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(dirs->mq_dir, F_GETFD), FD_CLOEXEC);

	mqd = mq_open("/ns", O_RDWR | O_CREAT, 0600, &attr);
	assert_true(mqd >= 0);
	assert_return_code(fstatat(dirs->mq_dir, "ns", &st, 0), errno);
	mq_close(mqd);
	mq_unlink("/ns");
	assert_null(core_ipc_dirs_free(dirs));
	assert_null(core_ipc_dirs_free(NULL));
}

/* In a child: makes an empty /dev of its own. */
static int empty_dev(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount("tmpfs", "/dev", "tmpfs", 0, "mode=755") == 0;
}

static int dev_without_shm(void *arg)
{
	struct core_ipc_dirs *dirs = arg;

	return empty_dev() ? core_ipc_dirs_new(&dirs) : -1;
}

static int dev_with_a_file_for_shm(void *arg)
{
	struct core_ipc_dirs *dirs = arg;

	return empty_dev() && mknod("/dev/shm", S_IFREG | 0644, 0) == 0
		       ? core_ipc_dirs_new(&dirs)
		       : -1;
}

static int dev_with_roots_shm(void *arg)
{
	struct core_ipc_dirs *dirs = arg;

	return empty_dev() && mkdir("/dev/shm", 0700) == 0 &&
			       test_become(&test_user) == 0
		       ? core_ipc_dirs_new(&dirs)
		       : -1;
}

static void test_errors_of_new(void **state)
{
	struct core_ipc_dirs *dirs = NULL;
	struct rlimit old;
	int r;

	(void)state;
	assert_int_equal(test_in_child(dev_without_shm, NULL), -ENOENT);
	assert_int_equal(test_in_child(dev_with_a_file_for_shm, NULL),
			 -ENOTDIR);
	if (test_privileged())
		assert_int_equal(test_in_child(dev_with_roots_shm, NULL),
				 -EACCES);
	test_no_more_fds(&old);
	r = core_ipc_dirs_new(&dirs);
	test_more_fds(&old);
	assert_int_equal(r, -EMFILE);
	assert_null(dirs);
}

enum mqueue { ABSENT, DIRECTORY, MOUNTED };

/* In a child: returns what an ordinary user's call returns, or -1. */
static int users_ns(void *arg)
{
	enum mqueue mqueue = *(enum mqueue *)arg;
	struct core_ipc_dirs *dirs;
	int result;

	if (!empty_dev() || mkdir("/dev/shm", 0755) < 0)
		return -1;
	if (mqueue != ABSENT && mkdir("/dev/mqueue", 0755) < 0)
		return -1;
	if (mqueue == MOUNTED &&
	    mount("mqueue", "/dev/mqueue", "mqueue", 0, NULL) < 0)
		return -1;
	if (test_become(&test_user) < 0 || core_ipc_dirs_new(&dirs) != 0)
		return -1;
	result = dirs->mq;
	if (!is_shm(dirs->shm_dir))
		result = -1;
	if (mqueue == MOUNTED ? !is_mqueue(dirs->mq_dir) || dirs->mq_names
			      : dirs->mq_dir != -1 || !dirs->mq_names)
		result = -1;
	core_ipc_dirs_free(dirs);
	return result;
}

static void test_a_user_uses_the_mounted_mqueue(void **state)
{
	enum mqueue mqueue;

	(void)state;
	NEEDS(test_privileged(), "root");
	mqueue = MOUNTED;
	assert_int_equal(test_in_child(users_ns, &mqueue),
			 CORE_IPC_DIRS_MQ_MOUNTED);
	mqueue = ABSENT;
	assert_int_equal(test_in_child(users_ns, &mqueue),
			 CORE_IPC_DIRS_MQ_NONE);
	mqueue = DIRECTORY;
	assert_int_equal(test_in_child(users_ns, &mqueue),
			 CORE_IPC_DIRS_MQ_NONE);
}

/* Starts a process in namespaces of its own, with a file in its /dev/shm. */
static pid_t start_target(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS | CLONE_NEWIPC) == 0 &&
		    mount("tmpfs", "/dev/shm", "tmpfs", 0, NULL) == 0 &&
		    mknod("/dev/shm/theirs", S_IFREG | 0600, 0) == 0)
			(void)write(ready[1], "", 1);
		close(ready[1]);
		pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		pid = -1;
	close(ready[0]);
	return pid;
}

/*
 * In a child, which stays in the namespaces. Returns 0, or the line of the
 * failed check.
 */
static int enter(void *arg)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 1 };
	pid_t pid = start_target();
	struct core_ipc_dirs *dirs = arg;
	struct rlimit old;
	struct stat st;

#define CHECK(condition)                 \
	do {                             \
		if (!(condition))        \
			return __LINE__; \
	} while (0)
	CHECK(mq_open("/ours", O_RDWR | O_CREAT, 0600, &attr) >= 0);
	test_no_more_fds(&old);
	CHECK(core_ipc_dirs_enter(pid, &dirs) == -EMFILE && !dirs);
	test_more_fds(&old);
	CHECK(core_ipc_dirs_enter(INT_MAX, &dirs) == -ESRCH && !dirs);
	/* After a failure it is in its old namespaces. */
	CHECK(mq_unlink("/ours") == 0);

	CHECK(core_ipc_dirs_enter(pid, &dirs) == 0);
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	CHECK(dirs->mq == CORE_IPC_DIRS_MQ_DETACHED && is_mqueue(dirs->mq_dir));
	CHECK(fcntl(dirs->shm_dir, F_GETFD) == FD_CLOEXEC);
	CHECK(fstatat(dirs->shm_dir, "theirs", &st, 0) == 0);
	CHECK(stat("/dev/shm/theirs", &st) < 0);
	CHECK(mq_open("/ns", O_RDWR | O_CREAT, 0600, &attr) >= 0);
	CHECK(fstatat(dirs->mq_dir, "ns", &st, 0) == 0);
	core_ipc_dirs_free(dirs);
	dirs = NULL;
	CHECK(core_ipc_dirs_enter(pid, &dirs) == -ESRCH && !dirs);
#undef CHECK
	return 0;
}

static void test_enter_the_namespaces_of_a_process(void **state)
{
	(void)state;
	assert_int_equal(test_in_child(enter, NULL), 0);
}

static int enter_roots(void *arg)
{
	struct core_ipc_dirs *dirs = arg;

	return core_ipc_dirs_enter(getppid(), &dirs);
}

static int enter_own(void *arg)
{
	struct core_ipc_dirs *dirs = arg;

	return core_ipc_dirs_enter(getpid(), &dirs);
}

static void test_a_user_cannot_enter(void **state)
{
	(void)state;
	NEEDS(test_privileged(), "root");
	assert_int_equal(test_as(&test_user, enter_roots, NULL), -EACCES);
	assert_int_equal(test_as(&test_user, enter_own, NULL), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root_mounts_a_private_mqueue),
		cmocka_unit_test(test_errors_of_new),
		cmocka_unit_test(test_a_user_uses_the_mounted_mqueue),
		cmocka_unit_test(test_enter_the_namespaces_of_a_process),
		cmocka_unit_test(test_a_user_cannot_enter),
	};

	return cmocka_run_group_tests_name("ipc_dirs", tests, NULL, NULL);
}
