/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peek: reads the messages of a queue and leaves them in the queue, for which
 * the kernel has no call. A BPF program, core/peek.bpf.c, reads them in the
 * kernel's memory. The program is loaded at the first use. ipcfs may be built
 * without it.
 */
#ifndef CORE_PEEK_H
#define CORE_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most bytes of records that are read of a queue. */
#define CORE_PEEK_MAX (64 << 20)

/* A record; the next one begins CORE_PEEK_RECORD(len) bytes further on. */
struct core_peek_message {
	uint32_t len, priority;
	char text[];
};

/*
 * Checks that queues can be peeked at, and loads the program.
 *
 * Returns 0, or
 *   -EOPNOTSUPP  never on this machine, or by this process; *ret_why, which is
 *                untouched otherwise, says why: a constant
 *   -EMFILE, -ENFILE, -ENOMEM
 */
int core_peek_check(const char **ret_why);

/*
 * Reads the messages of a queue in the order in which they would be received:
 * all messages that were in the queue at one moment of the call. The call sets
 * the queue's time of modification back for a moment if the queue was used in
 * this second.
 *
 * fd: any open descriptor of the queue.
 * ret: the records, one after the other; the caller frees them with free(3).
 *     The memory is aligned for struct core_peek_message.
 * ret_size: of the records in bytes.
 * ret_is_cut: there are more messages, but the next one's record doesn't fit
 *     into CORE_PEEK_MAX.
 *
 * Returns 0, or
 *   -EAGAIN  messages were sent or received during each of many attempts
 *   -EPERM   the process may not set the queue's times
 *   as core_peek_check()
 */
int core_peek(int fd, void **ret, size_t *ret_size, bool *ret_is_cut);

#endif
