/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/cred.h"

#include "core_test.h"

#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#define SECRET "/dev/shm/secret" /* root's, 0600 */
#define SHARED "/dev/shm/shared" /* root's and GROUP's, 0640 */
#define MADE   "/dev/shm/made"

static int set_up(void **state)
{
	(void)state;
	test_make_file(SECRET, "", 0600, 0, 0);
	if (test_privileged())
		test_make_file(SHARED, "", 0640, 0, GROUP);
	(void)unlink(MADE);
	return 0;
}

/* open(2) and close(2): 0 or -errno */
static int try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static void assert_owner(const char *path, uid_t uid, gid_t gid)
{
	struct stat st = test_stat(path);

	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, gid);
}

static void test_enter_with_the_daemons_own_credentials(void **state)
{
	struct core_cred self = core_cred_self();

	(void)state;
	assert_int_equal(self.uid, geteuid());
	assert_int_equal(self.gid, getegid());
	assert_int_equal(core_cred_enter(&self), 0);
	assert_int_equal(try_open(SECRET, O_RDONLY), 0);
	assert_int_equal(try_open(MADE, O_RDWR | O_CREAT | O_EXCL), 0);
	core_cred_leave(&self);
	assert_owner(MADE, 0, 0);
}

static void test_new_files_belong_to_the_user(void **state)
{
	struct core_cred cred = { .uid = USER, .gid = OTHER };

	(void)state;
	NEEDS(test_privileged(), "root");
	assert_int_equal(core_cred_enter(&cred), 0);
	assert_int_equal(try_open(MADE, O_RDWR | O_CREAT | O_EXCL), 0);
	core_cred_leave(&cred);
	assert_owner(MADE, USER, OTHER);
}

static void test_root_with_another_group(void **state)
{
	struct core_cred cred = { .gid = OTHER, .caps = CORE_CRED_ALL_CAPS };

	(void)state;
	NEEDS(test_privileged(), "root");
	assert_int_equal(core_cred_enter(&cred), 0);
	assert_int_equal(try_open(MADE, O_RDWR | O_CREAT | O_EXCL), 0);
	core_cred_leave(&cred);
	assert_owner(MADE, 0, OTHER);
}

static void test_enter_and_leave_change_access(void **state)
{
	(void)state;
	NEEDS(test_privileged(), "root");
	assert_int_equal(core_cred_enter(&test_user), 0);
	assert_int_equal(try_open(SECRET, O_RDONLY), -EACCES);
	core_cred_leave(&test_user);
	assert_int_equal(try_open(SECRET, O_RDONLY), 0);
	assert_int_equal(try_open(MADE, O_RDWR | O_CREAT | O_EXCL), 0);
	assert_owner(MADE, 0, 0);
}

static void test_supplementary_groups(void **state)
{
	(void)state;
	NEEDS(test_privileged(), "root");
	assert_int_equal(core_cred_enter(&test_member), 0);
	assert_int_equal(try_open(SHARED, O_RDONLY), 0);
	assert_int_equal(try_open(SHARED, O_WRONLY), -EACCES);
	core_cred_leave(&test_member);
	assert_int_equal(core_cred_enter(&test_user), 0);
	assert_int_equal(try_open(SHARED, O_RDONLY), -EACCES);
	core_cred_leave(&test_user);
}

/* The user for whom the process acts must not trace or signal it. */
static void test_enter_changes_no_process_ids(void **state)
{
	uid_t r, e, s;

	(void)state;
	NEEDS(test_privileged(), "root");
	assert_int_equal(core_cred_enter(&test_user), 0);
	assert_return_code(getresuid(&r, &e, &s), errno);
	core_cred_leave(&test_user);
	assert_int_equal(r, 0);
	assert_int_equal(e, 0);
	assert_int_equal(s, 0);
}

static int signal_parent(void *arg)
{
	(void)arg;
	return kill(getppid(), 0) < 0 ? -errno : 0;
}

static void *enter_and_wait(void *closure)
{
	sem_t *sem = closure;
	int r = core_cred_enter(&test_member);

	sem_post(&sem[0]);
	sem_wait(&sem[1]);
	if (r == 0 && try_open(SECRET, O_RDONLY) != -EACCES)
		r = -EEXIST;
	core_cred_leave(&test_member);
	return r == 0 ? NULL : closure;
}

static void test_other_threads_are_unaffected(void **state)
{
	gid_t before[64], groups[64];
	int n, kill_result;
	pthread_t thread;
	void *failed;
	sem_t sem[2];

	(void)state;
	NEEDS(test_privileged(), "root");
	sem_init(&sem[0], 0, 0);
	sem_init(&sem[1], 0, 0);
	n = getgroups(COUNT(before), before);
	assert_true(n >= 0);
	assert_int_equal(pthread_create(&thread, NULL, enter_and_wait, sem), 0);
	sem_wait(&sem[0]);
	assert_int_equal(getgroups(COUNT(groups), groups), n);
	assert_memory_equal(groups, before, (size_t)n * sizeof(gid_t));
	assert_int_equal(try_open(SECRET, O_RDONLY), 0);
	assert_int_equal(try_open(MADE, O_RDWR | O_CREAT | O_EXCL), 0);
	assert_owner(MADE, 0, 0);
	kill_result = test_as(&test_user, signal_parent, NULL);
	sem_post(&sem[1]);
	pthread_join(thread, &failed);
	assert_null(failed);
	assert_int_equal(kill_result, -EPERM);
}

