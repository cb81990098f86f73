/* SPDX-License-Identifier: BSD-3-Clause */
/* A kind for tests, and an example of a kind: a directory of constants. */
#include "fs/fuse/kind.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { N = 2 };
static const char *const names[N] = { "e", "pi" };
static const char *const texts[N] = { "value 2.718\n", "value 3.142\n" };
static int fds[N]; /* a memfd for each constant */

static void make(void)
{
	for (int i = 0; i < N; i++) {
		fds[i] = memfd_create(names[i], MFD_CLOEXEC);
		if (fchmod(fds[i], 0444) < 0 ||
		    write(fds[i], texts[i], strlen(texts[i])) < 0)
			abort();
	}
}

static int toy_list(const struct fs_request *rq, struct dirent64 *ret)
{
	(void)rq;
	if (ret->d_off >= 2 + N)
		return 0;
	strcpy(ret->d_name, names[ret->d_off - 2]);
	ret->d_ino =
		(ino_t)ret
			->d_off++; /* readdir(3) hides an entry with the number 0 */
	ret->d_type = DT_REG;
	return 1;
}

static int toy_find(const struct fs_request *rq, const char *name, ino_t ino,
		    int *ret_fd)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	(void)rq, (void)ino; /* a name never leads to another object */
	pthread_once(&once, make);
	for (int i = 0; i < N; i++)
		if (strcmp(names[i], name) == 0)
			return (*ret_fd = dup(fds[i])) < 0 ? -errno : 0;
	return -ENOENT;
}

static int toy_describe(const struct fs_request *rq, int fd, char *ret,
			size_t size)
{
	(void)rq;
	return (int)pread(fd, ret, size,
			  0); /* a write to a memfd doesn't fail */
}

const struct fs_kind fs_toy = { .name = "toy",
				.title = "constants",
				.describe = toy_describe,
				.list = toy_list,
				.find = toy_find };
