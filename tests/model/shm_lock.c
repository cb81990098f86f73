/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks. If another process holds the lock, the native side only tries to lock.
 * The side of the mount waits now and then, until a signal comes.
 */
#include "tests/model/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/param.h>

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

	shm_show_attributes(fd);
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

/* Whether a lock conflicts with the request. */
static bool conflicts(const struct flock *lock, const struct flock *asked)
{
	off_t end = asked->l_start + asked->l_len;

	if (lock->l_type != F_WRLCK && asked->l_type != F_WRLCK)
		return false;
	/* Otherwise the range depends on the position or the size. */
	if (asked->l_whence != SEEK_SET)
		return true;
	return (lock->l_len == 0 ||
		lock->l_start + lock->l_len > MIN(asked->l_start, end)) &&
	       (asked->l_len == 0 || lock->l_start < MAX(asked->l_start, end));
}

/*
 * If several locks are in the way, the kernel may return any one of them:
 * fcntl(2). So the outcome is whether there is one, and whether it conflicts.
 */
OP(getlk)
{
	struct flock asked = record(x), lock = asked;
	int fd = shm_fd(side, x), r;
	bool held;

	shm_show_attributes(fd);
	r = fcntl(fd, ONE_IN(x, 3, 3) ? F_OFD_GETLK : F_GETLK, &lock);
	note_result(ret, r);
	held = r == 0 && lock.l_type != F_UNLCK;
	note(ret, "%s ",
	     !held			? "free"
	     : conflicts(&lock, &asked) ? "held"
					: "held elsewhere");
}

const struct op model_shm_lock_ops[] = {
	{ "flock", 12, do_flock, true },
	{ "setlk", 20, do_setlk, true },
	{ "getlk", 12, do_getlk, true },
	{ 0 },
};
