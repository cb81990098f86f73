/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/cgroup.h"

#include "core/child.h"

#include "core/proc.h"
#include "core_test.h"

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

/* The observations of fn. The memory is shared with a child. */
struct seen {
	pid_t pid;
	int n_fds;
	uid_t fsuid;
	int result;
	char groups[4096]; /* the text of /proc/PID/cgroup */
};

static struct seen *seen;
static char group[256];

static int set_up(void **state)
{
	(void)state;
	seen = test_shared(sizeof(*seen));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	munmap(seen, sizeof(*seen));
	return 0;
}

/*
 * Makes a cgroup for another process. Returns false if this machine allows
 * none.
 */
static bool make_group(const char *name)
{
	static const char *const dirs[] = { "/sys/fs/cgroup/memory",
					    "/sys/fs/cgroup" };

	for (size_t i = 0; i < COUNT(dirs); i++) {
		(void)snprintf(group, sizeof(group), "%s/cgroup.procs",
			       dirs[i]);
		if (access(group, W_OK) < 0)
			continue;
		(void)snprintf(group, sizeof(group), "%s/ipcfs-charge.%d%s",
			       dirs[i], getpid(), name);
		return mkdir(group, 0755) == 0;
	}
	return false;
}

/* A process that waits in the cgroup. */
static pid_t start(void)
{
	char path[sizeof(group) + 20];
	pid_t pid = fork();
	int fd, entered;

	if (pid > 0)
		return pid;
	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	fd = open(path, O_WRONLY);
	entered = write(fd, "0", 1) == 1;
	seen->pid = entered ? getpid() : -1;
	for (;;)
		(void)pause();
}

/* Starts a process in the group; cred.pid is that process. */
static struct core_cred start_caller(void)
{
	struct core_cred cred = test_user;

	cred.pid = start();
	while (*(volatile pid_t *)&seen->pid == 0)
		sched_yield();
	assert_int_equal(seen->pid, cred.pid);
	return cred;
}

static void end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(waitpid(-1, NULL, __WALL | WNOHANG), -1);
	while (rmdir(group) < 0 && errno == EBUSY)
		sched_yield();
}

CORE_IN_CHILD static int look(void *arg)
{
	struct seen *ret = arg;

	ret->pid = getpid();
	ret->n_fds = 0;
	for (int fd = 0; fd < 256; fd++)
		ret->n_fds += fcntl(fd, F_GETFD) >= 0;
	ret->fsuid = (uid_t)setfsuid((uid_t)-1);
	return ret->result;
}

static void test_no_child_in_the_daemons_own_group(void **state)
{
	struct core_cred cred = test_user;

	(void)state;
	NEEDS(test_privileged(), "root");
	seen->result = -UNKNOWN;
	assert_int_equal(core_cgroup_run(&cred, STDERR_FILENO, look, seen),
			 -UNKNOWN);
	assert_int_equal(seen->pid, getpid());
	assert_int_equal(seen->fsuid, USER);
	cred.pid = getpid();
	assert_int_equal(core_cgroup_run(&cred, STDERR_FILENO, look, seen),
			 -UNKNOWN);
	assert_int_equal(seen->pid, getpid());
	assert_int_equal(setfsuid((uid_t)-1), 0);
}

static void test_missing_process(void **state)
{
	struct core_cred cred = test_user;

	(void)state;
	cred.pid = fork();
	if (cred.pid == 0)
		_exit(0);
	assert_int_equal(waitpid(cred.pid, NULL, 0), cred.pid);
	NEEDS(test_privileged(), "root");
	assert_int_equal(core_cgroup_run(&cred, STDERR_FILENO, look, seen),
			 -EPERM);
	assert_int_equal(seen->pid, 0);
}

CORE_IN_CHILD static int kill_itself(void *arg)
{
	(void)arg;
	return (int)syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

static void test_the_child_joins_the_group(void **state)
{
	struct core_cred cred;

	(void)state;
	NEEDS(test_privileged() && make_group(""), "root and memory cgroups");
	cred = start_caller();
	assert_int_equal(core_cgroup_run(&cred, STDERR_FILENO, look, seen), 0);
	assert_int_not_equal(seen->pid, getpid());
	assert_int_equal(seen->fsuid, USER);
	/*
	 * The child has only its group and the descriptor that it needs. A user
	 * who stops the child must not keep more open.
	 */
	assert_int_equal(seen->n_fds, 2);
	seen->result = -ENOSPC;
	assert_int_equal(core_cgroup_run(&cred, STDERR_FILENO, look, seen),
			 -ENOSPC);
	/*
	 * The kernel kills in the same way when the cgroup's memory is used up.
	 */
	assert_int_equal(core_cgroup_run(&cred, STDERR_FILENO, kill_itself,
					 NULL),
			 -ENOMEM);
	assert_int_equal(setfsuid((uid_t)-1), 0);
	end(cred.pid);
}

CORE_IN_CHILD static int read_groups(void *arg)
{
	struct seen *ret = arg;
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);

	return read(fd, ret->groups, sizeof(ret->groups) - 1) > 0 ? 0 : -errno;
}

/*
 * Users choose names. A colon in a name must not look like the memory
 * controller's line.
 */
static void test_a_group_with_a_misleading_name(void **state)
{
	struct core_cred cred;
	char *groups;

	(void)state;
	NEEDS(test_privileged() && make_group(":memory:"),
	      "root and memory cgroups");
	cred = start_caller();
	groups = core_proc_read(core_proc_path("/proc/%d/cgroup", cred.pid).s);
	assert_non_null(groups);
	assert_int_equal(core_cgroup_run(&cred, -1, read_groups, seen), 0);
	assert_non_null(strstr(seen->groups, ":memory:\n"));
	assert_string_equal(strstr(seen->groups, "memory:"),
			    strstr(groups, "memory:"));
	free(groups);
	end(cred.pid);
}

CORE_IN_CHILD static int wait_for_ever(void *arg)
{
	(void)arg;
	return (int)syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
}

static void test_a_stopped_child_is_killed(void **state)
{
	struct core_child child = {
		.group = open("/dev/null", O_WRONLY | O_CLOEXEC),
		.copy = true,
		.seconds = 1,
		.fd = -1,
		.fn = wait_for_ever,
	};

	(void)state;
	assert_int_equal(core_child_run(&child), -EINTR);
	assert_int_equal(waitpid(-1, NULL, __WALL | WNOHANG), -1);
	close(child.group);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_no_child_in_the_daemons_own_group, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_missing_process, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_the_child_joins_the_group,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_group_with_a_misleading_name, set_up, tear_down),
		cmocka_unit_test(test_a_stopped_child_is_killed),
	};

	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
