/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/poll_notify.h"

#include "wait_test.h"

#include <sched.h>

struct watch {
	struct core_poll_notify notify; /* first */
	bool again;			/* changed() watches again */
	struct op *linger;		/* in changed(), or NULL */
	atomic_uint calls;
};

static struct watch watches[100];
static sem_t notified, passed;

static void ready(struct core_poll_notify *notify)
{
	struct watch *w = (struct watch *)notify;

	if (w->linger)
		linger(w->linger);
	w->calls++;
	if (w->again)
		core_poll_notify_add(queue, notify);
	sem_post(&notified);
}

static void watch(size_t i)
{
	assert_int_equal(core_poll_notify_add(queue, &watches[i].notify), 0);
}

static void unwatch(size_t i)
{
	core_poll_notify_remove(queue, &watches[i].notify);
}

static void take(sem_t *sem)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 30;
	assert_return_code(sem_timedwait(sem, &until), errno);
}

static void pass(struct core_poll_notify *notify)
{
	(void)notify;
	sem_post(&passed);
}

/*
 * The epoll thread reports events in their order, and reports a new watch at
 * once. So after the report of a new watch, all earlier events have been
 * reported.
 */
static void settle(void)
{
	struct core_poll_notify last = { .changed = pass };
	struct core_wait_source *other = NULL;

	assert_int_equal(core_wait_open_queue(wait_, other_fd, &other), 0);
	assert_int_equal(core_poll_notify_add(other, &last), 0);
	take(&passed);
	core_poll_notify_remove(other, &last);
	core_wait_close(other);
}

/* The first watch of a queue is called at once, because the queue has room. */
static int set_up_watched(void **state)
{
	int r = set_up(state);

	memset(watches, 0, sizeof(watches));
	for (size_t i = 0; i < COUNT(watches); i++)
		watches[i].notify.changed = ready;
	sem_init(&notified, 0, 0);
	sem_init(&passed, 0, 0);
	if (r == 0) {
		watch(0);
		take(&notified);
		watches[0].calls = 0;
	}
	return r;
}

static void test_each_change_is_reported(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 300; i++) {
		settle();
		watch(0);
		send_natively(i);
		take(&notified);
		assert_received_natively(i);
	}
	for (unsigned int i = 0; i < 300; i++) {
		fill();
		settle();
		watch(0);
		assert_received_natively(MAX_OPS);
		take(&notified);
		for (unsigned int n = 1; n < MAX_MSGS; n++)
			assert_received_natively(MAX_OPS + n);
	}
	assert_int_equal(watches[0].calls, 600);
}

static void test_a_watch_reports_once(void **state)
{
	(void)state;
	send_natively(7);
	settle();
	assert_int_equal(watches[0].calls, 0);
	watch(0);
	watch(0);
	send_natively(8);
	send_natively(9);
	settle();
	assert_int_equal(watches[0].calls, 1);
}

/* A watch that is renewed on a queue that doesn't change isn't called again. */
static void test_a_watch_renewed_in_its_callback(void **state)
{
	(void)state;
	watches[0].again = true;
	watch(0);
	for (unsigned int i = 1; i <= MAX_MSGS; i++) {
		send_natively(i);
		settle();
		assert_int_equal(watches[0].calls, i);
	}
	unwatch(0);
}

static void test_a_removed_watch_is_not_notified(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(watches); i++)
		watch(i);
	unwatch(50);
	unwatch(50);
	send_natively(7);
	settle();
	for (size_t i = 0; i < COUNT(watches); i++)
		assert_int_equal(watches[i].calls, i != 50);
}

/* Waiters still get their messages and room. */
static void test_a_message_ends_a_wait_and_a_watch(void **state)
{
	(void)state;
	submit(reader(MAX_OPS - 1));
	watch(0);
	send_natively(7);
	take(&notified);
	await(1);
	assert_result(reader(MAX_OPS - 1), 0);
}

static void test_unwatch_waits_for_a_running_callback(void **state)
{
	sem_t sem[2];

	(void)state;
	for (size_t i = 0; i < COUNT(sem); i++)
		sem_init(&sem[i], 0, 0);
	reader(0)->running = &sem[0];
	reader(0)->go_on = &sem[1];
	watches[0].linger = reader(0);
	watch(0);
	send_natively(7);
	sem_wait(&sem[0]);
	unwatch(0);
	assert_int_equal(watches[0].calls, 1);
}

/* The next source may get the same descriptor number. */
static void test_a_queue_is_opened_again_and_watched(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		settle(); /* the thread has freed the source */
		core_wait_close(queue);
		queue = NULL;
		assert_int_equal(core_wait_open_queue(wait_, fd, &queue), 0);
		watch(0);
		take(&notified);
		watch(0);
		send_natively(i);
		take(&notified);
	}
}

static void test_no_free_descriptor(void **state)
{
	struct core_wait_source *other = NULL;
	struct rlimit old;
	int r;

	(void)state;
	assert_int_equal(core_wait_open_queue(wait_, other_fd, &other), 0);
	test_no_more_fds(&old);
	r = core_poll_notify_add(other, &watches[0].notify);
	test_more_fds(&old);
	assert_int_equal(r, -EMFILE);
	assert_int_equal(core_poll_notify_add(other, &watches[0].notify), 0);
	take(&notified);
	core_wait_close(other);
}

static void *watch_often(void *closure)
{
	const size_t half = *(size_t *)closure;

	for (size_t i = 0; i < 100 * COUNT(watches); i++) {
		struct watch *w = &watches[i % COUNT(watches)];

		if (i % 2 != half)
			continue;
		(void)core_poll_notify_add(queue, &w->notify);
		sched_yield();
		core_poll_notify_remove(queue, &w->notify);
		/* The memory belongs to the caller again. */
		*w = (struct watch){ .notify.changed = ready };
	}
	return NULL;
}

static void test_watch_and_unwatch_race(void **state)
{
	size_t halves[2] = { 0, 1 };
	pthread_t threads[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, watch_often, &halves[i]);
	for (unsigned int i = 0; i < 10000; i++) {
		send_natively(i);
		assert_received_natively(i);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < COUNT(watches); i++)
		assert_int_equal(watches[i].calls, 0);
}

#define WATCH_TEST(name) \
	cmocka_unit_test_setup_teardown(test_##name, set_up_watched, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WATCH_TEST(each_change_is_reported),
		WATCH_TEST(a_watch_reports_once),
		WATCH_TEST(a_watch_renewed_in_its_callback),
		WATCH_TEST(a_removed_watch_is_not_notified),
		WATCH_TEST(a_message_ends_a_wait_and_a_watch),
		WATCH_TEST(unwatch_waits_for_a_running_callback),
		WATCH_TEST(a_queue_is_opened_again_and_watched),
		WATCH_TEST(no_free_descriptor),
		WATCH_TEST(watch_and_unwatch_race),
	};

	return cmocka_run_group_tests_name("poll_notify", tests, NULL, NULL);
}
