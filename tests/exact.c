/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Usage: exact PATH NAME MESSAGES READERS KILLS
 *
 * Moves numbered messages through the queue /NAME, whose file on the mount is
 * PATH, and notes what arrives. Some of the writers and readers are native, the
 * others use the file; a single reader is now this, now that. An alarm interrupts
 * each of them again and again. Up to KILLS times those on the mount, one after the
 * other, or the single reader are killed and replaced.
 *
 * What must hold:
 *
 * - No message is received twice.
 * - None is missing but what a writer was about to send when it was killed, and at
 *   most one for each reader that was killed while it received.
 * - What a reader receives from one writer comes in the order in which it was
 *   sent, also from a reader to the one that replaces it.
 *
 * The scheduler decides which processes take part. The test goes on, with as many
 * messages again, until all have taken part.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_WRITERS   4
#define MAX_READERS 8
#define MAX_TRIES   100

enum role { READER, WRITER };
enum way { NATIVE, MOUNT };

struct message {
	uint32_t writer; /* N_WRITERS: there are no more */
	uint32_t number;
};

/* A reader or writer, and who replaces it. */
struct party {
	enum role role;
	enum way way;
	uint32_t id;
	pid_t pid;
	atomic_bool moving, ended;
	/* The number to come, for a reader from each; a writer's is the first. */
	atomic_uint next[N_WRITERS];
};

/* In memory of all processes: what is noted outlives who noted it. */
struct shared {
	struct party writers[N_WRITERS], readers[MAX_READERS];
	sem_t progress; /* time to kill, or a writer has ended */
	atomic_uint received, disordered;
	atomic_uint moved[2][2], interrupted[2][2]; /* by role and way */
	atomic_uchar counts[]; /* how often each message was received */
};

static struct shared *shared;
static bool *unknown; /* of each message: whether it was sent */
static const char *path, *name;
static uint32_t per_writer, n_readers;
static uint32_t per_kill; /* messages from one to the next; 0: no kills */

static size_t index_of(uint32_t writer, uint32_t number)
{
	return writer * (size_t)per_writer + number;
}

static void on_alarm(int signal)
{
	(void)signal;
}

static void interrupt_often(void)
{
	struct itimerval often = { .it_interval.tv_usec = 1000,
				   .it_value.tv_usec = 100 };
	struct sigaction action = { .sa_handler = on_alarm };

	if (sigaction(SIGALRM, &action, NULL) < 0 ||
	    setitimer(ITIMER_REAL, &often, NULL) < 0)
		err(1, "setitimer");
}

static int open_queue(const struct party *party)
{
	int flags = party->role == READER ? O_RDONLY : O_WRONLY;
	int fd = party->way == MOUNT ? open(path, flags) : mq_open(name, flags);

	if (fd < 0)
		err(1, "open");
	return fd;
}

static ssize_t try_move(const struct party *party, int fd,
			struct message *message)
{
	const size_t size = sizeof(*message);

	if (party->role == READER)
		return party->way == MOUNT
			       ? read(fd, message, size)
			       : mq_receive(fd, (char *)message, size, NULL);
	if (party->way == MOUNT)
		return write(fd, message, size);
	return mq_send(fd, (char *)message, size, 0) < 0 ? -1 : (ssize_t)size;
}

/* Sends or receives one message, however often it is interrupted. */
static void move(const struct party *party, int fd, struct message *message)
{
	ssize_t n;

	while ((n = try_move(party, fd, message)) != sizeof(*message)) {
		if (n < 0 && errno == EINTR)
			shared->interrupted[party->role][party->way]++;
		else if (n != 0 || party->role == WRITER) /* an end of file */
			err(1, "moved %zd bytes", n);
	}
	shared->moved[party->role][party->way]++;
}

static void write_all(struct party *writer, int fd)
{
	struct message message = { .writer = writer->id };

	while (writer->next[0] < per_writer) {
		writer->moving = true;
		message.number = writer->next[0]++;
		move(writer, fd, &message);
		writer->moving = false;
	}
	writer->ended = true;
	sem_post(&shared->progress);
}

static void note(struct party *reader, const struct message *message)
{
	atomic_uint *next = &reader->next[message->writer];

	shared->counts[index_of(message->writer, message->number)]++;
	if (message->number < *next)
		shared->disordered++;
	*next = message->number + 1;
	if (per_kill && ++shared->received % per_kill == 0)
		sem_post(&shared->progress);
}

static void read_all(struct party *reader, int fd)
{
	struct message message;

	for (;;) {
		reader->moving = true;
		move(reader, fd, &message);
		if (message.writer == N_WRITERS)
			return;
		if (message.writer > N_WRITERS || message.number >= per_writer)
			errx(1, "received what was not sent");
		note(reader, &message);
		reader->moving = false;
	}
}

static void start(struct party *party)
{
	pid_t pid = fork();
	int fd;

	if (pid < 0)
		err(1, "fork");
	if (pid > 0) {
		party->pid = pid;
		return;
	}
	fd = open_queue(party);
	interrupt_often();
	if (party->role == READER)
		read_all(party, fd);
	else
		write_all(party, fd);
	_exit(0);
}

