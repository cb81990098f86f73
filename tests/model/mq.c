/* SPDX-License-Identifier: BSD-3-Clause */
/* Message queues as files: their names, handles and attributes. */
#include "tests/model/mq.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

static const struct view views[] = {
	{ .dir = "mq" },
	{ .dir = "mq:priority=7", .priority = 7 },
	{ .dir = "mq:priority=32767", .priority = 32767 },
	{ .dir = "mq:prefix", .prefix = true },
	{ .dir = "mq:follow", .mode = FOLLOW },
	{ .dir = "mq:drain", .mode = DRAIN },
	{ .dir = "mq:drain,prefix", .mode = DRAIN, .prefix = true },
	{ .dir = "mq:maxmsg=1,msgsize=5", .maxmsg = 1, .msgsize = 5 },
	{ .dir = "mq:prefix,msgsize=40", .prefix = true, .msgsize = 40 },
	{ .dir = "mq:maxmsg=3,follow", .maxmsg = 3, .mode = FOLLOW },
	{ .dir = "mq:lines", .lines = true },
	{ .dir = "mq:lines,prefix", .lines = true, .prefix = true },
	{ .dir = "mq:msgsize=9,lines", .lines = true, .msgsize = 9 },
	{ .dir = "mq:timeout=0", .timeout = true },
	{ .dir = "mq:timeout=0.001,prefix", .timeout = true, .prefix = true },
	{ .dir = "mq:timeout=0,follow", .timeout = true, .mode = FOLLOW },
	{ .dir = "mq:lines,timeout=0.001", .timeout = true, .lines = true },
};

const struct view mq_plain = { .dir = "mq" };
static const struct view info_view = { .dir = "mq:info" };

static struct handle *slots[N_SIDES][N_SLOTS];

/* The names and handles of a step. */

const char *mq_name(enum side side, const struct args *x)
{
	return model_name(
		side, x->name == DIRECTORY || x->name == BELOW ? 0 : x->name);
}

static const char *path_in(const struct view *view, enum side side,
			   const struct args *x)
{
	static char path[PATH_MAX];

	if (natively(side))
		(void)snprintf(path, PATH_MAX, "%s/%s", self.mqueue,
			       mq_name(side, x));
	else
		(void)snprintf(path, PATH_MAX, "%s/%s/%s", self.mnt, view->dir,
			       mq_name(side, x));
	return path;
}

const char *mq_path(enum side side, const struct args *x)
{
	return path_in(&mq_plain, side, x);
}

static unsigned int slot(enum side side, const struct args *x)
{
	unsigned int i = x->slot;

	for (int tries = 1; tries < N_SLOTS && !slots[side][i]; tries++)
		i = (i + 1) % N_SLOTS;
	return i;
}

struct handle *mq_handle(enum side side, const struct args *x)
{
	static struct handle closed = { .fd = -1, .view = &mq_plain };
	struct handle *handle = slots[side][slot(side, x)];

	return handle ? handle : &closed;
}

const char *mq_link(const struct handle *handle)
{
	static char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", handle->fd);
	return path;
}

/*
 * Returns the native path of a queue, for code that looks at the queue or
 * removes it outside steps.
 */
static const char *native_path(enum side side, unsigned int name)
{
	static char path[PATH_MAX];

	(void)snprintf(path, PATH_MAX, "%s/%s", self.mqueue,
		       model_name(side, name));
	return path;
}

void model_mq_look(enum side side, struct outcome *ret)
{
	struct stat st;

	for (unsigned int i = 0; i < N_PLAIN; i++) {
		if (stat(native_path(side, i), &st) < 0)
			continue;
		note(ret, "queue %u: ", i);
		note_stat(ret, &st);
	}
}

void model_mq_end(void)
{
	for (int side = 0; side < N_SIDES; side++)
		for (unsigned int i = 0; i < DIRECTORY; i++)
			(void)unlink(native_path(side, i));
}

/* Opening and closing. */

static void fill(enum side side, unsigned int to, struct handle *handle)
{
	struct handle *old = slots[side][to];

	if (old && --old->refs == 0) {
		(void)close(old->fd);
		free(old);
	}
	slots[side][to] = handle;
}

