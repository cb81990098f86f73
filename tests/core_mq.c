/* SPDX-License-Identifier: BSD-3-Clause */
/* Queues that exist: messages, stat, names. */
#include "core_queues.h"

#include "core/file.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mount.h>

static int must_find(const char *name)
{
	int fd = -1;

	assert_int_equal(core_mq_find(dirs, &test_root, name, 0, &fd), 0);
	return fd;
}

static void test_send_and_receive(void **state)
{
	int fd = must_open("q", O_RDWR | O_CREAT);
	char buf[32];
	size_t len;

	(void)state;
	must_send(fd, "low 1", 0);
	must_send(fd, "high", MQ_PRIO_MAX - 1);
	must_send(fd, "", 1);
	must_send(fd, "low 2", 0);
	assert_int_equal(core_mq_send(fd, "5th", 3, 9), -EAGAIN);
	assert_received(fd, "high", MQ_PRIO_MAX - 1);
	assert_received(fd, "", 1);
	assert_received(fd, "low 1", 0);
	assert_int_equal(core_mq_receive(fd, buf, sizeof(buf), &len, NULL), 0);
	assert_int_equal(len, 5);
	assert_memory_equal(buf, "low 2", 5);
	close(fd);
}

static void test_errors_of_send_and_receive(void **state)
{
	int fd = must_open("q", O_RDWR | O_CREAT);
	int reader = must_open("q", O_RDONLY);
	int writer = must_open("q", O_WRONLY);
	unsigned int priority = UNKNOWN;
	size_t len = UNKNOWN;
	char buf[33] = "";

	(void)state;
	assert_int_equal(core_mq_receive(fd, buf, 32, &len, &priority),
			 -EAGAIN);
	assert_int_equal(core_mq_receive(writer, buf, 32, &len, NULL), -EBADF);
	assert_int_equal(core_mq_send(fd, buf, 33, 0), -EMSGSIZE);
	assert_int_equal(core_mq_send(fd, buf, 1, MQ_PRIO_MAX), -EINVAL);
	assert_int_equal(core_mq_send(reader, buf, 1, 0), -EBADF);
	assert_int_equal(core_mq_send(fd, buf, 32, 0), 0);
	assert_int_equal(core_mq_receive(fd, buf, 31, &len, &priority),
			 -EMSGSIZE);
	assert_int_equal(core_mq_receive(-1, buf, 32, &len, NULL), -EBADF);
	assert_int_equal(core_mq_msgsize(-1, &len), -EBADF);
	assert_int_equal(len, UNKNOWN);
	assert_int_equal(priority, UNKNOWN);
	assert_int_equal(core_mq_receive(reader, buf, 33, &len, NULL), 0);
	assert_int_equal(len, 32);
	close(fd);
	close(reader);
	close(writer);
}

static void test_find_a_queue(void **state)
{
	int fd, mqd = must_open("q", O_RDWR | O_CREAT);
	struct stat st;

	(void)state;
	assert_return_code(fstat(mqd, &st), errno);
	assert_int_equal(core_mq_find(dirs, &test_root, "q", st.st_ino, &fd),
			 0);
	assert_true(fcntl(fd, F_GETFL) & O_PATH);
	close(fd);
	if (test_privileged()) {
		assert_int_equal(core_mq_find(dirs, &test_user, "q", 0, &fd),
				 0);
		close(fd);
	}
	fd = UNKNOWN;
	assert_int_equal(core_mq_find(dirs, &test_root, "q", st.st_ino + 1,
				      &fd),
			 -ESTALE);
	assert_int_equal(core_mq_find(dirs, &test_root, "missing", 0, &fd),
			 -ENOENT);
	assert_int_equal(core_mq_find(dirs, &test_root, ".", 0, &fd), -EINVAL);
	assert_int_equal(fd, UNKNOWN);
	close(mqd);
}

static void assert_size(int fd, off_t size)
{
	struct statx st;

	assert_int_equal(core_mq_stat(&test_root, fd, 0, &st), 0);
	assert_int_equal(st.stx_size, size);
	assert_int_equal(st.stx_blksize, 32);
	assert_true(S_ISREG(st.stx_mode));
}

