/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load: many processes do everything that a mount can do, at the same time.
 *
 *	main	starts, interrupts and kills processes; counts messages
 *	roles	what the processes do
 *
 * Writers send numbered messages through one queue, natively and through the
 * mount. In the end each message must have been received once. If a writer was
 * killed, the message that it was about to send may be missing. For each reader
 * that was killed during a receive, one message may be missing. A reader
 * receives the messages of one writer in the order in which they were sent. The
 * order also holds from a reader to the reader that replaces it.
 */
#ifndef TESTS_LOAD_LOAD_H
#define TESTS_LOAD_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { MAX_WRITERS = 4, MAX_MESSAGES = 1 << 24, N_PARTIES = 22 };

struct message {
	uint32_t writer, number;
};

struct party;

/* A role: what a process does until the end of the test. */
struct role {
	const char *name;
	enum { OTHER, WRITER, READER } kind;
	void (*run)(struct party *self);
	bool may_fault; /* other processes truncate its mapped files */
};

extern const struct role load_roles[N_PARTIES];

/* A process, and all processes that replace it. */
struct party {
	const struct role *role;
	pid_t pid;
	uint32_t id;	    /* of a writer */
	atomic_uint next;   /* the number of its next message */
	atomic_bool moving; /* an uncounted message may be on its way */
	atomic_ulong n;	    /* how often it has done its work */
	/* For readers: the least number that may come next from each writer. */
	atomic_uint may_come[MAX_WRITERS];
};

/* All processes share this memory. */
struct shared {
	atomic_bool writers_end, all_end;
	atomic_int owners[2]; /* who has each lock, if locks work */
	atomic_uint disordered;
	struct party parties[N_PARTIES];
	/* How often each message came; see UNKNOWN. */
	atomic_uchar counts[MAX_WRITERS][MAX_MESSAGES];
};
extern struct shared *shared;

/* The message may not have been sent. */
enum { UNKNOWN = 0x80 };

/* Returns a random number below n. Each process has its own seed. */
extern unsigned int random_state;
unsigned int draw(unsigned int n);

void pause_for(long usec);

/* Returns the path of a file of the mount. Two paths can be used at a time. */
const char *path(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Opens the queue of the messages natively; ends the process if that fails. */
int must_open_native(int flags);

#endif
