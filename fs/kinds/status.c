/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/kinds/status.h"

#include <errno.h>
#include <stdio.h>

/* In the order of FS_STATUS_XATTRS. */
enum {
	VERSION,
	PASSTHROUGH,
	HANDLES,
	HANDLES_MOST,
	WAITING,
	WAITING_MOST,
	WORKERS
};

/* A root with fewer capabilities than ours may be a container's. */
static bool may_read_numbers(const struct core_cred *cred)
{
	return cred->error == 0 &&
	       (core_cred_is_self(cred) ||
		(cred->uid == 0 && core_cred_has_all(cred)));
}

static int print_number(size_t n, char ret[static FS_XATTR_MAX])
{
	return snprintf(ret, FS_XATTR_MAX, "%zu", n);
}

static int print_usage(struct fs_quota *quota, bool is_most,
		       char ret[static FS_XATTR_MAX])
{
	struct fs_quota_usage usage;

	fs_quota_get_usage(quota, &usage);
	if (!is_most || usage.most == 0)
		return print_number(usage.n, ret);
	return snprintf(ret, FS_XATTR_MAX, "%zu of user %u", usage.most,
			usage.most_uid);
}

int fs_status_getxattr(const struct fs_request *rq, int fd, size_t i,
		       char ret[static FS_XATTR_MAX])
{
	const struct fs *fs = rq->fs;

	(void)fd;
	if (i == VERSION)
		return snprintf(ret, FS_XATTR_MAX, "%s", IPCFS_VERSION);
	if (i == PASSTHROUGH)
		return snprintf(ret, FS_XATTR_MAX, "%s",
				fs->passthrough ? "yes" : "no");
	if (!may_read_numbers(&rq->cred))
		return -EACCES;
	if (i == WORKERS)
		return print_number(fs->n_workers(), ret);
	return print_usage(i < WAITING ? fs->handles : fs->waiting,
			   i == HANDLES_MOST || i == WAITING_MOST, ret);
}
