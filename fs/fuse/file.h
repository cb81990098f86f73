/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file: what all files do alike, whatever their kind. Each function resolves
 * rq->node to a descriptor and works on the descriptor, with the slots of
 * rq->kind. Each function returns what a slot returns; see fs/fuse/kind.h.
 */
#ifndef FS_FILE_H
#define FS_FILE_H

#include "fs/fuse/node.h"

/* For the directory. Reply: fs_reply_entry. */
int fs_file_lookup(const struct fs_request *rq, const char *name);
int fs_file_mknod(struct fs_request *rq, const char *name, mode_t mode);

/* For the directory. Reply: fs_reply_create. */
int fs_file_create(struct fs_request *rq, const char *name, mode_t mode,
		   int flags);
int fs_file_tmpfile(struct fs_request *rq, mode_t mode, int flags);

/* Adds a name of a file to its directory. Reply: fs_reply_entry. */
int fs_file_link(struct fs_request *rq, const char *name);

/* For the file. Reply: fs_reply_open. */
int fs_file_open(struct fs_request *rq, int flags);

/* Calls the slot read; without the slot, pread(2) and fuse_reply_buf. */
int fs_file_read(const struct fs_request *rq, struct fs_handle *handle,
		 size_t size, off_t offset, const struct fuse_file_info *fi);

/*
 * Checks rights: R_OK, W_OK, X_OK in mask. Returns 0 or -errno; doesn't reply.
 */
int fs_file_access(const struct fs_request *rq, int mask);

/*
 * The functions below are for files, and for directories that have a dir_fd;
 * fs_file_attr() is for all directories.
 */

/* Gets the attributes. Returns 0 or -errno; doesn't reply. */
int fs_file_attr(const struct fs_request *rq, struct statx *ret);
/*
 * Changes attributes. handle: of ftruncate(2), otherwise NULL. to_set:
 * FUSE_SET_ATTR_*. Reply: fs_reply_attr.
 */
int fs_file_setattr(const struct fs_request *rq, struct fs_handle *handle,
		    const struct stat *set, int to_set);
/*
 * Reads an extended attribute. name: NULL for the list of all attributes.
 * Reply: fuse_reply_xattr or fuse_reply_buf.
 */
int fs_file_getxattr(const struct fs_request *rq, const char *name,
		     size_t size);
/* Reads or sets inode flags. in: in_size bytes. Reply: fuse_reply_ioctl. */
int fs_file_ioctl(const struct fs_request *rq, struct fs_handle *handle,
		  unsigned int cmd, const void *in, size_t in_size,
		  size_t out_size);
/*
 * Sets an extended attribute. flags: XATTR_*. value: NULL removes the
 * attribute. Returns 0 or -errno; doesn't reply.
 */
int fs_file_setxattr(const struct fs_request *rq, const char *name,
		     const void *value, size_t size, int flags);

#endif
