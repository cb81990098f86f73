/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * In these tests another process is a child that ends within the call, or a
 * holder that holds a lock until the test ends the holder. A child inherits the
 * open descriptors, and with them the locks. So a holder starts before
 * core/lock sets locks.
 */
#include "core_locks.h"

#include <sys/socket.h>

static void assert_lock(struct flock lock, int type, off_t start, off_t len,
			pid_t pid)
{
	assert_int_equal(lock.l_type, type);
	assert_int_equal(lock.l_whence, SEEK_SET);
	assert_int_equal(lock.l_start, start);
	assert_int_equal(lock.l_len, len);
	assert_int_equal(lock.l_pid, pid);
}

/*
 * Other processes.
 */

struct native {
	int command; /* F_SETLK or F_OFD_SETLK */
	struct flock lock;
	pid_t pid;
	int socket;
};

/*
 * Returns 0, EXCLUDED, or INT_MIN. The descriptor stays open, because it has
 * the lock.
 */
static int lock_natively(void *arg)
{
	const struct native *native = arg;
	struct flock lock = native->lock;
	int own = open(PATH, O_RDWR | O_CLOEXEC);

	lock.l_pid = 0;
	if (fcntl(own, native->command, &lock) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? EXCLUDED : INT_MIN;
}

/* Whether another process gets a lock, of both kinds. */
static int natively(int type, off_t start, off_t len)
{
	struct native native = { .command = F_SETLK,
				 .lock = range(type, start, len) };
	int r = test_in_child(lock_natively, &native);

	native.command = F_OFD_SETLK;
	assert_int_equal(test_in_child(lock_natively, &native), r);
	return r;
}

/* Lets another process take a lock and keep it until let_go(). */
static struct native hold(int command, int type, off_t start, off_t len)
{
	struct native native = { .command = command,
				 .lock = range(type, start, len) };
	char byte;
	int pair[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				      pair),
			   errno);
	native.pid = fork();
	if (native.pid == 0) {
		close(pair[0]);
		if (lock_natively(&native) == 0)
			(void)write(pair[1], "", 1);
		(void)read(pair[1], &byte, 1);
		_exit(0);
	}
	close(pair[1]);
	assert_int_equal(read(pair[0], &byte, 1), 1);
	native.socket = pair[0];
	return native;
}

static void let_go(const struct native *native)
{
	assert_int_equal(write(native->socket, "", 1), 1);
	close(native->socket);
	assert_int_equal(waitpid(native->pid, NULL, 0), native->pid);
}

static void test_a_native_lock_excludes_ours(void **state)
{
	static const int commands[] = { F_SETLK, F_OFD_SETLK };
	struct native native;

	(void)state;
	for (size_t i = 0; i < COUNT(commands); i++) {
		native = hold(commands[i], F_WRLCK, 10, 10);
		assert_int_equal(set(1, F_WRLCK, 0, 0), EXCLUDED);
		assert_int_equal(set(1, F_RDLCK, 19, 1), EXCLUDED);
		assert_int_equal(set(1, F_WRLCK, 0, 10), 0);
		assert_int_equal(set(1, F_RDLCK, 20, 0), 0);
		let_go(&native);
		assert_int_equal(set(1, F_WRLCK, 0, 0), 0);
		core_locks_unlock_owner(&locks, 1);

		native = hold(commands[i], F_RDLCK, 10, 10);
		assert_int_equal(set(1, F_WRLCK, 0, 0), EXCLUDED);
		assert_int_equal(set(1, F_RDLCK, 0, 0), 0);
		let_go(&native);
		core_locks_unlock_owner(&locks, 1);
	}
}

static void test_our_lock_excludes_native_ones(void **state)
{
	(void)state;
	assert_int_equal(natively(F_WRLCK, 0, 0), 0);
	assert_int_equal(set(1, F_WRLCK, 10, 10), 0);
	assert_int_equal(natively(F_WRLCK, 0, 0), EXCLUDED);
	assert_int_equal(natively(F_RDLCK, 10, 1), EXCLUDED);
	assert_int_equal(natively(F_WRLCK, 19, 1), EXCLUDED);
	assert_int_equal(natively(F_WRLCK, 0, 10), 0);
	assert_int_equal(natively(F_WRLCK, 20, 0), 0);
	assert_int_equal(set(1, F_RDLCK, 10, 10), 0);
	assert_int_equal(natively(F_RDLCK, 0, 0), 0);
	assert_int_equal(natively(F_WRLCK, 0, 0), EXCLUDED);
	assert_int_equal(set(1, F_UNLCK, 0, 0), 0);
	assert_int_equal(natively(F_WRLCK, 0, 0), 0);
}

