/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * charge: limits how many handles, waiting requests and so on a user may have
 * at a time.
 *
 * Each structure that a user pays for, such as a handle, embeds a charge. The
 * user is charged when the structure is made. The charge moves with the
 * structure, and is released with the structure.
 *
 * Root and the user who runs the daemon have no limit: they could kill the
 * daemon anyway.
 */
#ifndef FS_CHARGE_H
#define FS_CHARGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fs_payer;
struct fs_quota;

/* Embedded in a structure; private. All zero: the charge holds nothing. */
struct fs_charge {
	struct fs_payer *payer; /* NULL: the charge holds nothing */
};

/*
 * Makes a quota. max: how many charges each user may have, above zero. ret: the
 * caller calls fs_quota_free(). Returns 0 or -ENOMEM.
 */
int fs_quota_new(size_t max, struct fs_quota **ret);

/*
 * Frees a quota. All charges must have been released. NULL is allowed. Returns
 * NULL.
 */
struct fs_quota *fs_quota_free(struct fs_quota *quota);

struct fs_quota_usage {
	size_t n;	/* charges of all users */
	size_t most;	/* charges of the user who has most */
	uid_t most_uid; /* this user; 0 if most is 0 */
};

/*
 * Counts the charges of a quota. The time grows with the number of users who
 * have charges.
 */
void fs_quota_get_usage(struct fs_quota *quota, struct fs_quota_usage *ret);

/*
 * Charges a user. The charge must hold nothing; after an error the charge still
 * holds nothing. more: the user may have this many charges beyond the quota's
 * max. The quota must outlive the charge. Returns 0, -EAGAIN (the user's quota
 * is used up) or -ENOMEM.
 */
int fs_charge_user(struct fs_charge *charge, struct fs_quota *quota, uid_t uid,
		   size_t more);

/* Whether the charge holds something, so that it must be released. */
static inline bool fs_charge_is_held(const struct fs_charge *charge)
{
	return charge->payer;
}

/* Moves a charge that is held to "to", which must hold nothing. */
void fs_charge_move(struct fs_charge *to, struct fs_charge *from);

/* Releases a charge that is held. The charge holds nothing then. */
void fs_charge_release(struct fs_charge *charge);

#endif
