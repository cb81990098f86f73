/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * holders PROCESSES OBJECTS DIR [open]: runs processes until they are killed. Each
 * has one of the objects open or mapped, in turn; with "open", each has it open. Prints
 * a line when all processes have begun.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

struct holder {
	const char *path;
	int is_mapped;
	int ready; /* a byte is written when the process holds the object */
};

static int hold(void *arg)
{
	const struct holder *holder = arg;
	int fd = open(holder->path, O_RDWR | O_CREAT, 0600);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd < 0 || ftruncate(fd, 4096) < 0)
		_exit(EXIT_FAILURE);
	if (holder->is_mapped) {
		if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) ==
		    MAP_FAILED)
			_exit(EXIT_FAILURE);
		close(fd);
	}
	if (write(holder->ready, "", 1) != 1)
		_exit(EXIT_FAILURE);
	for (;;)
		pause();
}

/* Starts a process. One that maps nothing shares our memory: it starts faster. */
static int start(struct holder *holder)
{
	enum { SIZE = 16384 };
	char *stack;
	int pid;

	if (holder->is_mapped) {
		pid = fork();
		if (pid == 0)
			hold(holder);
		return pid;
	}
	stack = malloc(SIZE);
	return stack ? clone(hold, stack + SIZE, CLONE_VM | SIGCHLD, holder)
		     : -1;
}

int main(int argc, char **argv)
{
	int ready[2];
	char c;

	if ((argc != 4 && argc != 5) || pipe(ready) < 0)
		return EXIT_FAILURE;
	for (int i = 0; i < atoi(argv[1]); i++) {
		char path[4096];
		struct holder holder = { path, argc == 4 && i % 2, ready[1] };

		(void)snprintf(path, sizeof(path), "%s/%d", argv[3],
			       i % atoi(argv[2]));
		if (start(&holder) < 0 || read(ready[0], &c, 1) != 1)
			return EXIT_FAILURE;
	}
	puts("ready");
	(void)fflush(stdout);
	for (;;)
		pause();
}
