/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiters here send or receive a number. core_wait_submit() makes the attempt
 * before it returns when nobody else works on the line, so with one submitter
 * what it leaves behind waits: no test has to sleep.
 */
#include "core/wait.h"

#include "core/mq.h"
#include "core_test.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/epoll.h>

#define MAX_OPS	 1000
#define MAX_MSGS 4

struct op {
	struct core_waiter waiter; /* first */
	unsigned int number;	   /* of the message */
	int fixed;		   /* what attempt() returns if nonzero */
	bool cancel_in_attempt, cancel_in_done;
	sem_t *running, *go_on; /* linger() */
	unsigned int turn;	/* of the successful attempt in its line */
	int completions, result;
};

static struct op ops[2][MAX_OPS];
static struct core_wait *wait_; /* wait(2) has the name */
static struct core_wait_queue *queue;
static struct core_wait_queue *timed[MAX_OPS]; /* reader i waits in timed[i] */
static atomic_uint ready_at; /* this attempt in a timed queue succeeds */
static ino_t ino;
static int fd = -1;	/* the queue, O_NONBLOCK */
static int native = -1; /* the queue, blocking */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned int completed;
static atomic_int running[2];	/* attempts that run now, per line */
static atomic_uint attempts[2]; /* attempts ever, per line */
static atomic_bool overlapped;
static atomic_uint turns[2];

/* Lets the test go on, and stays until it has, or 0.1 s if it can't. */
static void linger(struct op *op)
{
	struct timespec until;

	if (!op->running)
		return;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 100000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	sem_post(op->running);
	(void)sem_timedwait(op->go_on, &until);
}

static int attempt(struct core_waiter *waiter)
{
	struct op *op = (struct op *)waiter;
	int dir = op >= ops[CORE_WAIT_OUT] ? CORE_WAIT_OUT : CORE_WAIT_IN;
	unsigned int number;
	size_t len;
	int r;

	if (++running[dir] != 1)
		overlapped = true;
	attempts[dir]++;
	if (op->cancel_in_attempt)
		core_wait_cancel(wait_, waiter);
	if (op->fixed) {
		r = op->fixed;
	} else if (dir == CORE_WAIT_OUT) {
		r = core_mq_send(fd, &op->number, sizeof(op->number), 0);
	} else {
		r = core_mq_receive(fd, &number, sizeof(number), &len, NULL);
		if (r == 0)
			op->number = number;
	}
	if (r == 0)
		op->turn = turns[dir]++;
	--running[dir];
	return r;
}

static void done(struct core_waiter *waiter, int result)
{
	struct op *op = (struct op *)waiter;
	bool cancel;

	pthread_mutex_lock(&lock);
	cancel = op->cancel_in_done && op->completions == 0;
	pthread_mutex_unlock(&lock);
	if (cancel)
		core_wait_cancel(wait_, waiter);
	linger(op);
	pthread_mutex_lock(&lock);
	op->completions++;
	op->result = result;
	completed++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static unsigned int now_completed(void)
{
	unsigned int n;

	pthread_mutex_lock(&lock);
	n = completed;
	pthread_mutex_unlock(&lock);
	return n;
}

/* Waits for n completions in all; what is lost would be waited for long. */
static void await(unsigned int n)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 30;
	pthread_mutex_lock(&lock);
	while (completed < n && r == 0)
		r = pthread_cond_timedwait(&changed, &lock, &until);
	pthread_mutex_unlock(&lock);
	assert_int_equal(r, 0);
}

static void init(struct op *op, unsigned int number)
{
	*op = (struct op){ .waiter = { .attempt = attempt, .done = done },
			   .number = number,
			   .result = UNKNOWN };
}

static struct op *reader(size_t i)
{
	return &ops[CORE_WAIT_IN][i];
}

static struct op *writer(size_t i)
{
	return &ops[CORE_WAIT_OUT][i];
}

static void submit(struct op *op)
{
	core_wait_submit(
		queue, op >= ops[CORE_WAIT_OUT] ? CORE_WAIT_OUT : CORE_WAIT_IN,
		&op->waiter);
}

