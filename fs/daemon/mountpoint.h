/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mountpoint: the directory of the mount, and the mount itself.
 */
#ifndef FS_MOUNTPOINT_H
#define FS_MOUNTPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct fuse_args;
struct fuse_session;

struct fs_mountpoint {
	char *path;  /* absolute; led to dir when dir was checked */
	int dir;     /* O_PATH, until the mount; then -1 */
	FILE *table; /* of fs_mountpoint_monitor(), or NULL */
	/* The mount. */
	dev_t device;
	uint64_t listed_id; /* the mount's number in /proc/self/mountinfo */
	uint64_t id;	    /* the mount's unique number, from Linux 6.8 on */
};

/*
 * Makes sure that ipcfs can be mounted on a directory. If a dead ipcfs is
 * mounted there, unmounts it. On failure a message on stderr says what is wrong
 * with the path, and which command fixes the problem. If another mount will be
 * hidden, a warning names it.
 *
 * namespace: the mount namespace of the path. The process enters it. Or NULL.
 * ret: the caller calls fs_mountpoint_close().
 *
 * Returns 0, -EBUSY (a living ipcfs is mounted there), -ENOTDIR, or an error of
 * open(2), setns(2) or realpath(3).
 */
int fs_mountpoint_open(const char *path, const char *namespace,
		       struct fs_mountpoint *ret);

/*
 * Mounts a session on the checked directory, whatever its path is now.
 * If the process may not mount, fusermount3 mounts on the path instead. On
 * failure a message on stderr says why.
 *
 * options: of fs_mount_collect().
 *
 * Returns 0, -EPERM (fusermount3 failed), -EIO (its mount can't be found), or
 * an error of fs_mount_new(), statx(2), move_mount(2) or opening /dev/fuse.
 */
int fs_mountpoint_mount(struct fs_mountpoint *mountpoint,
			struct fuse_session *session,
			const struct fuse_args *options);

/*
 * Unmounts the mount that fs_mountpoint_mount() made and no other mount,
 * wherever the mount is now. The connection must have ended. If the mount was
 * unmounted before, that isn't an error.
 *
 * Returns 0, -EBUSY (another mount hides the mount, or the mount's path keeps
 * changing), or an error of umount2(2), of running fusermount3 or of reading
 * /proc/self/mountinfo. On failure a message is logged.
 */
int fs_mountpoint_unmount(const struct fs_mountpoint *mountpoint);

/*
 * Opens the table of mounts. The kernel reports each change of it to poll(2) as
 * POLLPRI.
 *
 * Returns 0 or an error of fopen(3).
 */
int fs_mountpoint_monitor(struct fs_mountpoint *mountpoint);

/* Whether the mount, or a copy of the mount, is in the table of mounts. */
bool fs_mountpoint_is_mounted(const struct fs_mountpoint *mountpoint);

/* Frees the path, and closes the directory and the table. The mount stays. */
void fs_mountpoint_close(struct fs_mountpoint *mountpoint);

#endif
