/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shm: POSIX shared memory objects. An open object is a plain descriptor for
 * read(2), ftruncate(2), mmap(2) and close(2).
 */
#ifndef CORE_SHM_H
#define CORE_SHM_H

#include "core/cred.h"
#include "core/ipc_dirs.h"

#include <stdbool.h>
#include <sys/stat.h>

/*
 * Opens or creates an object: shm_open(3) as cred.
 *
 * flags: O_RDONLY, O_WRONLY or O_RDWR, and O_CREAT, O_EXCL, O_TRUNC, O_APPEND
 *        (which counts for append-only objects only), O_NOATIME; other flags
 *        are ignored. shm_open(3) doesn't know O_WRONLY, O_APPEND and
 *        O_NOATIME.
 * mode: of a new object; the process's umask is applied.
 * ret_fd: the caller's, close-on-exec.
 *
 * Returns 0, or
 *   -ENOENT   no such object and no O_CREAT; or the name doesn't lead to a
 *             regular file; or other processes keep creating and removing the
 *             name
 *   -EEXIST   O_CREAT and O_EXCL, and the name is taken
 *   -EACCES   not permitted; also fs.protected_regular
 *   -EINVAL, -ENAMETOOLONG   as core_name_check()
 *   -EPERM, -EMFILE, -ENFILE, -ENOSPC, -ENOMEM
 *
 * Source: shm_open(3), proc_sys_fs(5).
 */
int core_shm_open(const struct core_ipc_dirs *dirs,
		  const struct core_cred *cred, const char *name, int flags,
		  mode_t mode, int *ret_fd);

/*
 * Opens the object behind fd once more, as cred.
 *
 * flags: as core_shm_open(), without O_CREAT and O_EXCL. O_TRUNC most likely
 *        comes from a shell's ">", which opens with O_CREAT too. So with
 *        O_TRUNC fs.protected_regular applies: in a sticky directory that other
 *        users may write to, an object that belongs neither to cred nor to the
 *        directory's owner is refused.
 * ret_fd: the caller's, close-on-exec.
 *
 * Returns 0, -EACCES, or another error of core_file_reopen().
 * Source: open(2), proc_sys_fs(5).
 */
int core_shm_reopen(const struct core_ipc_dirs *dirs,
		    const struct core_cred *cred, int fd, int flags,
		    int *ret_fd);

/*
 * Creates an object that has no name: open(2) with O_TMPFILE as cred.
 *
 * flags: O_WRONLY or O_RDWR, and O_NOATIME. mode: the umask is applied.
 * ret_fd: the caller's.
 * Returns 0, -EACCES, -EINVAL (O_RDONLY), -EMFILE, -ENFILE, -ENOSPC, -ENOMEM.
 */
int core_shm_open_anonymous(const struct core_ipc_dirs *dirs,
			    const struct core_cred *cred, int flags,
			    mode_t mode, int *ret_fd);

/*
 * ftruncate(2), fallocate(2) and write(2) as cred on an object that is open for
 * writing. Unlike the plain calls, these calls clear setuid and setgid bits
 * unless cred is root's. append: write at the end, whatever offset is.
 *
 * Each returns 0, or the number of bytes written, or an error of its model.
 * Unless core_shm_allocate() punches a hole, it calls core_cgroup_run() and may
 * return the errors of core_cgroup_run(), too.
 */
int core_shm_truncate(const struct core_cred *cred, int fd, off_t size);
int core_shm_allocate(const struct core_cred *cred, int fd, int mode,
		      off_t offset, off_t length);
ssize_t core_shm_write(const struct core_cred *cred, int fd, const void *buf,
		       size_t size, off_t offset, bool append);
/* copy_file_range(2) from one object to another or within one. */
ssize_t core_shm_copy(const struct core_cred *cred, int fd_from,
		      off_t offset_from, int fd_to, off_t offset_to,
		      size_t size);

/*
 * Moves an object to another name: renameat2(2) as cred.
 *
 * flags: 0, RENAME_NOREPLACE or RENAME_EXCHANGE.
 * Returns 0, -ENOENT, -EEXIST, -EINVAL (other flags), -EACCES, -EPERM, or as
 * core_name_check().
 */
int core_shm_rename(const struct core_ipc_dirs *dirs,
		    const struct core_cred *cred, const char *name,
		    const char *new_name, unsigned int flags);

/*
 * Removes a name: shm_unlink(3) as cred. Processes that have the object open or
 * mapped keep it. Returns 0, -ENOENT, -EACCES, -EPERM (sticky directory; the C
 * library turns EPERM into EACCES), -EISDIR, or as core_name_check().
 */
int core_shm_unlink(const struct core_ipc_dirs *dirs,
		    const struct core_cred *cred, const char *name);

/*
 * Whether a regular file of this name in the objects' directory is a shared
 * memory object. "sem.*" is a semaphore. Source: sem_overview(7).
 */
bool core_shm_is_object(const char *name);

#endif