static void cancel_op(struct op *op)
{
	core_wait_cancel(wait_, &op->waiter);
}

static void send_natively(unsigned int number)
{
	assert_return_code(mq_send(native, (char *)&number, sizeof(number), 0),
			   errno);
}

static void assert_received_natively(unsigned int expected)
{
	unsigned int number;

	assert_int_equal(mq_receive(native, (char *)&number, sizeof(number),
				    NULL),
			 sizeof(number));
	assert_int_equal(number, expected);
}

static void fill(void)
{
	for (unsigned int i = 0; i < MAX_MSGS; i++)
		send_natively(MAX_OPS + i);
}

static void assert_result(const struct op *op, int result)
{
	int got, completions;

	pthread_mutex_lock(&lock);
	got = op->result;
	completions = op->completions;
	pthread_mutex_unlock(&lock);
	assert_int_equal(completions, 1);
	assert_int_equal(got, result);
}

static int set_up(void **state)
{
	struct mq_attr attr = { .mq_maxmsg = MAX_MSGS,
				.mq_msgsize = sizeof(unsigned int) };
	struct stat st;

	(void)state;
	for (unsigned int i = 0; i < MAX_OPS; i++) {
		init(reader(i), UNKNOWN);
		init(writer(i), i);
	}
	completed = 0;
	ready_at = UINT_MAX;
	overlapped = false;
	for (int dir = 0; dir < 2; dir++) {
		attempts[dir] = 0;
		turns[dir] = 0;
	}
	native = mq_open("/q", O_RDWR | O_CREAT | O_CLOEXEC, 0600, &attr);
	fd = mq_open("/q", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	mq_unlink("/q");
	if (native < 0 || fd < 0 || fstat(fd, &st) < 0)
		return -1;
	ino = st.st_ino;
	return core_wait_new(&wait_) || core_wait_open(wait_, ino, fd, &queue);
}

/* Frees everything; then no completion can come any more. */
static int tear_down(void **state)
{
	int r = 0;

	(void)state;
	core_wait_stop(wait_); /* a test that failed leaves waiters */
	if (queue)
		core_wait_close(queue);
	queue = NULL;
	for (int i = 0; i < MAX_OPS; i++) {
		if (timed[i])
			core_wait_close(timed[i]);
		timed[i] = NULL;
	}
	wait_ = core_wait_free(wait_);
	for (int i = 0; i < MAX_OPS; i++) {
		if (reader(i)->completions > 1 || writer(i)->completions > 1) {
			puts("# completed twice");
			r = -1;
		}
	}
	if (overlapped) {
		puts("# attempts of a line overlapped");
		r = -1;
	}
	close(fd);
	close(native);
	return r;
}

static void test_at_once(void **state)
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

static void test_nowait(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		reader(i)->waiter.nowait = i != 1;
	submit(reader(0)); /* alone */
	await(1);
	assert_result(reader(0), -EAGAIN);
	submit(reader(1)); /* waits */
	submit(reader(2)); /* behind it */
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

/* Any other result than -EAGAIN is final, and the next one's turn comes. */
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

/* As long as done() hasn't given up the memory, cancel is still allowed. */
static void test_cancel_in_done(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		reader(i)->cancel_in_done = true;
	reader(1)->waiter.nowait = true;
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

static void test_stop(void **state)
{
	(void)state;
	fill();
	for (int i = 0; i < 10; i++)
		submit(writer(i));
	core_wait_stop(wait_);
	assert_int_equal(now_completed(), 10);
	for (int i = 0; i < 10; i++)
		assert_result(writer(i), -ENOTCONN);

	writer(10)->waiter.nowait = true;
	submit(writer(10));
	submit(writer(11)); /* would wait */
	submit(reader(0));  /* needn't */
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

static int attempt_lingering(struct core_waiter *waiter)
{
	struct op *op = (struct op *)waiter;

	if (attempts[CORE_WAIT_IN]++ > 0)
		linger(op);
	return -EAGAIN;
}

/* Stops while reader 0 lingers: stop must not return before it is done. */
static void stop_during(sem_t sem[2])
{
	unsigned int n;

	sem_wait(&sem[0]);
	core_wait_stop(wait_);
	n = now_completed();
	sem_post(&sem[1]);
	sem_post(&sem[1]);
	await(1);
	assert_int_equal(n, 1);
}

static void test_stop_outlasts_a_running_attempt(void **state)
{
	sem_t sem[2];

	(void)state;
	sem_init(&sem[0], 0, 0);
	sem_init(&sem[1], 0, 0);
	reader(0)->waiter.attempt = attempt_lingering;
	reader(0)->running = &sem[0];
	reader(0)->go_on = &sem[1];
	submit(reader(0));
	send_natively(7);
	stop_during(sem);
	assert_result(reader(0), -ENOTCONN);
}

static void test_stop_outlasts_a_running_done(void **state)
{
	sem_t sem[2];

	(void)state;
	sem_init(&sem[0], 0, 0);
	sem_init(&sem[1], 0, 0);
	reader(0)->running = &sem[0];
	reader(0)->go_on = &sem[1];
	submit(reader(0));
	cancel_op(reader(0));
	stop_during(sem);
	assert_result(reader(0), -EINTR);
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

/* How often each number was received. */
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
		/* Each submitter's own were served in its order. */
		if (i >= 2)
			assert_true(reader(i)->turn > reader(i - 2)->turn);
	}
}

/* Cancels two of three, from both ends towards the middle. */
static void *cancel_most(void *closure)
{
	bool backwards = *(size_t *)closure;

	for (size_t i = 0; i < MAX_OPS; i++) {
		size_t n = backwards ? MAX_OPS - 1 - i : i;

		if (n % 3)
			cancel_op(reader(n));
	}
	return NULL;
}

/* Sends numbers while there are waiters; returns how many. */
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
	/* Each message: the one that gets it, and the one that then waits. */
	assert_true(attempts[CORE_WAIT_IN] <= 2 * 100);
	assert_int_equal(now_completed(), MAX_OPS);
}

static void *submit_readers(void *closure)
{
	for (size_t i = 0; i < MAX_OPS; i++)
		submit(reader(i));
	return closure;
}

static void test_both_directions(void **state)
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
		assert_int_equal(core_wait_open(wait_, ino, fd, &queue), 0);
	}
}

