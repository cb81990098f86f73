/* SPDX-License-Identifier: BSD-3-Clause */
/* The values of semaphores: posts, takes, waits. */
#include "core_semaphores.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

static sem_t *native(void)
{
	sem_t *sem = sem_open("/it", 0);

	assert_ptr_not_equal(sem, SEM_FAILED);
	return sem;
}

/* Waits until condition is true; the test's time limit ends it. */
#define UNTIL(condition)                     \
	do {                                 \
		while (!(condition))         \
			(void)sched_yield(); \
	} while (0)

static void test_the_c_library_sees_the_same(void **state)
{
	int fd = must_open(O_RDWR | O_CREAT), value;
	sem_t *sem = native();

	(void)state;
	assert_int_equal(core_sem_change(fd, CORE_SEM_POST, 3), 0);
	assert_return_code(sem_getvalue(sem, &value), errno);
	assert_int_equal(value, 3);
	assert_return_code(sem_trywait(sem), errno);
	assert_int_equal(get(fd).value, 2);
	assert_return_code(sem_post(sem), errno);
	assert_int_equal(core_sem_change(fd, CORE_SEM_TAKE, 3), 0);
	assert_int_equal(sem_trywait(sem), -1);
	assert_int_equal(errno, EAGAIN);
	(void)sem_close(sem);
	close(fd);
	assert_return_code(sem_unlink("/it"), errno);

	sem = sem_open("/it", O_CREAT | O_EXCL, 0600, 5);
	assert_ptr_not_equal(sem, SEM_FAILED);
	fd = must_open(O_RDWR);
	assert_int_equal(get(fd).value, 5);
	(void)sem_close(sem);
	close(fd);
	assert_int_equal(core_sem_unlink(dirs, &test_root, "it"), 0);
	assert_ptr_equal(sem_open("/it", 0), SEM_FAILED);
}

static void test_take_is_all_or_nothing(void **state)
{
	int fd = must_open(O_RDWR | O_CREAT);

	(void)state;
	set(fd, 4);
	assert_int_equal(core_sem_change(fd, CORE_SEM_TAKE, 5), -EAGAIN);
	assert_int_equal(get(fd).value, 4);
	assert_int_equal(core_sem_change(fd, CORE_SEM_TAKE, 0), 0);
	assert_int_equal(core_sem_change(fd, CORE_SEM_POST, 0), 0);
	assert_int_equal(get(fd).value, 4);
	assert_int_equal(core_sem_change(fd, CORE_SEM_TAKE, 4), 0);
	assert_int_equal(get(fd).value, 0);
	assert_int_equal(core_sem_change(fd, CORE_SEM_TAKE, 1), -EAGAIN);
	close(fd);
}

static void test_the_greatest_value(void **state)
{
	int fd = must_open(O_RDWR | O_CREAT);
	sem_t *sem = native();

	(void)state;
	set(fd, SEM_VALUE_MAX);
	assert_int_equal(core_sem_change(fd, CORE_SEM_POST, 1), -EOVERFLOW);
	assert_int_equal(core_sem_change(fd, CORE_SEM_POST, SEM_VALUE_MAX),
			 -EOVERFLOW);
	assert_int_equal(sem_post(sem), -1);
	assert_int_equal(errno, EOVERFLOW);
	assert_int_equal(get(fd).value, SEM_VALUE_MAX);
	set(fd, SEM_VALUE_MAX - 2);
	assert_int_equal(core_sem_change(fd, CORE_SEM_POST, 3), -EOVERFLOW);
	assert_int_equal(get(fd).value, SEM_VALUE_MAX - 2);
	assert_int_equal(core_sem_change(fd, CORE_SEM_POST, 2), 0);
	assert_int_equal(core_sem_change(fd, CORE_SEM_TAKE, SEM_VALUE_MAX), 0);
	assert_int_equal(get(fd).value, 0);
	(void)sem_close(sem);
	close(fd);
}

/* Threads of other processes, which wait. */

enum { N_WAITERS = 5 };

struct waiters {
	sem_t *sem;
	_Atomic unsigned int *woken; /* shared */
	pid_t pids[N_WAITERS];
};

static void start_waiters(struct waiters *waiters, int fd)
{
	waiters->sem = native();
	waiters->woken = test_shared(sizeof(*waiters->woken));
	for (int i = 0; i < N_WAITERS; i++) {
		waiters->pids[i] = fork();
		if (waiters->pids[i] == 0) {
			if (sem_wait(waiters->sem) < 0)
				_exit(1);
			atomic_fetch_add(waiters->woken, 1);
			_exit(0);
		}
	}
	UNTIL(get(fd).waiters == N_WAITERS);
}

