/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/child.h"

#include "core_test.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/uio.h>

/* The child's observations of itself. The memory is shared with the test. */
struct seen {
	uid_t uids[3];
	gid_t gids[3], group;
	int n_groups, first_fd, result;
	sigset_t blocked;
	atomic_int pid; /* of the child, once it has started */
	atomic_int outcome;
};

static struct seen *seen;
static pid_t user; /* the process that interferes */

static int set_up(void **state)
{
	(void)state;
	seen = test_shared(sizeof(*seen));
	seen->outcome = UNKNOWN;
	return 0;
}

/* The child is reaped, and the signal mask and actions are unchanged. */
static int tear_down(void **state)
{
	sigset_t blocked;

	(void)state;
	assert_int_equal(waitpid(-1, NULL, __WALL | WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	(void)sigprocmask(SIG_SETMASK, NULL, &blocked);
	assert_int_equal(sigismember(&blocked, SIGTERM), 0);
	munmap(seen, sizeof(*seen));
	return 0;
}

static int run_with(const struct core_cred *cred, int own, int (*fn)(void *arg),
		    void *arg, int *ret_fd)
{
	return core_child_run(&(struct core_child){ .cred = cred,
						    .group = -1,
						    .fd = own,
						    .fn = fn,
						    .arg = arg,
						    .ret_fd = ret_fd });
}

static int run(const struct core_cred *cred, int (*fn)(void *arg))
{
	return run_with(cred, -1, fn, seen, NULL);
}

CORE_IN_CHILD static int look(void *arg)
{
	struct seen *ret = arg;

	getresuid(&ret->uids[0], &ret->uids[1], &ret->uids[2]);
	getresgid(&ret->gids[0], &ret->gids[1], &ret->gids[2]);
	ret->n_groups = getgroups(1, &ret->group);
	ret->first_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	(void)sigprocmask(SIG_SETMASK, NULL, &ret->blocked);
	return ret->result;
}

static void test_the_child_runs_as_the_user(void **state)
{
	(void)state;
	NEEDS(test_privileged(), "root");
	assert_int_equal(run(&test_member, look), 0);
	assert_int_equal(seen->uids[0], USER);
	assert_int_equal(seen->uids[1], USER);
	assert_int_equal(seen->uids[2], 0);
	assert_int_equal(seen->gids[0], USER);
	assert_int_equal(seen->gids[1], USER);
	assert_int_equal(seen->gids[2], USER);
	assert_int_equal(seen->n_groups, 1);
	assert_int_equal(seen->group, GROUP);
	assert_int_equal(getuid(), 0);
	assert_int_equal(getgid(), 0);
}

static void test_the_functions_result_is_returned(void **state)
{
	(void)state;
	seen->result = -ENOSPC;
	assert_int_equal(run(&test_root, look), -ENOSPC);
	assert_int_equal(seen->uids[0], 0);
}

static void test_the_child_inherits_no_descriptor(void **state)
{
	int before = dup(STDERR_FILENO), after;

	(void)state;
	assert_int_equal(run(&test_root, look), 0);
	assert_int_equal(seen->first_fd, 0);
	after = dup(STDERR_FILENO);
	assert_int_equal(after, before + 1);
	close(before);
	close(after);
}

CORE_IN_CHILD static int open_null(void *arg)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)arg;
	return fd < 0 ? -errno : fd;
}

static void test_the_child_sends_a_descriptor(void **state)
{
	int before = dup(STDERR_FILENO), fd = UNKNOWN;
	struct stat st;

	(void)state;
	close(before);
	assert_int_equal(run_with(&test_root, -1, open_null, NULL, &fd), 0);
	assert_return_code(fstat(fd, &st), errno);
	assert_true(S_ISCHR(st.st_mode));
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	fd = UNKNOWN;
	seen->result = -ENOSPC;
	assert_int_equal(run_with(&test_root, -1, look, seen, &fd), -ENOSPC);
	assert_int_equal(fd, UNKNOWN);
	fd = dup(STDERR_FILENO);
	assert_int_equal(fd, before);
	close(fd);
}

static void test_no_free_descriptor_to_receive(void **state)
{
	int fd = UNKNOWN, last, r;
	struct rlimit old;

	(void)state;
	/* Room for the socket's two descriptors, and not for a received one. */
	last = dup(STDERR_FILENO);
	close(last);
	assert_return_code(getrlimit(RLIMIT_NOFILE, &old), errno);
	assert_return_code(
		setrlimit(RLIMIT_NOFILE,
			  &(struct rlimit){ (rlim_t)last + 2, old.rlim_max }),
		errno);
	r = run_with(&test_root, -1, open_null, NULL, &fd);
	test_more_fds(&old);
	assert_int_equal(r, -EMFILE);
	assert_int_equal(fd, UNKNOWN);
}