static void test_stat_counts_bytes(void **state)
{
	int mqd = must_open("q", O_WRONLY | O_CREAT), path = must_find("q");

	(void)state;
	assert_size(mqd, 0);
	assert_size(path, 0);
	must_send(mqd, "12345", 0);
	must_send(mqd, "", 0);
	must_send(mqd, "678", 7);
	assert_size(mqd, 8);
	assert_size(path, 8);
	assert_int_equal(core_mq_unlink(dirs, &test_root, "q"), 0);
	assert_size(mqd, 8);
	assert_size(path, 8);
	close(mqd);
	close(path);
}

/* Returns stx_size for an ordinary user. No time of the queue may change. */
static off_t size_for_user(int fd, blksize_t *ret_blksize)
{
	struct statx before, st;

	assert_int_equal(core_file_statx(fd, &before), 0);
	assert_int_equal(core_mq_stat(&test_user, fd, 0, &st), 0);
	assert_memory_equal(&st.stx_ctime, &before.stx_ctime,
			    sizeof(st.stx_ctime));
	*ret_blksize = st.stx_blksize;
	return st.stx_size;
}

static void test_stat_of_an_unreadable_queue(void **state)
{
	int mqd = must_open("q", O_RDWR | O_CREAT), path = must_find("q");
	struct statx st = { .stx_size = UNKNOWN };
	struct rlimit old;
	int r;

	(void)state;
	must_send(mqd, "12345", 0);
	test_no_more_fds(&old);
	r = core_mq_stat(&test_root, path, 0, &st);
	test_more_fds(&old);
	assert_int_equal(r, -EMFILE);
	assert_int_equal(st.stx_size, UNKNOWN);
	if (test_privileged()) {
		blksize_t blksize;

		assert_int_equal(size_for_user(path, &blksize), 0);
		assert_int_not_equal(blksize, small.mq_msgsize);
		assert_return_code(fchmod(mqd, 0602), errno);
		assert_int_equal(size_for_user(path, &blksize), 0);
		assert_int_equal(blksize, small.mq_msgsize);
		assert_return_code(fchmod(mqd, 0604), errno);
		assert_int_equal(core_mq_stat(&test_user, path, 2, &st), 0);
		assert_int_equal(st.stx_size, 7);
	}
	close(mqd);
	close(path);
}

static bool was_read(int fd)
{
	const struct timespec long_ago[2] = { { 1, 0 }, { 1, 0 } };
	struct statx before, after;
	char text[128];

	assert_return_code(futimens(fd, long_ago), errno);
	assert_int_equal(core_mq_stat(&test_root, fd, 0, &before), 0);
	assert_int_equal(core_file_statx(fd, &after), 0);
	/*
	 * A native read(2) of a queue returns its state, and changes the access
	 * time.
	 */
	assert_true(pread(fd, text, sizeof(text), 0) > 0);
	assert_memory_equal(text, "QSIZE:", 6);
	assert_int_equal(core_file_statx(fd, &before), 0);
	assert_int_not_equal(before.stx_atime.tv_sec, 1);
	return after.stx_atime.tv_sec != 1;
}

static void test_stat_changes_no_access_time(void **state)
{
	int fd = must_open("q", O_RDWR | O_CREAT);

	(void)state;
	assert_false(was_read(fd));
	must_send(fd, "12345", 0);
	assert_false(was_read(fd));
	close(fd);
}

static void test_purge_removes_all_messages(void **state)
{
	int fd = must_open("q", O_RDWR | O_CREAT);
	int writer = must_open("q", O_WRONLY);

	(void)state;
	assert_int_equal(core_mq_purge(fd), 0);
	must_send(fd, "1", 0);
	must_send(fd, "2", 9);
	assert_int_equal(core_mq_purge(writer), -EBADF);
	assert_size(fd, 2);
	assert_int_equal(core_mq_purge(fd), 0);
	assert_size(fd, 0);
	assert_int_equal(core_mq_purge(-1), -EBADF);
	close(fd);
	close(writer);
}

