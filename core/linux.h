/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What Linux has and its headers may lack, as headers are often older than the
 * kernel, and system calls whose names mean different calls on different
 * processors. fs/fuse/protocol.h has what belongs to FUSE.
 */
#ifndef CORE_LINUX_H
#define CORE_LINUX_H

#include <sys/syscall.h>

#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202 /* ipc/mqueue.c */
#endif

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U /* Linux 6.8 */
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
