/* SPDX-License-Identifier: BSD-3-Clause */
/* The charges of lock owners, and owners in several threads. */
#include "core_locks.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

static void test_an_unlock_costs_nothing(void **state)
{
	int before = count_fds();

	(void)state;
	assert_int_equal(set(1, F_UNLCK, 0, 0), 0);
	core_locks_unlock_owner(&locks, 1);
	core_locks_unlock_handle(&locks, &handles[1]);
	assert_int_equal(count_fds(), before);
	assert_int_equal(set(2, F_WRLCK, 0, 10), 0);
	assert_int_equal(set(1, F_UNLCK, 0, 0), 0);
	assert_int_equal(set(2, F_UNLCK, 20, 10), 0);
	assert_false(core_locks_unlock_owner(&locks, 1));
	assert_locks("w0+10");
}

static void test_an_owner_costs_one_descriptor(void **state)
{
	int before = count_fds();

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(set(1, F_WRLCK, i, 1), 0);
	assert_int_equal(count_fds(), before + 1);
	assert_int_equal(set(2, F_RDLCK, 10, 10), 0);
	assert_int_equal(count_fds(), before + 2);
	core_locks_unlock_owner(&locks, 1);
	core_locks_unlock_owner(&locks, 1);
	core_locks_unlock_owner(&locks, 2);
	assert_int_equal(count_fds(), before);
}

static void test_get_costs_nothing(void **state)
{
	int before = count_fds();

	(void)state;
	assert_int_equal(get(1, F_WRLCK, 0, 0).l_type, F_UNLCK);
	assert_int_equal(count_fds(), before);
	assert_locks("");
}

static void test_no_free_descriptor(void **state)
{
	int before = count_fds(), r[3];
	struct rlimit old;

	(void)state;
	assert_int_equal(set(1, F_WRLCK, 0, 10), 0);
	test_no_more_fds(&old);
	r[0] = set(2, F_WRLCK, 10, 10);
	r[1] = set(1, F_WRLCK, 20, 10);
	r[2] = set(2, F_UNLCK, 0, 0);
	test_more_fds(&old);
	assert_int_equal(r[0], -EMFILE);
	assert_int_equal(r[1], 0);
	assert_int_equal(r[2], 0);
	assert_int_equal(count_fds(), before + 1);
	assert_locks("w0+10 w20+10");
	assert_int_equal(set(2, F_WRLCK, 10, 10), 0);
	assert_int_equal(get(3, F_WRLCK, 10, 10).l_type, F_WRLCK);
}

/* An owner that can't pay for a new descriptor keeps its old one. */
static void test_a_first_lock_without_a_charge_is_refused(void **state)
{
	struct flock lock = range(F_RDLCK, 0, 10);

	(void)state;
	assert_int_equal(core_locks_set(&locks, 1, handles, fd, &lock, true,
					NULL),
			 -ENOLCK);
	assert_int_equal(set(1, F_WRLCK, 0, 10), 0);
	for (int i = 0; i < 2; i++) {
		lock.l_start = 20 * i;
		assert_int_equal(core_locks_set(&locks, 1, handles, fd, &lock,
						true, NULL),
				 0);
	}
	assert_locks("r0+10 r20+10");
	core_locks_unlock_owner(&locks, 1);
	assert_locks("");
}

static void test_a_charge_is_kept_as_long_as_the_owner(void **state)
{
	struct core_lock_charge paid;

	(void)state;
	assert_int_equal(set(1, F_WRLCK, 0, 10), 0);
	charge = &paid;
	assert_int_equal(set(1, F_WRLCK, 10, 10), 0);
	assert_int_equal(set(2, F_WRLCK, 0, 10), EXCLUDED);
	assert_ptr_equal(charge, &paid);
	assert_int_equal(set(2, F_WRLCK, 30, 10), 0);
	assert_null(charge);
	assert_int_equal(set(2, F_UNLCK, 0, 0), 0);
	assert_null(released);
	core_locks_unlock_owner(&locks, 2);
	assert_ptr_equal(released, &paid);
}

/* fcntl(2) on this byte lasts as long as the test wants. */

#define LASTING 1000

static sem_t has_begun, may_end;

/* FCNTL is the name that the C library's header gives to fcntl(). */
#define NAME_(prefix, name) prefix##name
#define NAME(prefix, name)  NAME_(prefix, name)
#define REAL_FCNTL	    NAME(__real_, FCNTL)
#define WRAP_FCNTL	    NAME(__wrap_, FCNTL)

int REAL_FCNTL(int fd_, int command, ...);
int WRAP_FCNTL(int fd_, int command, ...);

int WRAP_FCNTL(int fd_, int command, ...)
{
	const struct flock *lock;
	va_list args;

	va_start(args, command);
	lock = va_arg(args, const struct flock *);
	va_end(args);
	if (command == F_OFD_SETLK && lock->l_start == LASTING) {
		sem_post(&has_begun);
		sem_wait(&may_end);
	}
	return REAL_FCNTL(fd_, command, lock);
}

static void *lock_lasting(void *closure)
{
	*(int *)closure = set(9, F_WRLCK, LASTING, 1);
	return NULL;
}

