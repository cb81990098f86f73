/* SPDX-License-Identifier: BSD-3-Clause */
#include "wait_test.h"

#include <sys/epoll.h>

static void test_no_wait_if_the_queue_is_ready(void **state)
{
	(void)state;
	send_natively(7);
	submit(reader(0));
	await(1);
	assert_result(reader(0), 0);
	assert_int_equal(reader(0)->number, 7);
	submit(writer(0));
	await(2);
	assert_result(writer(0), 0);
	assert_received_natively(0);
}

static void assert_waiting(size_t n_readers, size_t n_writers)
{
	size_t n[2] = { 77, 77 };

	assert_int_equal(core_wait_count(wait_, native, n), 0);
	assert_int_equal(n[CORE_WAIT_IN], n_readers);
	assert_int_equal(n[CORE_WAIT_OUT], n_writers);
}

static void test_count_of_waiters(void **state)
{
	size_t n[2] = { 77, 77 };

	(void)state;
	assert_waiting(0, 0);
	for (int i = 0; i < 10; i++)
		submit(reader(i));
	assert_waiting(10, 0);
	/* A waiter that needn't or mustn't wait isn't counted. */
	reader(10)->waiter.nowait = -EAGAIN;
	submit(reader(10));
	assert_waiting(10, 0);
	cancel_op(reader(3));
	cancel_op(reader(3));
	reader(11)->waiter.deadline = 1;
	submit(reader(11));
	await(3);
	assert_waiting(9, 0);
	send_natively(7);
	await(4);
	submit(writer(0));
	await(6);
	assert_waiting(7, 0);
	core_wait_end_all(wait_);
	assert_waiting(0, 0);
	fill();
	submit(writer(1));
	submit(writer(2));
	assert_waiting(0, 2);
	/* The other queue isn't open in core/wait. */
	assert_int_equal(core_wait_count(wait_, other_fd, n), 0);
	assert_int_equal(n[0] + n[1], 0);
	assert_int_equal(core_wait_count(wait_, -1, n), -EBADF);
}

static void test_stop_ends_all_waiters(void **state)
{
	(void)state;
	fill();
	for (int i = 0; i < 10; i++)
		submit(writer(i));
	core_wait_stop(wait_);
	assert_int_equal(now_completed(), 10);
	for (int i = 0; i < 10; i++)
		assert_result(writer(i), -ENOTCONN);

	writer(10)->waiter.nowait = -EAGAIN;
	submit(writer(10));
	submit(writer(11)); /* would have to wait */
	submit(reader(0));  /* needn't wait */
	cancel_op(reader(1));
	submit(reader(1));
	await(14);
	assert_true(writer(10)->result == -EAGAIN ||
		    writer(10)->result == -ENOTCONN);
	assert_result(writer(11), -ENOTCONN);
	assert_result(reader(0), 0);
	assert_result(reader(1), -EINTR);
	core_wait_stop(wait_);
	assert_int_equal(now_completed(), 14);
}

static sem_t running, go_on;

/* Makes reader 0 post running, and then wait for go_on; see linger(). */
static void let_reader_linger(void)
{
	sem_init(&running, 0, 0);
	sem_init(&go_on, 0, 0);
	reader(0)->running = &running;
	reader(0)->go_on = &go_on;
}

/* Stops while reader 0 lingers: stop must not return before it is done. */
static void stop_while_the_reader_lingers(void)
{
	unsigned int n;

	sem_wait(&running);
	core_wait_stop(wait_);
	n = now_completed();
	sem_post(&go_on);
	sem_post(&go_on);
	await(1);
	assert_int_equal(n, 1);
}

static void test_stop_waits_for_a_running_attempt(void **state)
{
	(void)state;
	reader(0)->waiter.attempt = attempt_lingering;
	let_reader_linger();
	submit(reader(0));
	send_natively(7);
	stop_while_the_reader_lingers();
	assert_result(reader(0), -ENOTCONN);
}

static void test_stop_waits_for_a_running_done(void **state)
{
	(void)state;
	let_reader_linger();
	submit(reader(0));
	cancel_op(reader(0));
	stop_while_the_reader_lingers();
	assert_result(reader(0), -EINTR);
}

/* A waiter counts while its attempt is repeated, too. */
static void test_end_all_during_an_attempt(void **state)
{
	(void)state;
	reader(0)->waiter.attempt = attempt_lingering;
	let_reader_linger();
	submit(reader(0));
	send_natively(7);
	sem_wait(&running);
	core_wait_end_all(wait_);
	sem_post(&go_on);
	await(1);
	assert_result(reader(0), -ENOTCONN);
}

/* While done() runs, the client may already have the reply. */
static void test_idle_once_the_attempt_has_succeeded(void **state)
{
	bool idle;

	(void)state;
	assert_true(core_wait_is_idle(queue, CORE_WAIT_IN));
	let_reader_linger();
	submit(reader(0));
	assert_false(core_wait_is_idle(queue, CORE_WAIT_IN));
	send_natively(7);
	sem_wait(&running);
	idle = core_wait_is_idle(queue, CORE_WAIT_IN);
	sem_post(&go_on);
	await(1);
	assert_true(idle);
	assert_result(reader(0), 0);
}

static void test_close_right_after_done(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 300; i++) {
		submit(reader(i));
		send_natively(i);
		await(i + 1);
		core_wait_close(queue);
		queue = NULL;
		if (i % 2) {
			core_wait_free(wait_);
			assert_int_equal(core_wait_new(&wait_), 0);
		}
		assert_int_equal(core_wait_open_queue(wait_, fd, &queue), 0);
	}
}