static void test_owners_exclude_each_other(void **state)
{
	(void)state;
	assert_int_equal(set(1, F_WRLCK, 0, 10), 0);
	assert_int_equal(set(2, F_WRLCK, 9, 1), EXCLUDED);
	assert_int_equal(set(2, F_RDLCK, 0, 0), EXCLUDED);
	assert_int_equal(set(2, F_WRLCK, 10, 10), 0);
	assert_int_equal(set(1, F_WRLCK, 0, 11), EXCLUDED);
	assert_locks("w0+10 w10+10");
	/* Any number may name an owner. */
	assert_int_equal(set(UINT64_MAX, F_WRLCK, 0, 1), EXCLUDED);
	assert_int_equal(set(0, F_WRLCK, 0, 1), EXCLUDED);
	assert_int_equal(set(1, F_UNLCK, 0, 0), 0);
	assert_int_equal(set(0, F_WRLCK, 0, 1), 0);
	assert_int_equal(set(UINT64_MAX, F_WRLCK, 1, 1), 0);
}

static void test_read_locks_are_shared(void **state)
{
	(void)state;
	for (uint64_t owner = 1; owner <= 3; owner++)
		assert_int_equal(set(owner, F_RDLCK, 0, 0), 0);
	assert_int_equal(set(1, F_WRLCK, 5, 1), EXCLUDED);
	assert_int_equal(set(2, F_UNLCK, 5, 1), 0);
	assert_int_equal(set(3, F_UNLCK, 5, 1), 0);
	assert_int_equal(set(1, F_WRLCK, 5, 1), 0);
	assert_int_equal(set(2, F_RDLCK, 5, 1), EXCLUDED);
}

static void test_each_object_has_its_own_locks(void **state)
{
	struct flock lock = range(F_WRLCK, 0, 0);
	struct core_locks others;
	int other;

	(void)state;
	test_make_file("/dev/shm/other", "", 0600, 0, 0);
	other = open("/dev/shm/other", O_RDWR | O_CLOEXEC);
	core_locks_init(&others, release);
	assert_int_equal(set(1, F_WRLCK, 0, 0), 0);
	for (uint64_t owner = 1; owner <= 2; owner++) {
		assert_int_equal(core_locks_set(&others, owner, handles, other,
						&lock, true, &charge),
				 0);
		assert_true(core_locks_unlock_owner(&others, owner));
	}
	assert_locks("w0+0");
	core_locks_destroy(&others);
	close(other);
}

static void test_an_owners_ranges_are_merged_and_split(void **state)
{
	(void)state;
	assert_int_equal(set(1, F_WRLCK, 0, 10), 0);
	assert_int_equal(set(1, F_WRLCK, 20, 10), 0);
	assert_locks("w0+10 w20+10");
	assert_int_equal(set(1, F_WRLCK, 10, 10), 0);
	assert_locks("w0+30");
	assert_int_equal(set(1, F_UNLCK, 5, 10), 0);
	assert_locks("w0+5 w15+15");
	assert_int_equal(set(1, F_RDLCK, 20, 5), 0);
	assert_locks("w0+5 w15+5 r20+5 w25+5");
	assert_int_equal(set(2, F_RDLCK, 20, 5), 0);
	assert_int_equal(set(1, F_WRLCK, 0, 0), EXCLUDED);
	assert_int_equal(set(2, F_UNLCK, 0, 0), 0);
	assert_int_equal(set(1, F_WRLCK, 0, 0), 0);
	assert_locks("w0+0");
	assert_int_equal(set(1, F_RDLCK, 0, 0), 0);
	assert_locks("r0+0");
	assert_int_equal(set(1, F_UNLCK, 1, 0), 0);
	assert_locks("r0+1");
	assert_int_equal(set(1, F_WRLCK, 5, 5), 0);
	assert_locks("r0+1 w5+5");
	assert_int_equal(set(1, F_UNLCK, 0, 0), 0);
	assert_locks("");
}

static void test_unlock_owner_releases_its_locks_only(void **state)
{
	(void)state;
	assert_int_equal(set(1, F_WRLCK, 0, 10), 0);
	assert_int_equal(set(1, F_RDLCK, 20, 10), 0);
	assert_int_equal(set(2, F_WRLCK, 40, 10), 0);
	core_locks_unlock_owner(&locks, 1);
	assert_locks("w40+10");
	assert_int_equal(set(2, F_WRLCK, 0, 0), 0);
	core_locks_unlock_owner(&locks, 2);
	assert_locks("");
	assert_int_equal(natively(F_WRLCK, 0, 0), 0);
	assert_int_equal(set(1, F_WRLCK, 0, 0),
			 0); /* starts from the beginning */
	assert_locks("w0+0");
}