static void test_a_slow_call_delays_no_other_owner(void **state)
{
	struct flock lock = range(F_WRLCK, 0, 1);
	pthread_t thread;
	int r = UNKNOWN;

	(void)state;
	sem_init(&has_begun, 0, 0);
	sem_init(&may_end, 0, 0);
	assert_int_equal(set(2, F_WRLCK, 10, 10), 0);
	pthread_create(&thread, NULL, lock_lasting, &r);
	sem_wait(&has_begun);
	assert_int_equal(set(1, F_WRLCK, 0, 10), 0);
	assert_int_equal(get(3, F_WRLCK, 0, 10).l_type, F_WRLCK);
	assert_true(core_locks_unlock_owner(&locks, 1));
	assert_false(core_locks_unlock_owner(&locks, 3));
	core_locks_unlock_handle(&locks, &handles[2]);
	assert_locks("");
	/* A caller that doesn't wait for the owner gets EAGAIN. */
	assert_int_equal(core_locks_set(&locks, 9, handles, fd, &lock, false,
					&charge),
			 -EAGAIN);
	sem_post(&may_end);
	pthread_join(thread, NULL);
	assert_int_equal(r, 0);
	assert_locks("w1000+1");
}

/*
 * Four owners lock the same byte in turn. Second threads of two of the owners
 * lock and unlock other bytes meanwhile.
 */

#define ROUNDS 2000

static atomic_int holders;
static atomic_bool excluded_none, failed;

static void give_up(uint64_t owner, int how)
{
	if (how == 0)
		failed = failed || set(owner, F_UNLCK, 0, 1) != 0;
	else if (how == 1)
		core_locks_unlock_owner(&locks, owner);
	else
		core_locks_unlock_handle(&locks, &handles[owner]);
}

static void *contend(void *closure)
{
	uint64_t owner = *(uint64_t *)closure;
	struct flock lock;
	int r;

	for (int i = 0; i < ROUNDS; i++) {
		r = set(owner, F_WRLCK, 0, 1);
		if (r == 0) {
			if (++holders != 1)
				excluded_none = true;
			--holders;
			give_up(owner, i % 3);
		} else if (r != -EAGAIN) {
			failed = true;
		}
		lock = range(F_RDLCK, 0, 0);
		if (core_locks_get(&locks, owner, fd, &lock) != 0)
			failed = true;
	}
	return NULL;
}

static void *fidget(void *closure)
{
	uint64_t owner = *(uint64_t *)closure;

	for (int i = 0; i < ROUNDS; i++) {
		if (set(owner, F_WRLCK, (off_t)owner * 10, 1 + i % 3) != 0 ||
		    set(owner, F_UNLCK, (off_t)owner * 10, 0) != 0)
			failed = true;
	}
	return NULL;
}

static void test_threads_exclude_each_other(void **state)
{
	uint64_t owners[] = { 1, 2, 3, 4, 1, 2 };
	pthread_t threads[COUNT(owners)];
	int before = count_fds();

	(void)state;
	holders = 0;
	excluded_none = false;
	failed = false;
	for (size_t i = 0; i < COUNT(owners); i++)
		pthread_create(&threads[i], NULL, i < 4 ? contend : fidget,
			       &owners[i]);
	for (size_t i = 0; i < COUNT(owners); i++)
		pthread_join(threads[i], NULL);
	assert_false(excluded_none);
	assert_false(failed);
	assert_locks("");
	for (uint64_t owner = 1; owner <= 4; owner++)
		core_locks_unlock_owner(&locks, owner);
	assert_int_equal(count_fds(), before);
}

/* The owners overlap, so that a read lock is held all the time. */
static void *want_to_write(void *closure)
{
	int own = open(PATH, O_RDWR | O_CLOEXEC);
	struct flock lock;

	while (!*(atomic_bool *)closure) {
		lock = range(F_WRLCK, 0, 10);
		lock.l_pid = 0;
		if (fcntl(own, F_OFD_SETLK, &lock) == 0)
			failed = true;
	}
	close(own);
	return NULL;
}

static void test_ranges_move_without_a_gap(void **state)
{
	int reader = open(PATH, O_RDONLY | O_CLOEXEC);
	atomic_bool ended = false;
	pthread_t thread;

	(void)state;
	failed = false;
	assert_int_equal(set_by(reader, 1, F_RDLCK, 0, 10), 0);
	pthread_create(&thread, NULL, want_to_write, &ended);
	for (uint64_t i = 1; i <= ROUNDS && !failed; i++) {
		if (set(i, F_WRLCK, 100, 1) != 0 ||
		    set_by(reader, i + 1, F_RDLCK, 0, 10) != 0 ||
		    !core_locks_unlock_owner(&locks, i))
			failed = true;
	}
	ended = true;
	pthread_join(thread, NULL);
	assert_false(failed);
	close(reader);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_unlock_costs_nothing),
		TEST(an_owner_costs_one_descriptor),
		TEST(get_costs_nothing),
		TEST(no_free_descriptor),
		TEST(a_first_lock_without_a_charge_is_refused),
		TEST(a_charge_is_kept_as_long_as_the_owner),
		TEST(a_slow_call_delays_no_other_owner),
		TEST(threads_exclude_each_other),
		TEST(ranges_move_without_a_gap),
	};

	return cmocka_run_group_tests_name("lock_charge", tests, NULL, NULL);
}
