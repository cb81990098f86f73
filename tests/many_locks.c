/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Usage: many_locks plain|locked NATIVE MOUNTED
 *
 * Keeps an object with very many locks busy. NATIVE and MOUNTED are its paths.
 * One process holds 50,000 locks natively. On the mount, 700 processes close
 * files of the object, and 240 query its locks, until they are killed. With
 * "locked" the 700 processes lock the object, too, and each close unlocks it.
 * Prints "busy" when all processes run.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { LOCKS = 50000, CLOSERS = 700, ASKERS = 240 };

static int locked;

static int set_lock(int fd, int command, short type, off_t start, off_t len)
{
	struct flock lock = { .l_type = type, .l_start = start, .l_len = len };

	return fcntl(fd, command, &lock);
}

/* The lock of all bytes is divided, so that searches are long. */
static void hold(int fd)
{
	if (set_lock(fd, F_SETLK, F_WRLCK, 0, 2 * LOCKS) < 0)
		err(1, "lock");
	for (off_t i = LOCKS - 1; i >= 0; i--) {
		if (set_lock(fd, F_SETLK, F_UNLCK, 2 * i + 1, 1) < 0)
			err(1, "unlock");
	}
}

/* Some calls fail: the user has more requests than may be stuck. */
static void use(int fd, int closes)
{
	if (!closes) {
		(void)set_lock(fd, F_GETLK, F_WRLCK, 2 * LOCKS - 1, 1);
		return;
	}
	if (locked)
		(void)set_lock(fd, F_SETLK, F_RDLCK, 2 * LOCKS, 1);
	(void)close(dup(fd));
}

/* Starts the n-th process, which waits until *go is closed. */
static void start(int n, const char *path, const int *ready, const int *go)
{
	char c = 0;
	int fd;

	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(go[1]);
		fd = open(path, O_RDWR);
		if (fd < 0)
			err(1, "%s", path);
		if (n == 0)
			hold(fd);
		if (write(ready[1], &c, 1) != 1 || read(go[0], &c, 1) != 0)
			err(1, "pipe");
		while (n == 0)
			(void)pause();
		for (;;)
			use(fd, n <= CLOSERS);
	}
}

static void await(int ready, int n)
{
	char c;

	while (n-- > 0) {
		if (read(ready, &c, 1) != 1)
			errx(1, "a process has not begun");
	}
}

int main(int argc, char **argv)
{
	int ready[2], go[2];

	if (argc != 4 || pipe(ready) < 0 || pipe(go) < 0)
		errx(2, "usage: many_locks plain|locked NATIVE MOUNTED");
	locked = strcmp(argv[1], "locked") == 0;
	(void)close(open(argv[2], O_RDWR | O_CREAT, 0600));
	for (int n = CLOSERS + ASKERS; n > 0; n--)
		start(n, argv[3], ready, go);
	await(ready[0], CLOSERS + ASKERS);
	/* The last, because the locks make each open slow. */
	start(0, argv[2], ready, go);
	await(ready[0], 1);
	(void)close(go[1]);
	(void)puts("busy");
	(void)fflush(stdout);
	for (;;)
		(void)pause();
}
