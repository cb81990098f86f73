/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A team is a few processes that share names and take turns. The order of the
 * turns is random, but the seed determines it. So each step has one outcome,
 * although another process may have an object of the step open, mapped or
 * locked. One process of a team doesn't use the mount: it makes the native
 * calls where the other processes use the mount. Teams run at the same time and
 * have nothing in common but the mount.
 *
 *	SEED	replays a run; each run prints its seed
 *	ROUNDS	a tenth of the number of steps; default 100000
 *
 * Run by on_mount with -o allow_other, in an IPC namespace of its own.
 */
#include "tests/model/model.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { N_TEAMS = 2, N_ACTORS = 3, N_JOURNAL = 40, MAX_OPS = 128, STUCK = 30 };

/* A step that was done, to show what led to a failure. */
struct entry {
	unsigned int actor;
	const struct op *op;
	struct args x;
	char outcome[100];
};

/* All processes share this memory. */
struct team {
	sem_t turns[N_ACTORS];
	uint64_t random;
	unsigned long step, n_steps;
	bool failed;
	struct entry journal[N_JOURNAL];
	unsigned long counts[MAX_OPS][2]; /* by operation: succeeded, failed */
};

static struct team *teams;
static uint64_t seed;
static const struct op *ops[MAX_OPS];
static unsigned int n_ops, weights;

static void add_ops(const struct op *table)
{
	for (; table->name; table++) {
		ops[n_ops++] = table;
		weights += table->weight;
	}
}

/* Drawing a step at random. */

static uint64_t next_random(uint64_t *state)
{
	struct args x = { .bits = ++*state };

	return draw(&x, 0);
}

static unsigned int draw_op(uint64_t *random)
{
	unsigned int at = next_random(random) % weights, i = 0;

	while (at >= ops[i]->weight)
		at -= ops[i++]->weight;
	return i;
}

/*
 * Mostly near the beginning and the pages' edges; now and then an extreme one.
 */
static off_t draw_offset(uint64_t *random)
{
	static const off_t odd[] = { -1, -4096, INT64_MAX, (off_t)1 << 40,
				     300000 };
	uint64_t r = next_random(random);

	switch (r % 64) {
	case 0:
		return odd[(r >> 8) % 5];
	case 1 ... 20:
		return (off_t)((r >> 8) % 16 * 4096);
	case 21 ... 30:
		return (off_t)((r >> 8) % 64);
	default:
		return (off_t)((r >> 8) % 40000);
	}
}

static size_t draw_size(uint64_t *random)
{
	uint64_t r = next_random(random);

	switch (r % 32) {
	case 0:
		return 0;
	case 1:
		return (r >> 8) % 70000;
	case 2 ... 8:
		return (r >> 8) % 3 * 4096;
	case 9 ... 20:
		return (r >> 8) % 50;
	default:
		return (r >> 8) % 5000;
	}
}

static unsigned int draw_name(uint64_t *random)
{
	uint64_t r = next_random(random);

	return (r >> 8) % (r % 8 == 0 ? (unsigned int)N_NAMES : N_PLAIN);
}

static void draw_args(uint64_t *random, struct args *ret)
{
	static const uid_t users[] = { 0, 0, 0, 0, 0, 0, USER, OTHER_USER };

	ret->user = users[next_random(random) % 8];
	ret->slot = next_random(random) % N_SLOTS;
	ret->to = next_random(random) % N_SLOTS;
	ret->name = draw_name(random);
	ret->new = draw_name(random);
	ret->offset = draw_offset(random);
	ret->to_offset = draw_offset(random);
	ret->size = draw_size(random);
	ret->mode = next_random(random) % 010000;
	ret->bits = next_random(random);
}

/* Reporting a failure. */

static void print_quoted(const char *text)
{
	for (; *text; text++)
		(void)putchar(*text >= ' ' && *text <= '~' ? *text : '?');
	(void)putchar('\n');
}

static void print_journal(unsigned int index)
{
	const struct team *team = &teams[index];
	unsigned long i =
		team->step < N_JOURNAL ? 0 : team->step - N_JOURNAL + 1;

	(void)printf("# SEED=%lu: team %u, step %lu, after\n",
		     (unsigned long)seed, index, team->step);
	for (; i <= team->step; i++) {
		const struct entry *entry = &team->journal[i % N_JOURNAL];
		const struct args *x = &entry->x;

		(void)printf("# process %u as %u: %s slot %u to %u name %u "
			     "new %u offset %ld to %ld size %zu mode %o: ",
			     entry->actor, x->user, entry->op->name, x->slot,
			     x->to, x->name, x->new, (long)x->offset,
			     (long)x->to_offset, x->size, x->mode);
		print_quoted(entry->outcome);
	}
}

