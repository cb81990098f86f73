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
	 * The queue may have a message or room that it had not. Called once for
	 * each core_poll_notify_add(), on the epoll thread, without a lock of
	 * core/wait.
	 */
	void (*changed)(struct core_poll_notify *notify);

	/* Private. */
	bool listed CORE_WAIT_GUARDED, running CORE_WAIT_GUARDED;
	LIST_ENTRY(core_poll_notify) entry;
};

/*
 * Lets changed() be called at the next change of the queue after this call
 * began; so look at the queue after this call. Does nothing if changed() is
 * still to be called.
 *
 * Returns 0, -EMFILE, -ENFILE, -ENOMEM or -ENOSPC (fs.epoll.max_user_watches).
 */
int core_poll_notify_add(struct core_wait_source *queue,
			 struct core_poll_notify *notify);

/*
 * Takes that back. When this returns, changed() isn't running. Must not be
 * called from changed().
 */
void core_poll_notify_remove(struct core_wait_source *queue,
			     struct core_poll_notify *notify);

#endif
