/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes allocations fail. This file is linked into the daemon with the linker's
 * --wrap. When FAULTS names a file, each allocation of the daemon, of core/ and
 * of a libfuse that is built in fails the first time that it is made on its
 * path of calls. The code that allocates may try again, and the second attempt
 * succeeds. All processes of the test map the file, so that a daemon that was
 * started anew continues where the last daemon ended.
 *
 * Source: ld(1), --wrap.
 */
#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { N_SEEN = 1 << 14, DEPTH = 40 };

/* allocations.py knows the first members. */
static struct faults {
	_Atomic uint32_t armed, n_failed;
	_Atomic uint64_t seen[N_SEEN]; /* hashes of paths, 0: free */
} * faults;

/* The linker defines this: the program's address. */
extern char __executable_start[], etext[];

__attribute__((constructor)) static void set_up(void)
{
	const char *path = getenv("FAULTS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *first;

	if (fd < 0)
		return;
	faults = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED,
		      fd, 0);
	(void)close(fd);
	/* The first one loads a library. */
	(void)backtrace(&first, 1);
}

/*
 * main() has returned. From here on libgcov may allocate, and it would crash
 * after a failure.
 */
__attribute__((destructor)) static void tear_down(void)
{
	faults = NULL;
}

/* A hash of the calls in the program itself, independent of its address. */
static uint64_t hash_path(void)
{
	uint64_t hash = 0xcbf29ce484222325;
	void *calls[DEPTH];
	int n = backtrace(calls, DEPTH);

	for (int i = 0; i < n; i++) {
		char *at = calls[i];

		if (at >= __executable_start && at < etext)
			hash = (hash ^ (uint64_t)(at - __executable_start)) *
			       0x100000001b3;
	}
	return hash | 1;
}

static bool is_new(uint64_t hash)
{
	for (uint64_t i = hash; i < hash + N_SEEN; i++) {
		uint64_t found = 0;

		if (atomic_compare_exchange_strong(&faults->seen[i % N_SEEN],
						   &found, hash))
			return true;
		if (found == hash)
			return false;
	}
	abort();
}

static bool fails(void)
{
	if (!faults || !faults->armed || !is_new(hash_path()))
		return false;
	faults->n_failed++;
	errno = ENOMEM;
	return true;
}

/* A function that returns "failure" if it can't allocate. */
#define WRAP(type, name, parameters, arguments, failure)              \
	type __real_##name parameters;                                \
	type __wrap_##name parameters;                                \
	type __wrap_##name parameters                                 \
	{                                                             \
		return fails() ? (failure) : __real_##name arguments; \
	}

typedef int comparison(const void *a, const void *b);

WRAP(void *, malloc, (size_t size), (size), NULL)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), NULL)
WRAP(void *, realloc, (void *old, size_t size), (old, size), NULL)
WRAP(int, posix_memalign, (void **ret, size_t alignment, size_t size),
     (ret, alignment, size), ENOMEM)
WRAP(char *, strdup, (const char *text), (text), NULL)
WRAP(void *, tsearch, (const void *key, void **root, comparison *compare),
     (key, root, compare), NULL)
WRAP(FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL)
WRAP(ssize_t, getline, (char **line, size_t *size, FILE *file),
     (line, size, file), -1)
WRAP(char *, realpath, (const char *path, char *ret), (path, ret), NULL)
WRAP(int, pthread_create,
     (pthread_t * ret, const pthread_attr_t *attr, void *(*f)(void *),
      void *arg),
     (ret, attr, f, arg), EAGAIN)
WRAP(DIR *, fdopendir, (int fd), (fd), NULL)
