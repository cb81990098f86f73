/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load: all that processes do with a mount, at once.
 *
 *	main	starts, interrupts and kills them, and counts
 *	roles	what they do
 *
 * Numbered messages go through one queue, natively and through the mount. Each
 * must have been received once in the end. What a writer was about to send when it
 * was killed may be missing, and for each reader that was killed while it received
 * one more message. What a reader receives from one writer comes in the order in
 * which it was sent, also from a reader to the one that replaces it.
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

/* What a process does, until it is told to end. */
struct role {
	const char *name;
	enum { OTHER, WRITER, READER } kind;
	void (*run)(struct party *self);
	bool may_fault; /* others truncate what it has mapped */
};

extern const struct role load_roles[N_PARTIES];

/* A process, and all that replace it. */
struct party {
	const struct role *role;
	pid_t pid;
	uint32_t id;	    /* of a writer */
	atomic_uint next;   /* the number of its next message */
	atomic_bool moving; /* a message may be sent or taken, and not noted */
	atomic_ulong n;	    /* how often it has done what it does */
	/* A reader's: the number that may come next from each writer. */
	atomic_uint may_come[MAX_WRITERS];
};

/* In memory of all processes. */
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

/* A number below n. The seed is the process's own. */
extern unsigned int random_state;
unsigned int draw(unsigned int n);

void pause_for(long usec);

/* The path of a file of the mount; two of them can be used at once. */
const char *path(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Opens the queue of the messages natively; ends the process if that fails. */
int must_open_native(int flags);

#endif