static void test_unlock_handle_releases_its_owners_locks(void **state)
{
	(void)state;
	assert_int_equal(set(1, F_WRLCK, 0, 10), 0);
	assert_int_equal(set(2, F_WRLCK, 20, 10), 0);
	assert_int_equal(set(1 + 16, F_WRLCK, 40, 10), 0);
	core_locks_unlock_handle(&locks, &handles[3]);
	core_locks_unlock_handle(&locks, &handles[1]);
	assert_int_equal(natively(F_WRLCK, 0, 20), 0);
	assert_int_equal(natively(F_WRLCK, 20, 10), EXCLUDED);
	assert_int_equal(natively(F_WRLCK, 30, 30), 0);
	core_locks_unlock_handle(&locks, &handles[2]);
	assert_locks("");
}

/* A failed or released lock doesn't change the handle of later locks. */
static void test_unlock_handle_of_the_last_success(void **state)
{
	struct flock lock = range(F_WRLCK, 0, 10);

	(void)state;
	assert_int_equal(set(2, F_WRLCK, 0, 10), 0);
	assert_int_equal(core_locks_set(&locks, 1, "first", fd, &lock, true,
					&charge),
			 EXCLUDED);
	core_locks_unlock_owner(&locks, 2);
	assert_int_equal(set(1, F_WRLCK, 0, 10), 0);
	core_locks_unlock_handle(&locks, &handles[1]);
	assert_locks("");
}

static void test_get_reports_the_conflicting_lock(void **state)
{
	struct native process = hold(F_SETLK, F_WRLCK, 100, 10);
	struct native description = hold(F_OFD_SETLK, F_RDLCK, 200, 10);

	(void)state;
	for (int i = 0; i < 2; i++) { /* without and with locks of its own */
		assert_int_equal(get(1, F_WRLCK, 0, 100).l_type, F_UNLCK);
		assert_lock(get(1, F_RDLCK, 0, 0), F_WRLCK, 100, 10,
			    process.pid);
		assert_lock(get(1, F_WRLCK, 110, 0), F_RDLCK, 200, 10, -1);
		assert_int_equal(get(1, F_RDLCK, 110, 0).l_type, F_UNLCK);
		assert_int_equal(set(1, F_WRLCK, 0, 10), 0);
	}
	assert_lock(get(2, F_RDLCK, 0, 50), F_WRLCK, 0, 10, -1);
	assert_int_equal(set(1, F_RDLCK, 300, 0), 0);
	assert_lock(get(2, F_WRLCK, 299, 10), F_RDLCK, 300, 0, -1);
	assert_int_equal(get(2, F_RDLCK, 299, 10).l_type, F_UNLCK);
	/* Without a conflict only l_type changes. */
	assert_lock(get(2, F_WRLCK, 10, 7), F_UNLCK, 10, 7, 0);
	let_go(&process);
	let_go(&description);
	assert_int_equal(get(1, F_WRLCK, 0, 0).l_type, F_UNLCK);
}

static void test_invalid_ranges(void **state)
{
	struct flock lock = range(F_WRLCK, -1, 1);

	(void)state;
	assert_int_equal(set(1, F_WRLCK, 0, 10), 0);
	assert_int_equal(set(1, 99, 0, 1), -EINVAL);
	assert_int_equal(core_locks_get(&locks, 1, fd, &lock), -EINVAL);
	assert_locks("w0+10");
	assert_int_equal(set(1, F_WRLCK, MAX, 1), 0);
	assert_locks("w0+10 w9223372036854775807+0");
}

/* Whether the object can be executed: nobody has it open for writing. */
static bool is_executable(void)
{
	int own = open(PATH, O_RDONLY | O_CLOEXEC);
	bool r = fcntl(own, F_SETLEASE, F_RDLCK) == 0;

	close(own);
	return r;
}

static void test_a_lock_needs_the_descriptors_access(void **state)
{
	int before, own;

	(void)state;
	close(fd);
	fd = open(PATH, O_RDONLY | O_CLOEXEC);
	before = count_fds();
	assert_int_equal(set(1, F_RDLCK, 0, 10), 0);
	assert_int_equal(set(1, F_WRLCK, 0, 10), -EBADF);
	assert_int_equal(set(2, F_WRLCK, 0, 10), -EBADF);
	assert_true(is_executable());
	assert_locks("r0+10");
	/* The owner's other descriptor may write. */
	own = open(PATH, O_WRONLY | O_CLOEXEC);
	assert_int_equal(set_by(own, 1, F_WRLCK, 5, 10), 0);
	assert_locks("r0+5 w5+10");
	close(own);
	assert_false(is_executable());
	assert_int_equal(set(1, F_RDLCK, 10, 10), 0);
	assert_locks("r0+5 w5+5 r10+10");
	assert_int_equal(count_fds(), before + 1);
	core_locks_unlock_owner(&locks, 1);
	assert_true(is_executable());
	assert_locks("");
}

