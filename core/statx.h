/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * statx: struct statx and statx(2), Linux 4.11. glibc 2.28 and musl 1.2.5 have
 * the function.
 */
#ifndef CORE_STATX_H
#define CORE_STATX_H

#include <sys/stat.h>

#if !HAVE_STATX
#include <linux/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int statx(int dir, const char *path, int flags, unsigned int mask,
			struct statx *ret)
{
	return (int)syscall(SYS_statx, dir, path, flags, mask, ret);
}
#endif

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U /* Linux 6.8 */
#endif

#endif
