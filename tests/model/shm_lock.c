/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks. If another process holds the lock, the native side only tries to lock.
 * The side of the mount waits now and then, until a signal comes.
 */
#include "tests/model/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

static bool waits(const struct args *x, const struct outcome *native)
{
	return native && native->waits && ONE_IN(x, 20, 50);
}

static void note_lock(struct outcome *ret, int r)
{
	ret->waits = r < 0 && (errno == EAGAIN || errno == EINTR);
	if (ret->waits)
		errno = EAGAIN;
	note_result(ret, r);
}

OP(flock)
{
	static const int operations[] = { LOCK_SH, LOCK_EX, LOCK_EX, LOCK_UN,
					  77 };
	int operation = CHOOSE(x, 0, operations);
	bool wait = waits(x, native);
	int r;

	begin_wait(wait);
	r = flock(shm_fd(side, x), wait ? operation : operation | LOCK_NB);
	end_wait();
	note_lock(ret, r);
}

static struct flock record(const struct args *x)
{
	static const short types[] = { F_RDLCK, F_WRLCK, F_WRLCK, F_UNLCK, 77 };
	static const short whences[] = { SEEK_SET, SEEK_SET, SEEK_SET,
					 SEEK_CUR, SEEK_END, 77 };

	return (struct flock){
		.l_type = CHOOSE(x, 0, types),
		.l_whence = CHOOSE(x, 1, whences),
		.l_start = x->offset % 32,
		.l_len = (off_t)(draw(x, 2) % 40) - 4,
	};
}

OP(setlk)
{
	struct flock lock = record(x);
	bool ofd = ONE_IN(x, 3, 3), wait = waits(x, native);
	int fd = shm_fd(side, x);
	int r;

	shm_show_size(fd);
	begin_wait(wait);
	if (wait)
		r = fcntl(fd, ofd ? F_OFD_SETLKW : F_SETLKW, &lock);
	else
		r = fcntl(fd, ofd ? F_OFD_SETLK : F_SETLK, &lock);
	end_wait();
	note(ret, "%s %d %d %ld %ld: ", ofd ? "ofd" : "posix", lock.l_type,
	     lock.l_whence, (long)lock.l_start, (long)lock.l_len);
	note_lock(ret, r);
}

/* The holder's pid is left out: for locks of the mount it is the daemon's. */
OP(getlk)
{
	struct flock lock = record(x);
	int fd = shm_fd(side, x);

	shm_show_size(fd);
	note_result(ret,
		    fcntl(fd, ONE_IN(x, 3, 3) ? F_OFD_GETLK : F_GETLK, &lock));
	note(ret, "%d %d %ld %ld ", lock.l_type, lock.l_whence,
	     (long)lock.l_start, (long)lock.l_len);
}

const struct op model_shm_lock_ops[] = {
	{ "flock", 12, do_flock, true },
	{ "setlk", 20, do_setlk, true },
	{ "getlk", 12, do_getlk, true },
	{ 0 },
};
