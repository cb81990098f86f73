/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file: the slots that are the same for every kind of object: each resolves the
 * node to a descriptor and works on that, with the kind's find, stat and
 * truncate. See fs/fuse/ops.h for what the slots mean.
 */
#ifndef FS_FILE_H
#define FS_FILE_H

#include "fs/fuse/node.h"

/* For the directory: finds or creates an object of dir's child kind. */
int fs_file_lookup(const struct fs_request *rq, struct fs_node *dir,
		   const char *name);

int fs_file_mknod(const struct fs_request *rq, struct fs_node *dir,
		  const char *name, mode_t mode);
int fs_file_create(struct fs_request *rq, struct fs_node *dir, const char *name,
		   mode_t mode, int flags);
/* Gives an object of the same directory another name. */
int fs_file_link(const struct fs_request *rq, struct fs_node *node,
		 struct fs_node *dir, const char *name);
int fs_file_tmpfile(struct fs_request *rq, struct fs_node *dir, mode_t mode,
		    int flags);

/* For the object. From setattr on, also for a directory that has a dir_fd. */
int fs_file_open(struct fs_request *rq, struct fs_node *node, int flags);
int fs_file_attr(const struct fs_request *rq, struct fs_node *node,
		 struct statx *ret);
int fs_file_setattr(const struct fs_request *rq, struct fs_node *node,
		    struct fs_handle *handle, const struct stat *set,
		    int to_set);
int fs_file_access(const struct fs_request *rq, struct fs_node *node, int mask);
int fs_file_getxattr(const struct fs_request *rq, struct fs_node *node,
		     const char *name, size_t size);
int fs_file_listxattr(const struct fs_request *rq, struct fs_node *node,
		      size_t size);
int fs_file_setxattr(const struct fs_request *rq, struct fs_node *node,
		     const char *name, const void *value, size_t size,
		     int flags);
int fs_file_removexattr(const struct fs_request *rq, struct fs_node *node,
			const char *name);
int fs_file_ioctl(const struct fs_request *rq, struct fs_handle *handle,
		  unsigned int cmd, const void *in, size_t in_size,
		  size_t out_size);

/* A descriptor of the node's object, open or found by name; the caller's. */
int fs_file_fd(const struct fs_request *rq, struct fs_node *node, int *ret_fd);

/* Replies with len bytes at buf, or if size is 0 just says how many they are. */
int fs_reply_xattr(const struct fs_request *rq, const char *buf, size_t size,
		   ssize_t len);

#endif
