/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/model/model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct self self;
char model_buf[DATA_SIZE];

static char names[N_SIDES][N_NAMES][NAME_MAX + 2];

void model_make_names(void)
{
	static const char *const formats[N_NAMES] = { "%c%u.a",
						      "%c%u.b",
						      "%c%u.c",
						      "%c%u.d",
						      "sem.%c%u",
						      ".%c%u, :=*\n",
						      "%c%u\xff\x01",
						      "%c%u.a/below",
						      "%c%u%0253d",
						      "%c%u%0254d",
						      "." };

	for (int side = 0; side < N_SIDES; side++)
		for (int i = 0; i < N_NAMES; i++)
			(void)snprintf(names[side][i], sizeof(names[side][i]),
				       formats[i], "nm"[side], self.team, 0);
}

const char *model_name(enum side side, unsigned int name)
{
	return names[side][name];
}

const char *model_data(uint64_t random)
{
	static char data[2 * DATA_SIZE];
	static bool filled;

	for (unsigned int i = 0; !filled && i < sizeof(data); i++)
		data[i] = (char)draw(&(struct args){ 0 }, i);
	filled = true;
	return data + random % DATA_SIZE;
}

const struct timespec *model_times(const struct args *x)
{
	static const struct timespec all[][2] = {
		{ { 1, 1 }, { 2, 2 } },
		{ { 100000000, 999999999 }, { 200000000, 123456789 } },
		{ { 3, 0 }, { 0, UTIME_OMIT } },
		{ { 0, UTIME_OMIT }, { 4, 0 } },
		{ { 0, UTIME_NOW }, { 5, 5 } },
		{ { 6, 6 }, { 0, UTIME_NOW } },
		{ { 0, UTIME_OMIT }, { 0, UTIME_OMIT } },
		{ { 0, UTIME_NOW }, { 0, UTIME_NOW } },
		{ { 0, 1000000000 }, { 0, 0 } },
	};

	return ONE_IN(x, 40, 20) ? NULL : CHOOSE(x, 41, all);
}

uid_t model_uid(const struct args *x, unsigned int n)
{
	static const uid_t all[] = { (uid_t)-1, 0, USER, OTHER_USER, GROUP, 7 };

	return CHOOSE(x, n, all);
}

void note(struct outcome *ret, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	ret->len +=
		(size_t)vsnprintf(ret->text + ret->len,
				  sizeof(ret->text) - ret->len, format, args);
	va_end(args);
	if (ret->len >= sizeof(ret->text))
		abort();
}

long note_result(struct outcome *ret, long result)
{
	ret->failed = result < 0;
	if (ret->failed)
		note(ret, "%s ", strerrorname_np(errno));
	else
		note(ret, "%ld ", result);
	return result;
}

void note_data(struct outcome *ret, const void *data, size_t len)
{
	const char *bytes = data;
	struct args hash = { .bits = len };
	uint64_t word;

	for (size_t i = 0; i < len; i += sizeof(word)) {
		word = 0;
		memcpy(&word, bytes + i,
		       len - i < sizeof(word) ? len - i : sizeof(word));
		hash.bits = draw(&hash, 1) ^ word;
	}
	note(ret, "hash %016lx ", (unsigned long)hash.bits);
}

void note_read(struct outcome *ret, ssize_t n)
{
	if (note_result(ret, n) > 0)
		note_data(ret, model_buf, (size_t)n);
}

/*
 * Notes a time. The twins' times differ, unless model_times() has set the time
 * to long ago, and nothing has changed the time since.
 */
static void note_time(struct outcome *ret, const char *what,
		      struct timespec time)
{
	if (time.tv_sec < 1000000000)
		note(ret, "%s %ld.%09ld ", what, (long)time.tv_sec,
		     time.tv_nsec);
	else
		note(ret, "%s recent ", what);
}

void note_stat(struct outcome *ret, const struct stat *st)
{
	note(ret, "mode %o nlink %lu uid %u gid %u size %ld blocks %ld ",
	     st->st_mode, (unsigned long)st->st_nlink, st->st_uid, st->st_gid,
	     (long)st->st_size, (long)st->st_blocks);
	note(ret, "blksize %ld ", (long)st->st_blksize);
	note_time(ret, "atime", st->st_atim);
	note_time(ret, "mtime", st->st_mtim);
}

void note_dir(struct outcome *ret, enum side side, const char *path,
	      unsigned int hidden)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	unsigned int found = 0;

	if (note_result(ret, dir ? 0 : -1) < 0)
		return;
	while ((entry = readdir(dir))) {
		for (unsigned int i = 0; i < DIRECTORY; i++)
			if (strcmp(entry->d_name, names[side][i]) == 0)
				found |= 1U << i;
	}
	note(ret, "names %#x ", found & ~hidden);
	(void)closedir(dir);
}

void act_as(uid_t user)
{
	const gid_t groups[] = { GROUP };

	if (seteuid(0) < 0 || setegid(user ? USER : 0) < 0 ||
	    setgroups(user == OTHER_USER, groups) < 0 || seteuid(user) < 0)
		abort();
}

int model_open(const char *path, int flags, mode_t mode)
{
	int fd = open(path, flags, mode);

	if (fd < 0 && errno == EACCES && !(flags & O_EXCL))
		fd = open(path, flags & ~O_CREAT);
	return fd;
}

static void set_timer(long usec)
{
	struct itimerval timer = { { 0, usec }, { 0, usec } };
	int error = errno;

	(void)setitimer(ITIMER_REAL, &timer, NULL);
	errno = error;
}

void begin_wait(bool waits)
{
	if (waits)
		set_timer(1000);
}

void end_wait(void)
{
	set_timer(0);
}
