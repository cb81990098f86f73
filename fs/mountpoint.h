/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mountpoint: the directory that is mounted on, before and while it is.
 */
#ifndef FS_MOUNTPOINT_H
#define FS_MOUNTPOINT_H

struct core_wait;
struct fs_watch;

/*
 * Makes sure that a directory can be mounted on. An ipcfs whose daemon died and
 * that still stands there is unmounted; one that lives is left alone, which is a
 * failure. On failure it says on stderr what is wrong with the path, and what
 * mends it. It warns of another file system that will be hidden.
 *
 * namespace: of the mount namespace that it is in, which the process moves to; or
 * NULL. ret: the absolute path, from malloc(3).
 * Returns 0 or a negative errno.
 */
int fs_mountpoint_prepare(const char *path, const char *namespace, char **ret);

/*
 * Takes an ipcfs away that stands dead on a mount point. The kernel leaves one
 * behind when the connection was cut: by umount -f of a busy mount, or through
 * /sys/fs/fuse/connections. path: absolute.
 */
void fs_mountpoint_release(const char *path);

/*
 * Watches for the end of the mount. A lazy unmount (umount -l) takes it out of
 * sight, but it lives on while a file is open. Who waits in a queue then might
 * wait for ever where nobody looks any more, so the waiting ends with an error:
 * core_wait_end_all(). Open files go on working.
 *
 * path: the mount point, mounted. ret: to be given to fs_watch_free().
 * Returns 0 or a negative errno.
 */
int fs_watch_new(const char *path, struct core_wait *wait,
		 struct fs_watch **ret);

/* Ends the watching. NULL is allowed. Returns NULL. */
struct fs_watch *fs_watch_free(struct fs_watch *watch);

#endif
