/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Creating queues: defaults, limits, and the user who is charged. A test that
 * reaches a limit uses a user id of its own.
 */
#include "core_queues.h"

#include <stdbool.h>
#include <sys/random.h>

#define TWO_SMALL 1400 /* bytes: an RLIMIT_MSGQUEUE that two queues fit into */

static void test_defaults_are_the_systems(void **state)
{
	struct mq_attr attr;
	int fd = -1;

	(void)state;
	(void)write_limit(LIMITS "msg_default", 3);
	(void)write_limit(LIMITS "msgsize_default", 128);
	assert_int_equal(core_mq_open(dirs, &test_root, "q", O_RDWR | O_CREAT,
				      0600, NULL, 0, &fd),
			 0);
	assert_return_code(mq_getattr(fd, &attr), errno);
	assert_int_equal(attr.mq_maxmsg, read_limit(LIMITS "msg_default"));
	assert_int_equal(attr.mq_msgsize, read_limit(LIMITS "msgsize_default"));
	close(fd);
}

static int open_over_the_limit(void *arg)
{
	const struct rlimit limit = { .rlim_cur = 100, .rlim_max = 100 };
	int fd;

	(void)arg;
	if (setrlimit(RLIMIT_MSGQUEUE, &limit) < 0)
		return -1;
	return core_mq_open(dirs, &test_root, "q", O_RDWR | O_CREAT, 0600,
			    &small, 0, &fd);
}

static void test_rlimit_msgqueue(void **state)
{
	(void)state;
	assert_int_equal(test_in_child(open_over_the_limit, NULL), -EMFILE);
}

/* Creates queues for cred until one fails. Returns the number of queues. */
static int create_many(const struct core_cred *cred, int *ret_n)
{
	char name[32];
	int r = 0, fd;

	for (int i = 0; r == 0; i++) {
		*ret_n = i;
		(void)snprintf(name, sizeof(name), "%u.%d", cred->uid, i);
		r = core_mq_open(dirs, cred, name, O_RDWR | O_CREAT, 0600,
				 &small, 0, &fd);
		if (r == 0)
			close(fd);
	}
	return r;
}

/* A user who has no queue on the whole machine. */
static struct core_cred loner(void)
{
	uid_t uid = 0;

	assert_int_equal(getrandom(&uid, sizeof(uid), 0), sizeof(uid));
	uid = 1U << 28 | uid >> 4;
	return (struct core_cred){ .uid = uid, .gid = uid };
}

/* In a child: the limit is for each user. */
static int create_for_many(void *arg)
{
	const struct rlimit limit = { .rlim_cur = TWO_SMALL,
				      .rlim_max = TWO_SMALL };
	const struct core_cred *creds = arg;
	char name[32];
	int n, fd;

	if (setrlimit(RLIMIT_MSGQUEUE, &limit) < 0)
		return -1;
	for (size_t i = 0; i < 2; i++) {
		if (create_many(&creds[i], &n) != -EMFILE || n != 2)
			return -2;
	}
	/* A queue that exists can still be opened. */
	(void)snprintf(name, sizeof(name), "%u.0", creds[0].uid);
	return core_mq_open(dirs, creds, name, O_RDWR | O_CREAT, 0600, &small,
			    0, &fd);
}

static void test_a_queue_is_charged_to_its_creator(void **state)
{
	struct core_cred creds[] = { loner(), loner() };

	(void)state;
	NEEDS(test_privileged(), "root");
	assert_int_equal(test_in_child(create_for_many, creds), 0);
}

/*
 * Starts a process with a limit of its own. The process ends when fd is closed.
 */
static pid_t start_limited(rlim_t soft, int *ret_fd)
{
	struct rlimit limit;
	int fds[2];
	pid_t pid;
	char c;

	assert_return_code(pipe(fds), errno);
	pid = fork();
	if (pid == 0) {
		close(fds[1]);
		(void)read(fds[0], &c, 1);
		_exit(0);
	}
	close(fds[0]);
	assert_return_code(getrlimit(RLIMIT_MSGQUEUE, &limit), errno);
	limit.rlim_cur = soft;
	assert_return_code(prlimit(pid, RLIMIT_MSGQUEUE, &limit, NULL), errno);
	*ret_fd = fds[1];
	return pid;
}

