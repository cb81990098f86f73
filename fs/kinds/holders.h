/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * holders: the processes that have an object open or mapped, natively or
 * through the mount, as far as the caller may look at them.
 */
#ifndef FS_HOLDERS_H
#define FS_HOLDERS_H

#include "core/holders.h"
#include "fs/fuse/kind.h"

/*
 * Finds the holders of an object. The same reading of /proc may serve the next
 * objects that the same thread asks for at once.
 *
 * kind: the object's. fd: of the object, also O_PATH. ret: an array, ordered by
 * process, for free(3). Returns 0, -E2BIG (the object has more than
 * CORE_HOLDERS_MAX holders), -ENOMEM, or another error of core_holders_find()
 * or fstat(2).
 */
int fs_holders_get(const struct fs_request *rq, const struct fs_kind *kind,
		   int fd, struct core_holder **ret, size_t *ret_n);

#endif
