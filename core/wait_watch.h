/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait_watch: being told of changes of a queue, as poll(2) has to be.
 */
#ifndef CORE_WAIT_WATCH_H
#define CORE_WAIT_WATCH_H

#include "core/wait.h"

/*
 * Who wants to be told of a change of a queue, and does nothing to it. Part of a
 * caller's structure, all zero but for ready.
 */
struct core_watcher {
	/*
	 * There may be a message or room that there was not. Called once for each
	 * core_wait_watch(), on the epoll thread, without a lock of core/wait.
	 */
	void (*ready)(struct core_watcher *watcher);

	/* Private. */
	bool listed, running;
	LIST_ENTRY(core_watcher) entry;
};

/*
 * Has ready() called at the next change of the queue after this began; look at
 * the queue itself after it. Nothing more happens where it is to be called yet.
 *
 * Returns 0, -EMFILE, -ENFILE, -ENOMEM or -ENOSPC (fs.epoll.max_user_watches).
 */
int core_wait_watch(struct core_wait_queue *queue,
		    struct core_watcher *watcher);

/*
 * Takes that back. No ready() of the watcher runs when it returns. Not from
 * ready().
 */
void core_wait_unwatch(struct core_wait_queue *queue,
		       struct core_watcher *watcher);

#endif
