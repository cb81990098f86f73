/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * model: random operations. Each operation is done twice: on a native object
 * and on its twin on the mount. After each step everything that can be seen of
 * the two objects must be the same.
 *
 *	main		draws the steps, and compares
 *	note		notes outcomes; names; tools of operations
 *	shm, shm_data, shm_lock		operations on shared memory
 *	mq		operations on queues
 *	mq_twin		the twin of a queue, made of native calls
 *
 * Where the mount must differ from the native call, the operation on the native
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

/* OTHER_USER is a member of GROUP; both users are members of the group USER. */
enum { USER = 1001, OTHER_USER = 1002, GROUP = 1003 };

/* A step: random numbers. The operation uses the numbers that it needs. */
struct args {
	uid_t user;		/* who does the step: 0, USER, OTHER_USER */
	unsigned int slot, to;	/* open files */
	unsigned int name, new; /* see model_name() */
	off_t offset, to_offset;
	size_t size;
	mode_t mode;
	uint64_t bits; /* for all other choices: draw() */
};

/* The outcome of an operation: results, contents, attributes. */
struct outcome {
	bool waits;  /* the operation would wait */
	bool failed; /* its last call failed */
	size_t len;
	char text[4000];
};

struct op {
	const char *name;
	unsigned int weight; /* how often the operation is drawn */
	/*
	 * Does the operation on one side. native: on the mount, the native
	 * outcome.
	 */
	void (*run)(enum side side, const struct args *x,
		    const struct outcome *native, struct outcome *ret);
	bool settles; /* a close(2) on the mount affects it a moment later */
};

/* The head of an operation, which needn't use all of its arguments. */
#define MAYBE __attribute__((unused))
#define OP(name)                                                  \
	static void do_##name(MAYBE enum side side,               \
			      MAYBE const struct args *x,         \
			      MAYBE const struct outcome *native, \
			      MAYBE struct outcome *ret)

/* Tables of operations; the last entry has no name. */
extern const struct op model_shm_ops[], model_shm_data_ops[],
	model_shm_lock_ops[], model_mq_ops[], model_mq_data_ops[];

/* This process. It uses the mount, or makes native calls instead. */
struct self {
	unsigned int team;
	bool on_mount;
	bool passthrough;
	const char *mnt, *mqueue; /* the mount; the native queues as files */
};
extern struct self self;

/* Whether this process makes native calls on this side. */
static inline bool natively(enum side side)
{
	return side == NATIVE || !self.on_mount;
}

/*
 * start() sets a process up. look() notes natively all objects of a side. end()
 * removes the objects that the processes of a team have made.
 */
void model_shm_start(void);
void model_shm_look(enum side side, struct outcome *ret);
void model_shm_end(void);
void model_mq_look(enum side side, struct outcome *ret);
void model_mq_end(void);

/*
 * The names that a team's processes share. The first N_PLAIN names are
 * ordinary. The rest are special: a semaphore's name, odd bytes, a path below
 * an object, a name that is too long, and the directory itself.
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

/* Returns the step's n-th random number, besides the members of struct args. */
static inline uint64_t draw(const struct args *x, unsigned int n)
{
	uint64_t z = x->bits + n * 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* Chooses an element of a table; is true with a chance of 1 in k. */
#define CHOOSE(x, n, table) \
	((table)[draw(x, n) % (sizeof(table) / sizeof(*(table)))])
#define ONE_IN(x, n, k) (draw(x, n) % (k) == 0)

/* DATA_SIZE random bytes, and a buffer to read as many bytes into. */
const char *model_data(uint64_t random);
extern char model_buf[DATA_SIZE];

/* Returns times to set: now, or long ago. Returns a user or group, or -1. */
const struct timespec *model_times(const struct args *x);
uid_t model_uid(const struct args *x, unsigned int n);

/* Notes a result: the number, or the name of errno if it is negative. */
long note_result(struct outcome *ret, long result);
/* Notes the result of a read, and the bytes that it read into model_buf. */
void note_read(struct outcome *ret, ssize_t n);
void note_data(struct outcome *ret, const void *data, size_t len);
/*
 * Notes mode, owner, links and all other attributes that twins have in common.
 */
void note_stat(struct outcome *ret, const struct stat *st);
/* Notes which names a directory lists, but for the names in a set of bits. */
void note_dir(struct outcome *ret, enum side side, const char *path,
	      unsigned int hidden);
void note(struct outcome *ret, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Acts as a user, until the next call; 0 is root. */
void act_as(uid_t user);

/*
 * open(2) on the mount. While the kernel updates the attributes of a directory,
 * the directory has a sticky bit for a moment. Because of the bit,
 * fs.protected_regular refuses to open an existing file with O_CREAT. The file
 * is opened without O_CREAT then.
 */
int model_open(const char *path, int flags, mode_t mode);

/* Between these two, a signal interrupts a call that waits. */
void begin_wait(bool waits);
void end_wait(void);

#endif
