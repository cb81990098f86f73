/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of quotas: the limit of what each user is charged. */
#include "fs/fuse/charge.h"

#include "core_test.h"

#include <pthread.h>
#include <signal.h>

static struct fs_quota *quota;

static int set_up(void **state)
{
	(void)state;
	return fs_quota_new(2, &quota);
}

static int tear_down(void **state)
{
	(void)state;
	assert_null(fs_quota_free(quota));
	assert_null(fs_quota_free(NULL));
	return 0;
}

static void test_each_user_has_its_own_limit(void **state)
{
	struct fs_charge charges[4] = { 0 };

	(void)state;
	assert_int_equal(fs_charge_user(&charges[0], quota, USER, 0), 0);
	assert_int_equal(fs_charge_user(&charges[1], quota, USER, 0), 0);
	assert_int_equal(fs_charge_user(&charges[2], quota, USER, 0), -EAGAIN);
	assert_false(fs_charge_is_held(&charges[2]));
	assert_int_equal(fs_charge_user(&charges[3], quota, OTHER, 0), 0);
	assert_int_equal(fs_charge_user(&charges[2], quota, USER, 1), 0);
	fs_charge_release(&charges[2]);
	fs_charge_release(&charges[0]);
	assert_false(fs_charge_is_held(&charges[0]));
	assert_int_equal(fs_charge_user(&charges[2], quota, USER, 0), 0);
	for (int i = 1; i < 4; i++)
		fs_charge_release(&charges[i]);
}

static void test_root_and_the_daemons_user_have_no_limit(void **state)
{
	struct fs_charge charges[8] = { 0 };

	(void)state;
	for (int i = 0; i < 8; i++) {
		assert_int_equal(fs_charge_user(&charges[i], quota,
						i % 2 ? 0 : geteuid(), 0),
				 0);
		assert_true(fs_charge_is_held(&charges[i]));
	}
	for (int i = 0; i < 8; i++)
		fs_charge_release(&charges[i]);
}

static void test_a_moved_charge_still_counts(void **state)
{
	struct fs_charge first = { 0 }, second = { 0 }, third = { 0 };

	(void)state;
	assert_int_equal(fs_charge_user(&first, quota, USER, 0), 0);
	assert_int_equal(fs_charge_user(&third, quota, USER, 0), 0);
	fs_charge_move(&second, &first);
	assert_false(fs_charge_is_held(&first));
	assert_true(fs_charge_is_held(&second));
	assert_int_equal(fs_charge_user(&first, quota, USER, 0), -EAGAIN);
	fs_charge_release(&second);
	fs_charge_release(&third);
}

static void assert_usage(size_t n, size_t most, uid_t most_uid)
{
	struct fs_quota_usage usage;

	fs_quota_get_usage(quota, &usage);
	assert_int_equal(usage.n, n);
	assert_int_equal(usage.most, most);
	assert_int_equal(usage.most_uid, most_uid);
}

static void test_usage_names_the_user_with_most(void **state)
{
	struct fs_charge charges[20] = { 0 }, more = { 0 };

	(void)state;
	assert_usage(0, 0, 0);
	for (unsigned int i = 0; i < 20; i++)
		assert_int_equal(fs_charge_user(&charges[i], quota,
						USER + 1000 + i, 0),
				 0);
	assert_int_equal(fs_charge_user(&more, quota, USER + 1007, 0), 0);
	assert_usage(21, 2, USER + 1007);
	fs_charge_release(&more);
	for (unsigned int i = 0; i < 20; i++)
		fs_charge_release(&charges[i]);
	assert_usage(0, 0, 0);
	/* Users without a limit count, too. */
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(fs_charge_user(&charges[i], quota, 0, 0), 0);
	assert_int_equal(fs_charge_user(&more, quota, USER, 0), 0);
	assert_usage(4, 3, 0);
	for (unsigned int i = 0; i < 3; i++)
		fs_charge_release(&charges[i]);
	assert_usage(1, 1, USER);
	fs_charge_release(&more);
}

static void take_twice(void)
{
	struct fs_charge charge = { 0 };

	(void)fs_charge_user(&charge, quota, 0, 0);
	(void)fs_charge_user(&charge, quota, 0, 0);
}

static void release_twice(void)
{
	struct fs_charge charge = { 0 };

	(void)fs_charge_user(&charge, quota, USER, 0);
	fs_charge_release(&charge);
	fs_charge_release(&charge);
}

static void release_what_was_moved(void)
{
	struct fs_charge charge = { 0 }, moved = { 0 };

	(void)fs_charge_user(&charge, quota, 0, 0);
	fs_charge_move(&moved, &charge);
	fs_charge_release(&charge);
}

static void move_over_another(void)
{
	struct fs_charge charge = { 0 }, other = { 0 };

	(void)fs_charge_user(&charge, quota, USER, 0);
	(void)fs_charge_user(&other, quota, USER, 0);
	fs_charge_move(&other, &charge);
}

static void free_while_held(void)
{
	struct fs_charge charge = { 0 };

	(void)fs_charge_user(&charge, quota, 0, 0);
	(void)fs_quota_free(quota);
}

static void test_misuse_fails_an_assert(void **state)
{
	static void (*const misuses[])(void) = {
		take_twice,	   release_twice,   release_what_was_moved,
		move_over_another, free_while_held,
	};
	int status;

	(void)state;
	for (size_t i = 0; i < COUNT(misuses); i++) {
		pid_t child = fork();

		if (child == 0) {
			(void)signal(SIGABRT, SIG_DFL);
			(void)freopen("/dev/null", "w", stderr);
			misuses[i]();
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
	}
}

static struct fs_charge shared[4];

static void *take_and_release(void *closure)
{
	struct fs_charge *charge = closure;

	for (int i = 0; i < 10000; i++) {
		if (fs_charge_user(charge, quota, USER, 0) == 0)
			fs_charge_release(charge);
	}
	return NULL;
}

static void test_threads_share_a_quota(void **state)
{
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
						take_and_release, &shared[i]),
				 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(fs_charge_user(&shared[0], quota, USER, 0), 0);
	assert_int_equal(fs_charge_user(&shared[1], quota, USER, 0), 0);
	fs_charge_release(&shared[0]);
	fs_charge_release(&shared[1]);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_user_has_its_own_limit),
		TEST(root_and_the_daemons_user_have_no_limit),
		TEST(a_moved_charge_still_counts),
		TEST(usage_names_the_user_with_most),
		TEST(misuse_fails_an_assert),
		TEST(threads_share_a_quota),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
