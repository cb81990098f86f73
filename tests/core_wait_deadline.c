/* SPDX-License-Identifier: BSD-3-Clause */
#include "wait_test.h"

#define SECOND 1000000000ULL

static atomic_uint n_ended;

/* Notes the position of a waiter in the order in which the waiters end. */
static void done_in_turn(struct core_waiter *waiter, int result)
{
	((struct op *)waiter)->turn = n_ended++;
	done(waiter, result);
}

static void submit_until(struct op *op, uint64_t deadline)
{
	op->waiter.deadline = deadline;
	op->waiter.done = done_in_turn;
	submit(op);
}

static void test_a_wait_ends_at_its_deadline(void **state)
{
	const uint64_t deadline = core_wait_now() + SECOND / 10;

	(void)state;
	submit_until(reader(0), deadline);
	fill();
	await(1);
	assert_result(reader(0), 0);
	for (unsigned int i = 1; i < MAX_MSGS; i++)
		assert_received_natively(MAX_OPS + i);
	submit_until(reader(1), deadline);
	await(2);
	assert_true(core_wait_now() >= deadline);
	assert_result(reader(1), -ETIMEDOUT);
}

static void test_a_past_deadline_still_allows_an_attempt(void **state)
{
	(void)state;
	send_natively(7);
	submit_until(reader(0), 1);
	assert_int_equal(now_completed(), 1);
	assert_result(reader(0), 0);
	submit_until(reader(1), 1);
	await(2);
	assert_result(reader(1), -ETIMEDOUT);
}

static void test_other_ends_before_the_deadline(void **state)
{
	const uint64_t far = core_wait_now() + 1000 * SECOND;

	(void)state;
	reader(0)->waiter.nowait = -EAGAIN;
	submit_until(reader(0), far);
	assert_result(reader(0), -EAGAIN);
	reader(5)->waiter.nowait = -ETIMEDOUT;
	submit_until(reader(5), far);
	assert_result(reader(5), -ETIMEDOUT);
	submit_until(reader(1), far);
	submit_until(reader(2), far - 1);
	cancel_op(reader(1));
	await(3);
	assert_result(reader(1), -EINTR);
	core_wait_end_all(wait_);
	assert_result(reader(2), -ENOTCONN);
	/* The next waiter has its turn after a waiter has ended. */
	submit_until(reader(3), 1);
	submit(reader(4));
	await(5);
	assert_result(reader(3), -ETIMEDOUT);
	send_natively(7);
	await(6);
	assert_result(reader(4), 0);
}

static struct core_wait_source *other;
static sem_t held, let_go;

static pthread_t main_thread;

static int hold_thread(struct core_waiter *waiter)
{
	(void)waiter;
	if (pthread_equal(pthread_self(), main_thread))
		return -EAGAIN;
	sem_post(&held);
	sem_wait(&let_go);
	return 0;
}

/* Writer 0 of the other queue holds up the thread until let_go is posted. */
static void hold(void)
{
	main_thread = pthread_self();
	sem_init(&held, 0, 0);
	sem_init(&let_go, 0, 0);
	assert_int_equal(core_wait_open_queue(wait_, other_fd, &other), 0);
	writer(0)->waiter.attempt = hold_thread;
	core_wait_submit(other, CORE_WAIT_OUT, &writer(0)->waiter);
	sem_wait(&held);
}

/* Readers are submitted with deadlines in the past, and some get messages. */
static void test_deadlines_pass_in_order(void **state)
{
	unsigned int by_deadline[MAX_OPS], n = 0, n_messages = 0;

	(void)state;
	n_ended = 0;
	hold();
	for (unsigned int i = 0; i < MAX_OPS; i++) {
		/* 367 and 1000 have no common factor. */
		unsigned int place = i * 367 % MAX_OPS;

		by_deadline[place] = i;
		if (i % 3 == 2)
			send_natively(n_messages++);
		submit_until(reader(i), 1 + place);
	}
	assert_int_equal(now_completed(), n_messages);
	sem_post(&let_go);
	await(MAX_OPS + 1);
	for (unsigned int i = 0; i < MAX_OPS; i++) {
		const struct op *op = reader(by_deadline[i]);

		if (by_deadline[i] < n_messages) {
			assert_result(op, 0);
			continue;
		}
		assert_result(op, -ETIMEDOUT);
		assert_int_equal(op->turn, n_messages + n++);
	}
	assert_int_equal(n, MAX_OPS - n_messages);
	core_wait_close(other);
}

static void test_a_message_in_time_counts_when_seen_late(void **state)
{
	uint64_t deadline;

	(void)state;
	hold();
	deadline = core_wait_now() + SECOND / 100;
	submit_until(reader(0), deadline);
	send_natively(7);
	while (core_wait_now() <= deadline)
		;
	sem_post(&let_go);
	await(2);
	assert_result(reader(0), 0);
	core_wait_close(other);
}