static void test_the_limit_is_that_of_the_callers_process(void **state)
{
	struct core_cred user = loner(), root = test_root;
	int fd, n_user, n_root;

	(void)state;
	NEEDS(test_privileged(), "root");
	user.pid = start_limited(TWO_SMALL, &fd);
	assert_int_equal(create_many(&user, &n_user), -EMFILE);
	close(fd);
	assert_int_equal(waitpid(user.pid, NULL, 0), user.pid);
	assert_int_equal(n_user, 2);
	/* Root has other queues, so the test can only expect that none fits. */
	root.pid = start_limited(0, &fd);
	assert_int_equal(create_many(&root, &n_root), -EMFILE);
	close(fd);
	assert_int_equal(waitpid(root.pid, NULL, 0), root.pid);
	assert_int_equal(n_root, 0);
	/* The process has ended, so its limit can't be read. */
	assert_int_equal(open_fails(&user, "q", O_RDWR | O_CREAT, &small, 0),
			 -EPERM);
}

static void test_the_creator_opens_it_whatever_the_mode(void **state)
{
	int fd = -1;

	(void)state;
	assert_int_equal(core_mq_open(dirs, &test_user, "q", O_RDWR | O_CREAT,
				      0, &small, 0, &fd),
			 0);
	must_send(fd, "text", 0);
	assert_received(fd, "text", 0);
	close(fd);
}

static void test_no_free_descriptor_leaves_no_queue(void **state)
{
	struct rlimit old;
	struct stat st;
	int r;

	(void)state;
	test_no_more_fds(&old);
	r = open_fails(&test_user, "q", O_RDWR | O_CREAT, &small, 0);
	test_more_fds(&old);
	assert_int_equal(r, -EMFILE);
	assert_int_equal(fstatat(dirs->mq_dir, "q", &st, 0), -1);
	assert_int_equal(errno, ENOENT);
}

static void test_queues_max_applies_to_a_user(void **state)
{
	long max = read_limit(LIMITS "queues_max");
	int r, fd = -1;

	(void)state;
	NEEDS(test_privileged(), "root");
	close(must_open("other", O_RDWR | O_CREAT));
	assert_true(write_limit(LIMITS "queues_max", 1));
	r = core_mq_open(dirs, &test_user, "q", O_RDWR | O_CREAT, 0600, &small,
			 0, &fd);
	write_limit(LIMITS "queues_max", max);
	if (r == 0)
		close(fd);
	assert_int_equal(r, -ENOSPC);
}

/*
 * In a process of the user: returns the result of creating a queue with maxmsg.
 */
static int create_with_maxmsg(void *arg)
{
	struct mq_attr attr = { .mq_maxmsg = *(long *)arg, .mq_msgsize = 1 };
	int fd;

	return core_mq_open(dirs, &test_user, "q", O_RDWR | O_CREAT, 0600,
			    &attr, 0, &fd);
}

static void test_limits_apply_to_a_daemon_of_a_user(void **state)
{
	long queues_max = read_limit(LIMITS "queues_max");
	long maxmsg = read_limit(LIMITS "msg_max") + 1;
	int r;

	(void)state;
	NEEDS(test_privileged(), "root");
	assert_int_equal(test_as(&test_user, create_with_maxmsg, &maxmsg),
			 -EINVAL);
	close(must_open("other", O_RDWR | O_CREAT));
	maxmsg = 1;
	assert_true(write_limit(LIMITS "queues_max", 1));
	r = test_as(&test_user, create_with_maxmsg, &maxmsg);
	write_limit(LIMITS "queues_max", queues_max);
	assert_int_equal(r, -ENOSPC);
}

#define TEST(name) cmocka_unit_test_teardown(test_##name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(defaults_are_the_systems),
		TEST(rlimit_msgqueue),
		TEST(a_queue_is_charged_to_its_creator),
		TEST(the_limit_is_that_of_the_callers_process),
		TEST(the_creator_opens_it_whatever_the_mode),
		TEST(no_free_descriptor_leaves_no_queue),
		TEST(queues_max_applies_to_a_user),
		TEST(limits_apply_to_a_daemon_of_a_user),
	};

	return cmocka_run_group_tests_name("mq_limits", tests, set_up_group,
					   tear_down_group);
}
