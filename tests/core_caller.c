/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/caller.h"

#include "core_test.h"

#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>

#define BIT(cap) (UINT64_C(1) << (cap))

/* A process with the credentials that a test needs. It waits until released. */
struct caller {
	pid_t pid;
	int release;
};

static struct caller caller_start(int (*become)(void))
{
	int ready[2], release[2];
	struct caller caller;
	char c;

	assert_return_code(pipe(ready), errno);
	assert_return_code(pipe(release), errno);
	caller.pid = fork();
	assert_return_code(caller.pid, errno);
	if (caller.pid == 0) {
		close(release[1]);
		if (become() == 0)
			(void)write(ready[1], "", 1);
		close(ready[1]);
		_exit((int)read(release[0], &c, 1));
	}
	close(ready[1]);
	close(release[0]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	caller.release = release[1];
	return caller;
}

static void caller_end(const struct caller *caller)
{
	close(caller->release);
	assert_int_equal(waitpid(caller->pid, NULL, 0), caller->pid);
}

static int caller_read(const struct caller *caller, uid_t uid, gid_t gid,
		       struct core_cred *ret)
{
	gid_t *groups;
	int r;

	*ret = (struct core_cred){ .uid = UNKNOWN };
	r = core_caller_read(caller->pid, uid, gid, ret, &groups);
	if (r < 0)
		assert_int_equal(ret->uid, UNKNOWN);
	return r;
}

static int set_capabilities(uint64_t permitted, uint64_t effective)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[] = {
		{ .permitted = (uint32_t)permitted,
		  .effective = (uint32_t)effective },
		{ .permitted = (uint32_t)(permitted >> 32),
		  .effective = (uint32_t)(effective >> 32) },
	};

	return (int)syscall(SYS_capset, &header, data);
}

static int become_member(void)
{
	return test_become(&test_member);
}

static void test_credentials_of_a_user(void **state)
{
	struct core_cred cred;
	struct caller user;

	(void)state;
	NEEDS(test_privileged(), "root");
	user = caller_start(become_member);
	assert_int_equal(caller_read(&user, USER, USER, &cred), 0);
	assert_int_equal(cred.uid, USER);
	assert_int_equal(cred.gid, USER);
	assert_int_equal(cred.pid, user.pid);
	assert_int_equal(cred.n_groups, 1);
	assert_int_equal(cred.groups[0], GROUP);
	assert_int_equal(cred.caps, 0);
	free((void *)(uintptr_t)cred.groups);
	caller_end(&user);
}

static int become_member_of_many(void)
{
	gid_t groups[NGROUPS_MAX];

	for (gid_t i = 0; i < NGROUPS_MAX; i++)
		groups[i] = 100000 + i;
	return setgroups(NGROUPS_MAX, groups) < 0 || setgid(USER) < 0
		       ? -1
		       : setuid(USER);
}

static void test_the_largest_number_of_groups(void **state)
{
	struct core_cred cred;
	struct caller user;

	(void)state;
	NEEDS(test_privileged(), "root");
	user = caller_start(become_member_of_many);
	assert_int_equal(caller_read(&user, USER, USER, &cred), 0);
	assert_int_equal(cred.n_groups, NGROUPS_MAX);
	assert_int_equal(cred.groups[0], 100000);
	assert_int_equal(cred.groups[NGROUPS_MAX - 1],
			 100000 + NGROUPS_MAX - 1);
	free((void *)(uintptr_t)cred.groups);
	caller_end(&user);
}

static void test_wrong_user_or_group_is_refused(void **state)
{
	static const struct {
		uid_t uid;
		gid_t gid;
	} others[] = { { 0, 0 },	{ 0, USER },	 { USER, 0 },
		       { USER, OTHER }, { OTHER, USER }, { USER, GROUP } };
	struct core_cred cred;
	struct caller user;

	(void)state;
	NEEDS(test_privileged(), "root");
	user = caller_start(become_member);
	for (size_t i = 0; i < COUNT(others); i++)
		assert_int_equal(caller_read(&user, others[i].uid,
					     others[i].gid, &cred),
				 -EPERM);
	caller_end(&user);
}

static int become_set_uid_root(void)
{
	return setresgid(USER, 0, 0) < 0 ? -1 : setresuid(USER, 0, 0);
}

static void test_access_is_checked_for_the_real_user(void **state)
{
	struct core_cred cred;
	struct caller user;

	(void)state;
	NEEDS(test_privileged(), "root");
	user = caller_start(become_set_uid_root);
	assert_int_equal(caller_read(&user, USER, USER, &cred), 0);
	assert_int_equal(cred.caps, 0);
	free((void *)(uintptr_t)cred.groups);
	assert_int_equal(caller_read(&user, 0, 0, &cred), 0);
	assert_true(core_cred_is_self(&cred));
	assert_int_equal(caller_read(&user, USER, 0, &cred), -EPERM);
	caller_end(&user);
}

static int become_root_without_capabilities(void)
{
	return set_capabilities(0, 0);
}

