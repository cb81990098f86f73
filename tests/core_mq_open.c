/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening queues: attributes, flags, rights, errors. */
#include "core_queues.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

static void test_a_new_queue(void **state)
{
	int fd = must_open("q", O_RDWR | O_CREAT);
	struct mq_attr attr;
	size_t msgsize;

	(void)state;
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK),
			 O_RDWR | O_NONBLOCK);
	assert_return_code(mq_getattr(fd, &attr), errno);
	assert_int_equal(attr.mq_maxmsg, 4);
	assert_int_equal(attr.mq_msgsize, 32);
	assert_int_equal(attr.mq_curmsgs, 0);
	assert_int_equal(core_mq_msgsize(fd, &msgsize), 0);
	assert_int_equal(msgsize, 32);
	close(fd);
}

static void test_mode_is_less_the_umask(void **state)
{
	mode_t old = umask(027);
	struct statx st;
	int fd = -1;
	int r = core_mq_open(dirs, &test_root, "q", O_RDWR | O_CREAT, 0666,
			     &small, 0, &fd);

	(void)state;
	(void)umask(old);
	assert_int_equal(r, 0);
	assert_int_equal(core_mq_stat(&test_root, fd, 0, &st), 0);
	assert_int_equal(st.stx_mode, S_IFREG | 0640);
	close(fd);
}

static void test_other_flags_are_ignored(void **state)
{
	int fd = must_open("q", O_RDWR | O_CREAT);

	(void)state;
	must_send(fd, "kept", 0);
	close(fd);
	fd = must_open("q", O_RDWR | O_TRUNC | O_APPEND | O_DIRECTORY);
	assert_int_equal(fcntl(fd, F_GETFL) & O_APPEND, 0);
	assert_received(fd, "kept", 0);
	close(fd);
}

static void test_open_errors(void **state)
{
	char name[NAME_MAX + 2];
	struct rlimit old;
	struct stat st;
	int r, fd = must_open("q", O_RDWR | O_CREAT);

	(void)state;
	assert_return_code(fstat(fd, &st), errno);
	close(fd);
	memset(name, 'x', sizeof(name));
	name[NAME_MAX + 1] = '\0';
	assert_int_equal(open_fails(&test_root, name, O_RDWR, NULL, 0),
			 -ENAMETOOLONG);
	assert_int_equal(core_mq_unlink(dirs, &test_root, name), -ENAMETOOLONG);
	assert_int_equal(open_fails(&test_root, "", O_RDWR, NULL, 0), -EINVAL);
	assert_int_equal(open_fails(&test_root, "..", O_RDWR, NULL, 0),
			 -EINVAL);
	assert_int_equal(open_fails(&test_root, "a/b", O_RDWR, NULL, 0),
			 -EINVAL);
	name[NAME_MAX] = '\0';
	close(must_open(name, O_RDWR | O_CREAT));

	assert_int_equal(open_fails(&test_root, "missing", O_RDWR, NULL, 0),
			 -ENOENT);
	assert_int_equal(open_fails(&test_root, "q", O_RDWR | O_CREAT | O_EXCL,
				    &small, 0),
			 -EEXIST);
	assert_int_equal(open_fails(&test_root, "q", O_RDWR, NULL,
				    st.st_ino + 1),
			 -ESTALE);
	assert_int_equal(core_mq_open(dirs, &test_root, "q", O_RDWR, 0, NULL,
				      st.st_ino, &fd),
			 0);
	close(fd);
	test_no_more_fds(&old);
	r = open_fails(&test_root, "q", O_RDWR, NULL, 0);
	test_more_fds(&old);
	assert_int_equal(r, -EMFILE);
	assert_int_equal(open_fails(&test_user, "q", O_RDWR, NULL, 0),
			 test_privileged() ? -EACCES : -EPERM);
}

/* Removes the queue as soon as it exists, several times. */
static void *unlink_often(void *closure)
{
	atomic_bool *done = closure;

	for (int n = 0; n < 30;)
		n += mq_unlink("/q") == 0;
	*done = true;
	return NULL;
}

static void test_create_while_others_unlink(void **state)
{
	for (int excl = 0; excl <= O_EXCL; excl += O_EXCL) {
		atomic_bool done = false;
		pthread_t thread;
		int r = 0, fd;

		pthread_create(&thread, NULL, unlink_often, &done);
		while (!done && (r == 0 || (excl && r == -EEXIST))) {
			r = core_mq_open(dirs, &test_user, "q",
					 O_RDWR | O_CREAT | excl, 0600, &small,
					 0, &fd);
			if (r == 0)
				close(fd);
		}
		while (!done)
			close(must_open("q", O_RDWR | O_CREAT));
		pthread_join(thread, NULL);
		if (!excl || r != -EEXIST)
			assert_int_equal(r, 0);
	}
	(void)state;
}

/* The same open by the native call and by core. */

enum before {
	MISSING,
	OWN,
	OPEN_TO_ALL,
	READABLE,
	WRITABLE,
	PRIVATE,
	N_BEFORE
};

struct outcome {
	int flags, r;
	struct mq_attr attr;
	struct stat st; /* all zero: no such queue */
};

