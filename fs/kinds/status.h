/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * status: what the daemon is doing, as extended attributes of the root.
 *
 * Root and the user who runs the daemon can read all of them. The numbers say
 * what users do, so other users can read only the first two attributes.
 */
#ifndef FS_STATUS_H
#define FS_STATUS_H

#include "fs/fuse/kind.h"

#define FS_STATUS_XATTRS            \
	"user.ipcfs.version\0"      \
	"user.ipcfs.passthrough\0"  \
	"user.ipcfs.handles\0"      \
	"user.ipcfs.handles_most\0" \
	"user.ipcfs.waiting\0"      \
	"user.ipcfs.waiting_most\0" \
	"user.ipcfs.workers"

/*
 * The slot getxattr. Returns -EACCES if the caller may not read the attribute.
 */
int fs_status_getxattr(const struct fs_request *rq, int fd, size_t i,
		       char ret[static FS_XATTR_MAX]);

#endif
