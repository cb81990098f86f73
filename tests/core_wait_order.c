/* SPDX-License-Identifier: BSD-3-Clause */
#include "wait_test.h"

#include <sched.h>

static void test_readers_are_served_in_order(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 50; i++)
		submit(reader(i));
	assert_int_equal(now_completed(), 0);
	for (unsigned int i = 0; i < 50; i++)
		send_natively(i);
	await(50);
	for (unsigned int i = 0; i < 50; i++) {
		assert_result(reader(i), 0);
		assert_int_equal(reader(i)->number, i);
	}
}

static void test_writers_are_served_in_order(void **state)
{
	(void)state;
	fill();
	for (unsigned int i = 0; i < 50; i++)
		submit(writer(i));
	assert_int_equal(now_completed(), 0);
	for (unsigned int i = 0; i < MAX_MSGS; i++)
		assert_received_natively(MAX_OPS + i);
	for (unsigned int i = 0; i < 50; i++)
		assert_received_natively(i);
	await(50);
	for (unsigned int i = 0; i < 50; i++)
		assert_result(writer(i), 0);
}

static void test_nowait_never_waits(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		reader(i)->waiter.nowait = i != 1 ? -EAGAIN : 0;
	submit(reader(0)); /* alone */
	await(1);
	assert_result(reader(0), -EAGAIN);
	submit(reader(1)); /* waits */
	submit(reader(2)); /* after that waiter */
	await(2);
	assert_result(reader(2), -EAGAIN);
	send_natively(7);
	await(3);
	assert_result(reader(1), 0);
	send_natively(8);
	submit(reader(3));
	await(4);
	assert_result(reader(3), 0);
	assert_int_equal(reader(3)->number, 8);
}

/* Any other result than -EAGAIN is final, and the next waiter has its turn. */
static void test_an_error_is_final(void **state)
{
	(void)state;
	reader(0)->fixed = -EMSGSIZE;
	submit(reader(0));
	submit(reader(1));
	await(1);
	assert_result(reader(0), -EMSGSIZE);
	send_natively(7);
	await(2);
	assert_result(reader(1), 0);
}

static void test_cancel_before_submit(void **state)
{
	(void)state;
	send_natively(7);
	cancel_op(reader(0));
	cancel_op(reader(0));
	submit(reader(0));
	await(1);
	assert_result(reader(0), -EINTR);
	assert_int_equal(attempts[CORE_WAIT_IN], 0);
	assert_received_natively(7);
}

static void test_cancel_while_waiting(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		submit(reader(i));
	cancel_op(reader(0));
	cancel_op(reader(1));
	cancel_op(reader(1));
	await(2);
	assert_result(reader(0), -EINTR);
	assert_result(reader(1), -EINTR);
	send_natively(7);
	await(3);
	assert_result(reader(2), 0);
	assert_int_equal(reader(2)->number, 7);
}

static void test_cancel_during_an_attempt(void **state)
{
	(void)state;
	reader(0)->cancel_in_attempt = true;
	submit(reader(0));
	await(1);
	assert_result(reader(0), -EINTR);
	reader(1)->cancel_in_attempt = true;
	send_natively(7);
	submit(reader(1));
	await(2);
	assert_result(reader(1), 0);
}

/* Until done() frees the memory, cancel is allowed. */
static void test_cancel_in_done(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		reader(i)->cancel_in_done = true;
	reader(1)->waiter.nowait = -EAGAIN;
	submit(reader(0));
	submit(reader(1));
	await(1);
	assert_result(reader(1), -EAGAIN); /* without an attempt */
	send_natively(7);
	await(2);
	assert_result(reader(0), 0);
	submit(reader(2));
	submit(reader(3));
	cancel_op(reader(2));
	await(3);
	assert_result(reader(2), -EINTR);
	core_wait_stop(wait_);
	await(4);
	assert_result(reader(3), -ENOTCONN);
	submit(reader(4));
	await(5);
	assert_result(reader(4), -ENOTCONN);
}

static void *submit_half(void *closure)
{
	size_t half = *(size_t *)closure;

	for (size_t i = half; i < MAX_OPS; i += 2)
		submit(reader(i));
	return NULL;
}

static void *send_half(void *closure)
{
	size_t half = *(size_t *)closure;

	for (size_t i = half; i < MAX_OPS; i += 2) {
		unsigned int number = (unsigned int)i;

		if (mq_send(native, (char *)&number, sizeof(number), 0) < 0)
			return closure;
	}
	return NULL;
}

