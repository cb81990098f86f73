/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Usage: load SECONDS [READERS KILLS]
 *
 * Puts the load on the mount MNT for this many seconds. Signals interrupt all
 * processes, and again and again a process is killed and replaced. Prints what
 * was done. The exit status is 1 if anything was wrong. Run by scripts/soak.
 *
 * With READERS, processes only send and receive messages, with at most this
 * many readers at a time. A single reader is replaced by a reader that reads in
 * another way. No process is killed if KILLS is 0. The test continues until
 * each process has sent or received a message. Run by load.bats.
 */
#include "tests/load/load.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct shared *shared;
unsigned int random_state;

unsigned int draw(unsigned int n)
{
	random_state = random_state * 1103515245 + 12345;
	return (random_state >> 8) % n;
}

void pause_for(long usec)
{
	struct timespec time = { .tv_nsec = usec * 1000 };

	(void)nanosleep(&time, NULL);
}

const char *path(const char *format, ...)
{
	static char paths[2][PATH_MAX];
	static unsigned int i;
	char *ret = paths[++i % 2];
	int n = snprintf(ret, PATH_MAX, "%s/", getenv("MNT"));
	va_list args;

	va_start(args, format);
	(void)vsnprintf(ret + n, (size_t)(PATH_MAX - n), format, args);
	va_end(args);
	return ret;
}

int must_open_native(int flags)
{
	mqd_t mqd = mq_open("/load", flags);

	if (mqd < 0)
		err(1, "mq_open");
	return mqd;
}

/* Starting and ending processes. */

static void on_alarm(int signo)
{
	(void)signo;
}

static void start(struct party *party)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval often = { { 0, 5000 }, { 0, 5000 } };
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid > 0) {
		party->pid = pid;
		return;
	}
	random_state = (unsigned int)getpid();
	(void)sigaction(SIGALRM, &action, NULL);
	(void)setitimer(ITIMER_REAL, &often, NULL);
	party->role->run(party);
	_exit(0);
}

/* Waits for the end of a process. Returns whether it ended as it should. */
static bool has_ended_well(const struct party *party)
{
	int status, r;

	do
		r = waitpid(party->pid, &status, 0);
	while (r < 0 && errno == EINTR);
	if (status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
		return true;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS &&
	    party->role->may_fault)
		return true;
	(void)printf("%s ended with %#x\n", party->role->name, status);
	return false;
}

/* READERS of the command line; 0: all roles. */
static int n_readers;
static bool kills = true;

static bool takes_part(int i)
{
	if (n_readers == 0 || load_roles[i].kind == WRITER)
		return true;
	for (int first = i; load_roles[i].kind == READER; first--)
		if (load_roles[first].kind != READER)
			return i - first <= n_readers;
	return false;
}

/*
 * How many processes were killed; how many messages killed readers may have
 * lost.
 */
static unsigned long n_killed, may_be_lost;

static bool replace(struct party *party)
{
	bool good;

	(void)kill(party->pid, SIGKILL);
	good = has_ended_well(party);
	n_killed++;
	if (party->moving && party->role->kind == READER)
		may_be_lost++;
	if (party->moving && party->role->kind == WRITER)
		shared->counts[party->id][party->next - 1] |= UNKNOWN;
	party->moving = false;
	if (n_readers == 1 && party->role->kind == READER)
		do
			party->role = &load_roles[draw(N_PARTIES)];
		while (party->role->kind != READER);
	start(party);
	return good;
}

/* Waits until the writers, or all other processes, have ended. */
static bool await(bool writers)
{
	bool good = true;

	for (int i = 0; i < N_PARTIES; i++)
		if (takes_part(i) && (load_roles[i].kind == WRITER) == writers)
			good = has_ended_well(&shared->parties[i]) && good;
	return good;
}

static bool all_have_moved(void)
{
	for (int i = 0; i < N_PARTIES; i++)
		if (n_readers > 0 && takes_part(i) && shared->parties[i].n == 0)
			return false;
	return true;
}

