/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Moves messages of 64 bytes through a queue and prints the speed.
 *
 *	bench_mq back-and-forth PATH MILLISECONDS
 *		microseconds for one message, sent and received by one process
 *	bench_mq stream PATH COUNT
 *		messages a second, from one process to another. If PATH is a
 *		file, each write and each read moves many lines
 *
 *	bench_mq waiters PATH COUNT [PID]
 *		microseconds from mq_send() to the return of a read, while COUNT
 *		threads wait in a read of the queue; and the memory that the
 *		process PID has meanwhile, in KiB
 *
 * PATH is a file, or "/NAME": the queue NAME by mq_send() and mq_receive().
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 64, LINES = 1024 };

static const char *path;
static bool native;
static int fd;
static char buf[SIZE * LINES];

static void check(bool good)
{
	if (good)
		return;
	(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
	exit(EXIT_FAILURE);
}

static void open_queue(int flags)
{
	fd = native ? mq_open(path, flags) : open(path, flags);
	check(fd >= 0);
}

static uint64_t now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* The receive buffer is larger than the message, as mq_receive() requires. */
static void one_there_and_back(void)
{
	if (native) {
		check(mq_send(fd, buf, SIZE, 0) == 0);
		check(mq_receive(fd, buf, sizeof(buf), NULL) == SIZE);
	} else {
		check(write(fd, buf, SIZE) == SIZE);
		check(read(fd, buf, sizeof(buf)) == SIZE);
	}
}

static void back_and_forth(uint64_t milliseconds)
{
	uint64_t start = now(), time = 0, n = 0;

	open_queue(O_RDWR);
	while (time < milliseconds * 1000000) {
		for (int i = 0; i < 64; i++)
			one_there_and_back();
		n += 64;
		time = now() - start;
	}
	(void)printf("%.3f\n", (double)time / (double)n / 1000);
}

static void send_all(uint64_t count)
{
	open_queue(O_WRONLY);
	for (uint64_t n = 0; native && n < count; n++)
		check(mq_send(fd, buf, SIZE, 0) == 0);
	for (int i = 0; i < LINES; i++)
		buf[i * SIZE + SIZE - 1] = '\n';
	for (uint64_t left = native ? 0 : count * SIZE; left > 0;) {
		size_t size = left < sizeof(buf) ? left : sizeof(buf);

		ssize_t n = write(fd, buf, size);

		check(n > 0 && n % SIZE == 0);
		left -= (uint64_t)n;
	}
	exit(EXIT_SUCCESS);
}

static void stream(uint64_t count)
{
	uint64_t start = now();
	pid_t pid = fork();
	int status;

	check(pid >= 0);
	if (pid == 0)
		send_all(count);
	open_queue(O_RDONLY);
	for (uint64_t left = count * SIZE; left > 0;) {
		ssize_t n = native ? mq_receive(fd, buf, sizeof(buf), NULL)
				   : read(fd, buf, sizeof(buf));

		check(n >= 0);
		left -= (uint64_t)n;
	}
	(void)printf("%.0f\n", (double)count * 1e9 / (double)(now() - start));
	check(wait(&status) == pid && status == 0);
}

static atomic_ulong n_waiters;
static sem_t received;

/* Each thread opens the queue itself: one open file has one reader at a time. */
static void *receive_all(void *closure)
{
	int own = native ? mq_open(path, O_RDONLY) : open(path, O_RDONLY);
	char message[SIZE];

	(void)closure;
	check(own >= 0);
	for (n_waiters++;; check(sem_post(&received) == 0))
		check((native ? mq_receive(own, message, SIZE, NULL)
			      : read(own, message, SIZE)) == SIZE);
	return NULL;
}

static void start_waiters(uint64_t count)
{
	struct rlimit limit;
	pthread_attr_t attr;
	pthread_t thread;

	check(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	check(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, 1 << 16);
	for (uint64_t i = 0; i < count; i++)
		check(pthread_create(&thread, &attr, receive_all, NULL) == 0);
	while (n_waiters < count)
		(void)usleep(1000);
	/* The last threads may not wait yet. */
	(void)usleep(200000);
}

static void print_memory(const char *pid)
{
	char name[64], line[256];
	long memory;
	FILE *file;

	(void)snprintf(name, sizeof(name), "/proc/%s/status", pid);
	file = fopen(name, "r");
	check(file != NULL);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "VmRSS: %ld", &memory) == 1)
			(void)printf("%ld\n", memory);
	(void)fclose(file);
}

static void send_to_waiters(uint64_t count, const char *pid)
{
	const uint64_t n = 2000;
	uint64_t time = 0;
	int mqd = mq_open(strrchr(path, '/'), O_WRONLY);

	check(mqd >= 0 && sem_init(&received, 0, 0) == 0);
	start_waiters(count);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t start = now();

		check(mq_send(mqd, buf, SIZE, 0) == 0);
		check(sem_wait(&received) == 0);
		time += now() - start;
	}
	(void)printf("%.3f\n", (double)time / (double)n / 1000);
	if (pid)
		print_memory(pid);
	exit(EXIT_SUCCESS);
}

int main(int argc, char **argv)
{
	if (argc != 4 && argc != 5)
		return EXIT_FAILURE;
	path = argv[2];
	native = strchr(path + 1, '/') == NULL;
	if (strcmp(argv[1], "stream") == 0)
		stream(strtoull(argv[3], NULL, 10));
	else if (strcmp(argv[1], "waiters") == 0)
		send_to_waiters(strtoull(argv[3], NULL, 10), argv[4]);
	else
		back_and_forth(strtoull(argv[3], NULL, 10));
	return EXIT_SUCCESS;
}
