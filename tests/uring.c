/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opens and reads a file in an io_uring worker that still has an old group.
 *
 * Usage: uring UID GROUP FILE; as root
 *
 * A member of GROUP makes the kernel start a worker, leaves the group, becomes
 * UID, and then makes the worker open FILE. The request carries the new user,
 * but the thread that makes the request still has the group. Prints the content
 * of FILE, or the name of the error.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int ring;
static struct io_uring_params params;
static char *sq, *cq;
static struct io_uring_sqe *sqes;

static void must(long r, const char *what)
{
	if (r >= 0)
		return;
	perror(what);
	exit(2);
}

static void *map(size_t size, off_t offset)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, ring, offset);

	must(p == MAP_FAILED ? -1 : 0, "mmap");
	return p;
}

static void set_up(void)
{
	ring = (int)syscall(SYS_io_uring_setup, 4, &params);
	must(ring, "io_uring_setup");
	sq = map(params.sq_off.array + params.sq_entries * sizeof(uint32_t),
		 IORING_OFF_SQ_RING);
	cq = map(params.cq_off.cqes +
			 params.cq_entries * sizeof(struct io_uring_cqe),
		 IORING_OFF_CQ_RING);
	sqes = map(params.sq_entries * sizeof(*sqes), IORING_OFF_SQES);
}

/*
 * Runs openat(2) on a worker, never on this thread. Returns the descriptor or
 * -errno.
 */
static int open_by_worker(const char *path)
{
	_Atomic uint32_t *sq_tail = (void *)(sq + params.sq_off.tail);
	_Atomic uint32_t *cq_head = (void *)(cq + params.cq_off.head);
	uint32_t *array = (void *)(sq + params.sq_off.array);
	const struct io_uring_cqe *cqes = (void *)(cq + params.cq_off.cqes);
	uint32_t at = *sq_tail & (params.sq_entries - 1);
	int result;

	memset(&sqes[at], 0, sizeof(sqes[at]));
	sqes[at].opcode = IORING_OP_OPENAT;
	sqes[at].flags = IOSQE_ASYNC;
	sqes[at].fd = AT_FDCWD;
	sqes[at].addr = (uintptr_t)path;
	array[at] = at;
	(*sq_tail)++;
	must(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS,
		     NULL, 0),
	     "io_uring_enter");
	result = cqes[*cq_head & (params.cq_entries - 1)].res;
	(*cq_head)++;
	return result;
}

int main(int argc, char **argv)
{
	uid_t uid;
	gid_t group;
	char buf[256];
	ssize_t n;
	int fd;

	if (argc != 4)
		return 2;
	uid = (uid_t)atoi(argv[1]);
	group = (gid_t)atoi(argv[2]);
	must(setgroups(1, &group), "setgroups");
	set_up();
	fd = open_by_worker("/dev/null");
	must(fd, "the first open");
	must(setgroups(0, NULL), "setgroups");
	must(setresgid(uid, uid, uid), "setresgid");
	must(setresuid(uid, uid, uid), "setresuid");
	fd = open_by_worker(argv[3]);
	if (fd < 0) {
		puts(strerrorname_np(-fd));
		return 1;
	}
	n = read(fd, buf, sizeof(buf));
	must(n, "read");
	(void)fwrite(buf, 1, (size_t)n, stdout);
	return 0;
}
