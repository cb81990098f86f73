/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What Linux has and its headers, or the C library, may lack, as these are often
 * older than the kernel, and system calls whose names mean different calls on
 * different processors. fs/fuse/protocol.h has what belongs to FUSE. The build
 * finds out what HAVE_… says.
 */
#ifndef CORE_LINUX_H
#define CORE_LINUX_H

#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202 /* ipc/mqueue.c */
#endif

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U /* Linux 6.8 */
#endif

#ifndef SYS_openat2
#define SYS_openat2 __NR_openat2 /* Linux 5.6 */
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