static void report(const struct outcome *outcomes)
{
	print_journal(self.team);
	(void)printf("# natively:     ");
	print_quoted(outcomes[NATIVE].text);
	(void)printf("# on the mount: ");
	print_quoted(outcomes[MOUNT].text);
	(void)fflush(stdout);
}

/* Doing a step. */

static void run(const struct op *op, enum side side, const struct args *x,
		struct outcome *outcomes)
{
	struct outcome *ret = &outcomes[side];

	*ret->text = '\0';
	ret->len = 0;
	ret->waits = ret->failed = false;
	act_as(x->user);
	op->run(side, x, side == MOUNT ? &outcomes[NATIVE] : NULL, ret);
	act_as(0);
}

static bool is_same(const struct outcome *outcomes)
{
	return strcmp(outcomes[NATIVE].text, outcomes[MOUNT].text) == 0;
}

/* Notes natively the state of the objects after a step. */
static void look(struct outcome *outcomes)
{
	for (int side = 0; side < N_SIDES; side++) {
		outcomes[side].len = 0;
		model_shm_look(side, &outcomes[side]);
		model_mq_look(side, &outcomes[side]);
	}
}

/* Does one step on both sides. Returns whether the outcomes are the same. */
static bool step(struct team *team, unsigned int actor)
{
	static struct outcome outcomes[N_SIDES];
	struct timespec moment = { .tv_nsec = 1000000 };
	struct entry *entry = &team->journal[team->step % N_JOURNAL];
	unsigned int op = draw_op(&team->random);

	entry->actor = actor;
	entry->op = ops[op];
	draw_args(&team->random, &entry->x);
	strcpy(entry->outcome, "...");
	run(ops[op], NATIVE, &entry->x, outcomes);
	(void)snprintf(entry->outcome, sizeof(entry->outcome), "%.*s",
		       (int)sizeof(entry->outcome) - 1, outcomes[NATIVE].text);
	run(ops[op], MOUNT, &entry->x, outcomes);
	for (int i = 0; ops[op]->settles && !is_same(outcomes) && i < 20000;
	     i++) {
		(void)nanosleep(&moment, NULL);
		run(ops[op], MOUNT, &entry->x, outcomes);
	}
	team->counts[op][outcomes[NATIVE].failed]++;
	if (is_same(outcomes))
		look(outcomes);
	if (is_same(outcomes)) {
		team->step++;
		return true;
	}
	report(outcomes);
	return false;
}

