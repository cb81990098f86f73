/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait_test: what the tests of core/wait share: a queue, and waiters that send or
 * receive a number.
 *
 * core_wait_submit() makes the attempt before it returns if no other thread works
 * on the waitlist. So with one submitter a waiter that isn't done after the call
 * waits, and no test has to sleep.
 */
#ifndef WAIT_TEST_H
#define WAIT_TEST_H

#include "core/mq.h"
#include "core/wait.h"
#include "core_test.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#define MAX_OPS	 1000
#define MAX_MSGS 4

struct op {
	struct core_waiter waiter; /* first */
	unsigned int number;	   /* of the message */
	int fixed;		   /* if nonzero, the result of attempt() */
	bool cancel_in_attempt, cancel_in_done;
	sem_t *running, *go_on; /* linger() */
	unsigned int turn;	/* of the successful attempt in its waitlist */
	int completions, result;
};

/* State of the running test. */
extern struct core_wait *wait_; /* wait(2) has the name */
extern struct core_wait_source *queue;
extern int fd;	     /* the queue, O_NONBLOCK */
extern int native;   /* the queue, blocking */
extern int other_fd; /* another queue, O_NONBLOCK, with room for a message */

extern atomic_uint attempts[2]; /* in all, per waitlist */
extern atomic_uint turns[2];	/* that were successful */

/* Around each test; tear_down() fails if a waiter completed twice. */
int set_up(void **state);
int tear_down(void **state);

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

struct op *reader(size_t i);
struct op *writer(size_t i);
void submit(struct op *op);
void cancel_op(struct op *op);

/*
 * A thread's function: cancels two readers of three, from one end to the other.
 */
void *cancel_most(void *closure);

/* done() of all waiters. */
void done(struct core_waiter *waiter, int result);

/* Lets the test continue, and returns when it has, or after 0.1 s. */
void linger(struct op *op);

/* An attempt that fails, and lingers from the second time on. */
int attempt_lingering(struct core_waiter *waiter);

unsigned int now_completed(void);
/* Waits for n completions in all. A lost completion lets the test time out. */
void await(unsigned int n);
void assert_result(const struct op *op, int result);

void send_natively(unsigned int number);
void assert_received_natively(unsigned int expected);
void fill(void);

#endif