static void test_a_queue_is_shared(void **state)
{
	struct core_wait_queue *again = NULL;
	int copy = dup(fd);

	(void)state;
	assert_int_equal(core_wait_open(wait_, ino, copy, &again), 0);
	close(copy);
	assert_ptr_equal(again, queue);
	submit(reader(0));
	core_wait_close(again);
	send_natively(7);
	await(1);
	assert_result(reader(0), 0);
}

static void test_the_descriptor_may_be_closed_first(void **state)
{
	struct core_wait_queue *own = NULL;
	int copy = dup(fd);

	(void)state;
	core_wait_close(queue);
	assert_int_equal(core_wait_open(wait_, ino, copy, &own), 0);
	close(copy);
	queue = own;
	submit(reader(0));
	send_natively(7);
	await(1);
	assert_result(reader(0), 0);
}

static struct core_wait_queue *other_queue;

static void done_and_submit(struct core_waiter *waiter, int result)
{
	core_wait_submit(other_queue, CORE_WAIT_OUT, &writer(0)->waiter);
	done(waiter, result);
}

/* done() may submit to another queue. */
static void test_a_queue_feeds_another(void **state)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 4 };
	mqd_t mqd = mq_open("/other", O_RDWR | O_CREAT, 0600, &attr);
	struct stat st;

	(void)state;
	assert_true(mqd >= 0);
	mq_unlink("/other");
	assert_return_code(fstat(mqd, &st), errno);
	assert_int_equal(core_wait_open(wait_, st.st_ino, mqd, &other_queue),
			 0);
	reader(0)->waiter.done = done_and_submit;
	submit(reader(0));
	send_natively(7);
	await(2);
	assert_result(writer(0), 0);
	core_wait_close(other_queue);
	mq_close(mqd);
}

