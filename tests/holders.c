/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * holders PROCESSES OBJECTS DIR: runs processes until they are killed. Each has one of
 * the objects open or mapped, in turn. Prints a line when all processes have begun.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static void hold(const char *path, int is_mapped)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	if (fd < 0 || ftruncate(fd, 4096) < 0)
		exit(EXIT_FAILURE);
	if (!is_mapped)
		return;
	if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
		exit(EXIT_FAILURE);
	close(fd);
}

int main(int argc, char **argv)
{
	int ready[2];
	char c = 0;

	if (argc != 4 || pipe(ready) < 0)
		return EXIT_FAILURE;
	for (int i = 0; i < atoi(argv[1]); i++) {
		char path[4096];

		(void)snprintf(path, sizeof(path), "%s/%d", argv[3],
			       i % atoi(argv[2]));
		switch (fork()) {
		case -1:
			return EXIT_FAILURE;
		case 0:
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			hold(path, i % 2);
			if (write(ready[1], &c, 1) != 1)
				exit(EXIT_FAILURE);
			for (;;)
				pause();
		}
		if (read(ready[0], &c, 1) != 1)
			return EXIT_FAILURE;
	}
	puts("ready");
	(void)fflush(stdout);
	for (;;)
		pause();
}
