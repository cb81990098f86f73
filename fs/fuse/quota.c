/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A tree of those who have something, under one lock, which is a leaf: nothing is
 * locked while it is held.
 */
#include "fs/fuse/quota.h"

#include <errno.h>
#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <unistd.h>

struct fs_quota {
	pthread_mutex_t lock;
	size_t max;
	void *tree; /* of struct fs_share * */
};

/* All that one user has. */
struct fs_share {
	uid_t uid;
	struct fs_quota *quota;
	size_t n; /* above zero */
};

static int compare(const void *a, const void *b)
{
	const struct fs_share *x = a, *y = b;

	return (x->uid > y->uid) - (x->uid < y->uid);
}

int fs_quota_new(size_t max, struct fs_quota **ret)
{
	struct fs_quota *quota = calloc(1, sizeof(*quota));

	if (!quota)
		return -ENOMEM;
	pthread_mutex_init(&quota->lock, NULL);
	quota->max = max;
	*ret = quota;
	return 0;
}

struct fs_quota *fs_quota_free(struct fs_quota *quota)
{
	if (!quota)
		return NULL;
	pthread_mutex_destroy(&quota->lock);
	free(quota);
	return NULL;
}

/* The share of a user who has nothing yet; the lock is held. */
static struct fs_share *add(struct fs_quota *quota, uid_t uid)
{
	struct fs_share *share = calloc(1, sizeof(*share));

	if (!share)
		return NULL;
	share->uid = uid;
	share->quota = quota;
	if (tsearch(share, &quota->tree, compare))
		return share;
	free(share);
	return NULL;
}

int fs_quota_take(struct fs_quota *quota, uid_t uid, struct fs_share **ret)
{
	return fs_quota_take_of(quota, uid, 0, ret);
}

int fs_quota_take_of(struct fs_quota *quota, uid_t uid, size_t more,
		     struct fs_share **ret)
{
	struct fs_share key = { .uid = uid }, *share, **slot;
	int r = 0;

	if (uid == 0 || uid == geteuid()) {
		*ret = NULL;
		return 0;
	}
	pthread_mutex_lock(&quota->lock);
	slot = tfind(&key, &quota->tree, compare);
	share = slot ? *slot : add(quota, uid);
	if (!share) {
		r = -ENOMEM;
	} else if (share->n >= quota->max + more) {
		r = -EAGAIN;
	} else {
		share->n++;
		*ret = share;
	}
	pthread_mutex_unlock(&quota->lock);
	return r;
}

void fs_quota_give(struct fs_share *share)
{
	struct fs_quota *quota;

	if (!share)
		return;
	quota = share->quota;
	pthread_mutex_lock(&quota->lock);
	share->n--;
	if (share->n == 0) {
		tdelete(share, &quota->tree, compare);
		free(share);
	}
	pthread_mutex_unlock(&quota->lock);
}
