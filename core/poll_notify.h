/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * poll_notify: reports changes of a queue, as poll(2) needs it.
 */
#ifndef CORE_POLL_NOTIFY_H
#define CORE_POLL_NOTIFY_H

#include "core/wait.h"

/* Part of a caller's structure, all zero but for changed. */
struct core_poll_notify {
	/*
	 * Called when the queue may have a new message or new room: once for
	 * each core_poll_notify_add(), on the epoll thread, without a lock of
	 * core/wait.
	 */
	void (*changed)(struct core_poll_notify *notify);

	/* Private. */
	bool listed CORE_WAIT_GUARDED, running CORE_WAIT_GUARDED;
	LIST_ENTRY(core_poll_notify) entry;
};

/*
 * Asks for a call of changed() at the next change of the queue after the start
 * of this call. So the caller must look at the queue after this call. If
 * changed() has been asked for and not yet been called, does nothing.
 *
 * Returns 0, -EMFILE, -ENFILE, -ENOMEM or -ENOSPC (fs.epoll.max_user_watches).
 */
int core_poll_notify_add(struct core_wait_source *queue,
			 struct core_poll_notify *notify);

/*
 * Withdraws core_poll_notify_add(). After the return, changed() isn't running
 * and won't be called. Must not be called from changed().
 */
void core_poll_notify_remove(struct core_wait_source *queue,
			     struct core_poll_notify *notify);

#endif