static void fill_new(enum side side, unsigned int to, int fd, int flags,
		     const struct view *view, struct outcome *ret)
{
	struct handle *handle;

	/* The twins' descriptor numbers differ. */
	if (note_result(ret, fd < 0 ? fd : 0) < 0)
		return;
	handle = calloc(1, sizeof(*handle));
	handle->refs = 1;
	handle->fd = fd;
	handle->view = view;
	handle->access = flags & O_ACCMODE;
	handle->nonblock = flags & O_NONBLOCK;
	handle->nonblock_then = handle->nonblock;
	fill(side, to, handle);
}

static int open_flags(const struct args *x)
{
	static const int access_modes[] = { O_RDONLY, O_RDONLY, O_WRONLY,
					    O_RDWR, O_RDWR };
	int flags = CHOOSE(x, 0, access_modes) | O_CLOEXEC;

	flags |= ONE_IN(x, 1, 2) ? O_NONBLOCK : 0;
	flags |= ONE_IN(x, 2, 4) ? O_TRUNC : 0;
	return flags | (ONE_IN(x, 3, 4) ? O_APPEND : 0);
}

OP(open)
{
	const struct view *view =
		ONE_IN(x, 4, 3) ? &mq_plain : &CHOOSE(x, 5, views);
	int flags = open_flags(x);
	mode_t mode = x->mode | 0600;

	flags |= ONE_IN(x, 6, 2) ? O_CREAT : 0;
	flags |= ONE_IN(x, 7, 5) ? O_EXCL : 0;
	note(ret, "%s flags %#o ", view->dir, (unsigned int)flags);
	fill_new(side, x->slot,
		 natively(side)
			 ? twin_open(mq_name(side, x), view, flags, mode)
			 : model_open(path_in(view, side, x), flags, mode),
		 flags, view, ret);
}

