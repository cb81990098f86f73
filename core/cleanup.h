/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cleanup: variables that release what they own when they leave their scope.
 *
 *	_cleanup_close_ int fd = open(...);
 *	if (bad)
 *		return -EINVAL;			the descriptor is closed
 *	*ret_fd = core_steal_fd(&fd);		now the caller owns it
 */
#ifndef CORE_CLEANUP_H
#define CORE_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f)	__attribute__((cleanup(f)))
#define _cleanup_close_ _cleanup_(core_closep)
#define _cleanup_free_	_cleanup_(core_freep)

/* Closes *fd unless *fd is negative. errno isn't changed. */
static inline void core_closep(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	errno = saved;
}

/* p: the address of a pointer to memory from malloc(3). */
static inline void core_freep(void *p)
{
	free(*(void **)p);
}

/* Returns the descriptor, which is now the caller's, and sets *fd to -1. */
static inline int core_steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Returns the pointer, which is now the caller's, and sets it to NULL. */
#define core_steal_ptr(p)                      \
	({                                     \
		__typeof__(p) *slot_ = &(p);   \
		__typeof__(p) taken_ = *slot_; \
		*slot_ = NULL;                 \
		taken_;                        \
	})

#endif
