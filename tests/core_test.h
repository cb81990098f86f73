/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core_test: shared by the tests of core/. The tests run in namespaces of their
 * own (tests/in_namespace), so all objects in /dev/shm and all queues are
 * theirs.
 */
#ifndef CORE_TEST_H
#define CORE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/cred.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define USER	1000
#define OTHER	1001
#define GROUP	2000  /* a supplementary group */
#define UNKNOWN 12345 /* the content of an output that must stay untouched */

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const gid_t test_groups[] = { GROUP };
static const struct core_cred test_root = { .caps = CORE_CRED_ALL_CAPS };
static const struct core_cred test_user = { .uid = USER, .gid = USER };
static const struct core_cred test_member = {
	.uid = USER, .gid = USER, .n_groups = 1, .groups = test_groups
};

/*
 * Whether this process can act as other users. The root of a user namespace
 * can't.
 */
static inline int test_privileged(void)
{
	int can;

	(void)setfsuid(USER);
	can = setfsuid((uid_t)-1) == USER;
	(void)setfsuid(geteuid());
	return can;
}

/* Outside the namespaces the tests would change the machine's objects. */
__attribute__((constructor)) static void test_check_namespace(void)
{
	if (getenv("IPCFS_IN_NAMESPACE"))
		return;
	(void)fputs(
		"run tests in namespaces; try: tests/in_namespace PROGRAM\n",
		stderr);
	_exit(2);
}

/*
 * Skips the rest of a test, and says what the test needs. cmocka's skip() says
 * "not ok", which meson takes for a failure.
 */
#define NEEDS(condition, what)                             \
	do {                                               \
		if (!(condition)) {                        \
			puts("# not run: it needs " what); \
			return;                            \
		}                                          \
	} while (0)

/*
 * Runs fn(arg) in a child process. Returns fn's result, or INT_MIN if a signal
 * ended the child. fn must not use assert_…(), which would continue with the
 * next test in the child.
 */
static inline int test_in_child(int (*fn)(void *arg), void *arg)
{
	int *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int result;
	pid_t pid;

	assert_ptr_not_equal(shared, MAP_FAILED);
	*shared = INT_MIN;
	pid = fork();
	if (pid == 0) {
		*shared = fn(arg);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	result = *shared;
	munmap(shared, sizeof(*shared));
	return result;
}

/* In a child: becomes cred for good, as a login does. Returns 0 or -errno. */
static inline int test_become(const struct core_cred *cred)
{
	if (cred->uid == geteuid() && cred->gid == getegid())
		return 0;
	if (syscall(SYS_setgroups, cred->n_groups, cred->groups) < 0 ||
	    setresgid(cred->gid, cred->gid, cred->gid) < 0 ||
	    setresuid(cred->uid, cred->uid, cred->uid) < 0)
		return -errno;
	core_cred_read_self();
	return 0;
}

struct test_as {
	const struct core_cred *cred;
	int (*fn)(void *arg);
	void *arg;
};

static inline int test_become_and_run(void *arg)
{
	struct test_as *as = arg;

	return test_become(as->cred) < 0 ? INT_MIN : as->fn(as->arg);
}

/* test_in_child() as cred. */
static inline int test_as(const struct core_cred *cred, int (*fn)(void *arg),
			  void *arg)
{
	struct test_as as = { .cred = cred, .fn = fn, .arg = arg };

	return test_in_child(test_become_and_run, &as);
}

/* Memory that a child shares with its parent. */
static inline void *test_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

/* Makes every open fail with EMFILE until test_more_fds(). */
static inline void test_no_more_fds(struct rlimit *old)
{
	int lowest = dup(STDERR_FILENO);
	struct rlimit limit;

	(void)close(lowest);
	(void)getrlimit(RLIMIT_NOFILE, old);
	limit = *old;
	limit.rlim_cur = (rlim_t)lowest;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static inline void test_more_fds(const struct rlimit *old)
{
	(void)setrlimit(RLIMIT_NOFILE, old);
}

/* Makes a file, which replaces a file of the same name. */
static inline void test_make_file(const char *path, const char *content,
				  mode_t mode, uid_t uid, gid_t gid)
{
	int fd;

	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	assert_return_code(fchown(fd, uid, gid), errno);
	assert_return_code(fchmod(fd, mode), errno);
	close(fd);
}

static inline struct stat test_stat(const char *path)
{
	struct stat st;

	assert_return_code(stat(path, &st), errno);
	return st;
}

static inline void test_assert_content(int fd, const char *expected)
{
	char buf[256];
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);

	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, expected);
}

/* Returns the number of a directory's entries without "." and "..". */
static inline size_t test_count_entries(const char *path)
{
	DIR *dir = opendir(path);
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n - 2;
}

#endif