/*
 * Readers and writers have deadlines in turn. Some have passed when the thread
 * looks.
 */
static void test_two_thousand_end_in_order(void **state)
{
	/*
	 * All waiters but writer 0. The number has no common factor with 367.
	 */
	const unsigned int n = 2 * MAX_OPS - 1;
	const uint64_t first = core_wait_now() + SECOND / 100;

	(void)state;
	n_ended = 0;
	hold();
	fill();
	for (unsigned int i = 0; i < n; i++) {
		struct op *op =
			i < MAX_OPS ? reader(i) : writer(i - MAX_OPS + 1);

		op->fixed = i < MAX_OPS ? -EAGAIN : 0;
		op->number = i * 367 % n;
		op->waiter.deadline = first + op->number * SECOND / 10000;
		op->waiter.done = done_in_turn;
		core_wait_submit(i < MAX_OPS ? other : queue,
				 i < MAX_OPS ? CORE_WAIT_IN : CORE_WAIT_OUT,
				 &op->waiter);
	}
	sem_post(&let_go);
	await(n + 1);
	for (unsigned int i = 0; i < n; i++) {
		const struct op *op =
			i < MAX_OPS ? reader(i) : writer(i - MAX_OPS + 1);

		assert_result(op, -ETIMEDOUT);
		assert_int_equal(op->turn, op->number);
	}
	core_wait_close(other);
}

static int result_then;

/*
 * Writer 1 has a later deadline. When writer 1 ends, this waiter's deadline has
 * passed.
 */
static int attempt_beyond(struct core_waiter *waiter)
{
	(void)waiter;
	if (attempts[CORE_WAIT_IN]++ == 0)
		return -EAGAIN;
	sem_post(&let_go);
	writer(1)->fixed = -EAGAIN;
	writer(1)->waiter.deadline = 2;
	core_wait_submit(other, CORE_WAIT_OUT, &writer(1)->waiter);
	await(2);
	assert_result(writer(1), -ETIMEDOUT);
	return result_then;
}

static void try_beyond(int result)
{
	hold();
	result_then = result;
	reader(0)->waiter.attempt = attempt_beyond;
	submit_until(reader(0), 1);
	submit(reader(1));
	await(3);
	core_wait_stop(wait_);
	core_wait_close(other);
}

static void test_passes_during_a_failing_attempt(void **state)
{
	(void)state;
	try_beyond(-EAGAIN);
	assert_result(reader(0), -ETIMEDOUT);
}

static void test_passes_during_a_successful_attempt(void **state)
{
	(void)state;
	try_beyond(0);
	assert_result(reader(0), 0);
}

static void
test_a_waiter_that_needs_a_name_ends_when_the_name_goes(void **state)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 4 };
	mqd_t mqd = mq_open("/named", O_RDWR | O_CREAT, 0600, &attr);
	struct core_wait_source *named = NULL;

	(void)state;
	assert_true(mqd >= 0);
	assert_int_equal(core_wait_open_queue(wait_, mqd, &named), 0);
	for (int i = 0; i < 2; i++) {
		reader(i)->fixed = -EAGAIN;
		reader(i)->waiter.needs_name = true;
		core_wait_submit(named, CORE_WAIT_IN, &reader(i)->waiter);
	}
	/*
	 * The queue's name is removed, and the thread checks it after a second.
	 */
	reader(2)->waiter.needs_name = true;
	submit(reader(2));
	await(1);
	assert_result(reader(2), -ENOENT);
	reader(3)->waiter.needs_name = true;
	submit_until(reader(3), core_wait_now() + SECOND / 10);
	await(2);
	assert_result(reader(3), -ETIMEDOUT);
	assert_int_equal(now_completed(), 2);
	assert_return_code(mq_unlink("/named"), errno);
	await(4);
	assert_result(reader(0), -ENOENT);
	assert_result(reader(1), -ENOENT);
	core_wait_close(named);
	mq_close(mqd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_wait_ends_at_its_deadline),
		TEST(a_past_deadline_still_allows_an_attempt),
		TEST(other_ends_before_the_deadline),
		TEST(deadlines_pass_in_order),
		TEST(a_message_in_time_counts_when_seen_late),
		TEST(two_thousand_end_in_order),
		TEST(passes_during_a_failing_attempt),
		TEST(passes_during_a_successful_attempt),
		TEST(a_waiter_that_needs_a_name_ends_when_the_name_goes),
	};

	return cmocka_run_group_tests_name("wait_deadline", tests, NULL, NULL);
}
