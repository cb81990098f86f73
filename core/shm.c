/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/shm.h"

#include "core/cgroup.h"
#include "core/cleanup.h"
#include "core/file.h"
#include "core/linux.h"
#include "core/name.h"
#include "core/proc.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The C library's shm_open() opens the name itself: a FIFO would block the
 * call, and a device would be opened. So core_shm_open() first resolves the
 * name without opening the file, and creates the file if there is none. If
 * another process creates or removes the name between these steps, the steps
 * are repeated. Another process can do so in a loop, so the number of
 * repetitions has a limit.
 */
#define TRIES 64

/*
 * The flags of open(2) that are passed on. The flags that say how the name is
 * found are handled here.
 */
#define FLAGS (O_ACCMODE | O_APPEND | O_NOATIME)

static int open_name(const struct core_ipc_dirs *dirs,
		     const struct core_cred *cred, const char *name, int flags,
		     mode_t mode, int *ret_fd)
{
	return core_file_open_name(dirs->shm_dir, cred, name,
				   flags | O_NONBLOCK | O_NOCTTY, mode, ret_fd);
}

/*
 * The value of sysctl fs.protected_regular. If the value can't be read, returns
 * the strictest value.
 */
static int protected_regular(void)
{
	_cleanup_free_ char *text =
		core_proc_read("/proc/sys/fs/protected_regular");

	if (!text)
		return errno == ENOENT ? 0 : 2;
	return atoi(text);
}

/*
 * The kernel's rule for O_CREAT, may_create_in_sticky() in fs/namei.c. We must
 * check the rule, because the kernel applies it only if a name is opened.
 */
static int check_protected(const struct core_ipc_dirs *dirs,
			   const struct core_cred *cred, int fd)
{
	struct stat dir, st;
	int level;

	if (fstat(dirs->shm_dir, &dir) < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!(dir.st_mode & S_ISVTX) || !(dir.st_mode & 0022) ||
	    st.st_uid == dir.st_uid || st.st_uid == cred->uid)
		return 0;
	level = protected_regular();
	return level >= 2 || (level == 1 && (dir.st_mode & 0002)) ? -EACCES : 0;
}

static int open_existing(const struct core_ipc_dirs *dirs,
			 const struct core_cred *cred, const char *name,
			 int flags, int *ret_fd)
{
	_cleanup_close_ int found = -1;
	int r = core_file_find(dirs->shm_dir, cred, name, 0, &found);

	if (r == 0 && (flags & O_CREAT))
		r = check_protected(dirs, cred, found);
	if (r < 0)
		return r;
	return core_file_reopen(cred, found, flags & (FLAGS | O_TRUNC), ret_fd);
}

int core_shm_reopen(const struct core_ipc_dirs *dirs,
		    const struct core_cred *cred, int fd, int flags,
		    int *ret_fd)
{
	int r = (flags & O_TRUNC) ? check_protected(dirs, cred, fd) : 0;

	if (r < 0)
		return r;
	return core_file_reopen(cred, fd, flags & (FLAGS | O_TRUNC), ret_fd);
}

int core_shm_open(const struct core_ipc_dirs *dirs,
		  const struct core_cred *cred, const char *name, int flags,
		  mode_t mode, int *ret_fd)
{
	int r = core_name_check(name);

	for (int i = 0; r == 0 && i < TRIES; i++) {
		if (!(flags & O_CREAT) || !(flags & O_EXCL)) {
			r = open_existing(dirs, cred, name, flags, ret_fd);
			if (r != -ENOENT || !(flags & O_CREAT))
				return r;
		}
		r = open_name(dirs, cred, name,
			      (flags & FLAGS) | O_CREAT | O_EXCL, mode, ret_fd);
		if (r != -EEXIST || (flags & O_EXCL))
			return r;
		r = 0;
	}
	return r < 0 ? r : -ENOENT;
}

int core_shm_open_anonymous(const struct core_ipc_dirs *dirs,
			    const struct core_cred *cred, int flags,
			    mode_t mode, int *ret_fd)
{
	return open_name(dirs, cred, ".", (flags & FLAGS) | O_TMPFILE, mode,
			 ret_fd);
}

int core_shm_truncate(const struct core_cred *cred, int fd, off_t size)
{
	return CORE_CRED_AS(cred, ftruncate(fd, size));
}

struct allocation {
	int fd, mode;
	off_t offset, length;
};

CORE_IN_CHILD static int allocate(void *arg)
{
	const struct allocation *a = arg;

	return fallocate(a->fd, a->mode, a->offset, a->length) < 0 ? -errno : 0;
}

int core_shm_allocate(const struct core_cred *cred, int fd, int mode,
		      off_t offset, off_t length)
{
	struct allocation allocation = { fd, mode, offset, length };

	/* Punching a hole frees memory, so nobody is charged. */
	if (!(mode & FALLOC_FL_PUNCH_HOLE))
		return core_cgroup_run(cred, fd, allocate, &allocation);
	return CORE_CRED_AS(cred, fallocate(fd, mode, offset, length));
}

ssize_t core_shm_write(const struct core_cred *cred, int fd, const void *buf,
		       size_t size, off_t offset, bool append)
{
	struct iovec data = { .iov_base = (void *)(uintptr_t)buf,
			      .iov_len = size };

	return CORE_CRED_AS(cred, pwritev2(fd, &data, 1, offset,
					   append ? RWF_APPEND : 0));
}

ssize_t core_shm_copy(const struct core_cred *cred, int fd_from,
		      off_t offset_from, int fd_to, off_t offset_to,
		      size_t size)
{
	return CORE_CRED_AS(cred, copy_file_range(fd_from, &offset_from, fd_to,
						  &offset_to, size, 0));
}

int core_shm_rename(const struct core_ipc_dirs *dirs,
		    const struct core_cred *cred, const char *name,
		    const char *new_name, unsigned int flags)
{
	int r = core_name_check(name);

	if (r == 0)
		r = core_name_check(new_name);
	if (r == 0 && (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)))
		r = -EINVAL;
	if (r < 0)
		return r;
	return CORE_CRED_AS(cred, renameat2(dirs->shm_dir, name, dirs->shm_dir,
					    new_name, flags));
}

int core_shm_unlink(const struct core_ipc_dirs *dirs,
		    const struct core_cred *cred, const char *name)
{
	int r = core_name_check(name);

	if (r < 0)
		return r;
	return CORE_CRED_AS(cred, unlinkat(dirs->shm_dir, name, 0));
}

bool core_shm_is_object(const char *name)
{
	return strncmp(name, "sem.", 4) != 0;
}
