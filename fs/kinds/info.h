/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * info: the kind of KIND:info/NAME, a text about an object instead of its
 * content. It serves each kind that has the slot "describe".
 */
#ifndef FS_INFO_H
#define FS_INFO_H

#include "fs/fuse/kind.h"

struct fs_info_view {
	const struct fs_kind *kind; /* the described kind */
	long holders;		    /* a line for each process, too */
};

extern const struct fs_kind fs_info;

/*
 * The slot attr of a read-only text about an object. The file has size 0, like
 * the files of /proc, so that tools read to the end. Returns 0 or an error of
 * core_file_statx().
 */
int fs_info_attr(const struct fs_request *rq, struct fs_handle *handle, int fd,
		 struct statx *ret);

#endif
