/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An O_PATH descriptor only names an inode: the descriptor grants no access,
 * and opening one needs no right to the file. The kernel's link /proc/self/fd/N
 * leads to the inode, whatever its name is now, and the kernel checks rights as
 * for a path. A process may always follow its own links, also while one of its
 * threads acts as somebody else.
 */
#include "core/file.h"

#include "core/cleanup.h"
#include "core/linux.h"
#include "core/name.h"
#include "core/proc.h"
#include "core/thread_safety.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

static_assert(sizeof(off_t) == 8 && sizeof(ino_t) == 8 && sizeof(time_t) == 8,
	      "sizes, inode numbers and times of 64 bits, as in the kernel");

#define PATH(fd) (core_proc_path("/proc/self/fd/%d", fd).s)

bool core_file_is_searchable(int dir)
{
	struct stat st;

	return fstat(dir, &st) == 0 && (st.st_mode & 0111) == 0111 &&
	       fgetxattr(dir, "system.posix_acl_access", NULL, 0) < 0;
}

int core_file_check(int fd, ino_t ino)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOENT;
	return ino != 0 && st.st_ino != ino ? -ESTALE : 0;
}

static int open_once(const struct core_cred *cred, int dir, const char *path,
		     const struct open_how *how)
{
	return CORE_FILE_UNLEASED(CORE_CRED_AS(
		cred, (int)syscall(SYS_openat2, dir, path, how, sizeof(*how))));
}

/*
 * Opens without O_APPEND if possible: on a descriptor with O_APPEND, pwrite(2)
 * appends too, even after the caller has removed the flag from its own
 * descriptor. Only append-only files can't be opened without O_APPEND (EPERM).
 */
static int open_as(const struct core_cred *cred, int dir, const char *path,
		   struct open_how how, int *ret_fd)
{
	uint64_t append = how.flags & O_APPEND;
	int r;

	how.flags ^= append;
	/* open(3) adds this flag, where file sizes had 32 bits once. */
	if (!(how.flags & O_PATH))
		how.flags |= O_LARGEFILE;
	r = open_once(cred, dir, path, &how);
	how.flags |= append;
	if (r == -EPERM && append)
		r = open_once(cred, dir, path, &how);
	if (r < 0)
		return r;
	*ret_fd = r;
	return 0;
}

int core_file_open_name(int dir, const struct core_cred *cred, const char *name,
			int flags, mode_t mode, int *ret_fd)
{
	bool creates = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
	struct open_how how = {
		.flags = (unsigned int)(flags | O_NOFOLLOW | O_CLOEXEC),
		.mode = creates ? mode & 07777 : 0,
		.resolve = RESOLVE_NO_XDEV,
	};
	int r = open_as(cred, dir, name, how, ret_fd);

	return r == -EXDEV ? -ENOENT : r;
}

int core_file_find(int dir, const struct core_cred *cred, const char *name,
		   ino_t ino, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	int r = core_name_check(name);

	if (r < 0)
		return r;
	r = core_file_open_name(dir, cred, name, O_PATH, 0, &fd);
	if (r < 0)
		return r;
	r = core_file_check(fd, ino);
	if (r == 0)
		*ret_fd = core_steal_fd(&fd);
	return r;
}

int core_file_reopen(const struct core_cred *cred, int fd, int flags,
		     int *ret_fd)
{
	struct open_how how = {
		.flags = (unsigned int)(flags | O_CLOEXEC | O_NONBLOCK),
	};

	return open_as(cred, AT_FDCWD, PATH(fd), how, ret_fd);
}

int core_file_dup(int fd, int *ret_fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return -errno;
	*ret_fd = copy;
	return 0;
}

/* Locked while core_file_is_used() has a lease. */
CORE_MUTEX(core_lease_mutex);
static struct core_lease_mutex lease = { PTHREAD_MUTEX_INITIALIZER };

/* An open may take long, so the lock isn't held during the open. */
void core_file_await_lease(void)
{
	core_lease_mutex_lock(&lease);
	core_lease_mutex_unlock(&lease);
}

/* A write lease is granted only while nobody else has the object open. */
int core_file_is_used(const struct core_cred *cred, int fd)
{
	int r;

	core_lease_mutex_lock(&lease);
	r = CORE_CRED_AS(cred, fcntl(fd, F_SETLEASE, F_WRLCK)
				       ?: fcntl(fd, F_SETLEASE, F_UNLCK));
	core_lease_mutex_unlock(&lease);
	return r == -EAGAIN ? 1 : r;
}

int core_file_statx(int fd, struct statx *ret)
{
	return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME,
		     ret) < 0
		       ? -errno
		       : 0;
}

int core_file_chmod(const struct core_cred *cred, int fd, mode_t mode)
{
	return CORE_CRED_AS(cred, chmod(PATH(fd), mode));
}

int core_file_chown(const struct core_cred *cred, int fd, uid_t uid, gid_t gid)
{
	return CORE_CRED_AS(cred, chown(PATH(fd), uid, gid));
}

int core_file_utimens(const struct core_cred *cred, int fd,
		      const struct timespec times[2])
{
	return CORE_CRED_AS(cred, utimensat(AT_FDCWD, PATH(fd), times, 0));
}

int core_file_truncate(const struct core_cred *cred, int fd, off_t size)
{
	_cleanup_close_ int writer = -1;
	/*
	 * truncate(2) would wait until the holder of a lease releases the
	 * lease. While an object is open for writing, nobody can have a lease.
	 */
	int r = core_file_reopen(cred, fd, O_WRONLY, &writer);

	if (r < 0)
		return r;
	return CORE_CRED_AS(cred, truncate(PATH(fd), size));
}

int core_file_access(const struct core_cred *cred, int fd, int mask)
{
	return CORE_CRED_AS(cred,
			    faccessat(AT_FDCWD, PATH(fd), mask, AT_EACCESS));
}

int core_file_link(const struct core_cred *cred, int fd, int dir,
		   const char *name)
{
	int r = core_name_check(name);

	if (r < 0)
		return r;
	return CORE_CRED_AS(cred, linkat(AT_FDCWD, PATH(fd), dir, name,
					 AT_SYMLINK_FOLLOW));
}

ssize_t core_file_getxattr(const struct core_cred *cred, int fd,
			   const char *name, void *value, size_t size)
{
	return CORE_CRED_AS(cred, getxattr(PATH(fd), name, value, size));
}

int core_file_setxattr(const struct core_cred *cred, int fd, const char *name,
		       const void *value, size_t size, int flags)
{
	return CORE_CRED_AS(cred, setxattr(PATH(fd), name, value, size, flags));
}

ssize_t core_file_listxattr(const struct core_cred *cred, int fd, char *list,
			    size_t size)
{
	return CORE_CRED_AS(cred, listxattr(PATH(fd), list, size));
}

int core_file_removexattr(const struct core_cred *cred, int fd,
			  const char *name)
{
	return CORE_CRED_AS(cred, removexattr(PATH(fd), name));
}

int core_file_ioctl(const struct core_cred *cred, int fd, unsigned int request,
		    void *data)
{
	return CORE_CRED_AS(cred, ioctl(fd, request, data));
}
