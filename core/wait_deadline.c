/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiters that end by themselves: at a deadline, or when their queue has no
 * name any more. The kernel doesn't report the removal of a name, so the
 * queue's link count is looked at every second.
 *
 * The waiters form a skew heap: a binary tree in which no waiter is due after
 * its children. Two heaps are melded along their right edges, and the children
 * of each node on the way are swapped. So right edges stay short, and melding
 * takes O(log n), amortized (Sleator and Tarjan, "Self-adjusting heaps", 1986).
 * To add is to meld with a heap of one node; to remove is to meld the two
 * children. The heap needs no memory of its own, so adding a deadline can't
 * fail.
 */
#include "core/wait_internal.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define PERIOD_NS 1000000000 /* between two looks at a queue's name */

static void place(struct core_waiter **slot, struct core_waiter *waiter)
{
	*slot = waiter;
	if (waiter)
		waiter->slot = slot;
}

static void meld(struct core_waiter **slot, struct core_waiter *a,
		 struct core_waiter *b)
{
	struct core_waiter *rest;

	while (a && b) {
		if (b->due < a->due) {
			rest = a;
			a = b;
			b = rest;
		}
		place(slot, a);
		rest = a->right;
		place(&a->right, a->left);
		slot = &a->left;
		a = rest;
	}
	place(slot, a ?: b);
}

static void set_timer(const struct core_wait *wait)
{
	if (wait->deadlines)
		core_wait_set_timer(wait->deadline_timer, TFD_TIMER_ABSTIME,
				    wait->deadlines->due);
}

static void add(struct core_wait *wait, struct core_waiter *waiter)
{
	uint64_t look = core_wait_now() + PERIOD_NS;

	waiter->due = waiter->deadline ?: UINT64_MAX;
	if (waiter->needs_name && look < waiter->due)
		waiter->due = look;
	meld(&wait->deadlines, wait->deadlines, waiter);
}

void core_wait_deadline_add(struct core_waiter *waiter)
{
	struct core_wait *wait = waiter->queue->wait;

	if ((!waiter->deadline && !waiter->needs_name) || waiter->slot)
		return;
	add(wait, waiter);
	if (wait->deadlines == waiter)
		set_timer(wait);
}

void core_wait_deadline_remove(struct core_waiter *waiter)
{
	if (!waiter->slot)
		return;
	meld(waiter->slot, waiter->left, waiter->right);
	waiter->slot = NULL;
	waiter->left = waiter->right = NULL;
}

static bool has_name(const struct core_wait_source *queue)
{
	struct stat st;

	return fstat(queue->fd, &st) < 0 || st.st_nlink > 0;
}

void core_wait_deadline_handle(struct core_wait *wait, uint64_t until)
{
	const uint64_t now = core_wait_now();
	struct core_waiter *waiter;
	uint64_t count;

	(void)read(wait->deadline_timer, &count, sizeof(count));
	while ((waiter = wait->deadlines) && waiter->due <= now &&
	       core_wait_now() < until) {
		core_wait_deadline_remove(waiter);
		if (waiter->deadline && waiter->deadline <= now)
			core_wait_line_cancel(wait, waiter, -ETIMEDOUT);
		else if (has_name(waiter->queue))
			add(wait, waiter);
		else
			core_wait_line_cancel(wait, waiter, -ENOENT);
	}
	set_timer(wait);
}
