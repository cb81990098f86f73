/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared memory objects as files: opening, attributes, names. */
#include "tests/model/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NATIVE_DIR "/dev/shm"

static char dirs[N_SIDES][PATH_MAX];
static char *paths[N_SIDES][N_NAMES];
static int fds[N_SIDES][N_SLOTS];
/* Equal numbers are duplicates of the same open file. */
static unsigned int opens[N_SIDES][N_SLOTS];

void model_shm_start(void)
{
	for (int side = 0; side < N_SIDES; side++) {
		(void)snprintf(dirs[side], PATH_MAX, "%s/shm",
			       natively(side) ? "/dev" : self.mnt);
		for (unsigned int i = 0; i < N_NAMES; i++)
			if (asprintf(&paths[side][i], "%s/%s", dirs[side],
				     model_name(side, i)) < 0)
				abort();
		for (int i = 0; i < N_SLOTS; i++)
			fds[side][i] = -1;
	}
}

static const char *native_path(enum side side, unsigned int name)
{
	static char path[PATH_MAX];

	(void)snprintf(path, PATH_MAX, NATIVE_DIR "/%s",
		       model_name(side, name));
	return path;
}

void model_shm_look(enum side side, struct outcome *ret)
{
	struct stat st;

	for (unsigned int i = 0; i < DIRECTORY; i++) {
		if (stat(native_path(side, i), &st) < 0)
			continue;
		note(ret, "object %u: ", i);
		note_stat(ret, &st);
	}
}

void model_shm_end(void)
{
	for (int side = 0; side < N_SIDES; side++)
		for (unsigned int i = 0; i < DIRECTORY; i++)
			(void)unlink(native_path(side, i));
}

/* The names and files of a step. */

const char *shm_path(enum side side, const struct args *x)
{
	return paths[side][x->name == DIRECTORY ? 0 : x->name];
}

static unsigned int slot(enum side side, const struct args *x)
{
	unsigned int i = x->slot;

	for (int tries = 1; tries < N_SLOTS && fds[side][i] < 0; tries++)
		i = (i + 1) % N_SLOTS;
	return i;
}

int shm_fd(enum side side, const struct args *x)
{
	return fds[side][slot(side, x)];
}

int shm_to_fd(enum side side, const struct args *x)
{
	return fds[side][x->to];
}

void shm_show_attributes(int fd)
{
	struct stat st;

	(void)fstat(fd, &st);
}

/* Opening and closing. */

/*
 * Releases the locks of a file that is closed. On the mount with passthrough, a
 * mapping doesn't keep the file open. So closing the file releases its locks,
 * even if the file is still mapped.
 */
static void drop_locks(enum side side, unsigned int slot)
{
	struct flock all = { .l_type = F_UNLCK };
	unsigned int users = 0;

	for (int i = 0; i < N_SLOTS; i++)
		users += fds[side][i] >= 0 &&
			 opens[side][i] == opens[side][slot];
	if (side == NATIVE && self.on_mount && users == 1) {
		(void)flock(fds[side][slot], LOCK_UN);
		(void)fcntl(fds[side][slot], F_OFD_SETLK, &all);
	}
}

static void close_slot(enum side side, unsigned int slot, struct outcome *ret)
{
	if (fds[side][slot] >= 0)
		drop_locks(side, slot);
	note_result(ret, close(fds[side][slot]));
	fds[side][slot] = -1;
}

/* Puts an open file into a slot. */
static void fill(enum side side, unsigned int to, int fd, struct outcome *ret)
{
	static unsigned int n_opens;

	if (fd >= 0 && fds[side][to] >= 0)
		close_slot(side, to, ret);
	/* The twins' descriptor numbers differ. */
	if (note_result(ret, fd < 0 ? fd : 0) < 0)
		return;
	fds[side][to] = fd;
	opens[side][to] = ++n_opens;
}

