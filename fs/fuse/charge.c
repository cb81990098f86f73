/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A quota is a tree of the users who pay. One lock guards the tree. A thread
 * that holds this lock locks no other.
 */
#include "fs/fuse/charge.h"

#include "core/thread_safety.h"

#include <assert.h>
#include <errno.h>
#include <search.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

CORE_MUTEX(fs_quota_mutex);

/* A user who pays. */
struct fs_payer {
	struct fs_quota *quota; /* NULL: the user has no limit */
	uid_t uid;
	/*
	 * The user's charges. If the user has a limit, the number is above
	 * zero, and changes only while the lock is held.
	 */
	atomic_size_t n;
};

struct fs_quota {
	size_t max;
	/* Users without a limit: root, and the user who runs the daemon. */
	struct fs_payer unlimited[2];
	struct fs_quota_mutex lock;
	void *payers CORE_GUARDED_BY(fs_quota_mutex); /* struct fs_payer * */
};

static int compare(const void *a, const void *b)
{
	const struct fs_payer *x = a, *y = b;

	return (x->uid > y->uid) - (x->uid < y->uid);
}

int fs_quota_new(size_t max, struct fs_quota **ret)
{
	struct fs_quota *quota = calloc(1, sizeof(*quota));

	if (!quota)
		return -ENOMEM;
	pthread_mutex_init(&quota->lock.native, NULL);
	quota->max = max;
	quota->unlimited[1].uid = geteuid();
	*ret = quota;
	return 0;
}

static void add_usage(const struct fs_payer *payer, struct fs_quota_usage *ret)
{
	size_t n = payer->n;

	ret->n += n;
	if (n > ret->most) {
		ret->most = n;
		ret->most_uid = payer->uid;
	}
}

/* The result of visit(): twalk(3) has no argument for a result. */
static _Thread_local struct fs_quota_usage *visited;

static void visit(const void *slot, VISIT which, int depth)
{
	(void)depth;
	if (which == postorder || which == leaf)
		add_usage(*(const struct fs_payer *const *)slot, visited);
}

void fs_quota_get_usage(struct fs_quota *quota, struct fs_quota_usage *ret)
{
	*ret = (struct fs_quota_usage){ 0 };
	for (int i = 0; i < 2; i++)
		add_usage(&quota->unlimited[i], ret);
	fs_quota_mutex_lock(&quota->lock);
	visited = ret;
	twalk(quota->payers, visit);
	visited = NULL;
	fs_quota_mutex_unlock(&quota->lock);
}

struct fs_quota *fs_quota_free(struct fs_quota *quota)
{
	struct fs_quota_usage usage;

	if (!quota)
		return NULL;
	fs_quota_get_usage(quota, &usage);
	assert(usage.n == 0);
	pthread_mutex_destroy(&quota->lock.native);
	free(quota);
	return NULL;
}

/* Adds a user who has no charge yet. Returns NULL if there is no memory. */
static struct fs_payer *add(struct fs_quota *quota, uid_t uid)
	CORE_REQUIRES(fs_quota_mutex)
{
	struct fs_payer *payer = calloc(1, sizeof(*payer));

	if (!payer)
		return NULL;
	payer->quota = quota;
	payer->uid = uid;
	if (tsearch(payer, &quota->payers, compare))
		return payer;
	free(payer);
	return NULL;
}

int fs_charge_user(struct fs_charge *charge, struct fs_quota *quota, uid_t uid,
		   size_t more)
{
	struct fs_payer key = { .uid = uid }, *payer, **slot;
	int r = 0;

	assert(!fs_charge_is_held(charge));
	if (uid == 0 || uid == quota->unlimited[1].uid) {
		payer = &quota->unlimited[uid != 0];
		payer->n++;
	} else {
		fs_quota_mutex_lock(&quota->lock);
		slot = tfind(&key, &quota->payers, compare);
		payer = slot ? *slot : add(quota, uid);
		if (!payer)
			r = -ENOMEM;
		else if (payer->n >= quota->max + more)
			r = -EAGAIN;
		else
			payer->n++;
		fs_quota_mutex_unlock(&quota->lock);
	}
	if (r == 0)
		charge->payer = payer;
	return r;
}

void fs_charge_move(struct fs_charge *to, struct fs_charge *from)
{
	assert(fs_charge_is_held(from) && !fs_charge_is_held(to));
	*to = *from;
	*from = (struct fs_charge){ 0 };
}

void fs_charge_release(struct fs_charge *charge)
{
	struct fs_payer *payer = charge->payer;
	struct fs_quota *quota;

	assert(fs_charge_is_held(charge));
	*charge = (struct fs_charge){ 0 };
	quota = payer->quota;
	if (!quota) {
		payer->n--;
		return;
	}
	fs_quota_mutex_lock(&quota->lock);
	if (--payer->n == 0) {
		tdelete(payer, &quota->payers, compare);
		free(payer);
	}
	fs_quota_mutex_unlock(&quota->lock);
}
