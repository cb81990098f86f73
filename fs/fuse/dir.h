/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dir: what all directories do alike: the root, and the directories of kinds.
 * rq->kind is the directory's. "Reply: ..." means that a function replies and
 * returns what a slot under "Replies" returns; see fs/fuse/kind.h. All other
 * functions don't reply. Source: readdir(3), getdents64(2), access(2), stat(2).
 *
 * A listing is passed on as the kernel returns it, a page at a time, so its
 * memory doesn't grow with the number of names. As natively, an object that is
 * created or removed during the listing may be listed or not; every other
 * object is listed once.
 */
#ifndef FS_DIR_H
#define FS_DIR_H

#include "fs/fuse/node.h"

/*
 * Opens the directory. Reply: fs_reply_open. Returns 0, -EMFILE (also if the
 * table of descriptors is nearly full), -ENOMEM, or -EACCES or another error of
 * core_file_reopen().
 */
int fs_dir_open(struct fs_request *rq);

/*
 * Reads the entries from an offset on, up to size bytes of them. offset: 0, or
 * the offset of an entry that was returned before. Reply: fuse_reply_buf with
 * fuse_add_direntry. Returns 0, -EINVAL (size is too small for an entry), or an
 * error of lseek(2), getdents64(2) or the slot list.
 */
int fs_dir_read(const struct fs_request *rq, struct fs_handle *handle,
		size_t size, off_t offset);

/*
 * Checks the caller's rights to the directory. mask: R_OK, W_OK and X_OK, as
 * for access(2). Returns 0, or -EACCES or another error of core_file_access().
 */
int fs_dir_access(const struct fs_request *rq, int mask);

/*
 * Gets the attributes of the directory, with ino as its inode number. Returns 0
 * or an error of the slot dir_attr.
 */
int fs_dir_attr(const struct fs_request *rq, ino_t ino, struct statx *ret);

/*
 * Gets the attributes of a directory that shows no real directory: the owner is
 * the daemon's user, the mode is 0755, and the times are those of the daemon's
 * start. The inode number is 0.
 */
void fs_dir_plain_attr(const struct fs *fs, uint32_t nlink, struct statx *ret);

/*
 * Duplicates the descriptor of the real directory. The caller closes *ret_fd.
 * Returns 0, -EPERM (there is no real directory) or -EMFILE.
 */
int fs_dir_fd(const struct fs_request *rq, int *ret_fd);

/*
 * Whether a lookup in the directory has the same result for every user,
 * whatever their rights.
 */
bool fs_dir_is_public(const struct fs_request *rq);

#endif
