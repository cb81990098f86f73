/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait_timed: waiting for what the kernel doesn't report, by trying again.
 *
 * A timed "queue" has one line of waiters, CORE_WAIT_IN, to which all that core/wait
 * says applies. They try again every few milliseconds and at each
 * core_wait_retry().
 */
#ifndef CORE_WAIT_TIMED_H
#define CORE_WAIT_TIMED_H

#include "core/wait.h"

/* ret: to be given to core_wait_close(). Returns 0 or -ENOMEM. */
int core_wait_open_timed(struct core_wait *wait, struct core_wait_queue **ret);

/* Lets all who wait in timed queues try again soon, on the epoll thread. */
void core_wait_retry(struct core_wait *wait);

#endif