static void end_waiters(struct waiters *waiters)
{
	int status;

	for (int i = 0; i < N_WAITERS; i++) {
		assert_int_equal(waitpid(waiters->pids[i], &status, 0),
				 waiters->pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(*waiters->woken, N_WAITERS);
	munmap(waiters->woken, sizeof(*waiters->woken));
	(void)sem_close(waiters->sem);
}

static void test_n_posts_wake_n_waiters(void **state)
{
	int fd = must_open(O_RDWR | O_CREAT);
	struct waiters waiters;

	(void)state;
	start_waiters(&waiters, fd);
	/* The number of waiters doesn't change. */
	assert_int_equal(core_sem_change(fd, CORE_SEM_POST, 0), 0);
	set(fd, 0);
	assert_int_equal(core_sem_change(fd, CORE_SEM_TAKE, 1), -EAGAIN);
	assert_int_equal(get(fd).waiters, N_WAITERS);
	assert_int_equal(core_sem_change(fd, CORE_SEM_POST, 3), 0);
	UNTIL(*waiters.woken == 3);
	assert_int_equal(get(fd).value, 0);
	assert_int_equal(get(fd).waiters, N_WAITERS - 3);
	assert_int_equal(core_sem_change(fd, CORE_SEM_POST, 1), 0);
	UNTIL(*waiters.woken == 4);
	assert_int_equal(get(fd).value, 0);
	assert_int_equal(get(fd).waiters, N_WAITERS - 4);
	assert_int_equal(core_sem_change(fd, CORE_SEM_POST, 1), 0);
	end_waiters(&waiters);
	assert_int_equal(get(fd).value, 0);
	assert_int_equal(get(fd).waiters, 0);
	close(fd);
}

static void test_set_wakes_waiters(void **state)
{
	int fd = must_open(O_RDWR | O_CREAT);
	struct waiters waiters;

	(void)state;
	start_waiters(&waiters, fd);
	set(fd, 2);
	UNTIL(*waiters.woken == 2);
	assert_int_equal(get(fd).value, 0);
	assert_int_equal(get(fd).waiters, N_WAITERS - 2);
	set(fd, SEM_VALUE_MAX);
	end_waiters(&waiters);
	assert_int_equal(get(fd).value, SEM_VALUE_MAX - (N_WAITERS - 2));
	close(fd);
}

static void *cut_and_extend(void *end)
{
	const _Atomic bool *is_over = end;
	int fd = open(PATH, O_RDWR | O_CLOEXEC);

	while (!*is_over)
		(void)(ftruncate(fd, 0) || ftruncate(fd, SIZE));
	(void)close(fd);
	return NULL;
}

static void test_a_file_truncated_meanwhile(void **state)
{
	int fd = must_open(O_RDWR | O_CREAT), refused = 0, changed = 0;
	_Atomic bool is_over = false;
	pthread_t thread;

	(void)state;
	assert_int_equal(
		pthread_create(&thread, NULL, cut_and_extend, &is_over), 0);
	for (int i = 0; i < 1000 || refused == 0 || changed == 0; i++) {
		int r = core_sem_change(
			fd, i % 2 ? CORE_SEM_POST : CORE_SEM_SET, 1);

		assert_true(r == 0 || r == -EOPNOTSUPP);
		changed += r == 0;
		refused += r != 0;
	}
	is_over = true;
	(void)pthread_join(thread, NULL);
	set(fd, 9);
	assert_int_equal(get(fd).value, 9);
	close(fd);
}

/*
 * All processes at once. Each posts 3 and takes 1 twice, natively or through
 * core.
 */

enum { N_ACTORS = 3, ROUNDS = 100 };

static void *post_and_take(void *arg)
{
	int fd = *(const int *)arg;

	for (int i = 0; i < ROUNDS; i++) {
		/*
		 * A take never fails, because each process posts before it
		 * takes, and posts more.
		 */
		if (core_sem_change(fd, CORE_SEM_POST, 3) < 0 ||
		    core_sem_change(fd, CORE_SEM_TAKE, 1) < 0 ||
		    core_sem_change(fd, CORE_SEM_TAKE, 1) < 0)
			return arg;
	}
	return NULL;
}

static int post_and_take_natively(void)
{
	sem_t *sem = sem_open("/it", 0);

	for (int i = 0; i < ROUNDS; i++) {
		for (int j = 0; j < 3; j++)
			if (sem_post(sem) < 0)
				return 1;
		if (sem_wait(sem) < 0 || sem_trywait(sem) < 0)
			return 1;
	}
	return 0;
}

static void test_threads_and_processes_lose_no_count(void **state)
{
	int fd = must_open(O_RDWR | O_CREAT), status;
	pthread_t threads[N_ACTORS];
	pid_t pids[2 * N_ACTORS];

	(void)state;
	for (int i = 0; i < 2 * N_ACTORS; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(i % 2 ? post_and_take(&fd) != NULL
				    : post_and_take_natively());
	}
	for (int i = 0; i < N_ACTORS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
						post_and_take, &fd),
				 0);
	for (int i = 0; i < N_ACTORS; i++) {
		void *failed;

		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	for (int i = 0; i < 2 * N_ACTORS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(get(fd).value, 3 * N_ACTORS * ROUNDS);
	assert_int_equal(get(fd).waiters, 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_the_c_library_sees_the_same,
				       set_up),
		cmocka_unit_test_setup(test_take_is_all_or_nothing, set_up),
		cmocka_unit_test_setup(test_the_greatest_value, set_up),
		cmocka_unit_test_setup(test_n_posts_wake_n_waiters, set_up),
		cmocka_unit_test_setup(test_set_wakes_waiters, set_up),
		cmocka_unit_test_setup(test_a_file_truncated_meanwhile, set_up),
		cmocka_unit_test_setup(test_threads_and_processes_lose_no_count,
				       set_up),
	};

	/* tests/core_sem shows that there can be none. */
	if (sizeof(long) < 8) {
		(void)puts("1..0 # SKIP a 32-bit machine has no semaphores");
		return 0;
	}
	return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
