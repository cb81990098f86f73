/* SPDX-License-Identifier: BSD-3-Clause */

#include "wait_test.h"

#include <sched.h>

static struct core_wait_source
	*sources[MAX_OPS]; /* reader i waits in sources[i] */
/* From this attempt on, all attempts succeed. */
static atomic_uint ready_at;

static int set_up_retry(void **state)
{
	ready_at = UINT_MAX;
	return set_up(state);
}

static int tear_down_retry(void **state)
{
	core_wait_stop(wait_); /* a test that failed leaves waiters */
	for (int i = 0; i < MAX_OPS; i++) {
		if (sources[i])
			core_wait_close(sources[i]);
		sources[i] = NULL;
	}
	return tear_down(state);
}

static int attempt_retry(struct core_waiter *waiter)
{
	struct op *op = (struct op *)waiter;

	if (++attempts[CORE_WAIT_IN] < ready_at)
		return -EAGAIN;
	op->turn = turns[CORE_WAIT_IN]++;
	return 0;
}

static void done_and_close(struct core_waiter *waiter, int result)
{
	ptrdiff_t i = (struct op *)waiter - reader(0);

	core_wait_close(sources[i]);
	sources[i] = NULL;
	done(waiter, result);
}

static void open_retry(size_t i)
{
	reader(i)->waiter.attempt = attempt_retry;
	assert_int_equal(core_wait_open_retry(wait_, &sources[i]), 0);
}

static void submit_retry(size_t i, struct op *op)
{
	op->waiter.attempt = attempt_retry;
	core_wait_submit(sources[i], CORE_WAIT_IN, &op->waiter);
}

static void wait_retry(size_t i)
{
	open_retry(i);
	submit_retry(i, reader(i));
}

static void let_all_succeed(void)
{
	ready_at = 0;
	core_wait_retry(wait_);
}

static void test_no_wait_if_the_first_attempt_succeeds(void **state)
{
	(void)state;
	ready_at = 1;
	wait_retry(0);
	assert_int_equal(now_completed(), 1);
	assert_result(reader(0), 0);
}

