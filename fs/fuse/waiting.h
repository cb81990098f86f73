/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * waiting: a request that can't be answered yet, because it waits for a message,
 * room or a lock.
 *
 * The kind's own structure has this as its first member, and sets the waiter's
 * attempt() and done(), nowait and deadline; see core/wait.h. done() must call
 * fs_waiting_finish() before it replies and frees the structure.
 */
#ifndef FS_WAITING_H
#define FS_WAITING_H

#include "core/wait.h"
#include "fs/fuse/request.h"

struct fs_waiting {
	struct core_waiter waiter;
	fuse_req_t req; /* to reply to; NULL: the daemon itself waits */

	/* Private. */
	struct core_wait *wait;
	struct fs_charge charge;
};

/*
 * Lets done() be called when attempt() has succeeded or the wait has ended, perhaps
 * before this returns. A signal to the caller of req ends the wait with -EINTR.
 *
 * payer: the user who is charged while this waits. If the user's quota is used up,
 *     a single attempt is made, as with nowait.
 */
void fs_waiting_submit(struct fs_waiting *waiting, struct fs *fs, uid_t payer,
		       struct core_wait_source *source, enum core_wait_dir dir);

/* Ends what fs_waiting_submit() began; nothing happens if it wasn't called. */
void fs_waiting_finish(struct fs_waiting *waiting);

#endif
