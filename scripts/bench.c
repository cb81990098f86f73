/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Repeats one operation in a loop and prints how long one round took.
 *
 *	bench WHAT PATH MILLISECONDS [CLIENTS]
 *
 * In microseconds:
 *	open		open and close PATH
 *	read		open PATH, read 4 KiB, close it
 *	stat		stat PATH
 *	create		create, close and unlink PATH
 * In nanoseconds:
 *	load, store	8 bytes at random places of PATH, mapped shared
 *
 * With CLIENTS, this many processes do so at the same time. Printed is how many
 * rounds a second they make together, and then how many the slowest process makes.
 *
 * The exit status is 3 if PATH can't be mapped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_REFUSED = 3 };

static const char *path;
static volatile uint64_t *words;
static uint64_t n_words, state = 88172645463325252U;

static void check(int r)
{
	if (r < 0) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(EXIT_FAILURE);
	}
}

static void map(int protection)
{
	struct stat st;
	int fd = open(path, (protection & PROT_WRITE) ? O_RDWR : O_RDONLY);
	void *p;

	check(fd);
	check(fstat(fd, &st));
	p = mmap(NULL, (size_t)st.st_size, protection, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		exit(EXIT_REFUSED);
	check(close(fd));
	words = p;
	n_words = (uint64_t)st.st_size / sizeof(*words);
}

/* Xorshift is fast, and the quality of the sequence doesn't matter. */
static uint64_t any_word(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % n_words;
}

static void open_close(void)
{
	int fd = open(path, O_RDWR);

	check(fd);
	check(close(fd));
}

static void open_read_close(void)
{
	static char buf[4096];
	int fd = open(path, O_RDONLY);

	check(fd);
	check((int)read(fd, buf, sizeof(buf)));
	check(close(fd));
}

static void stat_path(void)
{
	struct stat st;

	check(stat(path, &st));
}

static void create_unlink(void)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);

	check(fd);
	check(close(fd));
	check(unlink(path));
}

static void load(void)
{
	(void)words[any_word()];
}

static void store(void)
{
	words[any_word()] = state;
}

static const struct {
	const char *name;
	void (*once)(void);
	int protection; /* of a mapping; 0: none */
} kinds[] = {
	{ "open", open_close, 0 },   { "read", open_read_close, 0 },
	{ "stat", stat_path, 0 },    { "create", create_unlink, 0 },
	{ "load", load, PROT_READ }, { "store", store, PROT_READ | PROT_WRITE },
};

static uint64_t now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Repeats the operation. Returns how many nanoseconds a round took. */
static double repeat(void (*once)(void), uint64_t limit)
{
	uint64_t start = now(), time = 0, n = 0;

	while (time < limit) {
		/* Many rounds hide the time of reading the clock. */
		for (int i = 0; i < 256; i++)
			once();
		n += 256;
		time = now() - start;
	}
	return (double)time / (double)n;
}

static void repeat_together(void (*once)(void), uint64_t limit, int n_clients)
{
	double *times =
		mmap(NULL, (size_t)n_clients * sizeof(*times),
		     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double sum = 0, longest = 0;
	int status;

	check(times == MAP_FAILED ? -1 : 0);
	for (int i = 0; i < n_clients; i++) {
		pid_t pid = fork();

		check(pid);
		if (pid == 0) {
			times[i] = repeat(once, limit);
			exit(EXIT_SUCCESS);
		}
	}
	for (int i = 0; i < n_clients; i++) {
		check(wait(&status));
		if (status != 0)
			exit(EXIT_FAILURE);
	}
	for (int i = 0; i < n_clients; i++) {
		sum += 1e9 / times[i];
		longest = times[i] > longest ? times[i] : longest;
	}
	(void)printf("%.0f\n%.0f\n", sum, 1e9 / longest);
}

int main(int argc, char **argv)
{
	uint64_t limit;
	size_t kind = 0;
	double time;

	if (argc != 4 && argc != 5)
		return EXIT_FAILURE;
	while (strcmp(kinds[kind].name, argv[1]) != 0)
		if (++kind == sizeof(kinds) / sizeof(*kinds))
			return EXIT_FAILURE;
	path = argv[2];
	limit = strtoull(argv[3], NULL, 10) * 1000000;
	if (kinds[kind].protection)
		map(kinds[kind].protection);
	if (argc == 5) {
		repeat_together(kinds[kind].once, limit, atoi(argv[4]));
		return EXIT_SUCCESS;
	}
	time = repeat(kinds[kind].once, limit);
	(void)printf("%.3f\n", kinds[kind].protection ? time : time / 1000);
	return EXIT_SUCCESS;
}