/* Takes turns until all steps are done or a step has failed. */
static void play(struct team *team, unsigned int actor)
{
	unsigned int next;

	for (;;) {
		(void)sem_wait(&team->turns[actor]);
		for (next = actor; next == actor && !team->failed &&
				   team->step < team->n_steps;) {
			team->failed = !step(team, actor);
			if (next_random(&team->random) % 8 == 0)
				next = next_random(&team->random) % N_ACTORS;
		}
		if (next == actor)
			break;
		(void)sem_post(&team->turns[next]);
	}
	/*
	 * The run has ended: wake the other processes, so that they end as
	 * well.
	 */
	for (int i = 0; i < N_ACTORS; i++)
		(void)sem_post(&team->turns[i]);
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* Runs a process of a team. One process of a team may not make large files. */
static void act(unsigned int team, unsigned int actor)
{
	struct rlimit limit = { .rlim_cur = 300000, .rlim_max = RLIM_INFINITY };
	struct sigaction alarm = { .sa_handler = on_alarm };

	(void)sigaction(SIGALRM, &alarm, NULL);
	self.team = team;
	self.on_mount = actor > 0;
	if (actor == 1) {
		(void)signal(SIGXFSZ, SIG_IGN);
		(void)setrlimit(RLIMIT_FSIZE, &limit);
	}
	model_make_names();
	model_shm_start();
	play(&teams[team], actor);
	exit(0);
}

/* The whole run. */

static void start(pid_t *pids, unsigned long n_steps)
{
	uint64_t random = seed << 8;

	for (unsigned int i = 0; i < N_TEAMS; i++) {
		teams[i].random = next_random(&random);
		teams[i].n_steps = n_steps / N_TEAMS;
		for (unsigned int k = 0; k < N_ACTORS; k++)
			(void)sem_init(&teams[i].turns[k], 1, k == 0);
		for (unsigned int k = 0; k < N_ACTORS; k++) {
			*pids = fork();
			if (*pids++ == 0)
				act(i, k);
		}
	}
}

/*
 * Returns how many steps all teams have done. If the number doesn't grow for a
 * while, the run is stuck.
 */
static unsigned long progress(void)
{
	unsigned long n = 0;

	for (int i = 0; i < N_TEAMS; i++)
		n += teams[i].step;
	return n;
}

static void kill_all(const pid_t *pids)
{
	for (int i = 0; i < N_TEAMS * N_ACTORS; i++)
		(void)kill(pids[i], SIGKILL);
	for (unsigned int i = 0; i < N_TEAMS; i++)
		print_journal(i);
}

/* Waits for the processes. Returns whether all processes ended well. */
static bool wait_for_all(const pid_t *pids)
{
	const struct timespec second = { .tv_sec = 1 };
	int status, left = N_TEAMS * N_ACTORS, idle = 0;
	unsigned long before = 0;
	bool good = true;
	sigset_t ended;

	(void)sigemptyset(&ended);
	(void)sigaddset(&ended, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &ended, NULL);
	while (left > 0) {
		if (waitpid(-1, &status, WNOHANG) > 0) {
			left--;
			if (status != 0 && good) {
				(void)printf("# a process ended with %#x\n",
					     (unsigned int)status);
				kill_all(pids);
				good = false;
			}
			continue;
		}
		if (sigtimedwait(&ended, NULL, &second) > 0)
			continue;
		idle = progress() == before ? idle + 1 : 0;
		before = progress();
		if (idle == STUCK) {
			(void)printf("# nothing moves\n");
			kill_all(pids);
			good = false;
		}
	}
	for (int i = 0; i < N_TEAMS; i++)
		good = good && !teams[i].failed;
	return good;
}

static unsigned long number(const char *variable, unsigned long fallback)
{
	const char *text = getenv(variable);

	return text ? strtoul(text, NULL, 10) : fallback;
}

/*
 * Lets users reach the mount. Each user's memory for queues is limited, so
 * queues are small by default.
 */
static bool set_up(void)
{
	static const char *const small[][2] = {
		{ "/proc/sys/fs/mqueue/msg_default", "2" },
		{ "/proc/sys/fs/mqueue/msgsize_default", "128" },
	};
	char path[PATH_MAX];
	bool good;

	(void)snprintf(path, sizeof(path), "%s/..", self.mnt);
	good = chmod(path, 0755) == 0;
	for (int i = 0; i < 2; i++) {
		int fd = open(small[i][0], O_WRONLY | O_CLOEXEC);

		good = good && write(fd, small[i][1], strlen(small[i][1])) > 0;
		(void)close(fd);
	}
	return good;
}

static void clean_up(void)
{
	for (self.team = 0; self.team < N_TEAMS; self.team++) {
		model_make_names();
		model_shm_end();
		model_mq_end();
	}
}

static void print_counts(void)
{
	(void)printf("# succeeded/failed:");
	for (unsigned int i = 0; i < n_ops; i++) {
		unsigned long sums[2] = { 0 };

		for (int k = 0; k < 2 * N_TEAMS; k++)
			sums[k % 2] += teams[k / 2].counts[i][k % 2];
		(void)printf(" %s %lu/%lu", ops[i]->name, sums[0], sums[1]);
	}
	(void)putchar('\n');
}

int main(void)
{
	const char *options = getenv("IPCFS_OPTIONS");
	unsigned long n_steps = 10 * number("ROUNDS", 100000);
	pid_t pids[N_TEAMS * N_ACTORS];
	struct timespec begin, end;
	bool good;

	if (geteuid() != 0 || setegid(USER) < 0 || setegid(0) < 0) {
		(void)printf("1..0 # skip needs several users\n");
		return EXIT_SUCCESS;
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	seed = number("SEED", (unsigned long)begin.tv_nsec);
	self.mnt = getenv("MNT");
	self.mqueue = getenv("NATIVE");
	self.passthrough = !options || !strstr(options, "nopassthrough");
	add_ops(model_shm_ops);
	add_ops(model_shm_data_ops);
	add_ops(model_shm_lock_ops);
	add_ops(model_mq_ops);
	add_ops(model_mq_data_ops);
	teams = mmap(NULL, N_TEAMS * sizeof(*teams), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	(void)printf("1..1\n# SEED=%lu\n", (unsigned long)seed);
	(void)fflush(stdout);
	good = set_up();
	start(pids, n_steps);
	good = wait_for_all(pids) && good;
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	clean_up();
	print_counts();
	(void)printf("%sok 1 - random operations, natively and on the mount\n"
		     "# %lu steps in %ld seconds\n",
		     good ? "" : "not ", progress(),
		     (long)(end.tv_sec - begin.tv_sec));
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
