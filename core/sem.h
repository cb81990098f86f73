/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sem: POSIX named semaphores, as sem_open(3) of the C library makes them:
 * files "sem.NAME" in the directory of the shared memory objects.
 *
 * A file is a semaphore if it has the size of the C library's sem_t on 64-bit
 * machines, 32 bytes. Any other file can't be read or changed (-EOPNOTSUPP): a
 * 32-bit program's semaphore, for instance, has another layout.
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

/*
 * Returns the semaphore's name, which is a part of file_name; or NULL if
 * file_name isn't the name of a semaphore's file.
 */
const char *core_sem_name(const char *file_name);

/*
 * Finds a semaphore's file, as core_file_find() does. Returns as that function;
 * -ENAMETOOLONG means that the name has more than 251 bytes.
 */
int core_sem_find(const struct core_ipc_dirs *dirs,
		  const struct core_cred *cred, const char *name, ino_t ino,
		  int *ret_fd);

/*
 * Opens or creates a semaphore as cred. A new semaphore has the value 0.
 *
 * flags: those of core_sem_reopen(), and O_CREAT, O_EXCL. mode: of a new
 * semaphore, less the umask. ret_fd: the caller closes it; close-on-exec.
 *
 * Returns 0, or
 *   -ENOENT      there is no such semaphore, and flags lack O_CREAT
 *   -EEXIST      there is one, and flags have O_CREAT and O_EXCL
 *   -EACCES      cred lacks the rights
 *   -EOPNOTSUPP  a 32-bit machine can't create semaphores
 *   -ENOSPC, -EMFILE, -ENFILE, -ENOMEM, or an error of core_sem_find()
 *
 * Source: sem_open(3).
 */
int core_sem_open(const struct core_ipc_dirs *dirs,
		  const struct core_cred *cred, const char *name, int flags,
		  mode_t mode, int *ret_fd);

/*
 * Opens the semaphore behind fd once more, as cred. flags: O_RDONLY, O_WRONLY
 * or O_RDWR. O_WRONLY opens like O_RDWR: as for sem_open(3), changing a
 * semaphore needs the right to read it. Returns 0 or an error of
 * core_file_reopen().
 */
int core_sem_reopen(const struct core_cred *cred, int fd, int flags,
		    int *ret_fd);

/*
 * Removes a semaphore's name as cred. Returns 0, -ENOENT, -EACCES, -EPERM, or
 * an error of core_name_check(). Source: sem_unlink(3).
 */
int core_sem_unlink(const struct core_ipc_dirs *dirs,
		    const struct core_cred *cred, const char *name);

/*
 * Reads a semaphore's value and the number of its waiters. fd: open for
 * reading. Returns 0, or -EOPNOTSUPP: the file is no semaphore.
 */
int core_sem_get(int fd, struct core_sem_info *ret);

/*
 * Changes a semaphore's value without waiting, and wakes the threads that can
 * continue. fd: open for reading and writing. n: up to SEM_VALUE_MAX.
 *
 * Returns 0, or
 *   -EOVERFLOW   CORE_SEM_POST: the value would be above SEM_VALUE_MAX
 *   -EAGAIN      CORE_SEM_TAKE: the value is below n; or no process can be
 *                started
 *   -EOPNOTSUPP  the file is no semaphore, or was cut short meanwhile; or the
 *                file is sparse, and its file system is full
 *   -ENOMEM
 * After an error the value is unchanged. Source: sem_overview(7), sem_post(3),
 * futex(2).
 */
int core_sem_change(int fd, enum core_sem_change change, unsigned int n);

#endif
