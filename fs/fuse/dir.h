/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dir: what all directories do alike: the root, and the directories of kinds.
 * rq->kind is the directory's. Each function returns what a slot returns; see
 * fs/fuse/kind.h.
 *
 * A listing is passed on as the kernel returns it, a page at a time, so its
 * memory doesn't grow with the number of names. As natively, an object that is
 * created or removed during the listing may be listed or not; every other
 * object is listed once.
 */
#ifndef FS_DIR_H
#define FS_DIR_H

#include "fs/fuse/node.h"

/* Opens the directory. Reply: fs_reply_open. */
int fs_dir_open(struct fs_request *rq);

/* Reads entries. Reply: fuse_reply_buf with fuse_add_direntry. */
int fs_dir_read(const struct fs_request *rq, struct fs_handle *handle,
		size_t size, off_t offset);

/*
 * Checks rights: R_OK, W_OK, X_OK in mask. Returns 0 or -errno; doesn't reply.
 */
int fs_dir_access(const struct fs_request *rq, int mask);

/* Gets the attributes of the directory with this inode number. */
int fs_dir_attr(const struct fs_request *rq, ino_t ino, struct statx *ret);

/*
 * Gets the attributes of a directory that shows no real directory: the owner is
 * the daemon's user, the mode 0755.
 */
void fs_dir_plain_attr(const struct fs *fs, uint32_t nlink, struct statx *ret);

/*
 * Duplicates the descriptor of the real directory. The caller closes *ret_fd.
 * Returns 0, -EPERM (there is no real directory) or -EMFILE.
 */
int fs_dir_fd(const struct fs_request *rq, int *ret_fd);

/*
 * Whether a lookup has the same result for every user, whatever their rights.
 */
bool fs_dir_is_public(const struct fs_request *rq);

#endif
