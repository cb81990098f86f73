/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Usage: crowd read|write COUNT FILE...
 *
 * For each FILE, starts COUNT processes that open the file and read or write a
 * byte. When all processes wait for the mount, prints "waiting". Then prints
 * how each process ends: "moved", an error or a signal. All processes are in
 * the process group of crowd.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t start(const char *file, int is_writer)
{
	pid_t pid = fork();
	char byte = 'x';
	int fd;

	if (pid != 0)
		return pid;
	(void)signal(SIGINT, SIG_DFL);
	fd = open(file, is_writer ? O_WRONLY | O_APPEND : O_RDONLY);
	if (fd < 0 ||
	    (is_writer ? write(fd, &byte, 1) : read(fd, &byte, 1)) < 0)
		_exit(errno);
	_exit(0);
}

/*
 * Reads a file of /proc/PID. Returns its beginning, which is valid until the
 * next call.
 */
static const char *process_file(pid_t pid, const char *name)
{
	static char text[64];
	char path[64];
	ssize_t n = -1;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY);
	if (fd >= 0)
		n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* Waits for the reply to a read or write, and not to an open. */
static int is_waiting(pid_t pid)
{
	long number;

	if (strcmp(process_file(pid, "wchan"), "request_wait_answer") != 0)
		return 0;
	number = strtol(process_file(pid, "syscall"), NULL, 10);
	return number == SYS_read || number == SYS_write;
}

static void await_waiting(pid_t pid)
{
	const struct timespec moment = { .tv_nsec = 1000000 };

	while (!is_waiting(pid))
		(void)nanosleep(&moment, NULL);
}

int main(int argc, char **argv)
{
	int is_writer = argc > 3 && strcmp(argv[1], "write") == 0;
	long count = argc > 3 ? strtol(argv[2], NULL, 10) : 0;
	pid_t *pids = calloc((size_t)(argc * count) + 1, sizeof(*pids));
	size_t n = 0;
	int status;

	if (count <= 0 || !pids)
		errx(2, "usage: crowd read|write COUNT FILE...");
	if (setpgid(0, 0) < 0)
		err(1, "setpgid");
	(void)signal(SIGINT, SIG_IGN);
	(void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	for (int i = 3; i < argc; i++) {
		for (long k = 0; k < count; k++) {
			pids[n] = start(argv[i], is_writer);
			if (pids[n++] < 0)
				err(1, "fork");
		}
	}
	for (size_t i = 0; i < n; i++)
		await_waiting(pids[i]);
	free(pids);
	(void)puts("waiting");
	while (wait(&status) > 0) {
		if (WIFSIGNALED(status))
			(void)puts(strsignal(WTERMSIG(status)));
		else if (WEXITSTATUS(status))
			(void)puts(strerror(WEXITSTATUS(status)));
		else
			(void)puts("moved");
	}
	return 0;
}