OP(reopen)
{
	struct handle *handle = mq_handle(side, x);
	const struct view *view = handle->view;
	int flags = open_flags(x);
	int twins_flags = (flags & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC;
	int fd = open(mq_link(handle), natively(side) ? twins_flags : flags);

	handle->several = handle->several || fd >= 0;
	fill_new(side, x->to, fd, flags, view, ret);
	if (fd >= 0)
		slots[side][x->to]->several = true;
}

OP(dup)
{
	unsigned int from = slot(side, x);
	struct handle *handle = slots[side][from];

	if (!handle || from == x->to)
		return;
	if (natively(side)) {
		handle->refs++;
		fill(side, x->to, handle);
		note_result(ret, 0);
	} else {
		fill_new(side, x->to, fcntl(handle->fd, F_DUPFD_CLOEXEC, 0),
			 handle->access, handle->view, ret);
	}
}

OP(close)
{
	fill(side, slot(side, x), NULL);
}

OP(setfl)
{
	struct handle *handle = mq_handle(side, x);
	int flags = open_flags(x) & (O_NONBLOCK | O_APPEND);

	handle->nonblock = flags & O_NONBLOCK;
	if (natively(side)) /* the twin's stays O_NONBLOCK */
		flags |= O_NONBLOCK;
	note_result(ret, fcntl(handle->fd, F_SETFL, flags));
}

/* Attributes. */

static bool may_open(const char *path, int access)
{
	int fd = open(path, access | O_CLOEXEC);

	return fd >= 0 && close(fd) == 0;
}

/*
 * Notes the attributes of a queue. Users who may read the queue see the bytes
 * of its messages as its size. Users who may read or write the queue see a
 * block size with room for any message.
 */
static void note_queue(struct outcome *ret, enum side side,
		       const struct view *view, struct stat *st,
		       const struct handle *handle, const char *path)
{
	struct info info;

	if (natively(side)) {
		bool reads = may_open(path, O_RDONLY);
		bool knows = reads || may_open(path, O_WRONLY);

		info = twin_look(path);
		st->st_size = reads ? twin_size(view, &info) : 0;
		st->st_blocks = (st->st_size + 511) / 512;
		st->st_blksize = knows ? 128 : 4096;
		if ((view->prefix || view->lines) &&
		    (!knows || info.attr.mq_msgsize + EXTRA > 128))
			st->st_blksize *= 2;
		/* The text that was read through the handle counts as well. */
		if (handle && handle->access == O_RDONLY && !handle->several)
			st->st_size += handle->start + (off_t)handle->len;
	}
	note_stat(ret, st);
}

/* Checks that a stat through the mount shows the same as a native stat. */
static void check_native_view(const struct args *x, const struct stat *st,
			      struct outcome *ret)
{
	struct stat other = { 0 };

	(void)stat(native_path(MOUNT, x->name % N_PLAIN), &other);
	if (st->st_ino != other.st_ino || st->st_mode != other.st_mode ||
	    memcmp(&st->st_ctim, &other.st_ctim, sizeof(st->st_ctim)) != 0 ||
	    memcmp(&st->st_atim, &other.st_atim, sizeof(st->st_atim)) != 0 ||
	    memcmp(&st->st_mtim, &other.st_mtim, sizeof(st->st_mtim)) != 0)
		note(ret, "natively other ");
}

OP(stat)
{
	struct args y = *x;
	struct stat st;

	y.name %= N_PLAIN;
	if (note_result(ret, stat(mq_path(side, &y), &st)) < 0)
		return;
	if (!natively(side))
		check_native_view(&y, &st, ret);
	note_queue(ret, side, &mq_plain, &st, NULL, mq_path(side, &y));
}

OP(fstat)
{
	const struct handle *handle = mq_handle(side, x);
	struct stat st;

	if (note_result(ret, fstat(handle->fd, &st)) == 0)
		note_queue(ret, side, handle->view, &st, handle,
			   mq_link(handle));
}

OP(access)
{
	note_result(ret, faccessat(AT_FDCWD, mq_path(side, x),
				   (int)(x->mode % 8), AT_EACCESS));
}

OP(chmod)
{
	note_result(ret, ONE_IN(x, 0, 2)
				 ? fchmod(mq_handle(side, x)->fd, x->mode)
				 : chmod(mq_path(side, x), x->mode));
}

/*
 * FUSE doesn't report a chown(2) that changes neither user nor group, which
 * clears setuid natively.
 */
OP(chown)
{
	uid_t uid = model_uid(x, 1);
	gid_t gid = uid == (uid_t)-1 ? 0 : model_uid(x, 2);

	note_result(ret, ONE_IN(x, 0, 2)
				 ? fchown(mq_handle(side, x)->fd, uid, gid)
				 : chown(mq_path(side, x), uid, gid));
}

OP(utimens)
{
	const struct timespec *times = model_times(x);

	note_result(ret,
		    ONE_IN(x, 0, 2)
			    ? futimens(mq_handle(side, x)->fd, times)
			    : utimensat(AT_FDCWD, mq_path(side, x), times, 0));
}

OP(getxattr)
{
	static const char *const names[] = {
		"user.mq.maxmsg", "user.mq.msgsize",	"user.mq.curmsgs",
		"user.mq.bytes",  "user.mq.notify_pid", "user.other"
	};
	const struct handle *handle = mq_handle(side, x);
	const char *name = CHOOSE(x, 0, names);
	size_t size = x->size % 3 * 10 + x->size % 2;
	bool by_path = handle->fd < 0 || ONE_IN(x, 1, 2);
	ssize_t n;

	if (natively(side))
		n = twin_getxattr(by_path ? mq_path(side, x) : mq_link(handle),
				  name, model_buf, size);
	else if (by_path)
		n = getxattr(mq_path(side, x), name, model_buf, size);
	else
		n = fgetxattr(handle->fd, name, model_buf, size);
	if (size == 0)
		note_result(ret, n);
	else
		note_read(ret, n);
}

OP(statvfs)
{
	struct statvfs sv = { .f_files = 256, .f_namemax = NAME_MAX };
	char path[PATH_MAX];

	(void)snprintf(path, PATH_MAX, "%s/mq", self.mnt);
	if (!natively(side))
		note_result(ret, statvfs(path, &sv));
	else
		note_result(ret, 0);
	note(ret, "%ju %lu ", (uintmax_t)sv.f_files, sv.f_namemax);
}

/* Reads the info file of a queue; the twins' names in the text differ. */
OP(info)
{
	const char *path = path_in(&info_view, side, x);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct info info;
	char *used;
	ssize_t n;

	if (note_result(ret, fd < 0 ? -1 : 0) < 0)
		return;
	if (natively(side)) {
		info = twin_look(path);
		note(ret,
		     "\nmaxmsg %ld\nmsgsize %ld\ncurmsgs %ld\nbytes %ld\n"
		     "notify 0\nreaders 0\nwriters 0\nuid %u\ngid %u\nmode "
		     "%04o\n",
		     info.attr.mq_maxmsg, info.attr.mq_msgsize,
		     info.attr.mq_curmsgs, info.bytes, info.st.st_uid,
		     info.st.st_gid, info.st.st_mode & 07777);
	} else {
		n = read(fd, model_buf, 1000);
		model_buf[n < 0 ? 0 : n] = '\0';
		/* The twins' other handles may be closed a little later. */
		used = strstr(model_buf, "\nused ");
		if (used)
			used[1] = '\0';
		note(ret, "%s", strstr(model_buf, "\nmaxmsg ") ?: "no text");
	}
	(void)close(fd);
}

/* Names. */

/*
 * Where the kernel itself checks the sticky bit, the error is EPERM instead of
 * EACCES.
 */
OP(unlink)
{
	char name[NAME_MAX + 3];
	int r;

	(void)snprintf(name, sizeof(name), "/%s", mq_name(side, x));
	r = natively(side) ? mq_unlink(name) : unlink(mq_path(side, x));
	if (r < 0 && errno == EPERM)
		errno = EACCES;
	note_result(ret, r);
}

OP(readdir)
{
	const struct view *view = ONE_IN(x, 0, 2) ? &mq_plain : &info_view;
	char path[PATH_MAX];

	if (natively(side))
		(void)snprintf(path, PATH_MAX, "%s", self.mqueue);
	else
		(void)snprintf(path, PATH_MAX, "%s/%s", self.mnt, view->dir);
	note_dir(ret, side, path, 0);
}

/* Operations that queues don't have; other errors come first. */

OP(no_file)
{
	unsigned int kind = draw(x, 0) % 5;
	bool there_needed = kind < 2;
	const char *path = mq_path(side, x);
	char other[PATH_MAX];
	int r = -1;

	(void)snprintf(other, PATH_MAX, "%s/mq/m%u.new", self.mnt, self.team);
	if (!natively(side))
		r = kind == 0	? rename(path, other)
		    : kind == 1 ? link(path, other)
		    : kind == 2 ? symlink("x", path)
		    : kind == 3 ? mkdir(path, 0700)
				: mknod(path, S_IFIFO | 0600, 0);
	else if (access(path, F_OK) == 0)
		errno = there_needed ? EPERM : EEXIST;
	else if (errno == ENOENT && !there_needed)
		errno = EPERM;
	note_result(ret, r);
}

OP(no_open_file)
{
	const struct handle *handle = mq_handle(side, x);
	const int errors[] = { ENOLCK, ENOLCK,
			       handle->access == O_RDONLY ? EBADF : EOPNOTSUPP,
			       handle->access == O_WRONLY ? EACCES : ENODEV,
			       EOPNOTSUPP };
	unsigned int kind = draw(x, 0) % 5;
	struct flock lock = { .l_type = F_WRLCK };
	int fd = handle->fd, r = -1;

	if (natively(side))
		errno = fd < 0 ? EBADF : errors[kind];
	else if (kind == 0)
		r = flock(fd, LOCK_EX | LOCK_NB);
	else if (kind == 1)
		r = fcntl(fd, F_GETLK, &lock);
	else if (kind == 2)
		r = fallocate(fd, 0, 0, 10);
	else if (kind == 3)
		r = -(mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0) ==
		      MAP_FAILED);
	else
		r = fsetxattr(fd, "user.mq.maxmsg", "5", 1, 0);
	note_result(ret, r);
}

const struct op model_mq_ops[] = {
	{ "mq_open", 60, do_open, false },
	{ "mq_reopen", 8, do_reopen, false },
	{ "mq_dup", 8, do_dup, false },
	{ "mq_close", 24, do_close, false },
	{ "mq_setfl", 8, do_setfl, false },
	{ "mq_stat", 20, do_stat, false },
	{ "mq_fstat", 20, do_fstat, false },
	{ "mq_access", 4, do_access, false },
	{ "mq_chmod", 10, do_chmod, false },
	{ "mq_chown", 6, do_chown, false },
	{ "mq_utimens", 8, do_utimens, false },
	{ "mq_getxattr", 12, do_getxattr, false },
	{ "mq_statvfs", 1, do_statvfs, false },
	{ "mq_info", 6, do_info, false },
	{ "mq_unlink", 12, do_unlink, false },
	{ "mq_readdir", 3, do_readdir, false },
	{ "mq_no_file", 6, do_no_file, false },
	{ "mq_no_open_file", 6, do_no_open_file, false },
	{ 0 },
};
