/* SPDX-License-Identifier: BSD-3-Clause */
#include "wait_test.h"

static struct op ops[2][MAX_OPS];
struct core_wait *wait_;
struct core_wait_source *queue;
int fd = -1;
int native = -1;
int other_fd = -1;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned int completed;
static atomic_int running[2]; /* running attempts, per waitlist */
static atomic_bool overlapped;
atomic_uint attempts[2];
atomic_uint turns[2];

void linger(struct op *op)
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

void done(struct core_waiter *waiter, int result)
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

unsigned int now_completed(void)
{
	unsigned int n;

	pthread_mutex_lock(&lock);
	n = completed;
	pthread_mutex_unlock(&lock);
	return n;
}

void await(unsigned int n)
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

struct op *reader(size_t i)
{
	return &ops[CORE_WAIT_IN][i];
}

struct op *writer(size_t i)
{
	return &ops[CORE_WAIT_OUT][i];
}

void submit(struct op *op)
{
	core_wait_submit(
		queue, op >= ops[CORE_WAIT_OUT] ? CORE_WAIT_OUT : CORE_WAIT_IN,
		&op->waiter);
}

void cancel_op(struct op *op)
{
	core_wait_cancel(wait_, &op->waiter);
}

void send_natively(unsigned int number)
{
	assert_return_code(mq_send(native, (char *)&number, sizeof(number), 0),
			   errno);
}

void assert_received_natively(unsigned int expected)
{
	unsigned int number;

	assert_int_equal(mq_receive(native, (char *)&number, sizeof(number),
				    NULL),
			 sizeof(number));
	assert_int_equal(number, expected);
}

void fill(void)
{
	for (unsigned int i = 0; i < MAX_MSGS; i++)
		send_natively(MAX_OPS + i);
}

void assert_result(const struct op *op, int result)
{
	int got, completions;

	pthread_mutex_lock(&lock);
	got = op->result;
	completions = op->completions;
	pthread_mutex_unlock(&lock);
	assert_int_equal(completions, 1);
	assert_int_equal(got, result);
}

int set_up(void **state)
{
	struct mq_attr attr = { .mq_maxmsg = MAX_MSGS,
				.mq_msgsize = sizeof(unsigned int) };

	(void)state;
	for (unsigned int i = 0; i < MAX_OPS; i++) {
		init(reader(i), UNKNOWN);
		init(writer(i), i);
	}
	completed = 0;
	overlapped = false;
	for (int dir = 0; dir < 2; dir++) {
		attempts[dir] = 0;
		turns[dir] = 0;
	}
	native = mq_open("/q", O_RDWR | O_CREAT | O_CLOEXEC, 0600, &attr);
	fd = mq_open("/q", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	mq_unlink("/q");
	attr.mq_maxmsg = 1;
	other_fd = mq_open("/other", O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC,
			   0600, &attr);
	mq_unlink("/other");
	if (native < 0 || fd < 0 || other_fd < 0)
		return -1;
	return core_wait_new(&wait_) || core_wait_open_queue(wait_, fd, &queue);
}

/* Frees everything. No completion can come afterwards. */
int tear_down(void **state)
{
	int r = 0;

	(void)state;
	core_wait_stop(wait_); /* a test that failed leaves waiters */
	if (queue)
		core_wait_close(queue);
	queue = NULL;
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
	close(other_fd);
	return r;
}

int attempt_lingering(struct core_waiter *waiter)
{
	struct op *op = (struct op *)waiter;

	if (attempts[CORE_WAIT_IN]++ > 0)
		linger(op);
	return -EAGAIN;
}

void *cancel_most(void *closure)
{
	bool backwards = *(size_t *)closure;

	for (size_t i = 0; i < MAX_OPS; i++) {
		size_t n = backwards ? MAX_OPS - 1 - i : i;

		if (n % 3)
			cancel_op(reader(n));
	}
	return NULL;
}