static void test_no_descriptors(void **state)
{
	struct core_wait_queue *no_queue = NULL;
	struct core_wait *no_wait = NULL;
	struct rlimit old;
	int r[2];

	(void)state;
	test_no_more_fds(&old);
	r[0] = core_wait_new(&no_wait);
	r[1] = core_wait_open(wait_, ino + 1, fd, &no_queue);
	test_more_fds(&old);
	assert_int_equal(r[0], -EMFILE);
	assert_null(no_wait);
	assert_int_equal(r[1], -EMFILE);
	assert_null(no_queue);
	assert_int_equal(core_wait_open(wait_, ino + 1, fd, &no_queue), 0);
	core_wait_close(no_queue);
	assert_null(core_wait_free(NULL));
}

/*
 * Timed queues. All is ready for all of them at once, from some attempt on.
 */

static int attempt_timed(struct core_waiter *waiter)
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

	core_wait_close(timed[i]);
	timed[i] = NULL;
	done(waiter, result);
}

static void open_timed(size_t i)
{
	reader(i)->waiter.attempt = attempt_timed;
	assert_int_equal(core_wait_open_timed(wait_, &timed[i]), 0);
}

static void submit_timed(size_t i, struct op *op)
{
	op->waiter.attempt = attempt_timed;
	core_wait_submit(timed[i], CORE_WAIT_IN, &op->waiter);
}

static void wait_timed(size_t i)
{
	open_timed(i);
	submit_timed(i, reader(i));
}

static void let_all_succeed(void)
{
	ready_at = 0;
	core_wait_retry(wait_);
}

static void test_timed_at_once(void **state)
{
	(void)state;
	ready_at = 1;
	wait_timed(0);
	assert_int_equal(now_completed(), 1);
	assert_result(reader(0), 0);
}

static void test_timed_is_tried_again_and_again(void **state)
{
	(void)state;
	ready_at = 5;
	wait_timed(0);
	await(1);
	assert_result(reader(0), 0);
	assert_int_equal(attempts[CORE_WAIT_IN], 5);
	/* The timer stood still in between. */
	ready_at = 10;
	wait_timed(1);
	await(2);
	assert_int_equal(attempts[CORE_WAIT_IN], 10);
	/* A retry doesn't end the regular tries. */
	wait_timed(2);
	core_wait_retry(wait_);
	ready_at = attempts[CORE_WAIT_IN] + 5;
	await(3);
	assert_result(reader(2), 0);
}

