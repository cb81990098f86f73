/* SPDX-License-Identifier: BSD-3-Clause */
/* mq: what the operations on message queues share. */
#ifndef TESTS_MODEL_MQ_H
#define TESTS_MODEL_MQ_H

#include "tests/model/model.h"
#include "tests/model/mq_twin.h"

/* The view without options. */
extern const struct view mq_plain;

/*
 * Returns the name of the step's queue. Never a name with a slash, which no
 * queue has, or the queues' directory, which isn't native.
 */
const char *mq_name(enum side side, const struct args *x);

/* Returns the path of the step's queue, until the next call. */
const char *mq_path(enum side side, const struct args *x);

/* Returns the step's handle, which may be closed. */
struct handle *mq_handle(enum side side, const struct args *x);

/* Returns the path of a handle in /proc, until the next call. */
const char *mq_link(const struct handle *handle);

#endif