static int open_flags(const struct args *x)
{
	static const int access_modes[] = { O_RDONLY, O_WRONLY, O_RDWR,
					    O_RDWR,   O_RDWR,	O_RDWR,
					    O_ACCMODE };
	static const struct {
		int flag;
		unsigned int one_in;
	} options[] = {
		{ O_EXCL, 5 },	   { O_TRUNC, 5 },    { O_APPEND, 5 },
		{ O_NONBLOCK, 8 }, { O_NOFOLLOW, 8 }, { O_DIRECTORY, 40 },
		{ O_NOATIME, 8 },  { O_SYNC, 16 },
	};
	int flags = CHOOSE(x, 0, access_modes) | O_CLOEXEC;

	for (unsigned int i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (ONE_IN(x, i + 1, options[i].one_in))
			flags |= options[i].flag;
	/* If two errors apply, the mount may return the other error. */
	return x->user == 0 ? flags : flags & ~O_NOATIME;
}

/*
 * Opens an object, or the directory, which has rules of its own. FUSE doesn't
 * report O_CREAT when the object exists. fs.protected_regular is a rule for
 * O_CREAT; the mount applies the rule to an open with O_TRUNC.
 */
OP(open)
{
	const char *path = paths[side][x->name];
	int flags = open_flags(x);
	int fd;

	if (ONE_IN(x, 20, 2) || x->name == DIRECTORY)
		flags |= O_CREAT;
	if (natively(side) && x->name != DIRECTORY && !(flags & O_DIRECTORY) &&
	    (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL) &&
	    access(path, F_OK) == 0)
		fd = open(path, (flags & O_TRUNC) ? (flags & ~O_EXCL) | O_CREAT
						  : flags & ~O_CREAT);
	else
		fd = model_open(path, flags, x->mode | 0600);
	note(ret, "flags %#o ", (unsigned int)flags);
	fill(side, x->slot, fd, ret);
}

OP(tmpfile)
{
	int flags = open_flags(x) & (O_ACCMODE | O_EXCL | O_APPEND | O_NOATIME);

	fill(side, x->slot, open(dirs[side], flags | O_TMPFILE, x->mode), ret);
}

OP(reopen)
{
	char link[64];

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", shm_fd(side, x));
	fill(side, x->to, open(link, open_flags(x) & ~(O_EXCL | O_NOFOLLOW)),
	     ret);
}

OP(dup)
{
	unsigned int from = slot(side, x);
	int fd;

	if (from == x->to)
		return;
	fd = fcntl(fds[side][from], F_DUPFD_CLOEXEC, 0);
	fill(side, x->to, fd, ret);
	if (fd >= 0)
		opens[side][x->to] = opens[side][from];
}

OP(close)
{
	close_slot(side, slot(side, x), ret);
}

/*
 * F_SETFL doesn't reach the daemon's descriptor or, with passthrough, the
 * kernel's backing file. So O_NOATIME, and with passthrough O_APPEND, keep
 * their effect there; the step leaves these flags unchanged.
 */
OP(setfl)
{
	int stay = self.passthrough ? O_NOATIME | O_APPEND : O_NOATIME;
	int flags = open_flags(x) & (O_APPEND | O_NONBLOCK);
	int fd = shm_fd(side, x);

	note_result(ret,
		    fcntl(fd, F_SETFL, flags | (fcntl(fd, F_GETFL) & stay)));
	note_result(ret, fcntl(fd, F_GETFL));
}

OP(poll)
{
	struct pollfd fd = { .fd = shm_fd(side, x),
			     .events = POLLIN | POLLOUT };

	note_result(ret, poll(&fd, 1, 0));
	note(ret, "%#x ", (unsigned int)fd.revents);
}

/* Attributes. */

OP(stat)
{
	struct stat st;

	if (note_result(ret, stat(shm_path(side, x), &st)) == 0)
		note_stat(ret, &st);
}

OP(fstat)
{
	struct stat st;

	if (note_result(ret, fstat(shm_fd(side, x), &st)) == 0)
		note_stat(ret, &st);
}

static bool is_linux(unsigned int version, unsigned int patch_level)
{
	unsigned int v = 0, p = 0;
	struct utsname name;

	(void)uname(&name);
	(void)sscanf(name.release, "%u.%u", &v, &p);
	return v > version || (v == version && p >= patch_level);
}

/*
 * A statx through the mount must show the same, to the nanosecond, as a native
 * statx of the same object.
 */
OP(statx)
{
	const char *path = paths[side][x->name % N_PLAIN];
	const char *native_view = native_path(side, x->name % N_PLAIN);
	const unsigned int mask =
		STATX_BASIC_STATS |
		(HAS_BIRTH_TIME && is_linux(6, 6) ? STATX_BTIME : 0);
	struct statx stx, other;

	if (note_result(ret, statx(AT_FDCWD, path, 0, mask, &stx)) < 0 ||
	    note_result(ret, statx(AT_FDCWD, native_view, 0, mask, &other)) < 0)
		return;
	note(ret, "mask %#x ", stx.stx_mask);
	other.stx_dev_major = stx.stx_dev_major;
	other.stx_dev_minor = stx.stx_dev_minor;
	other.stx_mnt_id = stx.stx_mnt_id;
	other.stx_attributes = stx.stx_attributes;
	other.stx_attributes_mask = stx.stx_attributes_mask;
	if (memcmp(&stx, &other, sizeof(stx)) != 0)
		note(ret, "natively other ");
}

/* The free space is left out: all processes change it. */
OP(statvfs)
{
	struct statvfs sv;

	if (note_result(ret, ONE_IN(x, 0, 2)
				     ? fstatvfs(shm_fd(side, x), &sv)
				     : statvfs(shm_path(side, x), &sv)) == 0)
		note(ret, "%lu %ju %ju %lu ", sv.f_bsize,
		     (uintmax_t)sv.f_blocks, (uintmax_t)sv.f_files,
		     sv.f_namemax);
}

OP(access)
{
	note_result(ret, faccessat(AT_FDCWD, paths[side][x->name],
				   (int)(x->mode % 8),
				   ONE_IN(x, 0, 4) ? 0 : AT_EACCESS));
}

OP(chmod)
{
	note_result(ret, ONE_IN(x, 0, 2) ? fchmod(shm_fd(side, x), x->mode)
					 : chmod(shm_path(side, x), x->mode));
}

/*
 * FUSE doesn't report a chown(2) that changes neither user nor group, which
 * clears setuid natively.
 */
OP(chown)
{
	uid_t uid = model_uid(x, 1);
	gid_t gid = uid == (uid_t)-1 ? 0 : model_uid(x, 2);

	note_result(ret, ONE_IN(x, 0, 2) ? fchown(shm_fd(side, x), uid, gid)
					 : chown(shm_path(side, x), uid, gid));
}

OP(utimens)
{
	const struct timespec *times = model_times(x);

	note_result(ret,
		    ONE_IN(x, 0, 2)
			    ? futimens(shm_fd(side, x), times)
			    : utimensat(AT_FDCWD, shm_path(side, x), times, 0));
}

static const char *attribute(const struct args *x)
{
	static const char *const names[] = {
		"user.a",	 "user.a",
		"user.a",	 "user.b",
		"user.b",	 "trusted.a",
		"security.test", "user.",
		"user",		 "",
		"nothing.a",	 "system.posix_acl_access",
	};

	return CHOOSE(x, 0, names);
}

OP(setxattr)
{
	static const int all[] = { 0, 0, 0, XATTR_CREATE, XATTR_REPLACE, 77 };
	const char *name = attribute(x);
	const void *value = model_data(draw(x, 1));
	int flags = CHOOSE(x, 2, all);
	size_t size = x->size % 300;

	shm_show_attributes(shm_fd(side, x));
	note_result(ret, ONE_IN(x, 3, 2) ? fsetxattr(shm_fd(side, x), name,
						     value, size, flags)
					 : setxattr(shm_path(side, x), name,
						    value, size, flags));
}

/* size: 0 to ask for the length, enough for the value, or too little. */
static void note_xattr(struct outcome *ret, ssize_t n, size_t size)
{
	if (size == 0)
		note_result(ret, n);
	else
		note_read(ret, n);
}

OP(getxattr)
{
	const char *name = attribute(x);
	size_t size = ONE_IN(x, 1, 2) ? 300 : x->size % 300;
	ssize_t n =
		ONE_IN(x, 2, 2)
			? fgetxattr(shm_fd(side, x), name, model_buf, size)
			: getxattr(shm_path(side, x), name, model_buf, size);

	note_xattr(ret, n, size);
}

OP(listxattr)
{
	size_t size = ONE_IN(x, 1, 2) ? 300 : x->size % 300;
	ssize_t n = ONE_IN(x, 2, 2)
			    ? flistxattr(shm_fd(side, x), model_buf, size)
			    : listxattr(shm_path(side, x), model_buf, size);

	note_xattr(ret, n, size);
}

OP(removexattr)
{
	const char *name = attribute(x);

	shm_show_attributes(shm_fd(side, x));
	note_result(ret, ONE_IN(x, 1, 2)
				 ? fremovexattr(shm_fd(side, x), name)
				 : removexattr(shm_path(side, x), name));
}

/* Names. */

OP(unlink)
{
	note_result(ret, unlink(paths[side][x->name]));
}

OP(rename)
{
	static const unsigned int all[] = {
		0,
		0,
		0,
		RENAME_NOREPLACE,
		RENAME_EXCHANGE,
		RENAME_EXCHANGE,
		RENAME_NOREPLACE | RENAME_EXCHANGE,
		1 << 3,
	};

	note_result(ret, renameat2(AT_FDCWD, paths[side][x->name], AT_FDCWD,
				   paths[side][x->new], CHOOSE(x, 0, all)));
}

/* The mount lists no semaphores. */
OP(readdir)
{
	note_dir(ret, side, dirs[side], natively(side) ? 1U << SEMAPHORE : 0);
}

OP(mknod)
{
	note_result(ret, mknod(shm_path(side, x), S_IFREG | x->mode, 0));
}

/* Operations that objects don't have: EPERM; other errors come first. */
OP(no_object)
{
	const char *path = shm_path(side, x);
	unsigned int kind = draw(x, 0) % 3;
	int r = -1;

	if (!natively(side))
		r = kind == 0	? mkdir(path, 0700)
		    : kind == 1 ? symlink("x", path)
				: mknod(path, S_IFIFO | 0600, 0);
	else if (access(path, F_OK) == 0)
		errno = EEXIST;
	else if (errno == ENOENT && x->name != BELOW)
		errno = EPERM;
	note_result(ret, r);
}

/* The umask is the process's own, so one side sets it. */
OP(umask)
{
	if (side == NATIVE)
		(void)umask(x->mode & 0777);
}

const struct op model_shm_ops[] = {
	{ "open", 60, do_open, false },
	{ "tmpfile", 4, do_tmpfile, false },
	{ "reopen", 8, do_reopen, false },
	{ "dup", 8, do_dup, false },
	{ "close", 30, do_close, false },
	{ "setfl", 8, do_setfl, false },
	{ "poll", 2, do_poll, false },
	{ "stat", 20, do_stat, false },
	{ "fstat", 40, do_fstat, false },
	{ "statx", 20, do_statx, false },
	{ "statvfs", 3, do_statvfs, false },
	{ "access", 8, do_access, false },
	{ "chmod", 16, do_chmod, false },
	{ "chown", 10, do_chown, false },
	{ "utimens", 16, do_utimens, false },
	{ "setxattr", 10, do_setxattr, false },
	{ "getxattr", 10, do_getxattr, false },
	{ "listxattr", 4, do_listxattr, false },
	{ "removexattr", 4, do_removexattr, false },
	{ "unlink", 12, do_unlink, false },
	{ "rename", 12, do_rename, false },
	{ "readdir", 3, do_readdir, false },
	{ "mknod", 4, do_mknod, false },
	{ "no_object", 4, do_no_object, false },
	{ "umask", 2, do_umask, false },
	{ 0 },
};