static void test_opens_of_a_queue_share_a_source(void **state)
{
	struct core_wait_source *again = NULL;
	int copy = dup(fd);

	(void)state;
	assert_int_equal(core_wait_open_queue(wait_, copy, &again), 0);
	close(copy);
	assert_ptr_equal(again, queue);
	submit(reader(0));
	core_wait_close(again);
	send_natively(7);
	await(1);
	assert_result(reader(0), 0);
}

/*
 * A queue with a new owner counts as a new queue with the same inode number:
 * its waiters are kept apart.
 */
static void test_a_queue_with_a_new_owner_has_another_source(void **state)
{
	struct core_wait_source *again = NULL;

	(void)state;
	NEEDS(fchown(fd, USER, -1) == 0, "root");
	assert_int_equal(core_wait_open_queue(wait_, fd, &again), 0);
	assert_ptr_not_equal(again, queue);
	reader(0)->fixed = -EAGAIN;
	submit(reader(0));
	core_wait_submit(again, CORE_WAIT_IN, &reader(1)->waiter);
	send_natively(7);
	await(1);
	assert_result(reader(1), 0);
	core_wait_close(again);
}

static void test_the_descriptor_may_be_closed_first(void **state)
{
	struct core_wait_source *own = NULL;
	int copy = dup(fd);

	(void)state;
	core_wait_close(queue);
	assert_int_equal(core_wait_open_queue(wait_, copy, &own), 0);
	close(copy);
	queue = own;
	submit(reader(0));
	send_natively(7);
	await(1);
	assert_result(reader(0), 0);
}

static struct core_wait_source *other_queue;

static void done_and_submit(struct core_waiter *waiter, int result)
{
	core_wait_submit(other_queue, CORE_WAIT_OUT, &writer(0)->waiter);
	done(waiter, result);
}

/* done() may submit to another queue. */
static void test_submit_to_another_queue_in_done(void **state)
{
	(void)state;
	assert_int_equal(core_wait_open_queue(wait_, other_fd, &other_queue),
			 0);
	reader(0)->waiter.done = done_and_submit;
	submit(reader(0));
	send_natively(7);
	await(2);
	assert_result(writer(0), 0);
	core_wait_close(other_queue);
}

static void test_no_free_descriptor(void **state)
{
	struct core_wait_source *no_queue = NULL;
	struct core_wait *no_wait = NULL;
	struct rlimit old;
	int r[2];

	(void)state;
	test_no_more_fds(&old);
	r[0] = core_wait_new(&no_wait);
	r[1] = core_wait_open_queue(wait_, other_fd, &no_queue);
	test_more_fds(&old);
	assert_int_equal(r[0], -EMFILE);
	assert_null(no_wait);
	assert_int_equal(r[1], -EMFILE);
	assert_null(no_queue);
	assert_int_equal(core_wait_open_queue(wait_, other_fd, &no_queue), 0);
	core_wait_close(no_queue);
	assert_null(core_wait_free(NULL));
}

static uint32_t poll_now(int epoll)
{
	struct epoll_event event = { .events = 0 };

	return epoll_wait(epoll, &event, 1, 0) == 1 ? event.events : 0;
}

static void change(int epoll, int op, uint32_t events)
{
	struct epoll_event event = { .events = events | EPOLLONESHOT };

	assert_return_code(epoll_ctl(epoll, op, fd, &event), errno);
}

/*
 * epoll reports an event once; changing the events that are watched reports it
 * again.
 */
static void test_the_kernels_epolloneshot_on_queues(void **state)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	(void)state;
	send_natively(7);
	change(epoll, EPOLL_CTL_ADD, 0);
	assert_int_equal(poll_now(epoll), 0);
	change(epoll, EPOLL_CTL_MOD, EPOLLIN);
	assert_int_equal(poll_now(epoll), EPOLLIN);
	send_natively(8);
	assert_int_equal(poll_now(epoll), 0);
	change(epoll, EPOLL_CTL_MOD, EPOLLIN);
	assert_int_equal(poll_now(epoll), EPOLLIN);
	change(epoll, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
	assert_int_equal(poll_now(epoll), EPOLLIN | EPOLLOUT);
	assert_received_natively(7);
	assert_received_natively(8);
	change(epoll, EPOLL_CTL_MOD, EPOLLIN);
	assert_int_equal(poll_now(epoll), 0);
	fill();
	assert_int_equal(poll_now(epoll), EPOLLIN);
	change(epoll, EPOLL_CTL_MOD, EPOLLOUT);
	assert_int_equal(poll_now(epoll), 0);
	assert_received_natively(MAX_OPS);
	assert_int_equal(poll_now(epoll), EPOLLOUT);
	close(epoll);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_wait_if_the_queue_is_ready),
		TEST(count_of_waiters),
		TEST(stop_ends_all_waiters),
		TEST(stop_waits_for_a_running_attempt),
		TEST(stop_waits_for_a_running_done),
		TEST(end_all_during_an_attempt),
		TEST(idle_once_the_attempt_has_succeeded),
		TEST(close_right_after_done),
		TEST(opens_of_a_queue_share_a_source),
		TEST(a_queue_with_a_new_owner_has_another_source),
		TEST(the_descriptor_may_be_closed_first),
		TEST(submit_to_another_queue_in_done),
		TEST(no_free_descriptor),
		TEST(the_kernels_epolloneshot_on_queues),
	};

	return cmocka_run_group_tests_name("wait", tests, NULL, NULL);
}