static void start_all(void)
{
	for (uint32_t i = 0; i < N_WRITERS; i++) {
		shared->writers[i].role = WRITER;
		shared->writers[i].way = i % 2 ? MOUNT : NATIVE;
		shared->writers[i].id = i;
		start(&shared->writers[i]);
	}
	/* A native who waits comes first: with more they would get it all. */
	for (uint32_t i = 0; i < n_readers; i++) {
		shared->readers[i].way = i ? MOUNT : NATIVE;
		start(&shared->readers[i]);
	}
}

static void await_end(const struct party *party)
{
	int status;

	if (waitpid(party->pid, &status, 0) < 0)
		err(1, "waitpid");
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		exit(1); /* it has said why */
}

/* Returns whether a message may have gone with it. */
static bool replace(struct party *party)
{
	bool was_moving;

	kill(party->pid, SIGKILL);
	await_end(party);
	was_moving = party->moving;
	party->moving = false;
	if (was_moving && party->role == WRITER && party->next[0] > 0)
		unknown[index_of(party->id, party->next[0] - 1)] = true;
	if (party->role == READER && n_readers == 1)
		party->way = party->way == NATIVE ? MOUNT : NATIVE;
	start(party);
	return was_moving;
}

static bool all_sent(void)
{
	for (int i = 0; i < N_WRITERS; i++) {
		if (!shared->writers[i].ended)
			return false;
	}
	return true;
}

/* Until all is sent. Returns how many messages may have gone with readers. */
static unsigned int replace_often(void)
{
	struct party *reader, *writer;
	unsigned int n_lost = 0;

	for (uint32_t n = 0; !all_sent(); n++) {
		if (sem_wait(&shared->progress) < 0)
			err(1, "sem_wait");
		if (!per_kill)
			continue;
		reader = &shared->readers[n % n_readers];
		writer = &shared->writers[n % N_WRITERS];
		if (reader->way == MOUNT || n_readers == 1)
			n_lost += replace(reader);
		if (writer->way == MOUNT)
			(void)replace(writer);
		/* Who is new gets its time, also if others were fast meanwhile. */
		while (sem_trywait(&shared->progress) == 0)
			;
	}
	return n_lost;
}

static void end_all(void)
{
	const struct message end = { .writer = N_WRITERS };
	mqd_t mqd = mq_open(name, O_WRONLY);

	for (int i = 0; i < N_WRITERS; i++)
		await_end(&shared->writers[i]);
	for (uint32_t i = 0; i < n_readers; i++) {
		if (mq_send(mqd, (const char *)&end, sizeof(end), 0) < 0)
			err(1, "mq_send");
	}
	for (uint32_t i = 0; i < n_readers; i++)
		await_end(&shared->readers[i]);
}

/* Prints what has happened. Returns whether all took part in it. */
static bool all_moved(void)
{
	bool all = true;

	for (int role = READER; role <= WRITER; role++) {
		for (int way = NATIVE; way <= MOUNT; way++) {
			printf("%s on %s: %u moved, %u interrupted\n",
			       role == READER ? "readers" : "writers",
			       way == NATIVE ? "the queue" : "the mount",
			       shared->moved[role][way],
			       shared->interrupted[role][way]);
			all = all && shared->moved[role][way] > 0;
		}
	}
	return all && (shared->interrupted[READER][MOUNT] > 0 ||
		       shared->interrupted[WRITER][MOUNT] > 0);
}

/* Returns whether n messages arrived as they must. */
static bool move_all(size_t n)
{
	unsigned int n_lost, missing = 0, twice = 0;

	memset(shared, 0, sizeof(*shared) + n);
	memset(unknown, 0, n * sizeof(*unknown));
	if (sem_init(&shared->progress, 1, 0) < 0)
		err(1, "sem_init");
	start_all();
	n_lost = replace_often();
	end_all();
	for (size_t i = 0; i < n; i++) {
		missing += shared->counts[i] == 0 && !unknown[i];
		twice += shared->counts[i] > 1;
	}
	printf("%u missing, %u readers killed as they received; ", missing,
	       n_lost);
	printf("%u came twice, %u out of order\n", twice, shared->disordered);
	return missing <= n_lost && !twice && !shared->disordered;
}

int main(int argc, char **argv)
{
	size_t n, kills;

	if (argc != 6)
		errx(2, "usage: exact PATH NAME MESSAGES READERS KILLS");
	path = argv[1];
	name = argv[2];
	per_writer = (uint32_t)strtoul(argv[3], NULL, 10) / N_WRITERS;
	n_readers = (uint32_t)strtoul(argv[4], NULL, 10);
	n = N_WRITERS * (size_t)per_writer;
	kills = strtoul(argv[5], NULL, 10);
	if (n == 0 || n < kills || n_readers < 1 || n_readers > MAX_READERS)
		errx(2, "too few or too many");
	per_kill = kills ? (uint32_t)(n / kills) : 0;
	unknown = calloc(n, sizeof(*unknown));
	shared = mmap(NULL, sizeof(*shared) + n, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!unknown || shared == MAP_FAILED)
		err(1, "set-up");
	for (int tries = 0; tries < MAX_TRIES; tries++) {
		if (!move_all(n))
			return 1;
		if (all_moved())
			return 0;
	}
	errx(1, "somebody has never moved a message");
}