/* The number of times that each number was received. */
static void count_received(unsigned int counts[MAX_OPS])
{
	memset(counts, 0, MAX_OPS * sizeof(*counts));
	for (size_t i = 0; i < MAX_OPS; i++) {
		if (reader(i)->result != 0)
			continue;
		assert_true(reader(i)->number < MAX_OPS);
		counts[reader(i)->number]++;
	}
}

static void test_a_thousand_waiters(void **state)
{
	unsigned int counts[MAX_OPS];
	size_t halves[2] = { 0, 1 };
	pthread_t threads[4];
	void *failed;

	(void)state;
	for (int i = 0; i < 2; i++) {
		pthread_create(&threads[i], NULL, submit_half, &halves[i]);
		pthread_create(&threads[2 + i], NULL, send_half, &halves[i]);
	}
	await(MAX_OPS);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	count_received(counts);
	for (size_t i = 0; i < MAX_OPS; i++) {
		assert_result(reader(i), 0);
		assert_int_equal(counts[i], 1);
		/* The waiters of each submitter ended in their order. */
		if (i >= 2)
			assert_true(reader(i)->turn > reader(i - 2)->turn);
	}
}

/* Sends numbers while there are waiters. Returns the number of messages. */
static unsigned int send_until_completed(void)
{
	unsigned int sent = 0;

	while (now_completed() < MAX_OPS && sent < MAX_OPS) {
		if (core_mq_send(fd, &sent, sizeof(sent), 0) == 0)
			sent++;
		else
			sched_yield();
	}
	return sent;
}

static void test_cancels_race_with_messages(void **state)
{
	unsigned int number, sent, counts[MAX_OPS];
	size_t halves[2] = { 0, 1 };
	pthread_t threads[4];
	size_t len;

	(void)state;
	for (int i = 0; i < 2; i++) {
		pthread_create(&threads[i], NULL, submit_half, &halves[i]);
		pthread_create(&threads[2 + i], NULL, cancel_most, &halves[i]);
	}
	sent = send_until_completed();
	await(MAX_OPS);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	count_received(counts);
	while (core_mq_receive(fd, &number, sizeof(number), &len, NULL) == 0)
		counts[number]++;
	for (size_t i = 0; i < MAX_OPS; i++) {
		assert_int_equal(reader(i)->completions, 1);
		if (reader(i)->result != -EINTR || i % 3 == 0)
			assert_int_equal(reader(i)->result, 0);
		assert_int_equal(counts[i], i < sent ? 1 : 0);
	}
}

static void test_work_does_not_grow_with_the_waiters(void **state)
{
	(void)state;
	for (size_t i = 0; i < MAX_OPS; i++)
		submit(reader(i));
	assert_true(attempts[CORE_WAIT_IN] <= 2 * MAX_OPS);
	attempts[CORE_WAIT_IN] = 0;
	for (unsigned int i = 0; i < 100; i++) {
		send_natively(i);
		await(i + 1);
	}
	core_wait_stop(wait_);
	/*
	 * Two attempts for each message: of the waiter that receives it, and of
	 * the next.
	 */
	assert_true(attempts[CORE_WAIT_IN] <= 2 * 100);
	assert_int_equal(now_completed(), MAX_OPS);
}

static void *submit_readers(void *closure)
{
	for (size_t i = 0; i < MAX_OPS; i++)
		submit(reader(i));
	return closure;
}

/* Two waiters. The done() of each submits the other. */

static struct core_waiter hogs[2];
static atomic_uint hog_attempts;
static atomic_bool enough;
static sem_t ended;

static int hog_attempt(struct core_waiter *waiter)
{
	(void)waiter;
	return hog_attempts++ == 0 ? -EAGAIN : 0;
}

static void hog_done(struct core_waiter *waiter, int result)
{
	struct core_waiter *other = &hogs[waiter == hogs];

	(void)result;
	if (enough) {
		sem_post(&ended);
		return;
	}
	*other = (struct core_waiter){ .attempt = hog_attempt,
				       .done = hog_done };
	core_wait_submit(queue, CORE_WAIT_IN, other);
}

/* The waiter runs on the thread, which has other waiters to serve. */
static void test_a_busy_waitlist_leaves_time_for_others(void **state)
{
	struct core_wait_source *retry;

	(void)state;
	sem_init(&ended, 0, 0);
	hogs[0] = (struct core_waiter){ .attempt = hog_attempt,
					.done = hog_done };
	core_wait_submit(queue, CORE_WAIT_IN, &hogs[0]);
	assert_int_equal(core_wait_open_retry(wait_, &retry), 0);
	reader(0)->fixed = -EAGAIN;
	core_wait_submit(retry, CORE_WAIT_IN, &reader(0)->waiter);
	send_natively(1);
	while (hog_attempts < 1000)
		sched_yield();
	cancel_op(reader(0));
	await(1);
	assert_result(reader(0), -EINTR);
	enough = true;
	sem_wait(&ended);
	core_wait_close(retry);
	assert_received_natively(1);
}