static int become_root_with_one(void)
{
	return set_capabilities(BIT(CAP_CHOWN) | BIT(CAP_FOWNER),
				BIT(CAP_FOWNER));
}

static int become_user_with_one(void)
{
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || test_become(&test_user) < 0)
		return -1;
	return set_capabilities(BIT(CAP_DAC_OVERRIDE), BIT(CAP_DAC_OVERRIDE));
}

static void test_only_effective_capabilities_count(void **state)
{
	static const struct {
		int (*become)(void);
		uid_t uid;
		uint64_t caps;
	} cases[] = {
		{ become_root_without_capabilities, 0, 0 },
		{ become_root_with_one, 0, BIT(CAP_FOWNER) },
		{ become_user_with_one, USER, BIT(CAP_DAC_OVERRIDE) },
	};
	struct core_cred cred;

	(void)state;
	NEEDS(test_privileged(), "root");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct caller caller = caller_start(cases[i].become);

		assert_int_equal(caller_read(&caller, cases[i].uid,
					     cases[i].uid, &cred),
				 0);
		assert_int_equal(cred.caps, cases[i].caps);
		assert_false(core_cred_is_self(&cred));
		free((void *)(uintptr_t)cred.groups);
		caller_end(&caller);
	}
}

static int become_root_elsewhere(void)
{
	return unshare(CLONE_NEWUSER);
}

/*
 * The process has all capabilities in its own user namespace, and none in ours.
 */
static void test_root_of_another_user_namespace(void **state)
{
	struct core_cred cred;
	struct caller root;

	(void)state;
	root = caller_start(become_root_elsewhere);
	assert_int_equal(caller_read(&root, geteuid(), getegid(), &cred), 0);
	assert_int_equal(cred.caps, 0);
	free((void *)(uintptr_t)cred.groups);
	caller_end(&root);
}

static void test_missing_thread(void **state)
{
	struct caller user = caller_start(become_root_without_capabilities);
	struct rlimit limit = { .rlim_cur = UNKNOWN };
	struct core_cred cred;

	(void)state;
	caller_end(&user);
	assert_int_equal(caller_read(&user, 0, 0, &cred), -EPERM);
	assert_int_equal(core_caller_queue_limit(user.pid, &limit), -EPERM);
	user.pid = 0;
	assert_int_equal(caller_read(&user, 0, 0, &cred), -EPERM);
	assert_int_equal(limit.rlim_cur, UNKNOWN);
}

static void test_no_free_descriptor(void **state)
{
	struct caller root = caller_start(become_root_without_capabilities);
	struct rlimit limit = { .rlim_cur = UNKNOWN }, old;
	struct core_cred cred;
	int r, limit_r;

	(void)state;
	test_no_more_fds(&old);
	r = caller_read(&root, 0, 0, &cred);
	limit_r = core_caller_queue_limit(root.pid, &limit);
	test_more_fds(&old);
	assert_int_equal(r, -EMFILE);
	assert_int_equal(limit_r, -EMFILE);
	assert_int_equal(limit.rlim_cur, UNKNOWN);
	caller_end(&root);
}

static int become_limited(void)
{
	struct rlimit limit = { 12345, 12345 };

	return setrlimit(RLIMIT_MSGQUEUE, &limit);
}

static void test_queue_limit_of_the_caller(void **state)
{
	struct caller user = caller_start(become_limited);
	struct rlimit limit, own;

	(void)state;
	assert_return_code(getrlimit(RLIMIT_MSGQUEUE, &own), errno);
	assert_int_equal(core_caller_queue_limit(user.pid, &limit), 0);
	assert_int_equal(limit.rlim_cur, 12345);
	assert_int_equal(limit.rlim_max, own.rlim_max);
	assert_int_equal(core_caller_queue_limit(0, &limit), 0);
	assert_int_equal(limit.rlim_cur, own.rlim_cur);
	caller_end(&user);
}

/* In a PID namespace whose processes still see the parent namespace's /proc. */
static int works_below(void *arg)
{
	pid_t pid;
	int status;

	(void)arg;
	if (unshare(CLONE_NEWPID) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		_exit(core_caller_works());
	return waitpid(pid, &status, 0) == pid ? WEXITSTATUS(status) : -1;
}

static void test_proc_of_another_pid_namespace(void **state)
{
	(void)state;
	assert_true(core_caller_works());
	assert_int_equal(test_in_child(works_below, NULL), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_credentials_of_a_user),
		cmocka_unit_test(test_the_largest_number_of_groups),
		cmocka_unit_test(test_wrong_user_or_group_is_refused),
		cmocka_unit_test(test_access_is_checked_for_the_real_user),
		cmocka_unit_test(test_only_effective_capabilities_count),
		cmocka_unit_test(test_root_of_another_user_namespace),
		cmocka_unit_test(test_missing_thread),
		cmocka_unit_test(test_no_free_descriptor),
		cmocka_unit_test(test_queue_limit_of_the_caller),
		cmocka_unit_test(test_proc_of_another_pid_namespace),
	};

	return cmocka_run_group_tests_name("caller", tests, NULL, NULL);
}
