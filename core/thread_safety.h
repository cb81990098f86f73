/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * thread_safety: which lock guards what, checked by clang's -Wthread-safety.
 *
 *	CORE_MUTEX(fs_quota_mutex)
 *
 *	struct fs_quota {
 *		struct fs_quota_mutex lock;
 *		size_t n CORE_GUARDED_BY(fs_quota_mutex);
 *	};
 *	static void add(struct fs_quota *quota) CORE_REQUIRES(fs_quota_mutex)
 *	{
 *		quota->n++;
 *	}
 *	...
 *	fs_quota_mutex_lock(&quota->lock);
 *	add(quota);
 *	fs_quota_mutex_unlock(&quota->lock);
 *
 * The annotations name the type of a mutex and not the member: in C, clang 14
 * can't find a member of the structure from an attribute. So clang doesn't tell
 * two mutexes of one type apart. It reports a function that uses what is guarded
 * while it holds no mutex of the type, and one that locks a second.
 *
 * gcc and a clang that is called without -Wthread-safety check nothing.
 * Source: https://clang.llvm.org/docs/ThreadSafetyAnalysis.html
 */
#ifndef CORE_THREAD_SAFETY_H
#define CORE_THREAD_SAFETY_H

#include <pthread.h>

#ifdef __clang__
#define CORE_THREAD_SAFETY_(x) __attribute__((x))
#else
#define CORE_THREAD_SAFETY_(x)
#endif

/* Of a type: its variables can be held. */
#define CORE_CAPABILITY(name) CORE_THREAD_SAFETY_(capability(name))
/* Of a member or variable: to use the value, or what the pointer points to. */
#define CORE_GUARDED_BY(mutex)	  CORE_THREAD_SAFETY_(guarded_by(mutex))
#define CORE_PT_GUARDED_BY(mutex) CORE_THREAD_SAFETY_(pt_guarded_by(mutex))
/* Of a function: its caller must hold the mutex, or must not. */
#define CORE_REQUIRES(mutex) CORE_THREAD_SAFETY_(requires_capability(mutex))
#define CORE_EXCLUDES(mutex) CORE_THREAD_SAFETY_(locks_excluded(mutex))
/* Of a function: it returns with the mutex locked, or unlocked. */
#define CORE_ACQUIRE(mutex) CORE_THREAD_SAFETY_(acquire_capability(mutex))
#define CORE_RELEASE(mutex) CORE_THREAD_SAFETY_(release_capability(mutex))
/* Of a function: if it returns true, the mutex is locked. */
#define CORE_TRY_ACQUIRE(mutex) \
	CORE_THREAD_SAFETY_(try_acquire_capability(true, mutex))
/* Of a function: its body isn't checked. Say why. */
#define CORE_NO_THREAD_SAFETY CORE_THREAD_SAFETY_(no_thread_safety_analysis)

/* What the annotations name; there are no variables of it. */
struct CORE_CAPABILITY("mutex") core_mutex_type;

/*
 * Declares the type of a mutex, struct NAME, with NAME_lock(), NAME_trylock() and
 * NAME_unlock().
 * The rest is pthread's, with the member native: pthread_mutex_init(),
 * pthread_mutex_destroy(), and pthread_cond_wait(), which returns with the mutex
 * locked, as it was called. glibc's functions aren't annotated, so the bodies
 * here aren't checked.
 */
#define CORE_MUTEX(NAME)                                                      \
	struct NAME {                                                         \
		pthread_mutex_t native;                                       \
	};                                                                    \
	extern struct core_mutex_type NAME; /* nowhere defined */             \
	static inline void NAME##_lock(struct NAME *mutex) CORE_ACQUIRE(NAME) \
		CORE_NO_THREAD_SAFETY                                         \
	{                                                                     \
		pthread_mutex_lock(&mutex->native);                           \
	}                                                                     \
	__attribute__((unused)) static inline int NAME##_trylock(             \
		struct NAME *mutex) CORE_TRY_ACQUIRE(NAME)                    \
		CORE_NO_THREAD_SAFETY                                         \
	{                                                                     \
		return pthread_mutex_trylock(&mutex->native) == 0;            \
	}                                                                     \
	static inline void NAME##_unlock(struct NAME *mutex)                  \
		CORE_RELEASE(NAME) CORE_NO_THREAD_SAFETY                      \
	{                                                                     \
		pthread_mutex_unlock(&mutex->native);                         \
	}                                                                     \
	struct NAME /* takes the semicolon */

#endif
