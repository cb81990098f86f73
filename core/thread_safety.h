/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * thread_safety: annotations that say which lock guards which data. clang
 * checks them with -Wthread-safety.
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
 * can't find a member of the structure from an attribute. So clang can't
 * distinguish two mutexes of one type. clang reports a function that uses
 * guarded data while the function holds no mutex of the type, and a function
 * that locks a second mutex of the type.
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

/* Marks a type of lock. */
#define CORE_CAPABILITY(name) CORE_THREAD_SAFETY_(capability(name))
/*
 * Marks a member or variable that may be used only with the mutex locked. PT_
 * marks a pointer: the data behind the pointer is guarded, and the pointer
 * isn't.
 */
#define CORE_GUARDED_BY(mutex)	  CORE_THREAD_SAFETY_(guarded_by(mutex))
#define CORE_PT_GUARDED_BY(mutex) CORE_THREAD_SAFETY_(pt_guarded_by(mutex))
/* Marks a function that must be called with the mutex locked, or unlocked. */
#define CORE_REQUIRES(mutex) CORE_THREAD_SAFETY_(requires_capability(mutex))
#define CORE_EXCLUDES(mutex) CORE_THREAD_SAFETY_(locks_excluded(mutex))
/* Marks a function that locks the mutex, or unlocks the mutex. */
#define CORE_ACQUIRE(mutex) CORE_THREAD_SAFETY_(acquire_capability(mutex))
#define CORE_RELEASE(mutex) CORE_THREAD_SAFETY_(release_capability(mutex))
/* Marks a function that returns true if the function has locked the mutex. */
#define CORE_TRY_ACQUIRE(mutex) \
	CORE_THREAD_SAFETY_(try_acquire_capability(true, mutex))
/* Marks a function whose body clang doesn't check. A comment must say why. */
#define CORE_NO_THREAD_SAFETY CORE_THREAD_SAFETY_(no_thread_safety_analysis)

/* The type that the annotations name. No variable of this type exists. */
struct CORE_CAPABILITY("mutex") core_mutex_type;

/*
 * Declares the type of a mutex, struct NAME, with NAME_lock(), NAME_trylock()
 * and NAME_unlock(). All else is done by pthread's functions on the member
 * native: pthread_mutex_init(), pthread_mutex_destroy(), and
 * pthread_cond_wait(), which is called and returns with the mutex locked.
 * glibc's functions aren't annotated, so clang doesn't check the bodies here.
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