CORE_IN_CHILD static int count_fds(void *arg)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	*(int *)arg = n;
	return 0;
}

static void test_the_child_keeps_the_descriptor_it_is_passed(void **state)
{
	int n;

	(void)state;
	assert_int_equal(
		run_with(&test_root, STDERR_FILENO, count_fds, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(run_with(&test_root, -1, count_fds, &n, NULL), 0);
	assert_int_equal(n, 0);
}

static void test_invalid_ids_are_refused(void **state)
{
	static const struct core_cred nobodies[] = {
		{ .uid = (uid_t)-1, .gid = USER },
		{ .uid = USER, .gid = (gid_t)-1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(nobodies); i++) {
		assert_int_equal(run(&nobodies[i], look), -EPERM);
		assert_int_equal(seen->pid, 0);
	}
}

static int become_root(void *arg)
{
	(void)arg;
	return run(&test_root, look);
}

static void test_a_user_cannot_start_a_child_of_root(void **state)
{
	(void)state;
	NEEDS(test_privileged(), "root");
	assert_int_equal(test_as(&test_user, become_root, seen), -EPERM);
}

/* In the child: writes the child's pid, and waits until a signal ends it. */
CORE_IN_CHILD static int wait_for_it(void *arg)
{
	struct seen *ret = arg;

	ret->pid = getpid();
	while (ret->pid != 0)
		(void)syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
	return 0;
}

/*
 * Starts a process of the user, which calls how() when the child has started.
 */
static void interfere(void (*how)(struct seen *seen))
{
	user = fork();
	if (user == 0) {
		if (test_become(&test_user) < 0)
			_exit(1);
		while (seen->pid == 0)
			sched_yield();
		how(seen);
		_exit(0);
	}
}

static void interfered(void)
{
	int status;

	assert_int_equal(waitpid(user, &status, 0), user);
	assert_int_equal(status, 0);
}

static void kill_it(struct seen *ret)
{
	ret->outcome = kill(ret->pid, SIGKILL);
}

static void test_the_user_kills_the_child(void **state)
{
	(void)state;
	NEEDS(test_privileged(), "root");
	interfere(kill_it);
	assert_int_equal(run(&test_user, wait_for_it), -EINTR);
	interfered();
	assert_int_equal(seen->outcome, 0);
}

static void stop_it(struct seen *ret)
{
	ret->outcome = kill(ret->pid, SIGSTOP);
}

static void test_the_user_stops_the_child(void **state)
{
	(void)state;
	NEEDS(test_privileged(), "root");
	interfere(stop_it);
	assert_int_equal(run(&test_user, wait_for_it), -EINTR);
	interfered();
	assert_int_equal(seen->outcome, 0);
}

/* Signals that would end the child or dump a core, and a read of its memory. */
static void try_it(struct seen *ret)
{
	static const int signals[] = { SIGTERM, SIGINT,	 SIGQUIT,
				       SIGSEGV, SIGABRT, SIGTSTP };
	struct iovec from = { .iov_base = ret, .iov_len = 1 };
	char byte;
	struct iovec to = { .iov_base = &byte, .iov_len = 1 };
	const struct rlimit limit = { 0 };
	int r = 0;

	for (size_t i = 0; i < COUNT(signals) && r == 0; i++)
		r = kill(ret->pid, signals[i]);
	if (r == 0 && (process_vm_readv(ret->pid, &to, 1, &from, 1, 0) != -1 ||
		       errno != EPERM))
		r = 1;
	if (r == 0 && (prlimit(ret->pid, RLIMIT_CORE, &limit, NULL) != -1 ||
		       errno != EPERM))
		r = 2;
	if (r == 0 && kill(getppid(), 0) != -1)
		r = 3;
	ret->outcome = r;
}

CORE_IN_CHILD static int wait_for_tries(void *arg)
{
	struct seen *ret = arg;

	ret->pid = getpid();
	while (ret->outcome == UNKNOWN)
		sched_yield();
	return 0;
}

static void test_the_users_other_signals_and_reads_fail(void **state)
{
	(void)state;
	NEEDS(test_privileged(), "root");
	interfere(try_it);
	assert_int_equal(run(&test_user, wait_for_tries), 0);
	interfered();
	assert_int_equal(seen->outcome, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_child_runs_as_the_user,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_the_functions_result_is_returned, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_the_child_inherits_no_descriptor, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_the_child_sends_a_descriptor, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_no_free_descriptor_to_receive, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_the_child_keeps_the_descriptor_it_is_passed,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_invalid_ids_are_refused,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_user_cannot_start_a_child_of_root, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_the_user_kills_the_child,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_user_stops_the_child,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_the_users_other_signals_and_reads_fail, set_up,
			tear_down),
	};

	return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