static void prepare(enum before before)
{
	static const struct {
		mode_t mode;
		uid_t owner;
	} queues[] = {
		[OWN] = { 0600, USER },	      [OPEN_TO_ALL] = { 0666, OTHER },
		[READABLE] = { 0644, OTHER }, [WRITABLE] = { 0622, OTHER },
		[PRIVATE] = { 0600, OTHER },
	};
	int fd;

	(void)mq_unlink("/q");
	if (before == MISSING)
		return;
	fd = must_open("q", O_RDWR | O_CREAT | O_EXCL);
	assert_return_code(fchmod(fd, queues[before].mode), errno);
	assert_return_code(
		fchown(fd, queues[before].owner, queues[before].owner), errno);
	close(fd);
}

static void note(struct outcome *outcome, int fd)
{
	if (outcome->r == 0)
		close(fd);
	if (fstatat(dirs->mq_dir, "q", &outcome->st, 0) < 0)
		memset(&outcome->st, 0, sizeof(outcome->st));
}

static int open_natively(void *arg)
{
	struct outcome *outcome = arg;
	mqd_t mqd = mq_open("/q", outcome->flags, 0606, &outcome->attr);

	outcome->r = mqd < 0 ? -errno : 0;
	note(outcome, mqd);
	return 0;
}

/* Opens "q" in both ways and compares the results. */
static void compare(const struct core_cred *cred, enum before before, int flags,
		    const struct mq_attr *attr)
{
	struct outcome *native = test_shared(sizeof(*native));
	struct outcome ours = { .flags = flags, .attr = *attr };
	int fd = -1;

	*native = ours;
	prepare(before);
	assert_int_equal(test_as(cred, open_natively, native), 0);
	prepare(before);
	ours.r = core_mq_open(dirs, cred, "q", flags, 0606, attr, 0, &fd);
	note(&ours, fd);
	if (ours.r != native->r)
		fail_msg("uid %u, before %d, flags %#o, %ld x %ld: %d, not %d",
			 cred->uid, before, (unsigned int)flags,
			 attr->mq_maxmsg, attr->mq_msgsize, ours.r, native->r);
	assert_int_equal(ours.st.st_mode, native->st.st_mode);
	assert_int_equal(ours.st.st_uid, native->st.st_uid);
	assert_int_equal(ours.st.st_gid, native->st.st_gid);
	munmap(native, sizeof(*native));
}

static void test_flags_are_as_native(void **state)
{
	static const int more[] = { 0, O_CREAT, O_CREAT | O_EXCL };

	(void)state;
	NEEDS(test_privileged(), "root");
	for (enum before before = MISSING; before < N_BEFORE; before++) {
		for (int acc = O_RDONLY; acc <= O_RDWR; acc++) {
			for (size_t i = 0; i < COUNT(more); i++) {
				compare(&test_root, before, acc | more[i],
					&small);
				compare(&test_user, before, acc | more[i],
					&small);
			}
		}
	}
}

static void test_invalid_attributes(void **state)
{
	static const struct mq_attr bad[] = {
		{ .mq_maxmsg = -1, .mq_msgsize = 8 },
		{ .mq_maxmsg = 8, .mq_msgsize = -1 },
		{ .mq_maxmsg = 65537, .mq_msgsize = 1 },
		{ .mq_maxmsg = 1, .mq_msgsize = (16 << 20) + 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(open_fails(&test_root, "q", O_RDWR | O_CREAT,
					    &bad[i], 0),
				 -EINVAL);
}

static void test_zero_means_the_default(void **state)
{
	struct mq_attr attr = { .mq_maxmsg = 3 }, got;
	int fd;

	(void)state;
	assert_int_equal(core_mq_open(dirs, &test_root, "q", O_RDWR | O_CREAT,
				      0600, &attr, 0, &fd),
			 0);
	assert_int_equal(mq_getattr(fd, &got), 0);
	assert_int_equal(got.mq_maxmsg, 3);
	assert_int_equal(got.mq_msgsize, read_limit(LIMITS "msgsize_default"));
	close(fd);
}

/* Root may exceed msg_max and msgsize_max; a user for whom it acts may not. */
static void test_the_users_limits_apply(void **state)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 1 };

	(void)state;
	NEEDS(test_privileged(), "root");
	compare(&test_user, MISSING, O_RDWR | O_CREAT, &attr);
	attr.mq_maxmsg = read_limit(LIMITS "msg_max") + 1;
	compare(&test_root, MISSING, O_RDWR | O_CREAT, &attr);
	compare(&test_user, MISSING, O_RDWR | O_CREAT, &attr);
	attr.mq_maxmsg = 1;
	attr.mq_msgsize = read_limit(LIMITS "msgsize_max") + 1;
	compare(&test_root, MISSING, O_RDWR | O_CREAT, &attr);
	compare(&test_user, MISSING, O_RDWR | O_CREAT, &attr);
}

#define TEST(name) cmocka_unit_test_teardown(test_##name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_queue),
		TEST(mode_is_less_the_umask),
		TEST(other_flags_are_ignored),
		TEST(open_errors),
		TEST(create_while_others_unlink),
		TEST(flags_are_as_native),
		TEST(invalid_attributes),
		TEST(zero_means_the_default),
		TEST(the_users_limits_apply),
	};

	return cmocka_run_group_tests_name("mq_open", tests, set_up_group,
					   tear_down_group);
}