static void test_the_timer_retries_until_success(void **state)
{
	(void)state;
	ready_at = 5;
	wait_retry(0);
	await(1);
	assert_result(reader(0), 0);
	assert_int_equal(attempts[CORE_WAIT_IN], 5);
	/* The timer didn't run in between. */
	ready_at = 10;
	wait_retry(1);
	await(2);
	assert_int_equal(attempts[CORE_WAIT_IN], 10);
	/* core_wait_retry() doesn't end the regular retries. */
	wait_retry(2);
	core_wait_retry(wait_);
	ready_at = attempts[CORE_WAIT_IN] + 5;
	await(3);
	assert_result(reader(2), 0);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/*
 * Without a retry each waiter would wait for 10 ms. A slow machine isn't slow
 * each time.
 */
static void test_retry_does_not_wait_for_the_timer(void **state)
{
	int64_t start, shortest = INT64_MAX;

	(void)state;
	core_wait_retry(wait_); /* nobody waits */
	for (unsigned int i = 0; i < 400; i++) {
		ready_at = UINT_MAX;
		start = now_ns();
		wait_retry(i);
		let_all_succeed();
		await(i + 1);
		if (now_ns() - start < shortest)
			shortest = now_ns() - start;
		assert_result(reader(i), 0);
	}
	assert_true(shortest < 5000000);
	core_wait_retry(wait_);
}

static void test_waiters_are_served_in_order(void **state)
{
	(void)state;
	open_retry(0);
	for (size_t i = 0; i < 50; i++)
		submit_retry(0, reader(i));
	reader(50)->waiter.nowait = -EAGAIN;
	submit_retry(0, reader(50));
	await(1);
	assert_result(reader(50), -EAGAIN);
	cancel_op(reader(20));
	await(2);
	assert_result(reader(20), -EINTR);
	let_all_succeed();
	await(51);
	for (unsigned int i = 0; i < 50; i++) {
		if (i == 20)
			continue;
		assert_result(reader(i), 0);
		assert_int_equal(reader(i)->turn, i < 20 ? i : i - 1);
	}
}

static void test_nowait_makes_one_attempt(void **state)
{
	(void)state;
	reader(0)->waiter.nowait = -EAGAIN;
	wait_retry(0);
	assert_int_equal(now_completed(), 1);
	assert_result(reader(0), -EAGAIN);
	assert_int_equal(attempts[CORE_WAIT_IN], 1);
}

static void test_cancel_before_and_while_waiting(void **state)
{
	(void)state;
	cancel_op(reader(0));
	wait_retry(0);
	await(1);
	assert_result(reader(0), -EINTR);
	assert_int_equal(attempts[CORE_WAIT_IN], 0);
	wait_retry(1);
	wait_retry(2);
	cancel_op(reader(1));
	cancel_op(reader(1));
	await(2);
	assert_result(reader(1), -EINTR);
	let_all_succeed();
	await(3);
	assert_result(reader(2), 0);
}

static void test_stop_ends_all_waiters(void **state)
{
	(void)state;
	for (size_t i = 0; i < 10; i++)
		wait_retry(i);
	core_wait_stop(wait_);
	assert_int_equal(now_completed(), 10);
	for (size_t i = 0; i < 10; i++)
		assert_result(reader(i), -ENOTCONN);
	wait_retry(10); /* would have to wait */
	let_all_succeed();
	wait_retry(11); /* needn't wait */
	await(12);
	assert_result(reader(10), -ENOTCONN);
	assert_result(reader(11), 0);
}

struct submission {
	size_t queue;
	struct op *op;
};

static void *submit_one(void *closure)
{
	const struct submission *s = closure;

	core_wait_submit(sources[s->queue], CORE_WAIT_IN, &s->op->waiter);
	return NULL;
}

/*
 * A queue without waiters: reader 0 is in its first attempt when readers 1 and
 * 2 are submitted, and reader 1 is in done() when core_wait_stop() is called.
 */
static void test_stop_during_the_first_submit(void **state)
{
	struct submission first = { .queue = 0, .op = reader(0) };
	sem_t sem[4];
	pthread_t thread;
	unsigned int n;

	(void)state;
	for (size_t i = 0; i < COUNT(sem); i++)
		sem_init(&sem[i], 0, 0);
	open_retry(0);
	reader(0)->waiter.attempt = attempt_lingering;
	reader(0)->running = &sem[0];
	reader(0)->go_on = &sem[1];
	reader(1)->waiter.nowait = -EAGAIN;
	reader(1)->running = &sem[2];
	reader(1)->go_on = &sem[3];
	attempts[CORE_WAIT_IN] = 1; /* so that the first waiter lingers */
	pthread_create(&thread, NULL, submit_one, &first);
	sem_wait(&sem[0]);
	submit_retry(0, reader(1));
	submit_retry(0, reader(2));
	sem_post(&sem[1]);
	sem_post(&sem[1]);
	sem_wait(&sem[2]);
	core_wait_stop(wait_);
	n = now_completed();
	pthread_join(thread, NULL);
	await(3);
	assert_int_equal(n, 3);
	assert_result(reader(0), -ENOTCONN);
	assert_result(reader(1), -EAGAIN);
	assert_result(reader(2), -ENOTCONN);
}

static void test_close_in_done(void **state)
{
	(void)state;
	for (size_t i = 0; i < 8; i++)
		reader(i)->waiter.done = done_and_close;
	cancel_op(reader(0));
	wait_retry(0);
	await(1);
	ready_at = 1;
	wait_retry(1); /* inside core_wait_submit() */
	await(2);
	ready_at = 4;
	wait_retry(2); /* by the timer */
	await(3);
	ready_at = UINT_MAX;
	wait_retry(3);
	wait_retry(4);
	cancel_op(reader(3));
	await(4);
	assert_non_null(sources[4]);
	let_all_succeed();
	await(5);
	ready_at = UINT_MAX;
	wait_retry(5);
	core_wait_end_all(wait_);
	await(6);
	reader(6)->waiter.nowait = -EAGAIN;
	wait_retry(6);
	await(7);
	wait_retry(7);
	core_wait_stop(wait_);
	await(8);
	for (size_t i = 0; i < 8; i++)
		assert_null(sources[i]);
}

static void test_a_hundred_sources(void **state)
{
	(void)state;
	for (size_t i = 0; i < 100; i++) {
		if (i % 2)
			reader(i)->waiter.done = done_and_close;
		wait_retry(i);
	}
	assert_int_equal(now_completed(), 0);
	let_all_succeed();
	await(100);
	for (size_t i = 0; i < 100; i++)
		assert_result(reader(i), 0);
	ready_at = attempts[CORE_WAIT_IN] + 3;
	wait_retry(100); /* the timer runs again */
	await(101);
	assert_result(reader(100), 0);
}

/* Counts the attempts, each of which takes a millisecond. */
static atomic_uint n_slow;
static unsigned int n_slow_at_read;

static int attempt_slow(struct core_waiter *waiter)
{
	const uint64_t end = core_wait_now() + 1000000;

	(void)waiter;
	while (core_wait_now() < end)
		;
	n_slow++;
	return -EAGAIN;
}

static void done_reading(struct core_waiter *waiter, int result)
{
	n_slow_at_read = n_slow;
	done(waiter, result);
}

/* A user can have as many retries, and make each take a millisecond. */
static void test_a_queue_does_not_wait_for_all_retries(void **state)
{
	unsigned int before;

	(void)state;
	n_slow = 0;
	for (size_t i = 0; i < 100; i++) {
		open_retry(i);
		reader(i)->waiter.attempt = attempt_slow;
		core_wait_submit(sources[i], CORE_WAIT_IN, &reader(i)->waiter);
	}
	reader(100)->waiter.done = done_reading;
	submit(reader(100));
	core_wait_retry(wait_);
	before = n_slow;
	send_natively(7);
	await(1);
	assert_in_range(n_slow_at_read - before, 0, 10);
}

static void *submit_retry_half(void *closure)
{
	for (size_t i = *(size_t *)closure; i < MAX_OPS; i += 2)
		submit_retry(i, reader(i));
	return NULL;
}

static void test_submit_cancel_and_retry_race(void **state)
{
	size_t halves[2] = { 0, 1 };
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < MAX_OPS; i++) {
		reader(i)->waiter.done = done_and_close;
		open_retry(i);
	}
	ready_at = 2 * MAX_OPS;
	for (int i = 0; i < 2; i++) {
		pthread_create(&threads[i], NULL, submit_retry_half,
			       &halves[i]);
		pthread_create(&threads[2 + i], NULL, cancel_most, &halves[i]);
	}
	while (now_completed() < MAX_OPS / 2) {
		core_wait_retry(wait_);
		sched_yield();
	}
	await(MAX_OPS);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < MAX_OPS; i++) {
		assert_int_equal(reader(i)->completions, 1);
		if (reader(i)->result != -EINTR || i % 3 == 0)
			assert_int_equal(reader(i)->result, 0);
		assert_null(sources[i]);
	}
}