/* The error is the same for an empty queue. */
static void test_purge_of_an_empty_queue_needs_read(void **state)
{
	int fd = must_open("q", O_WRONLY | O_CREAT);

	(void)state;
	assert_int_equal(core_mq_purge(fd), -EBADF);
	close(fd);
}

struct sender {
	int fd;
	atomic_bool stop;
};

static void *keep_sending(void *closure)
{
	struct sender *sender = closure;

	while (!sender->stop)
		(void)core_mq_send(sender->fd, "x", 1, 0);
	return NULL;
}

static void test_purge_ends_beside_a_busy_sender(void **state)
{
	struct sender sender = { .fd = must_open("q", O_RDWR | O_CREAT) };
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, keep_sending, &sender);
	for (int i = 0; i < 100; i++)
		assert_int_equal(core_mq_purge(sender.fd), 0);
	sender.stop = true;
	pthread_join(thread, NULL);
	close(sender.fd);
}

static void test_unlink_and_its_errors(void **state)
{
	int fd = must_open("q", O_RDWR | O_CREAT);

	(void)state;
	if (test_privileged())
		assert_int_equal(core_mq_unlink(dirs, &test_user, "q"),
				 -EACCES);
	assert_int_equal(core_mq_unlink(dirs, &test_root, "q"), 0);
	assert_int_equal(core_mq_unlink(dirs, &test_root, "q"), -ENOENT);
	assert_int_equal(core_mq_unlink(dirs, &test_root, ""), -EINVAL);
	must_send(fd, "kept", 0);
	assert_received(fd, "kept", 0);
	close(fd);
}

static void test_statfs_counts_queues(void **state)
{
	static const char *const names[] = { "q", ".hidden", "a\nb\xff" };
	long max = read_limit(LIMITS "queues_max");
	struct statvfs sv;

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		close(must_open(names[i], O_RDWR | O_CREAT));
	/*
	 * Twice, because the first call must not move the directory's offset.
	 */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(core_mq_statfs(dirs, &test_root, &sv), 0);
		assert_int_equal(sv.f_files, max);
		assert_int_equal(sv.f_ffree, max - (long)COUNT(names));
	}
	assert_int_equal(core_mq_unlink(dirs, &test_root, "q"), 0);
	assert_int_equal(core_mq_statfs(dirs, &test_root, &sv), 0);
	assert_int_equal(sv.f_ffree, max - (long)COUNT(names) + 1);
}

static void test_attributes_of_the_directory(void **state)
{
	struct statx st;

	(void)state;
	assert_int_equal(core_ipc_dirs_stat(dirs, dirs->mq_dir, &st), 0);
	assert_int_equal(st.stx_mode, S_IFDIR | S_ISVTX | 0777);
}

/*
 * A namespace whose queues can't be listed. In a child, which returns the line
 * of a failed check.
 */

#define MUST(condition)                   \
	do {                              \
		if (!(condition))         \
			return -__LINE__; \
	} while (0)

/*
 * Returns the inode number that the listing shows for a name, or 0, and the
 * number of names.
 */
static ino_t find_listed(const struct core_ipc_dirs *own, const char *name,
			 size_t *ret_n)
{
	char found[NAME_MAX + 1];
	ino_t ino, named = 0;
	size_t place = 0;

	*ret_n = 0;
	while (core_mq_next(own, &test_user, &place, found, &ino)) {
		++*ret_n;
		if (strcmp(found, name) == 0)
			named = ino;
	}
	return named;
}

/* Whether the listing has exactly these names; NULL is no name. */
static bool lists(const struct core_ipc_dirs *own, const char *a, const char *b)
{
	size_t n;
	bool has_a = find_listed(own, a ?: "", &n);
	bool has_b = find_listed(own, b ?: "", &n);

	return has_a == !!a && has_b == !!b && n == (size_t)(!!a + !!b);
}

