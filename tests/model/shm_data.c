/* SPDX-License-Identifier: BSD-3-Clause */
/* Contents: reads, writes and mappings. */
#include "tests/model/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * A read of no bytes is natively an access, and on the mount it isn't. So each
 * read asks for one byte more.
 */

OP(read)
{
	note_read(ret, read(shm_fd(side, x), model_buf, x->size + 1));
}

OP(pread)
{
	note_read(ret,
		  pread(shm_fd(side, x), model_buf, x->size + 1, x->offset));
}

OP(readv)
{
	char *rest = model_buf + x->size / 2;
	struct iovec pieces[] = { { model_buf, x->size / 2 },
				  { rest, x->size / 3 + 1 } };

	note_read(ret, preadv(shm_fd(side, x), pieces, 2, x->offset));
}

/* Reads the whole content, but only the beginning of very large objects. */
OP(content)
{
	note_read(ret, pread(shm_fd(side, x), model_buf, DATA_SIZE, 0));
}

/*
 * Notes the result of a write. A write clears setuid and setgid bits. Natively
 * the bits stay when root writes; with passthrough the kernel writes as nobody,
 * so the bits don't stay. Natively setgid alone stays when a member of the
 * group writes; without passthrough, supplementary groups don't count. On the
 * mount the kernel may clear the bits before it finds that nothing can be
 * written.
 */
