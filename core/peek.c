/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program (core/peek.bpf.c) reads a queue without the queue's lock. If a
 * message is received meanwhile, its memory is free, and may be another message
 * by the time that the program copies it. Two walks that agree don't exclude
 * this: if messages have the same length, as numbered ones often have, the new
 * message is often at the address of the old one.
 *
 * The queue's time of modification does show it. The kernel sets it for
 * each message that is sent or received, while it holds the queue's lock, and
 * before a received message is freed (do_mq_timedsend() and
 * do_mq_timedreceive() in ipc/mqueue.c). So no message that we have read was
 * freed if the time is the same after the walk. But the time has whole seconds.
 * If the queue was used in this second, we first set its time to an earlier
 * one, which the kernel can't set, and restore the time after the walk.
 *
 * A change that has begun and not yet set the time may still confuse the walk:
 * the tree is being balanced, say. Then the walk doesn't find the number of
 * messages and bytes that the queue says it has.
 */
#include "core/peek.h"

#include "core/cleanup.h"
#include "core/peek_state.h"
#include "core/thread_safety.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#ifdef CORE_PEEK_IS_BUILT
#include <peek.lskel.h>

/*
 * The parts for CORE_PEEK_MAX bytes, and the parts that stay allocated between
 * two calls: 512 KiB.
 */
enum {
	MOST_PARTS = CORE_PEEK_MAX / CORE_PEEK_PART + 1,
	KEPT_PARTS = 8,
};

/* Attempts to walk through a queue that is in use. */
#define TRIES 10

CORE_MUTEX(core_peek_mutex);

/* The loaded program; one for the process, as it takes 12 ms to load. */
static struct {
	struct core_peek_mutex lock;
	struct core_peek_bpf *
		bpf CORE_GUARDED_BY(core_peek_mutex); /* or NULL */
	struct core_peek_state *state CORE_GUARDED_BY(core_peek_mutex);
	char *parts CORE_GUARDED_BY(core_peek_mutex);
	size_t n_parts CORE_GUARDED_BY(core_peek_mutex);
	time_t set_back CORE_GUARDED_BY(core_peek_mutex); /* see set_time() */
} program = { .lock.native = PTHREAD_MUTEX_INITIALIZER };

static bool has_word(const char *path, const char *word)
{
	char text[128] = "";
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 &&
	       strstr(text, word);
}

/* Says why the program can't be loaded. */
static const char *why(int r)
{
	if (has_word("/sys/kernel/security/lockdown", "[confidentiality]"))
		return "the kernel is locked down (confidentiality)";
	if (r == -EPERM)
		return "it needs root with CAP_SYS_ADMIN, and the system call "
		       "bpf(2)";
	if (r == -ENOSYS)
		return "this kernel has no BPF (CONFIG_BPF_SYSCALL)";
	if (access("/sys/kernel/btf/vmlinux", F_OK) < 0)
		return "this kernel has no BTF (CONFIG_DEBUG_INFO_BTF)";
	return "this kernel refuses the program; it needs Linux 5.17";
}

static void unload(void) CORE_REQUIRES(core_peek_mutex)
{
	if (!program.bpf)
		return;
	if (program.state)
		(void)munmap(program.state, sizeof(*program.state));
	if (program.parts)
		(void)munmap(program.parts, program.n_parts * CORE_PEEK_STRIDE);
	core_peek_bpf__destroy(program.bpf);
	program.bpf = NULL;
}

/* Maps the memory of a map of the program, and closes the map. */
static void *map(struct bpf_map_desc *desc, size_t size, int protection)
{
	void *p = mmap(NULL, size, protection, MAP_SHARED, desc->map_fd, 0);

	(void)close(desc->map_fd);
	desc->map_fd = 0;
	return p == MAP_FAILED ? NULL : p;
}

/* Loads the program, unless it is loaded and has at least this many parts. */
static int load(size_t n_parts) CORE_REQUIRES(core_peek_mutex)
{
	struct core_peek_bpf *bpf;
	unsigned int random = 0;
	int r;

	if (program.bpf && program.n_parts >= n_parts)
		return 0;
	unload();
	bpf = core_peek_bpf__open();
	if (!bpf)
		return -ENOMEM;
	bpf->maps.parts.max_entries = (uint32_t)n_parts;
	r = core_peek_bpf__load(bpf);
	if (r < 0) {
		core_peek_bpf__destroy(bpf);
		return r;
	}
	program.bpf = bpf;
	program.n_parts = n_parts;
	program.parts =
		map(&bpf->maps.parts, n_parts * CORE_PEEK_STRIDE, PROT_READ);
	program.state = map(&bpf->maps.state, sizeof(*program.state),
			    PROT_READ | PROT_WRITE);
	(void)getrandom(&random, sizeof(random), 0);
	program.set_back = 1 + random % 1000;
	if (program.parts && program.state)
		return 0;
	unload();
	return -ENOMEM;
}