/* By itself each would wait for 10 ms, which makes 4 s. */
static void test_retry_is_soon(void **state)
{
	struct timespec start, end;

	(void)state;
	core_wait_retry(wait_); /* nobody waits */
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (unsigned int i = 0; i < 400; i++) {
		ready_at = UINT_MAX;
		wait_timed(i);
		let_all_succeed();
		await(i + 1);
		assert_result(reader(i), 0);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(end.tv_sec - start.tv_sec < 2);
	core_wait_retry(wait_);
}

static void test_timed_is_served_in_order(void **state)
{
	(void)state;
	open_timed(0);
	for (size_t i = 0; i < 50; i++)
		submit_timed(0, reader(i));
	reader(50)->waiter.nowait = true;
	submit_timed(0, reader(50));
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

static void test_timed_nowait(void **state)
{
	(void)state;
	reader(0)->waiter.nowait = true;
	wait_timed(0);
	assert_int_equal(now_completed(), 1);
	assert_result(reader(0), -EAGAIN);
	assert_int_equal(attempts[CORE_WAIT_IN], 1);
}

static void test_timed_cancel(void **state)
{
	(void)state;
	cancel_op(reader(0));
	wait_timed(0);
	await(1);
	assert_result(reader(0), -EINTR);
	assert_int_equal(attempts[CORE_WAIT_IN], 0);
	wait_timed(1);
	wait_timed(2);
	cancel_op(reader(1));
	cancel_op(reader(1));
	await(2);
	assert_result(reader(1), -EINTR);
	let_all_succeed();
	await(3);
	assert_result(reader(2), 0);
}

static void test_timed_stop(void **state)
{
	(void)state;
	for (size_t i = 0; i < 10; i++)
		wait_timed(i);
	core_wait_stop(wait_);
	assert_int_equal(now_completed(), 10);
	for (size_t i = 0; i < 10; i++)
		assert_result(reader(i), -ENOTCONN);
	wait_timed(10); /* would wait */
	let_all_succeed();
	wait_timed(11); /* needn't */
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

	core_wait_submit(timed[s->queue], CORE_WAIT_IN, &s->op->waiter);
	return NULL;
}

/*
 * A queue that nobody has waited in yet: reader 0 is in its first attempt when 1
 * and 2 come, and 1 in done() when core_wait_stop() does.
 */
static void test_stop_while_the_first_one_comes(void **state)
{
	struct submission first = { .queue = 0, .op = reader(0) };
	sem_t sem[4];
	pthread_t thread;
	unsigned int n;

	(void)state;
	for (size_t i = 0; i < COUNT(sem); i++)
		sem_init(&sem[i], 0, 0);
	open_timed(0);
	reader(0)->waiter.attempt = attempt_lingering;
	reader(0)->running = &sem[0];
	reader(0)->go_on = &sem[1];
	reader(1)->waiter.nowait = true;
	reader(1)->running = &sem[2];
	reader(1)->go_on = &sem[3];
	attempts[CORE_WAIT_IN] = 1; /* so that the first one lingers */
	pthread_create(&thread, NULL, submit_one, &first);
	sem_wait(&sem[0]);
	submit_timed(0, reader(1));
	submit_timed(0, reader(2));
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

static void test_close_timed_in_done(void **state)
{
	(void)state;
	for (size_t i = 0; i < 8; i++)
		reader(i)->waiter.done = done_and_close;
	cancel_op(reader(0));
	wait_timed(0);
	await(1);
	ready_at = 1;
	wait_timed(1); /* inside core_wait_submit() */
	await(2);
	ready_at = 4;
	wait_timed(2); /* by the timer */
	await(3);
	ready_at = UINT_MAX;
	wait_timed(3);
	wait_timed(4);
	cancel_op(reader(3));
	await(4);
	assert_non_null(timed[4]);
	let_all_succeed();
	await(5);
	ready_at = UINT_MAX;
	wait_timed(5);
	core_wait_end_all(wait_);
	await(6);
	reader(6)->waiter.nowait = true;
	wait_timed(6);
	await(7);
	wait_timed(7);
	core_wait_stop(wait_);
	await(8);
	for (size_t i = 0; i < 8; i++)
		assert_null(timed[i]);
}

static void test_a_hundred_timed_queues(void **state)
{
	(void)state;
	for (size_t i = 0; i < 100; i++) {
		if (i % 2)
			reader(i)->waiter.done = done_and_close;
		wait_timed(i);
	}
	assert_int_equal(now_completed(), 0);
	let_all_succeed();
	await(100);
	for (size_t i = 0; i < 100; i++)
		assert_result(reader(i), 0);
	ready_at = attempts[CORE_WAIT_IN] + 3;
	wait_timed(100); /* the timer runs again */
	await(101);
	assert_result(reader(100), 0);
}

static void *submit_timed_half(void *closure)
{
	for (size_t i = *(size_t *)closure; i < MAX_OPS; i += 2)
		submit_timed(i, reader(i));
	return NULL;
}

static void test_timed_races(void **state)
{
	size_t halves[2] = { 0, 1 };
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < MAX_OPS; i++) {
		reader(i)->waiter.done = done_and_close;
		open_timed(i);
	}
	ready_at = 2 * MAX_OPS;
	for (int i = 0; i < 2; i++) {
		pthread_create(&threads[i], NULL, submit_timed_half,
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
		assert_null(timed[i]);
	}
}

static void test_end_all(void **state)
{
	(void)state;
	core_wait_end_all(wait_);
	fill();
	for (size_t i = 0; i < 5; i++) {
		submit(writer(i));
		wait_timed(i);
	}
	core_wait_end_all(wait_);
	assert_int_equal(now_completed(), 10);
	for (size_t i = 0; i < 5; i++) {
		assert_result(writer(i), -ENOTCONN);
		assert_result(reader(i), -ENOTCONN);
	}
	/* In the same queues. */
	submit(writer(5));
	submit_timed(0, reader(5));
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

static void test_end_all_and_the_cancelled(void **state)
{
	(void)state;
	submit(reader(0));
	submit(reader(1));
	wait_timed(2);
	wait_timed(3);
	cancel_op(reader(0));
	cancel_op(reader(2));
	core_wait_end_all(wait_);
	await(4);
	assert_result(reader(0), -EINTR);
	assert_result(reader(1), -ENOTCONN);
	assert_result(reader(2), -EINTR);
	assert_result(reader(3), -ENOTCONN);
}

/* It waits also while it is being tried once more. */
static void test_end_all_during_an_attempt(void **state)
{
	static sem_t sem[2];

	(void)state;
	sem_init(&sem[0], 0, 0);
	sem_init(&sem[1], 0, 0);
	reader(0)->waiter.attempt = attempt_lingering;
	reader(0)->running = &sem[0];
	reader(0)->go_on = &sem[1];
	submit(reader(0));
	send_natively(7);
	sem_wait(&sem[0]);
	core_wait_end_all(wait_);
	sem_post(&sem[1]);
	await(1);
	assert_result(reader(0), -ENOTCONN);
}

static void *end_all_often(void *closure)
{
	while (now_completed() < MAX_OPS) {
		core_wait_end_all(wait_);
		sched_yield();
	}
	return closure;
}

static void test_end_all_races(void **state)
{
	size_t halves[2] = { 0, 1 };
	pthread_t threads[5];

	(void)state;
	for (size_t i = 0; i < MAX_OPS; i++)
		open_timed(i);
	pthread_create(&threads[4], NULL, end_all_often, NULL);
	for (int i = 0; i < 2; i++) {
		pthread_create(&threads[i], NULL, submit_timed_half,
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

/* The kernel: an event once, and changing what is watched asks anew. */
static void test_epolloneshot(void **state)
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

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(at_once),
		TEST(readers_are_served_in_order),
		TEST(writers_are_served_in_order),
		TEST(nowait),
		TEST(an_error_is_final),
		TEST(cancel_before_submit),
		TEST(cancel_while_waiting),
		TEST(cancel_during_an_attempt),
		TEST(cancel_in_done),
		TEST(stop),
		TEST(stop_outlasts_a_running_attempt),
		TEST(stop_outlasts_a_running_done),
		TEST(a_thousand_waiters),
		TEST(cancels_race_with_messages),
		TEST(work_does_not_grow_with_the_waiters),
		TEST(both_directions),
		TEST(close_right_after_done),
		TEST(a_queue_is_shared),
		TEST(the_descriptor_may_be_closed_first),
		TEST(a_queue_feeds_another),
		TEST(no_descriptors),
		TEST(timed_at_once),
		TEST(timed_is_tried_again_and_again),
		TEST(retry_is_soon),
		TEST(timed_is_served_in_order),
		TEST(timed_nowait),
		TEST(timed_cancel),
		TEST(timed_stop),
		TEST(stop_while_the_first_one_comes),
		TEST(close_timed_in_done),
		TEST(a_hundred_timed_queues),
		TEST(timed_races),
		TEST(end_all),
		TEST(end_all_and_the_cancelled),
		TEST(end_all_during_an_attempt),
		TEST(end_all_races),
		TEST(epolloneshot),
	};

	return cmocka_run_group_tests_name("wait", tests, NULL, NULL);
}