static int without_a_directory(void *arg)
{
	const struct core_cred *cred = &test_user;
	struct core_ipc_dirs *own;
	struct statvfs sv;
	struct statx st;
	int a, b, fd = -1;
	size_t n;

	(void)arg;
	MUST(unshare(CLONE_NEWNS) == 0);
	MUST(mount("tmpfs", "/dev", "tmpfs", 0, "mode=755") == 0);
	MUST(mkdir("/dev/shm", 0755) == 0);
	MUST(test_become(cred) == 0);
	MUST(core_ipc_dirs_new(&own) == 0);
	MUST(own->mq == CORE_IPC_DIRS_MQ_NONE);
	MUST(lists(own, NULL, NULL));
	MUST(core_ipc_dirs_stat(own, own->mq_dir, &st) == 0);
	MUST(st.stx_mode == (S_IFDIR | S_ISVTX | 0777));

	/* Queues that were opened are listed; "foreign" was never opened here. */
	MUST(core_mq_open(own, cred, "a", O_RDWR | O_CREAT, 0600, &small, 0,
			  &a) == 0);
	MUST(core_mq_open(own, cred, "b", O_WRONLY | O_CREAT, 0200, &small, 0,
			  &b) == 0);
	MUST(lists(own, "a", "b"));
	MUST(core_mq_open(own, cred, "none", O_RDWR, 0, NULL, 0, &fd) ==
	     -ENOENT);
	MUST(core_mq_open(own, cred, "foreign", O_RDWR, 0, NULL, 0, &fd) ==
	     -EACCES);
	MUST(core_mq_find(own, cred, "foreign", 0, &fd) == -EACCES);
	MUST(fd == -1);
	MUST(lists(own, "a", "b"));
	MUST(core_mq_statfs(own, cred, &sv) == 0);
	MUST(sv.f_files - sv.f_ffree == 2);

	/* stat and find open the queue, and still know the inode number. */
	MUST(core_file_statx(a, &st) == 0);
	MUST(find_listed(own, "a", &n) == st.stx_ino);
	MUST(core_mq_find(own, cred, "a", st.stx_ino + 1, &fd) == -ESTALE);
	MUST(core_mq_find(own, cred, "a", st.stx_ino, &fd) == 0);
	close(fd);
	MUST(core_mq_find(own, cred, "b", 0, &fd) == 0);
	MUST(core_mq_send(a, "12345", 5, 0) == 0);
	MUST(core_mq_stat(cred, a, 0, &st) == 0 && st.stx_size == 5);
	MUST(core_mq_stat(cred, fd, 0, &st) == 0 && st.stx_size == 0);
	close(fd);

	/* An unlinked queue is forgotten, also if another process unlinked it. */
	MUST(core_mq_unlink(own, cred, "foreign") == -EACCES);
	MUST(core_mq_unlink(own, cred, "a") == 0);
	MUST(lists(own, "b", NULL));
	MUST(mq_unlink("/b") == 0);
	MUST(lists(own, NULL, NULL));
	close(a);
	close(b);
	core_ipc_dirs_free(own);
	return 0;
}

static void test_opened_queues_are_listed_without_dev_mqueue(void **state)
{
	(void)state;
	NEEDS(test_privileged(), "root");
	close(must_open("foreign", O_RDWR | O_CREAT));
	assert_int_equal(test_in_child(without_a_directory, NULL), 0);
}

#define TEST(name) cmocka_unit_test_teardown(test_##name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(send_and_receive),
		TEST(errors_of_send_and_receive),
		TEST(find_a_queue),
		TEST(stat_counts_bytes),
		TEST(stat_of_an_unreadable_queue),
		TEST(stat_changes_no_access_time),
		TEST(purge_removes_all_messages),
		TEST(purge_of_an_empty_queue_needs_read),
		TEST(purge_ends_beside_a_busy_sender),
		TEST(unlink_and_its_errors),
		TEST(statfs_counts_queues),
		TEST(attributes_of_the_directory),
		TEST(opened_queues_are_listed_without_dev_mqueue),
	};

	return cmocka_run_group_tests_name("mq", tests, set_up_group,
					   tear_down_group);
}