/* A waiter that never ends and never waits. */
static int hog_in_parts(struct core_waiter *waiter)
{
	(void)waiter;
	hog_attempts++;
	return enough ? 0 : CORE_WAIT_AGAIN;
}

static void hog_ended(struct core_waiter *waiter, int result)
{
	(void)waiter, (void)result;
	sem_post(&ended);
}

static void test_a_long_attempt_leaves_time_for_other_waitlists(void **state)
{
	struct core_wait_source *retry;

	(void)state;
	sem_init(&ended, 0, 0);
	enough = false;
	hogs[0] = (struct core_waiter){ .attempt = hog_in_parts,
					.done = hog_ended };
	core_wait_submit(queue, CORE_WAIT_IN, &hogs[0]);
	assert_int_equal(core_wait_open_retry(wait_, &retry), 0);
	reader(0)->fixed = -EAGAIN;
	core_wait_submit(retry, CORE_WAIT_IN, &reader(0)->waiter);
	cancel_op(reader(0));
	await(1);
	assert_result(reader(0), -EINTR);
	/*
	 * Waiters of the same waitlist come after it, and it can be cancelled.
	 */
	submit(reader(1));
	send_natively(7);
	submit(writer(0));
	await(2);
	assert_result(writer(0), 0);
	core_wait_cancel(wait_, &hogs[0]);
	sem_wait(&ended);
	await(3);
	assert_result(reader(1), 0);
	core_wait_close(retry);
	assert_received_natively(0);
}

static int parts[MAX_OPS]; /* the number of each that is left */
static char log_[100];

/* Notes the waiter whose attempt runs. */
static int attempt_part(struct core_waiter *waiter)
{
	struct op *op = (struct op *)waiter;

	log_[strlen(log_)] = (char)('0' + op->number);
	if (op->fixed)
		return op->fixed;
	return parts[op->number]-- > 1 ? CORE_WAIT_AGAIN : 0;
}

static void submit_parts(unsigned int i, int n)
{
	writer(i)->waiter.attempt = attempt_part;
	parts[i] = n;
	submit(writer(i));
}

static void test_a_message_in_parts_keeps_its_turn(void **state)
{
	(void)state;
	memset(log_, 0, sizeof(log_));
	fill(); /* no event comes */
	submit_parts(0, 3);
	writer(1)->waiter.nowait = -EAGAIN;
	submit_parts(1, 2);
	/* The first part succeeds, and then the waiter must wait. */
	writer(2)->fixed = -EAGAIN;
	submit_parts(2, 1);
	writer(3)->waiter.nowait = -EAGAIN;
	submit_parts(3, 1);
	assert_int_equal(now_completed(), 3);
	assert_string_equal(log_, "0001122");
	assert_result(writer(0), 0);
	assert_result(writer(1), 0);
	assert_result(writer(3), -EAGAIN);
	writer(2)->fixed = 0;
	submit_parts(4, 2);
	await(5);
	assert_string_equal(log_, "0001122244");
}

static void test_readers_and_writers_at_once(void **state)
{
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, submit_readers, NULL);
	for (size_t i = 0; i < MAX_OPS; i++)
		submit(writer(i));
	await(2 * MAX_OPS);
	pthread_join(thread, NULL);
	for (unsigned int i = 0; i < MAX_OPS; i++) {
		assert_result(writer(i), 0);
		assert_result(reader(i), 0);
		assert_int_equal(reader(i)->number, i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(readers_are_served_in_order),
		TEST(writers_are_served_in_order),
		TEST(nowait_never_waits),
		TEST(an_error_is_final),
		TEST(cancel_before_submit),
		TEST(cancel_while_waiting),
		TEST(cancel_during_an_attempt),
		TEST(cancel_in_done),
		TEST(a_thousand_waiters),
		TEST(cancels_race_with_messages),
		TEST(work_does_not_grow_with_the_waiters),
		TEST(a_busy_waitlist_leaves_time_for_others),
		TEST(a_long_attempt_leaves_time_for_other_waitlists),
		TEST(a_message_in_parts_keeps_its_turn),
		TEST(readers_and_writers_at_once),
	};

	return cmocka_run_group_tests_name("wait_order", tests, NULL, NULL);
}
