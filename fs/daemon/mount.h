/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mount: a FUSE mount as a descriptor, before a path leads to it.
 */
#ifndef FS_MOUNT_H
#define FS_MOUNT_H

#include <fuse_lowlevel.h>

/*
 * Collects the options that fs_mount_new() needs from a command line. The
 * command line keeps all options: libfuse reads some of them itself, and passes
 * all of them to fusermount3.
 *
 * ret: gets one option per word. The caller calls fuse_opt_free_args(), also
 *     after an error.
 *
 * Returns 0 or -ENOMEM.
 */
int fs_mount_collect(struct fuse_args *args, struct fuse_args *ret);

/*
 * Makes a mount. The mount ends with its descriptor unless move_mount(2)
 * attaches it to a directory before.
 *
 * device: an open /dev/fuse, where the mount's requests arrive.
 * ret_fd: the caller's, close-on-exec.
 * options: of fs_mount_collect(), with "fsname=" and "subtype=". If the kernel
 *     refuses an option, a message on stderr names the option.
 *
 * Returns 0, -EPERM (the process may not mount), -EINVAL (an option), -ENOMEM,
 * or another error of fsopen(2), fsconfig(2) or fsmount(2). Source: these,
 * fuse(4), mount(8).
 */
int fs_mount_new(int device, const struct fuse_args *options, int *ret_fd);

#endif