static void test_errno_is_kept(void **state)
{
	(void)state;
	NEEDS(test_privileged(), "root");
	assert_int_equal(core_cred_enter(&test_user), 0);
	errno = UNKNOWN;
	core_cred_leave(&test_user);
	assert_int_equal(errno, UNKNOWN);
}

/* Whether the thread acts as a user, with this number of groups. */
static int identity_is(uid_t uid, gid_t gid, int n_groups)
{
	return setfsuid((uid_t)-1) == (int)uid &&
	       setfsgid((gid_t)-1) == (int)gid &&
	       getgroups(0, NULL) == n_groups;
}

/*
 * In a child of root: checks that core_cred_enter() returns result, and that
 * root is root again afterwards. Returns 0 or a negative number.
 */
static int root_tries(const struct core_cred *cred, int result)
{
	gid_t group = OTHER;

	if (setgroups(1, &group) < 0)
		return -1;
	if (core_cred_enter(cred) != result)
		return -2;
	if (result == 0)
		core_cred_leave(cred);
	/* The kernel refuses too many groups before it changes them. */
	return identity_is(0, 0, result == -EINVAL ? 1 : 0) ? 0 : -3;
}

static int root_enters_user(void *arg)
{
	(void)arg;
	return root_tries(&test_member, 0);
}

static void test_leave_restores_root(void **state)
{
	(void)state;
	NEEDS(test_privileged(), "root");
	assert_int_equal(test_in_child(root_enters_user, NULL), 0);
}

static int root_enters_nobody(void *arg)
{
	const struct core_cred cred = { .uid = (uid_t)-1,
					.gid = USER,
					.n_groups = 1,
					.groups = test_groups };

	(void)arg;
	return root_tries(&cred, -EPERM);
}

static void test_a_failed_enter_changes_nothing(void **state)
{
	(void)state;
	NEEDS(test_privileged(), "root");
	assert_int_equal(test_in_child(root_enters_nobody, NULL), 0);
}

static int root_enters_too_many_groups(void *arg)
{
	const struct core_cred cred = { .uid = USER,
					.gid = USER,
					.n_groups = NGROUPS_MAX + 1,
					.groups = arg };

	return root_tries(&cred, -EINVAL);
}

static void test_too_many_groups(void **state)
{
	gid_t *groups;

	(void)state;
	NEEDS(test_privileged(), "root");
	groups = calloc(NGROUPS_MAX + 1, sizeof(gid_t));
	assert_non_null(groups);
	assert_int_equal(test_in_child(root_enters_too_many_groups, groups), 0);
	free(groups);
}

/* In a child: an ordinary user can act as nobody else. */
static int user_enters(void *arg)
{
	static const struct core_cred others[] = {
		{ 0 },
		{ .uid = OTHER, .gid = OTHER },
		{ .uid = OTHER, .gid = USER },
	};
	static const struct core_cred own[] = {
		{ .uid = USER, .gid = USER },
		{ .uid = USER, .gid = OTHER },
	};

	(void)arg;
	for (size_t i = 0; i < COUNT(others); i++) {
		if (core_cred_enter(&others[i]) != -EPERM ||
		    !identity_is(USER, USER, 1))
			return -1;
	}
	for (size_t i = 0; i < COUNT(own); i++) {
		if (core_cred_enter(&own[i]) != 0 ||
		    !identity_is(USER, USER, 1))
			return -2;
		core_cred_leave(&own[i]);
		if (!identity_is(USER, USER, 1))
			return -3;
	}
	return core_cred_self().uid == USER && core_cred_self().gid == USER
		       ? 0
		       : -4;
}

static void test_a_user_cannot_enter_another(void **state)
{
	(void)state;
	NEEDS(test_privileged(), "root");
	assert_int_equal(test_as(&test_member, user_enters, NULL), 0);
}

static int write_map(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) > 0;

	close(fd);
	return ok ? 0 : -1;
}

/* In a child: the root of a user namespace that has no other user. */
static int lonely_root_enters(void *arg)
{
	char map[32];

	(void)arg;
	(void)snprintf(map, sizeof(map), "0 %u 1", geteuid());
	if (unshare(CLONE_NEWUSER) < 0 ||
	    write_map("/proc/self/uid_map", map) < 0 || geteuid() != 0)
		return -1;
	core_cred_read_self();
	return core_cred_enter(&test_user);
}

/* The root of a user namespace can act as nobody else either. */
static void test_root_of_a_user_namespace(void **state)
{
	(void)state;
	assert_int_equal(test_in_child(lonely_root_enters, NULL), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			test_enter_with_the_daemons_own_credentials, set_up),
		cmocka_unit_test_setup(test_new_files_belong_to_the_user,
				       set_up),
		cmocka_unit_test_setup(test_root_with_another_group, set_up),
		cmocka_unit_test_setup(test_enter_and_leave_change_access,
				       set_up),
		cmocka_unit_test_setup(test_supplementary_groups, set_up),
		cmocka_unit_test_setup(test_enter_changes_no_process_ids,
				       set_up),
		cmocka_unit_test_setup(test_other_threads_are_unaffected,
				       set_up),
		cmocka_unit_test_setup(test_errno_is_kept, set_up),
		cmocka_unit_test_setup(test_leave_restores_root, set_up),
		cmocka_unit_test_setup(test_a_failed_enter_changes_nothing,
				       set_up),
		cmocka_unit_test_setup(test_too_many_groups, set_up),
		cmocka_unit_test_setup(test_a_user_cannot_enter_another,
				       set_up),
		cmocka_unit_test_setup(test_root_of_a_user_namespace, set_up),
	};

	return cmocka_run_group_tests_name("cred", tests, NULL, NULL);
}