static bool play(time_t seconds)
{
	time_t end = time(NULL) + seconds;
	struct mq_attr attr = { .mq_curmsgs = 1 };
	mqd_t mqd = must_open_native(O_RDONLY);
	bool good = true;

	while (good && (time(NULL) < end || !all_have_moved())) {
		int i = (int)draw(N_PARTIES);

		pause_for(5000);
		if (kills && takes_part(i))
			good = replace(&shared->parties[i]);
	}
	shared->writers_end = true;
	good = await(true) && good;
	while (mq_getattr(mqd, &attr) == 0 && attr.mq_curmsgs > 0)
		pause_for(1000);
	shared->all_end = true;
	return await(false) && good;
}

/* Checks that each message was received once. Prints the counts. */
static bool account(void)
{
	unsigned long sent = 0, missing = 0, twice = 0, unsent = 0;

	for (int i = 0; i < N_PARTIES; i++) {
		const struct party *party = &shared->parties[i];

		if (!takes_part(i))
			continue;
		(void)printf("%-15s %9lu\n", party->role->name, party->n);
		if (party->role->kind != WRITER)
			continue;
		for (unsigned int k = 0; k < party->next; k++) {
			unsigned int count = shared->counts[party->id][k];

			sent++;
			unsent += count == UNKNOWN;
			missing += count == 0;
			twice += (count & ~UNKNOWN) > 1;
		}
	}
	(void)printf(
		"%lu messages: %lu not sent by killed writers, %lu lost "
		"with readers\nof which %lu were killed, %lu came twice, %u "
		"out of order; %lu processes were killed\n",
		sent, unsent, missing, may_be_lost, twice, shared->disordered,
		n_killed);
	return missing <= may_be_lost && twice == 0 && shared->disordered == 0;
}

static void make_queue(const char *name, long maxmsg, long msgsize)
{
	struct mq_attr attr = { .mq_maxmsg = maxmsg, .mq_msgsize = msgsize };
	mqd_t mqd = mq_open(name, O_RDWR | O_CREAT, 0600, &attr);

	if (mqd < 0)
		err(1, "%s", name);
	if (strcmp(name, "/full") == 0 && mq_send(mqd, "x", 1, 0) < 0)
		err(1, "mq_send");
	(void)mq_close(mqd);
}

static void clean_up(void)
{
	for (int i = 0; i < 4; i++) {
		(void)unlink(
			path("mq/%s", (const char *[]){ "load", "discard",
							"empty", "full" }[i]));
		(void)unlink(path("mq/churn.%d", i));
		(void)unlink(path("shm/churn.%d", i));
		(void)unlink(path("shm/lock.%d", i));
	}
}

int main(int argc, char **argv)
{
	uint32_t n_writers = 0;
	bool good;

	if ((argc != 2 && argc != 4) || atoi(argv[1]) <= 0)
		errx(2, "usage: load SECONDS [READERS KILLS]");
	if (argc == 4) {
		n_readers = atoi(argv[2]);
		kills = atoi(argv[3]) > 0;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (shared == MAP_FAILED)
		err(1, "mmap");
	make_queue("/load", 10, sizeof(struct message));
	make_queue("/discard", 5, 64);
	make_queue("/empty", 1, 1);
	make_queue("/full", 1, 1);
	random_state = (unsigned int)getpid();
	/* If a process never ends, the alarm ends the test. */
	(void)alarm((unsigned int)atoi(argv[1]) + 60);
	for (int i = 0; i < N_PARTIES; i++) {
		shared->parties[i].role = &load_roles[i];
		if (load_roles[i].kind == WRITER)
			shared->parties[i].id = n_writers++;
		if (takes_part(i))
			start(&shared->parties[i]);
	}
	good = play(atoi(argv[1]));
	good = account() && good;
	clean_up();
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