static void test_end_all_ends_all_waiters(void **state)
{
	(void)state;
	core_wait_end_all(wait_);
	fill();
	for (size_t i = 0; i < 5; i++) {
		submit(writer(i));
		wait_retry(i);
	}
	core_wait_end_all(wait_);
	assert_int_equal(now_completed(), 10);
	for (size_t i = 0; i < 5; i++) {
		assert_result(writer(i), -ENOTCONN);
		assert_result(reader(i), -ENOTCONN);
	}
	/* In the same queues. */
	submit(writer(5));
	submit_retry(0, reader(5));
	assert_int_equal(now_completed(), 10);
	let_all_succeed();
	await(11);
	assert_result(reader(5), 0);
	assert_received_natively(MAX_OPS);
	await(12);
	assert_result(writer(5), 0);
	core_wait_end_all(wait_);
	assert_int_equal(now_completed(), 12);
}

static void test_end_all_keeps_the_error_of_cancelled_waiters(void **state)
{
	(void)state;
	submit(reader(0));
	submit(reader(1));
	wait_retry(2);
	wait_retry(3);
	cancel_op(reader(0));
	cancel_op(reader(2));
	core_wait_end_all(wait_);
	await(4);
	assert_result(reader(0), -EINTR);
	assert_result(reader(1), -ENOTCONN);
	assert_result(reader(2), -EINTR);
	assert_result(reader(3), -ENOTCONN);
}

static void *end_all_often(void *closure)
{
	while (now_completed() < MAX_OPS) {
		core_wait_end_all(wait_);
		sched_yield();
	}
	return closure;
}

static void test_end_all_races_with_submit_and_cancel(void **state)
{
	size_t halves[2] = { 0, 1 };
	pthread_t threads[5];

	(void)state;
	for (size_t i = 0; i < MAX_OPS; i++)
		open_retry(i);
	pthread_create(&threads[4], NULL, end_all_often, NULL);
	for (int i = 0; i < 2; i++) {
		pthread_create(&threads[i], NULL, submit_retry_half,
			       &halves[i]);
		pthread_create(&threads[2 + i], NULL, cancel_most, &halves[i]);
	}
	await(MAX_OPS);
	for (int i = 0; i < 5; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < MAX_OPS; i++) {
		assert_int_equal(reader(i)->completions, 1);
		if (reader(i)->result != -EINTR || i % 3 == 0)
			assert_int_equal(reader(i)->result, -ENOTCONN);
	}
}

#define RETRY_TEST(name)                                           \
	cmocka_unit_test_setup_teardown(test_##name, set_up_retry, \
					tear_down_retry)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RETRY_TEST(no_wait_if_the_first_attempt_succeeds),
		RETRY_TEST(the_timer_retries_until_success),
		RETRY_TEST(retry_does_not_wait_for_the_timer),
		RETRY_TEST(waiters_are_served_in_order),
		RETRY_TEST(nowait_makes_one_attempt),
		RETRY_TEST(cancel_before_and_while_waiting),
		RETRY_TEST(stop_ends_all_waiters),
		RETRY_TEST(stop_during_the_first_submit),
		RETRY_TEST(close_in_done),
		RETRY_TEST(a_hundred_sources),
		RETRY_TEST(a_queue_does_not_wait_for_all_retries),
		RETRY_TEST(submit_cancel_and_retry_race),
		RETRY_TEST(end_all_ends_all_waiters),
		RETRY_TEST(end_all_keeps_the_error_of_cancelled_waiters),
		RETRY_TEST(end_all_races_with_submit_and_cancel),
	};

	return cmocka_run_group_tests_name("wait_retry", tests, NULL, NULL);
}
