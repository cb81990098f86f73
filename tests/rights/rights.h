/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rights: the rights of users, compared with the native rights.
 *
 *	main	compares the matrix: each operation on each object by each user
 *	ops	the operations, natively or through the mount
 */
#ifndef TESTS_RIGHTS_RIGHTS_H
#define TESTS_RIGHTS_RIGHTS_H

#include <errno.h>
#include <mqueue.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* A call that can only fail if the test is wrong. */
#define MUST(call)                                                  \
	do {                                                        \
		if ((call) < 0)                                     \
			fail_msg("%s: %s", #call, strerror(errno)); \
	} while (0)

/*
 * A and B share a group. Each user also has a group of the user's own number.
 */
enum { ROOT = 0, A = 1001, B = 1002, C = 1003, SHARED = 2000, FOREIGN = 3000 };

/*
 * The names in each directory: an object, a second object, and a missing one.
 */
enum { OBJECT, OTHER, FRESH, N_NAMES };

/* One of two ways to the same directory. */
struct way {
	bool native, mq;
	const char *dir;
	const char *path[N_NAMES];
	const char *backstage[N_NAMES]; /* the same, natively */
};

/* The attributes of queues: small ones. */
extern const struct mq_attr small;

/* The times of an object before the operation, and the times that are set. */
enum { TIME_BEFORE = 1000000, TIME_SET = 2000000 };

#define EXCL (O_CREAT | O_EXCL)

struct op {
	const char *name;
	/*
	 * Returns the result of its system call, and may fill in what was read.
	 * It creates with this mode.
	 */
	int (*run)(const struct way *way, const struct op *op, mode_t mode,
		   struct stat *seen);
	long a, b;
};

struct ops {
	const struct op *ops;
	size_t n;
};

/* The operations of all objects, of shm objects only, and of queues only. */
extern const struct ops common_ops, shm_ops, mq_ops;

/* Whether an operation uses the second object. */
bool op_renames(const struct op *op);

/* Whether an operation writes content. */
bool op_writes(const struct op *op);

#endif
