/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Usage: churn COUNT OPENERS FILE ONCE_IN [NATIVE]
 *
 * OPENERS processes open FILE with O_CREAT and close it again, COUNT times
 * together, while the name is removed and created. Each process unlinks FILE
 * once in ONCE_IN times. If ONCE_IN is 0, an additional process unlinks the
 * file as NATIVE all the time. No open may fail, because natively no open
 * fails. Prints the number of opens and the errors, and fails if there was an
 * error.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
	atomic_ulong n_opens, n_unlinks, n_errors[256];
} * shared;

static void open_and_close(const char *file, unsigned long count,
			   unsigned long once_in)
{
	for (unsigned long i = 1; shared->n_opens < count; i++) {
		int fd = open(file, O_RDWR | O_CREAT, 0600);

		if (fd < 0)
			shared->n_errors[errno & 255]++;
		else
			(void)close(fd);
		shared->n_opens++;
		if (once_in > 0 && i % once_in == 0 && unlink(file) == 0)
			shared->n_unlinks++;
	}
}

int main(int argc, char **argv)
{
	unsigned long count, n_openers, once_in, n_errors = 0;
	pid_t unlinker = 0;

	if (argc < 5)
		errx(2, "usage: churn COUNT OPENERS FILE ONCE_IN [NATIVE]");
	count = strtoul(argv[1], NULL, 10);
	n_openers = strtoul(argv[2], NULL, 10);
	once_in = strtoul(argv[4], NULL, 10);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		err(2, "mmap");
	if (argc > 5)
		unlinker = fork();
	while (argc > 5 && unlinker == 0)
		shared->n_unlinks += unlink(argv[5]) == 0;
	for (unsigned long i = 0; i < n_openers; i++) {
		if (fork() == 0) {
			open_and_close(argv[3], count, once_in);
			_exit(0);
		}
	}
	for (unsigned long i = 0; i < n_openers; i++)
		(void)wait(NULL);
	if (unlinker > 0) {
		(void)kill(unlinker, SIGKILL);
		(void)wait(NULL);
	}
	(void)printf("%lu opens, %lu unlinks\n", shared->n_opens,
		     shared->n_unlinks);
	for (int i = 0; i < 256; i++) {
		if (shared->n_errors[i] > 0)
			(void)printf("%s: %lu\n", strerror(i),
				     shared->n_errors[i]);
		n_errors += shared->n_errors[i];
	}
	return n_errors > 0;
}
