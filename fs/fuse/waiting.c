/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/fuse/waiting.h"

#include "fs/fuse/kind.h"

#include <errno.h>

static void on_interrupt(fuse_req_t req, void *closure)
{
	struct fs_waiting *waiting = closure;

	(void)req;
	core_wait_cancel(waiting->wait, &waiting->waiter);
}

void fs_waiting_limit(struct fs_waiting *waiting, bool nonblock, long timeout)
{
	struct core_waiter *waiter = &waiting->waiter;

	if (nonblock || timeout < 0)
		waiter->nowait = nonblock ? -EAGAIN : -ETIMEDOUT;
	else if (timeout > 0)
		waiter->deadline =
			core_wait_now() + (uint64_t)timeout * 1000000;
}

/*
 * libfuse holds a lock of the request while on_interrupt() runs, and takes the
 * same lock to unset on_interrupt(). So on_interrupt() must be set before any
 * other thread can know the structure. Once unset, on_interrupt() doesn't run
 * any more.
 */
void fs_waiting_submit(struct fs_waiting *waiting, struct fs *fs, uid_t payer,
		       struct core_wait_source *source, enum core_wait_dir dir)
{
	waiting->wait = fs->wait;
	if (waiting->req)
		fuse_req_interrupt_func(waiting->req, on_interrupt, waiting);
	if (!waiting->waiter.nowait &&
	    fs_charge_user(&waiting->charge, fs->waiting, payer, 0) < 0)
		waiting->waiter.nowait = -EAGAIN;
	core_wait_submit(source, dir, &waiting->waiter);
}

void fs_waiting_finish(struct fs_waiting *waiting)
{
	if (waiting->req)
		fuse_req_interrupt_func(waiting->req, NULL, NULL);
	if (fs_charge_is_held(&waiting->charge))
		fs_charge_release(&waiting->charge);
}