/* Runs the program. Returns 0 or -EAGAIN: the queue has changed. */
static int walk(int fd, ino_t ino) CORE_REQUIRES(core_peek_mutex)
{
	union bpf_attr attr;

	*program.state = (struct core_peek_state){
		.fd = (uint32_t)fd,
		.ino = ino,
		.page_size = (uint64_t)sysconf(_SC_PAGESIZE),
		.room = program.n_parts * CORE_PEEK_PART,
	};
	memset(&attr, 0, sizeof(attr));
	attr.test.prog_fd = (uint32_t)program.bpf->progs.core_peek_walk.prog_fd;
	if (skel_sys_bpf(BPF_PROG_RUN, &attr, sizeof(attr)) < 0)
		return -errno;
	return attr.test.retval == 0 ? 0 : -EAGAIN;
}

/* Sets a queue's time of modification. */
static int set_time(int fd, time_t time)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
					   { .tv_sec = time } };

	return futimens(fd, times) < 0 ? -errno : 0;
}

/*
 * A walk during which no message is sent or received; -EAGAIN if one was. Each
 * process has a different time to set, so that two of them don't take the
 * other's for their own.
 */
static int walk_undisturbed(int fd) CORE_REQUIRES(core_peek_mutex)
{
	struct stat before, after;
	struct timespec now;
	time_t time;
	int r = 0;

	/* The kernel's clock of files. */
	(void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (fstat(fd, &before) < 0)
		return -errno;
	time = before.st_mtime;
	if (time >= now.tv_sec) {
		time = now.tv_sec - program.set_back;
		r = set_time(fd, time);
	}
	if (r == 0)
		r = walk(fd, before.st_ino);
	atomic_thread_fence(memory_order_seq_cst);
	if (fstat(fd, &after) < 0)
		return -errno;
	if (after.st_mtime != time)
		return r ?: -EAGAIN;
	if (time != before.st_mtime)
		(void)set_time(fd, before.st_mtime);
	return r;
}

/* Walks through the queue with as many parts as the queue needs. */
static int walk_through(int fd) CORE_REQUIRES(core_peek_mutex)
{
	const struct core_peek_state *state;
	size_t n_parts = KEPT_PARTS;
	int r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < TRIES; i++) {
		r = load(n_parts);
		if (r == 0)
			r = walk_undisturbed(fd);
		state = program.state;
		if (r == 0 && state->cut && n_parts < MOST_PARTS) {
			n_parts = (2 * CORE_PEEK_RECORD(0) * state->curmsgs +
				   state->qsize) /
					  CORE_PEEK_PART +
				  KEPT_PARTS;
			n_parts = MIN(n_parts, MOST_PARTS);
			r = -EAGAIN;
		}
	}
	return r;
}

/* Copies the records, which are in parts, into one piece. */
static int copy(void **ret, size_t *ret_size) CORE_REQUIRES(core_peek_mutex)
{
	size_t size = program.state->len, n;
	char *records = malloc(MAX(size, 1));
	const char *part = program.parts;

	if (!records)
		return -ENOMEM;
	for (size_t i = 0; i < size; i += n) {
		n = MIN(size - i, CORE_PEEK_PART);
		memcpy(records + i, part, n);
		part += CORE_PEEK_STRIDE;
	}
	*ret = records;
	*ret_size = size;
	return 0;
}

int core_peek(int fd, void **ret, size_t *ret_size, bool *ret_is_cut)
{
	int r;

	core_peek_mutex_lock(&program.lock);
	r = walk_through(fd);
	if (r == 0)
		r = copy(ret, ret_size);
	if (r == 0)
		*ret_is_cut = program.state->cut;
	if (program.n_parts > KEPT_PARTS)
		unload();
	core_peek_mutex_unlock(&program.lock);
	return r;
}

int core_peek_check(const char **ret_why)
{
	int r;

	core_peek_mutex_lock(&program.lock);
	r = load(KEPT_PARTS);
	core_peek_mutex_unlock(&program.lock);
	if (r == 0 || r == -EMFILE || r == -ENFILE || r == -ENOMEM)
		return r;
	*ret_why = why(r);
	return -EOPNOTSUPP;
}

#else

int core_peek_check(const char **ret_why)
{
	*ret_why = "ipcfs was built without it";
	return -EOPNOTSUPP;
}

int core_peek(int fd, void **ret, size_t *ret_size, bool *ret_is_cut)
{
	(void)fd, (void)ret, (void)ret_size, (void)ret_is_cut;
	return -EOPNOTSUPP;
}

#endif