static int lock_as_user(void *arg)
{
	struct core_locks own;
	int r;

	core_locks_init(&own, release);
	r = core_locks_set(&own, 1, handles, fd, arg, true, &charge);
	core_locks_unlock_owner(&own, 1);
	core_locks_destroy(&own);
	return r;
}

static void test_locks_of_a_process_without_privileges(void **state)
{
	static const struct {
		mode_t mode;
		int read, write;
	} cases[] = {
		{ 0666, 0, 0 },
		{ 0664, 0, -EBADF },
		{ 0662, -EBADF, 0 },
		{ 0660, -EBADF, -EBADF },
	};
	struct flock read = range(F_RDLCK, 0, 1), write = range(F_WRLCK, 0, 1);

	(void)state;
	NEEDS(test_privileged(), "root");
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_return_code(fchmod(fd, cases[i].mode), errno);
		assert_int_equal(test_as(&test_user, lock_as_user, &read),
				 cases[i].read);
		assert_int_equal(test_as(&test_user, lock_as_user, &write),
				 cases[i].write);
	}
	/* With privileges the same lock succeeds. */
	assert_int_equal(set(1, F_WRLCK, 0, 0), 0);
}

static void test_an_owners_ranges_are_limited(void **state)
{
	const off_t max = CORE_LOCKS_MAX_RANGES;

	(void)state;
	for (off_t i = 0; i < max; i++)
		assert_int_equal(set(1, F_WRLCK, 2 * i, 1), 0);
	assert_int_equal(set(1, F_WRLCK, 2 * max, 1), -ENOLCK);
	assert_int_equal(set(2, F_WRLCK, 2 * max, 1), 0);
	core_locks_unlock_owner(&locks, 2);
	/* Two ranges that merge make room for another. */
	assert_int_equal(set(1, F_WRLCK, 1, 1), 0);
	assert_int_equal(set(1, F_WRLCK, 2 * max, 1), 0);
	assert_int_equal(set(1, F_RDLCK, 1, 1), -ENOLCK);
	assert_int_equal(set(1, F_UNLCK, 1, 1), -ENOLCK);
	assert_int_equal(get(2, F_RDLCK, 1, 1).l_type, F_WRLCK);
	assert_int_equal(set(1, F_UNLCK, 0, 3), 0);
	assert_int_equal(set(1, F_RDLCK, 0, 1), 0);
	assert_int_equal(set(1, F_UNLCK, 0, 0), 0);
	assert_locks("");
}

/* The first write lock moves an owner's ranges to a new description. */
static void test_random_ranges_move_to_another_descriptor(void **state)
{
	int reader = open(PATH, O_RDONLY | O_CLOEXEC);
	unsigned int seed = 1;
	char expected[300];

	(void)state;
	for (int i = 0; i < 200; i++) {
		for (int n = rand_r(&seed) % 12; n >= 0; n--) {
			int type = rand_r(&seed) % 3 ? F_RDLCK : F_UNLCK;
			off_t start = rand_r(&seed) % 30;

			assert_int_equal(set_by(reader, 1, type, start,
						rand_r(&seed) % 9),
					 0);
			if (rand_r(&seed) % 4 == 0)
				assert_int_equal(set_by(reader, 1, F_UNLCK,
							start + 9, 0),
						 0);
		}
		assert_int_equal(set_by(reader, 1, F_UNLCK, 90, 0), 0);
		locks_of(expected);
		assert_int_equal(set(1, F_WRLCK, 100, 1), 0);
		strcat(expected, *expected ? " w100+1" : "w100+1");
		assert_locks(expected);
		core_locks_unlock_owner(&locks, 1);
	}
	close(reader);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_native_lock_excludes_ours),
		TEST(our_lock_excludes_native_ones),
		TEST(owners_exclude_each_other),
		TEST(read_locks_are_shared),
		TEST(each_object_has_its_own_locks),
		TEST(an_owners_ranges_are_merged_and_split),
		TEST(unlock_owner_releases_its_locks_only),
		TEST(unlock_handle_releases_its_owners_locks),
		TEST(unlock_handle_of_the_last_success),
		TEST(get_reports_the_conflicting_lock),
		TEST(invalid_ranges),
		TEST(a_lock_needs_the_descriptors_access),
		TEST(locks_of_a_process_without_privileges),
		TEST(an_owners_ranges_are_limited),
		TEST(random_ranges_move_to_another_descriptor),
	};

	return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
