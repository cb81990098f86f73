/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * quota: how much of something each user may have at a time.
 *
 * Root and the user who runs the daemon have no limit: whoever could use the
 * daemon up could end it just as well.
 */
#ifndef FS_QUOTA_H
#define FS_QUOTA_H

#include <stddef.h>
#include <sys/types.h>

struct fs_quota;
struct fs_share;

/* max: for each user, above zero. Returns 0 or -ENOMEM. */
int fs_quota_new(size_t max, struct fs_quota **ret);

/* For when all shares are given back. NULL is allowed. Returns NULL. */
struct fs_quota *fs_quota_free(struct fs_quota *quota);

/*
 * Charges a user with one. ret: for fs_quota_give(); NULL for users without a
 * limit. Returns 0, -EAGAIN (the user's quota is used up), -ENOMEM.
 */
int fs_quota_take(struct fs_quota *quota, uid_t uid, struct fs_share **ret);

/* The same for a user who may have more than max. */
int fs_quota_take_of(struct fs_quota *quota, uid_t uid, size_t more,
		     struct fs_share **ret);

/* Ends one charge; NULL is allowed. */
void fs_quota_give(struct fs_share *share);

#endif
