/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parts of Linux that its headers or the C library may lack, because both are
 * often older than the kernel, and system calls whose names mean different
 * calls on different processors. fs/fuse/protocol.h has the parts that belong
 * to FUSE, and core/statx.h has statx(2), which headers need. The build finds
 * out the values of HAVE_….
 */
#ifndef CORE_LINUX_H
#define CORE_LINUX_H

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202 /* ipc/mqueue.c */
#endif

#ifndef SYS_openat2
#define SYS_openat2 __NR_openat2 /* Linux 5.6 */
#endif

/* pwritev2(2), Linux 4.6; the function, glibc 2.26 and musl 1.2.5. */
#if !HAVE_PWRITEV2
#define RWF_APPEND 0x10 /* Linux 4.16 */

static inline ssize_t pwritev2(int fd, const struct iovec *pieces, int n,
			       off_t offset, int flags)
{
	return syscall(SYS_pwritev2, fd, pieces, n, (long)offset,
		       (long)((uint64_t)offset >> 32), flags);
}
#endif

/* renameat2(2), Linux 3.15; the function, glibc 2.28 and musl 1.2.5. */
#if !HAVE_RENAMEAT2
#define RENAME_NOREPLACE (1U << 0)
#define RENAME_EXCHANGE	 (1U << 1)

static inline int renameat2(int from, const char *name, int to,
			    const char *new_name, unsigned int flags)
{
	return (int)syscall(SYS_renameat2, from, name, to, new_name, flags);
}
#endif

/*
 * glibc 2.30. The replacement ends early or late if the system's time is set
 * during the wait.
 */
#if !HAVE_PTHREAD_COND_CLOCKWAIT
static inline int pthread_cond_clockwait(pthread_cond_t *cond,
					 pthread_mutex_t *mutex,
					 clockid_t clock,
					 const struct timespec *end)
{
	struct timespec now, real;
	int64_t left;

	(void)clock_gettime(clock, &now);
	(void)clock_gettime(CLOCK_REALTIME, &real);
	left = (int64_t)(end->tv_sec - now.tv_sec) * 1000000000 + end->tv_nsec -
	       now.tv_nsec;
	left = (left < 0 ? 0 : left) + real.tv_nsec;
	real.tv_sec += left / 1000000000;
	real.tv_nsec = (long)(left % 1000000000);
	return pthread_cond_timedwait(cond, mutex, &real);
}
#endif

/* close_range(2), Linux 5.9; the function, glibc 2.34. */
#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1U << 1)
#endif
#if !HAVE_CLOSE_RANGE
static inline int close_range(unsigned int first, unsigned int last, int flags)
{
	return (int)syscall(__NR_close_range, first, last, flags);
}
#endif

/*
 * fsopen(2) and its like, Linux 5.2; the functions and constants, glibc 2.36.
 * linux/mount.h and older versions of sys/mount.h can't both be included.
 */
#if !HAVE_FSOPEN
#define FSOPEN_CLOEXEC		0x1U
#define FSMOUNT_CLOEXEC		0x1U
#define FSCONFIG_SET_FLAG	0U
#define FSCONFIG_SET_STRING	1U
#define FSCONFIG_CMD_CREATE	6U
#define MOVE_MOUNT_F_EMPTY_PATH 0x4U
#define MOVE_MOUNT_T_EMPTY_PATH 0x40U
#define MOUNT_ATTR_RDONLY	0x1U
#define MOUNT_ATTR_NOSUID	0x2U
#define MOUNT_ATTR_NODEV	0x4U
#define MOUNT_ATTR_NOEXEC	0x8U
#define MOUNT_ATTR__ATIME	0x70U
#define MOUNT_ATTR_RELATIME	0x0U
#define MOUNT_ATTR_NOATIME	0x10U
#define MOUNT_ATTR_STRICTATIME	0x20U
#define MOUNT_ATTR_NODIRATIME	0x80U
#define MOUNT_ATTR_NOSYMFOLLOW	0x200000U /* Linux 5.14 */

static inline int fsopen(const char *name, unsigned int flags)
{
	return (int)syscall(__NR_fsopen, name, flags);
}

static inline int fsconfig(int fs, unsigned int command, const char *key,
			   const void *value, int aux)
{
	return (int)syscall(__NR_fsconfig, fs, command, key, value, aux);
}

static inline int fsmount(int fs, unsigned int flags, unsigned int attributes)
{
	return (int)syscall(__NR_fsmount, fs, flags, attributes);
}

static inline int move_mount(int from, const char *from_path, int to,
			     const char *to_path, unsigned int flags)
{
	return (int)syscall(__NR_move_mount, from, from_path, to, to_path,
			    flags);
}
#endif

/* The plain names are calls with ids of 16 bits on ARM and i386. */
#ifdef SYS_setresuid32
#define CORE_SYS_SETGROUPS SYS_setgroups32
#define CORE_SYS_SETRESGID SYS_setresgid32
#define CORE_SYS_SETRESUID SYS_setresuid32
#else
#define CORE_SYS_SETGROUPS SYS_setgroups
#define CORE_SYS_SETRESGID SYS_setresgid
#define CORE_SYS_SETRESUID SYS_setresuid
#endif

#endif
