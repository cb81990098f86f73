/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file: what shared memory objects and message queues have in common. Both
 * are inodes that a name in one directory leads to.
 *
 * A name may be given to another object at any moment. So a name is resolved
 * once, to a descriptor; the inode number is compared then, and all that
 * follows is done on the descriptor.
 *
 * "fd" below is any descriptor of the object, also an O_PATH one. Nothing here
 * keeps or closes it.
 */
#ifndef CORE_FILE_H
#define CORE_FILE_H

#include "core/cred.h"
#include "core/statx.h"

#include <time.h>

/*
 * openat(2) as cred, within the file system of dir.
 *
 * flags: O_NOFOLLOW and O_CLOEXEC are added; O_APPEND counts for append-only
 *     files only.
 * mode: of a new file; the umask is applied. ret_fd: the caller's.
 *
 * Returns 0, -ELOOP (a symbolic link, unless O_PATH), -ENOENT (also if
 * something is mounted on the name), or another error of openat2(2) or
 * core_cred_enter(). Source: openat2(2), RESOLVE_NO_XDEV.
 */
int core_file_open_name(int dir, const struct core_cred *cred, const char *name,
			int flags, mode_t mode, int *ret_fd);

/*
 * Whether everybody may search a directory: the mode allows everybody to, and
 * the directory has no ACL.
 */
bool core_file_is_searchable(int dir);

/*
 * Resolves a name in a directory of objects. Symbolic links aren't followed,
 * and nothing is opened, so that a FIFO or a device can't block or act.
 *
 * dir: the directory. ino: the inode number that the object must have, or 0 for
 *     any number.
 * ret_fd: an O_PATH descriptor, the caller's.
 *
 * Returns 0, or
 *   -ENOENT        no such name, or the name doesn't lead to a regular file
 *   -ESTALE        the name leads to another object
 *   -EINVAL, -ENAMETOOLONG   as core_name_check()
 *   -EACCES, -EPERM, -EMFILE, -ENFILE, -ENOMEM
 *
 * Source: open(2), O_PATH and O_NOFOLLOW.
 */
int core_file_find(int dir, const struct core_cred *cred, const char *name,
		   ino_t ino, int *ret_fd);

/*
 * Checks that fd is a regular file (otherwise -ENOENT) with this inode number
 * (otherwise -ESTALE). ino 0: any number. Returns 0 or an error.
 */
int core_file_check(int fd, ino_t ino);

/*
 * Opens the object behind fd once more, with the rights of cred.
 *
 * flags: as for open(2); O_CLOEXEC and O_NONBLOCK are added, and O_APPEND
 * counts for append-only files only.
 * ret_fd: the caller's. Returns 0 or the error of open(2), such as -EACCES;
 * -ENOENT also where /proc isn't mounted.
 */
int core_file_reopen(const struct core_cred *cred, int fd, int flags,
		     int *ret_fd);

/*
 * Duplicates a descriptor, close-on-exec. ret_fd: the caller's. Returns 0,
 * -EMFILE or -EBADF. Source: fcntl(2), F_DUPFD_CLOEXEC.
 */
int core_file_dup(int fd, int *ret_fd);

/*
 * Evaluates a call that opens an object with O_NONBLOCK, and returns a
 * descriptor or -errno. A lease of core_file_is_used() in another thread makes
 * the call fail with -EAGAIN; then the call is repeated. If another process has
 * a lease, the result is -EAGAIN.
 */
#define CORE_FILE_UNLEASED(call)                                    \
	({                                                          \
		int fd_ = (call);                                   \
		for (int i_ = 0; fd_ == -EAGAIN && i_ < 10; i_++) { \
			core_file_await_lease();                    \
			fd_ = (call);                               \
		}                                                   \
		fd_;                                                \
	})

/* Waits until no core_file_is_used() has a lease. */
void core_file_await_lease(void);

/*
 * Whether any open file but fd is of the object, or any process has the object
 * mapped. O_PATH descriptors don't count.
 *
 * fd: opened with O_RDONLY. For a moment fd has a lease, so other opens of the
 * object wait, or fail with EAGAIN under O_NONBLOCK. The process must ignore
 * SIGIO.
 *
 * Returns 1 or 0, or
 *   -EACCES   cred neither owns the object nor has CAP_LEASE
 *   -EINVAL   the file system has no leases, as that of queues since Linux 7.0
 *   -ENOMEM, or an error of core_cred_enter()
 *
 * Source: fcntl(2), F_SETLEASE.
 */
int core_file_is_used(const struct core_cred *cred, int fd);

/*
 * statx(2): the fields of stat(2), and the birth time if the file system has
 * one.
 */
int core_file_statx(int fd, struct statx *ret);

/*
 * fchmod(2), fchown(2), futimens(3), truncate(2) and access(2) as cred. Each
 * returns 0 or the error of its model; without /proc, all return -ENOENT.
 *
 * uid or gid -1: unchanged. times: as for futimens(3), with UTIME_NOW and
 * UTIME_OMIT. mask: R_OK, W_OK, X_OK, F_OK as for access(2), but checked with
 * the effective rights.
 */
int core_file_chmod(const struct core_cred *cred, int fd, mode_t mode);
int core_file_chown(const struct core_cred *cred, int fd, uid_t uid, gid_t gid);
int core_file_utimens(const struct core_cred *cred, int fd,
		      const struct timespec times[2]);
int core_file_truncate(const struct core_cred *cred, int fd, off_t size);
int core_file_access(const struct core_cred *cred, int fd, int mask);

/*
 * linkat(2) as cred: adds another name to the object. dir: a directory of
 * objects.
 *
 * Returns 0, -EEXIST, -EACCES, -EPERM (also fs.protected_hardlinks), -ENOENT
 * (the object has lost its last name, or there is no /proc), -EXDEV, -EMLINK,
 * -ENOSPC, -ENOMEM, or as core_name_check(). Source: linkat(2), proc_sys_fs(5).
 */
int core_file_link(const struct core_cred *cred, int fd, int dir,
		   const char *name);

/*
 * getxattr(2), setxattr(2), listxattr(2) and removexattr(2) as cred. Each
 * returns the error of its model; getxattr and listxattr return a length in
 * bytes.
 */
ssize_t core_file_getxattr(const struct core_cred *cred, int fd,
			   const char *name, void *value, size_t size);
int core_file_setxattr(const struct core_cred *cred, int fd, const char *name,
		       const void *value, size_t size, int flags);
ssize_t core_file_listxattr(const struct core_cred *cred, int fd, char *list,
			    size_t size);
int core_file_removexattr(const struct core_cred *cred, int fd,
			  const char *name);

/*
 * ioctl(2) as cred: FS_IOC_GETFLAGS and the other requests about inode flags.
 * fd: not O_PATH. data: as the request's manual page says. Returns the result
 * of ioctl(2), or its negative errno. Source: ioctl_iflags(2),
 * ioctl_xfs_fsgetxattr(2).
 */
int core_file_ioctl(const struct core_cred *cred, int fd, unsigned int request,
		    void *data);

#endif
