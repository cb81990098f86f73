/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peek_state: what core/peek shares with its program in the kernel,
 * core/peek.bpf.c: the state of a walk through a queue, and the form of the
 * records that the program writes.
 */
#ifndef CORE_PEEK_STATE_H
#define CORE_PEEK_STATE_H

#include <stdint.h>

/*
 * The records are in parts, the elements of a map. A part begins every
 * CORE_PEEK_STRIDE bytes. The gap between two parts stays empty: the verifier
 * sees only that a copy of up to CORE_PEEK_CHUNK bytes begins inside of a part.
 */
#define CORE_PEEK_STRIDE 65536
#define CORE_PEEK_CHUNK	 4096
#define CORE_PEEK_PART	 (CORE_PEEK_STRIDE - CORE_PEEK_CHUNK)

/* The length of a record, from the length of its message. */
#define CORE_PEEK_RECORD(len) (8 + (((len) + UINT64_C(7)) & ~UINT64_C(7)))

struct core_peek_state {
	/* For the program. */
	uint32_t fd;	  /* of the queue */
	uint32_t padding; /* 0 */
	uint64_t ino;	  /* the queue's inode number */
	uint64_t page_size;
	uint64_t room; /* bytes in all parts */

	/* From the program. */
	uint64_t curmsgs, qsize; /* of the queue, when the walk began */
	uint64_t len;		 /* bytes of the records */
	uint32_t cut;		 /* the room wasn't enough */

	/* The program's own. */
	int32_t priority; /* of the current list */
	uint64_t msgsize; /* of the queue */
	uint64_t n_messages, n_bytes;
	uint64_t node, head, at;   /* addresses: the walk's place in the tree */
	uint64_t source, n_source; /* the piece of a message to be copied */
	uint64_t n_left;	   /* bytes of the message that aren't copied */
	uint64_t segment;	   /* the rest of the message */
	uint32_t where;		   /* what the next step does */
	uint32_t changed;	   /* the queue has changed meanwhile */
};

#endif
