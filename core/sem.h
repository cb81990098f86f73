/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sem: POSIX named semaphores, as sem_open(3) of the C library makes them: files
 * "sem.NAME" in the directory of the shared memory objects.
 *
 * A file is a semaphore if it has the size of the C library's sem_t on 64-bit
 * machines, 32 bytes. All other files are -EOPNOTSUPP: a 32-bit program's
 * semaphore, for instance, has another layout.
 */
#ifndef CORE_SEM_H
#define CORE_SEM_H

#include "core/cred.h"
#include "core/ipc_dirs.h"

struct core_sem_info {
	unsigned int value;
	unsigned int waiters; /* threads in sem_wait(3) */
};

enum core_sem_change {
	CORE_SEM_POST, /* sem_post(3), n times */
	CORE_SEM_TAKE, /* sem_trywait(3), n times or not at all */
	CORE_SEM_SET,  /* makes the value n */
};

/* A semaphore's name from that of its file, a part of it; or NULL. */
const char *core_sem_name(const char *file_name);

/* core_file_find() of a semaphore. -ENAMETOOLONG: above 251 bytes. */
int core_sem_find(const struct core_ipc_dirs *dirs,
		  const struct core_cred *cred, const char *name, ino_t ino,
		  int *ret_fd);

/*
 * Opens or creates a semaphore: sem_open(3) as cred. A new one has the value 0.
 *
 * flags: as core_sem_reopen(), and O_CREAT, O_EXCL. mode: less the umask.
 * ret_fd: the caller's, close-on-exec.
 *
 * Returns 0, -ENOENT (no such semaphore and no O_CREAT), -EEXIST (with O_CREAT and
 * O_EXCL), -EACCES, -EOPNOTSUPP (to create on 32-bit machines), -ENOSPC, -EMFILE,
 * -ENFILE, -ENOMEM, or as core_sem_find(). Source: sem_open(3).
 */
int core_sem_open(const struct core_ipc_dirs *dirs,
		  const struct core_cred *cred, const char *name, int flags,
		  mode_t mode, int *ret_fd);

/*
 * Opens the semaphore behind fd once more, as cred. flags: O_RDONLY; or O_WRONLY or
 * O_RDWR, which are the same: as for sem_open(3), to change a semaphore takes the
 * right to read it. Returns 0 or the errors of core_file_reopen().
 */
int core_sem_reopen(const struct core_cred *cred, int fd, int flags,
		    int *ret_fd);

/* sem_unlink(3) as cred. Returns 0, -ENOENT, -EACCES, -EPERM, or as for names. */
int core_sem_unlink(const struct core_ipc_dirs *dirs,
		    const struct core_cred *cred, const char *name);

/* fd: open for reading. Returns 0 or -EOPNOTSUPP. */
int core_sem_get(int fd, struct core_sem_info *ret);

/*
 * Changes a value at once, and wakes the threads that can go on. fd: open for
 * reading and writing. n: up to SEM_VALUE_MAX.
 *
 * Returns 0, or
 *   -EOVERFLOW   CORE_SEM_POST: the value would be above SEM_VALUE_MAX
 *   -EAGAIN      CORE_SEM_TAKE: the value is below n; or no more processes
 *   -EOPNOTSUPP  the file is no semaphore, or was cut short meanwhile; or it is
 *                sparse, and its file system is full
 *   -ENOMEM
 * With an error nothing has changed. Source: sem_overview(7), sem_post(3), futex(2).
 */
int core_sem_change(int fd, enum core_sem_change change, unsigned int n);

#endif
