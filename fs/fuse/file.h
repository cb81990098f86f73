/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file: what all files do alike, whatever their kind.
 *
 * "Reply: ..." means that a function replies and returns what a slot under
 * "Replies" returns; see fs/fuse/kind.h. All other functions don't reply, and
 * return 0 or -errno.
 *
 * Most functions resolve rq->node to a descriptor and work on the descriptor,
 * with the slots of rq->kind. Such a function may fail with
 *   -ESTALE          the name leads to another object by now, or to none
 *   -EMFILE, -ENFILE no descriptor is left
 *   -ENOMEM
 *   -EPERM           a directory without a real directory (dir_fd)
 *   an error of the slot find
 * The comments below call these errors "of resolving". Each call acts as
 * rq->cred, so an error of core_cred_enter() is possible everywhere.
 */
#ifndef FS_FILE_H
#define FS_FILE_H

#include "fs/fuse/node.h"

/*
 * Looks a name up in the directory rq->node. Reply: fs_reply_entry. Returns 0,
 * -ENOENT or another error of the slot find, an error of the slot attr, or
 * -ENOMEM.
 */
int fs_file_lookup(const struct fs_request *rq, const char *name);

/*
 * Creates an object in the directory rq->node: mknod(2). mode: of the object.
 * The kind must have the slot create. Reply: fs_reply_entry. Returns 0,
 * -EEXIST, another error of the slots create and attr, or -ENOMEM. If a step
 * fails after the object was created, the object is removed.
 */
int fs_file_mknod(struct fs_request *rq, const char *name, mode_t mode);

/*
 * Creates or opens an object in the directory rq->node: open(2) with O_CREAT.
 * flags: of open(2). The rest is as for fs_file_mknod(), but the reply is
 * fs_reply_create, and errors may also be -EMFILE or of the slot init_handle.
 */
int fs_file_create(struct fs_request *rq, const char *name, mode_t mode,
		   int flags);

/*
 * Creates an object that has no name: open(2) with O_TMPFILE. The kind must
 * have the slot create_anonymous. Reply: fs_reply_create. Returns 0, -EMFILE,
 * -ENOMEM, or an error of the slots create_anonymous, attr and init_handle.
 */
int fs_file_tmpfile(struct fs_request *rq, mode_t mode, int flags);

/*
 * Adds a name to the file rq->node, in its directory: link(2). The kind must
 * have the slot link. Reply: fs_reply_entry. Returns 0, an error of resolving,
 * or an error of the slots link and attr.
 */
int fs_file_link(struct fs_request *rq, const char *name);

/*
 * Opens the file rq->node. flags: of open(2). The slot reopen opens the file,
 * otherwise core_file_reopen(). Reply: fs_reply_open. Returns 0, -EACCES (also
 * if the kind is read-only), an error of resolving, or an error of the slots
 * reopen and init_handle.
 */
int fs_file_open(struct fs_request *rq, int flags);

/*
 * Reads up to size bytes at an offset. Calls the slot read. Without the slot,
 * calls pread(2); reply: fuse_reply_buf. Returns 0, -ENOMEM, an error of
 * pread(2), or what the slot returns.
 */
int fs_file_read(const struct fs_request *rq, struct fs_handle *handle,
		 size_t size, off_t offset, const struct fuse_file_info *fi);

/*
 * Checks the caller's rights to the file. mask: R_OK, W_OK and X_OK, as for
 * access(2). Returns 0, -EACCES or another error of core_file_access(), or an
 * error of resolving.
 */
int fs_file_access(const struct fs_request *rq, int mask);

/*
 * rq->node may be a directory in the functions below: for fs_file_attr() and
 * fs_file_getxattr() any directory, otherwise a directory with a dir_fd.
 */

/*
 * Gets the attributes: statx(2). Returns 0, an error of resolving, or an error
 * of the slots attr and dir_attr.
 */
int fs_file_attr(const struct fs_request *rq, struct statx *ret);

/*
 * Changes attributes: chmod(2), chown(2), utimensat(2), truncate(2). handle: of
 * ftruncate(2), otherwise NULL. to_set: FUSE_SET_ATTR_*, which members of set
 * count. Reply: fs_reply_attr. Returns 0, -EPERM (also if the kind is
 * read-only, or has no slot truncate), an error of resolving, or the error of
 * the call. After an error some of the attributes may be changed.
 */
int fs_file_setattr(const struct fs_request *rq, struct fs_handle *handle,
		    const struct stat *set, int to_set);

/*
 * Reads an extended attribute: getxattr(2). name: NULL for the list of all
 * attributes, as listxattr(2). size: of the caller's buffer in bytes; 0 asks
 * for the length. Reply: fuse_reply_xattr if size is 0, otherwise
 * fuse_reply_buf. Returns 0, -ENODATA (there is no such attribute), -ENOTSUP
 * (there are no SELinux labels), -ERANGE (size is too small), -ENOMEM, an error
 * of resolving, or an error of the slot getxattr or of getxattr(2).
 */
int fs_file_getxattr(const struct fs_request *rq, const char *name,
		     size_t size);

/*
 * Reads or sets inode flags: ioctl(2) with FS_IOC_GETFLAGS, FS_IOC_SETFLAGS,
 * FS_IOC_FSGETXATTR or FS_IOC_FSSETXATTR. in: in_size bytes. out_size: bytes
 * of the reply. Reply: fuse_reply_ioctl. Returns 0, -ENOTTY (another
 * cmd, or the kind has no inode flags), -EINVAL (a size is too large), or an
 * error of core_file_ioctl(). Source: ioctl_iflags(2).
 */
int fs_file_ioctl(const struct fs_request *rq, struct fs_handle *handle,
		  unsigned int cmd, const void *in, size_t in_size,
		  size_t out_size);

/*
 * Sets an extended attribute: setxattr(2). value: size bytes; NULL removes the
 * attribute. flags: XATTR_*. Returns 0, -ENOTSUP (the kind's attributes can't
 * be set), an error of resolving, or an error of setxattr(2) or removexattr(2).
 */
int fs_file_setxattr(const struct fs_request *rq, const char *name,
		     const void *value, size_t size, int flags);

#endif