static void note_write(struct outcome *ret, enum side side,
		       const struct args *x, int fd, ssize_t n)
{
	struct stat st;

	note_result(ret, n);
	if (!self.on_mount || fstat(fd, &st) < 0 ||
	    (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
		return;
	if (n <= 0 ||
	    (side == NATIVE &&
	     (self.passthrough || (x->user != 0 && st.st_gid == GROUP)))) {
		act_as(0);
		(void)fchmod(fd, st.st_mode & 01777);
	}
}

/*
 * Returns the step's file. It may have O_APPEND, so the kernel must know the
 * size.
 */
static int fd_to_write(enum side side, const struct args *x)
{
	int fd = shm_fd(side, x);

	if (!self.passthrough)
		shm_show_attributes(fd);
	return fd;
}

OP(write)
{
	int fd = fd_to_write(side, x);

	note_write(ret, side, x, fd,
		   write(fd, model_data(draw(x, 0)), x->size));
}

OP(pwrite)
{
	int fd = fd_to_write(side, x);

	note_write(ret, side, x, fd,
		   pwrite(fd, model_data(draw(x, 0)), x->size, x->offset));
}

OP(writev)
{
	struct iovec pieces[] = {
		{ (char *)model_data(draw(x, 0)), x->size / 2 },
		{ (char *)model_data(draw(x, 1)), x->size / 3 },
	};
	/*
	 * Without passthrough, RWF_APPEND writes at the end that the kernel saw
	 * last.
	 */
	int flags = self.passthrough && ONE_IN(x, 2, 4) ? RWF_APPEND : 0;
	int fd = fd_to_write(side, x);

	note_write(ret, side, x, fd, pwritev2(fd, pieces, 2, x->offset, flags));
}

OP(copy)
{
	off_t from = x->offset, to = x->to_offset;
	int fd = shm_fd(side, x), to_fd = shm_to_fd(side, x);
	ssize_t n;

	shm_show_attributes(fd);
	n = copy_file_range(fd, ONE_IN(x, 0, 4) ? NULL : &from, to_fd,
			    ONE_IN(x, 1, 4) ? NULL : &to, x->size, 0);
	/* With passthrough the kernel reads and writes itself. */
	if (self.passthrough || n <= 0)
		note_write(ret, side, x, to_fd, n);
	else
		note_result(ret, n);
	note(ret, "to %ld %ld ", (long)from, (long)to);
}

/* Without passthrough, sendfile reads the content that the kernel saw last. */
OP(sendfile)
{
	int to = shm_to_fd(side, x);
	off_t from = x->offset;

	if (self.passthrough)
		note_write(ret, side, x, to,
			   sendfile(to, shm_fd(side, x),
				    ONE_IN(x, 0, 4) ? NULL : &from,
				    x->size + 1));
}

OP(lseek)
{
	static const int whences[] = { SEEK_SET,  SEEK_SET,  SEEK_CUR, SEEK_END,
				       SEEK_DATA, SEEK_HOLE, 77 };

	note_result(ret, lseek(shm_fd(side, x), x->offset - x->to_offset / 2,
			       CHOOSE(x, 0, whences)));
}

/*
 * If two errors apply, size and rights, the mount may return the other error.
 */
OP(truncate)
{
	off_t size = x->user == 0 ? x->offset : x->offset % 40000;

	note_result(ret, ONE_IN(x, 0, 2) ? ftruncate(shm_fd(side, x), size)
					 : truncate(shm_path(side, x), size));
}

/*
 * Within RLIMIT_FSIZE: with KEEP_SIZE the daemon's limit applies, not the
 * caller's.
 */
OP(fallocate)
{
	static const int modes[] = {
		0,
		FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE,
		FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_COLLAPSE_RANGE,
		FALLOC_FL_INSERT_RANGE,
		FALLOC_FL_UNSHARE_RANGE,
		1 << 20,
	};

	int fd = shm_fd(side, x);
	int r = fallocate(fd, CHOOSE(x, 0, modes), x->offset % 200000,
			  (off_t)x->size);

	if (r < 0)
		note_write(ret, side, x, fd, r);
	else
		note_result(ret, r);
}

OP(fsync)
{
	note_result(ret, ONE_IN(x, 0, 2) ? fsync(shm_fd(side, x))
					 : fdatasync(shm_fd(side, x)));
}

/* Mappings. A mapping outlives its file. */

static struct map {
	char *at;
	size_t len;
	bool shared;
} maps[N_SIDES][N_SLOTS];

/*
 * Maps a file with unmapped pages around the mapping. Otherwise the kernel
 * could merge two adjacent mappings, perhaps for one twin only, and not call
 * the file's mmap then.
 */
static char *map_apart(size_t len, int prot, int flags, int fd, off_t offset)
{
	size_t page = 4096;
	char *room = mmap(NULL, len + 2 * page, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *at = mmap(room + page, len, prot, flags | MAP_FIXED, fd, offset);
	int error = errno;

	(void)munmap(room, page);
	(void)munmap(room + page + len, page);
	if (at == MAP_FAILED)
		(void)munmap(room + page, len);
	errno = error;
	return at;
}

/*
 * Needs passthrough: without it, a private mapping shows the content that the
 * kernel saw last.
 */
OP(mmap)
{
	static const int prots[] = { PROT_READ,
				     PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_WRITE,
				     PROT_WRITE,
				     PROT_NONE };
	struct map *map = &maps[side][x->to];
	size_t len = x->size ? (x->size | 4095) + 1 : 0;
	bool shared = !ONE_IN(x, 1, 8);
	char *at;

	if (!self.passthrough)
		return;
	at = map_apart(len, CHOOSE(x, 0, prots),
		       shared ? MAP_SHARED : MAP_PRIVATE, shm_fd(side, x),
		       x->offset & (ONE_IN(x, 2, 20) ? -1 : -4096));
	if (note_result(ret, at == MAP_FAILED ? -1 : 0) < 0)
		return;
	if (map->at)
		(void)munmap(map->at, map->len);
	*map = (struct map){ at, len, shared };
}

static const struct map *mapped(enum side side, const struct args *x)
{
	unsigned int i = x->to;

	for (int tries = 0; tries < N_SLOTS && !maps[side][i].at; tries++)
		i = (i + 1) % N_SLOTS;
	return maps[side][i].at ? &maps[side][i] : NULL;
}

static volatile sig_atomic_t accessing;
static sigjmp_buf after_fault;

static void on_fault(int signo)
{
	if (accessing)
		siglongjmp(after_fault, signo);
	(void)signal(signo, SIG_DFL);
}

/*
 * Accesses byte by byte: a byte behind the end may fault, after the bytes
 * before it were accessed.
 */
static int access_memory(volatile char *at, char *buf, size_t size, bool store)
{
	struct sigaction action = { .sa_handler = on_fault };
	int signo;

	(void)sigaction(SIGBUS, &action, NULL);
	(void)sigaction(SIGSEGV, &action, NULL);
	signo = sigsetjmp(after_fault, 1);
	accessing = signo == 0;
	/*
	 * Volatile, so that i isn't in a register, which the jump would
	 * clobber.
	 */
	for (volatile size_t i = 0; i < size && accessing; i++) {
		if (store)
			at[i] = buf[i];
		else
			buf[i] = at[i];
	}
	accessing = false;
	return signo;
}

/* Whether the pages of size bytes are in memory; two pages at most. */
static bool are_there(char *at, size_t size)
{
	char *page = at - (uintptr_t)at % 4096;
	unsigned char there[2] = { 1, 1 };

	return mincore(page, (size_t)(at + size - page), there) == 0 &&
	       (there[0] & there[1] & 1);
}

static void unmap(char *at, size_t size)
{
	char *page = at - (uintptr_t)at % 4096;

	(void)madvise(page, (size_t)(at + size - page), MADV_DONTNEED);
}

/*
 * A load from a hole, or a store into a private copy of a hole, makes a page.
 * The kernel may free this page at any time, and st_blocks decreases then. So
 * the step isn't done for a hole. mincore(2) may answer differently for the
 * twins, so if one side isn't done, the other isn't compared.
 */
OP(load)
{
	const struct map *map = mapped(side, x);
	size_t size = x->size % 600 + 1;
	char *at;
	int signo;

	if (!map || (native && !*native->text))
		return;
	at = map->at + draw(x, 1) % (map->len - size + 1);
	act_as(0);
	if (!are_there(at, size)) {
		if (native)
			note(ret, "%s", native->text);
		return;
	}
	signo = access_memory(at, model_buf, size, false);
	note(ret, "signal %d ", signo);
	ret->failed = signo != 0;
	if (signo == 0)
		note_data(ret, model_buf, size);
}

/*
 * A store sets the time of change if it faults. The kernel may cause a fault at
 * any time, so the step makes every store fault.
 */
OP(store)
{
	const struct map *map = mapped(side, x);
	size_t size = x->size % 600 + 1;
	char *at;
	int signo;

	if (!map || (native && !*native->text))
		return;
	at = map->at + draw(x, 1) % (map->len - size + 1);
	if (map->shared)
		unmap(at, size);
	else if (!native && !are_there(at, size))
		return;
	signo = access_memory(at, (char *)model_data(draw(x, 0)), size, true);
	note(ret, "signal %d ", signo);
	ret->failed = signo != 0;
}

OP(madvise)
{
	static const int advice[] = { MADV_REMOVE, MADV_DONTNEED,
				      MADV_WILLNEED };
	const struct map *map = mapped(side, x);

	if (!map)
		return;
	note_result(ret, ONE_IN(x, 0, 3) ? msync(map->at, map->len, MS_SYNC)
					 : madvise(map->at, map->len,
						   CHOOSE(x, 1, advice)));
}

const struct op model_shm_data_ops[] = {
	{ "read", 30, do_read, false },
	{ "pread", 30, do_pread, false },
	{ "readv", 8, do_readv, false },
	{ "content", 20, do_content, false },
	{ "write", 40, do_write, false },
	{ "pwrite", 30, do_pwrite, false },
	{ "writev", 12, do_writev, false },
	{ "copy", 16, do_copy, false },
	{ "sendfile", 4, do_sendfile, false },
	{ "lseek", 20, do_lseek, false },
	{ "truncate", 20, do_truncate, false },
	{ "fallocate", 16, do_fallocate, false },
	{ "fsync", 2, do_fsync, false },
	{ "mmap", 16, do_mmap, false },
	{ "load", 30, do_load, false },
	{ "store", 30, do_store, false },
	{ "madvise", 6, do_madvise, false },
	{ 0 },
};
