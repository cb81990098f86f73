/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * model: random operations, each done twice: on something native and on its twin
 * on the mount. What can be seen of the two must be the same after each step.
 *
 *	main		draws the steps, and compares
 *	note		what is seen; names; what operations need of the process
 *	shm, shm_data, shm_lock		operations on shared memory
 *	mq		operations on queues
 *	mq_twin		what a queue of the mount is natively
 *
 * Where the mount is to differ from the native call, the operation on the native
 * side follows the mount's rule.
 */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

enum side { NATIVE, MOUNT, N_SIDES };

enum { N_SLOTS = 4, DATA_SIZE = 1 << 17 };

/* OTHER_USER is in GROUP; each is in the group USER. */
enum { USER = 1001, OTHER_USER = 1002, GROUP = 1003 };

/* A step: random numbers, of which its operation uses what it needs. */
struct args {
	uid_t user;		/* who does it: 0, USER or OTHER_USER */
	unsigned int slot, to;	/* open files */
	unsigned int name, new; /* see model_name() */
	off_t offset, to_offset;
	size_t size;
	mode_t mode;
	uint64_t bits; /* of all other choices: draw() */
};

/* What is seen of an operation: results, contents, attributes. */
struct outcome {
	bool waits;  /* it would wait */
	bool failed; /* its last call did */
	size_t len;
	char text[4000];
};

struct op {
	const char *name;
	unsigned int weight; /* how often it is drawn */
	/* Does it on one side. native: the outcome there, if this is the mount. */
	void (*run)(enum side side, const struct args *x,
		    const struct outcome *native, struct outcome *ret);
	bool settles; /* on the mount a close(2) shows in it a moment later */
};

/* The head of an operation, which may use less than it gets. */
#define MAYBE __attribute__((unused))
#define OP(name)                                                  \
	static void do_##name(MAYBE enum side side,               \
			      MAYBE const struct args *x,         \
			      MAYBE const struct outcome *native, \
			      MAYBE struct outcome *ret)

/* Tables of them; the last has no name. */
extern const struct op model_shm_ops[], model_shm_data_ops[],
	model_shm_lock_ops[], model_mq_ops[];

/* This process. It uses the mount, or does natively what others do there. */
struct self {
	unsigned int team;
	bool on_mount;
	bool passthrough;
	const char *mnt, *mqueue; /* the mount; the native queues as files */
};
extern struct self self;

/* Whether this process does this side without the mount. */
static inline bool natively(enum side side)
{
	return side == NATIVE || !self.on_mount;
}

/*
 * Sets a process up; looks at all of a side natively; removes what the processes
 * of a team have made.
 */
void model_shm_start(void);
void model_shm_look(enum side side, struct outcome *ret);
void model_shm_end(void);
void model_mq_look(enum side side, struct outcome *ret);
void model_mq_end(void);

/*
 * The names that a team's processes share: N_PLAIN ordinary ones, then some with
 * something about them, which are: a semaphore's, odd bytes, below an object, too
 * long, and the directory itself.
 */
enum {
	N_PLAIN = 4,
	SEMAPHORE = 4,
	BELOW = 7,
	DIRECTORY = 10,
	N_NAMES = 11,
};
void model_make_names(void);
const char *model_name(enum side side, unsigned int name);

/* The step's n-th random number besides those that have a name. */
static inline uint64_t draw(const struct args *x, unsigned int n)
{
	uint64_t z = x->bits + n * 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* One of a table; whether something with a chance of 1 in k is to be. */
#define CHOOSE(x, n, table) \
	((table)[draw(x, n) % (sizeof(table) / sizeof(*(table)))])
#define ONE_IN(x, n, k) (draw(x, n) % (k) == 0)

/* Random bytes, DATA_SIZE of them; and somewhere to read as many to. */
const char *model_data(uint64_t random);
extern char model_buf[DATA_SIZE];

/* Times to be set: now, or long ago. A user or group, or -1. */
const struct timespec *model_times(const struct args *x);
uid_t model_uid(const struct args *x, unsigned int n);

/* Notes a result: the number, or the name of errno if it is negative. */
long note_result(struct outcome *ret, long result);
/* The same of a read, and what it has read into model_buf. */
void note_read(struct outcome *ret, ssize_t n);
void note_data(struct outcome *ret, const void *data, size_t len);
/* Mode, owner, links and what else the twins have in common. */
void note_stat(struct outcome *ret, const struct stat *st);
/* Which of the names a directory lists, but for those in a set of bits. */
void note_dir(struct outcome *ret, enum side side, const char *path,
	      unsigned int hidden);
void note(struct outcome *ret, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Acts as one of the users, until it acts as 0 again. */
void act_as(uid_t user);

/*
 * open(2) on the mount. While the kernel notes the attributes of a directory it
 * shows a sticky bit for a moment, for which fs.protected_regular refuses to
 * open what exists with O_CREAT. It is opened without, then.
 */
int model_open(const char *path, int flags, mode_t mode);

/* A call between these is interrupted, if it is one that waits. */
void begin_wait(bool waits);
void end_wait(void);

#endif
