/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attempts begin at the head of the list and continue until a waiter must wait.
 * The waiters behind it must wait too, without an attempt of their own, so the
 * work per message doesn't grow with their number. This conclusion holds only
 * for waiters that were in the list when the failed attempt began. A waiter
 * that was added later needs a new attempt, because the message or the room may
 * have come just before the waiter.
 */
#include "core/waitlist.h"

#include <errno.h>
#include <stddef.h>

/*
 * The waiters with a deadline form a skew heap: a binary tree in which no
 * waiter is due after its children. Two heaps are melded along their right
 * edges, and the children of each element on the way are swapped. So right
 * edges stay short, and melding takes O(log n), amortized (Sleator and Tarjan,
 * "Self-adjusting heaps", 1986). Adding a waiter melds the heap with a heap of
 * one element. Removing a waiter melds its two children. The heap needs no
 * memory of its own, so adding can't fail.
 */
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

static void remove_due(struct core_waiter *waiter)
{
	if (!waiter->slot)
		return;
	meld(waiter->slot, waiter->left, waiter->right);
	waiter->slot = NULL;
	waiter->left = waiter->right = NULL;
}

void core_waitlists_put_off(struct core_waitlists *all,
			    struct core_waiter *waiter, uint64_t due)
{
	remove_due(waiter);
	waiter->due = due;
	meld(&all->due, all->due, waiter);
}

static void add_due(struct core_waiter *waiter) CORE_WAIT_LOCKED
{
	if ((waiter->deadline || waiter->checks) && !waiter->slot)
		core_waitlists_put_off(waiter->list->all, waiter,
				       waiter->checks ? 0 : waiter->deadline);
}

void core_waitlists_init(struct core_waitlists *all)
{
	*all = (struct core_waitlists){ .end = 0 };
	TAILQ_INIT(&all->ended);
}

void core_waitlist_init(struct core_waitlist *list, struct core_waitlists *all)
{
	*list = (struct core_waitlist){ .all = all };
	TAILQ_INIT(&list->fifo);
}

/* The waiter must wait. */
static void begin_wait(struct core_waiter *waiter) CORE_WAIT_LOCKED
{
	waiter->list->n_waiting += !waiter->counted;
	waiter->counted = true;
	add_due(waiter);
}

static void finish(struct core_waiter *waiter, int result) CORE_WAIT_LOCKED
{
	if (waiter->counted)
		waiter->list->n_waiting--;
	waiter->counted = false;
	waiter->end = result;
	waiter->state = CORE_WAITER_DONE;
	remove_due(waiter);
}

/* Removes a waiter from the list. */
static void remove_waiter(struct core_waitlist *list,
			  struct core_waiter *waiter) CORE_WAIT_LOCKED
{
	if (list->untried == waiter)
		list->untried = TAILQ_NEXT(waiter, entry);
	TAILQ_REMOVE(&list->fifo, waiter, entry);
}

void core_waitlist_add(struct core_waitlist *list, struct core_waiter *waiter)
{
	if (waiter->end) {
		finish(waiter, waiter->end);
		TAILQ_INSERT_TAIL(&list->all->ended, waiter, entry);
		return;
	}
	waiter->state = CORE_WAITER_LISTED;
	waiter->list = list;
	waiter->n_before = list->n_attempts;
	TAILQ_INSERT_TAIL(&list->fifo, waiter, entry);
	if (!list->untried)
		list->untried = waiter;
	list->ready = true;
}

struct core_waiter *core_waitlist_next(struct core_waitlist *list)
{
	struct core_waiter *waiter;

	if (list->busy)
		return NULL;
	/* The last failed attempt has shown that this waiter must wait. */
	while ((waiter = list->untried) && waiter->n_before < list->n_in_vain) {
		if (waiter->nowait) {
			remove_waiter(list, waiter);
			finish(waiter, waiter->nowait);
			list->busy = true;
			return waiter;
		}
		list->untried = TAILQ_NEXT(waiter, entry);
		begin_wait(waiter);
	}
	waiter = TAILQ_FIRST(&list->fifo);
	if (!waiter || !list->ready)
		return NULL;
	remove_waiter(list, waiter);
	waiter->state = CORE_WAITER_TRYING;
	list->ready = false;
	list->n_attempts++;
	list->busy = true;
	return list->trying = waiter;
}

bool core_waitlist_tried(struct core_waitlist *list, int r)
{
	struct core_waiter *waiter = list->trying;
	const bool in_vain = r == -EAGAIN;
	const bool over = !in_vain && r != CORE_WAIT_AGAIN;
	const int end = waiter->end ?: list->all->end;

	list->trying = NULL;
	if (over || end || (in_vain && waiter->nowait)) {
		finish(waiter, over ? r : end ?: waiter->nowait);
		list->ready = true;
		return true;
	}
	list->busy = false;
	waiter->state = CORE_WAITER_LISTED;
	TAILQ_INSERT_HEAD(&list->fifo, waiter, entry);
	if (in_vain) {
		list->n_in_vain = list->n_attempts;
		begin_wait(waiter);
	} else {
		list->ready = true;
		add_due(waiter);
	}
	return false;
}

void core_waitlist_end(struct core_waiter *waiter, int result)
{
	if (waiter->state == CORE_WAITER_DONE || waiter->end)
		return;
	if (waiter->state == CORE_WAITER_LISTED) {
		remove_waiter(waiter->list, waiter);
		finish(waiter, result);
		TAILQ_INSERT_TAIL(&waiter->list->all->ended, waiter, entry);
	} else {
		waiter->end = result;
		remove_due(waiter);
	}
}

void core_waitlist_end_all(struct core_waitlist *list, int result)
{
	struct core_waiter *waiter;

	if (list->trying)
		core_waitlist_end(list->trying, result);
	while ((waiter = TAILQ_FIRST(&list->fifo)))
		core_waitlist_end(waiter, result);
}

struct core_waiter *core_waitlists_next_ended(struct core_waitlists *all)
{
	struct core_waiter *waiter = TAILQ_FIRST(&all->ended);

	if (waiter)
		TAILQ_REMOVE(&all->ended, waiter, entry);
	return waiter;
}
