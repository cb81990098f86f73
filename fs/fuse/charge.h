/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * charge: how much of something each user may have at a time.
 *
 * What a user pays for, such as an open file, has a charge embedded. The charge is
 * taken from a quota when the thing is made, moves with it, and is released
 * with it.
 *
 * Root and the user who runs the daemon have no limit: whoever could use the
 * daemon up could end it just as well.
 */
#ifndef FS_CHARGE_H
#define FS_CHARGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fs_payer;
struct fs_quota;

/* Part of a caller's structure; private. All zero: nothing is held. */
struct fs_charge {
	struct fs_payer *payer; /* NULL: nothing is held */
};

/* max: for each user, above zero. Returns 0 or -ENOMEM. */
int fs_quota_new(size_t max, struct fs_quota **ret);

/* All charges must have been released. NULL is allowed. Returns NULL. */
struct fs_quota *fs_quota_free(struct fs_quota *quota);

/*
 * Charges a user with one. The charge must hold nothing; it holds nothing after an
 * error. more: this many more than the quota's max are allowed. Returns 0, -EAGAIN
 * (the user's quota is used up), -ENOMEM.
 */
int fs_charge_take(struct fs_charge *charge, struct fs_quota *quota, uid_t uid,
		   size_t more);

static inline bool fs_charge_is_held(const struct fs_charge *charge)
{
	return charge->payer;
}

/* These need a charge that is held; "to" holds nothing. */
void fs_charge_move(struct fs_charge *to, struct fs_charge *from);
void fs_charge_release(struct fs_charge *charge);

#endif
