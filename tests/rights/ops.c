/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/rights/rights.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <unistd.h>

const struct mq_attr small = { .mq_maxmsg = 1, .mq_msgsize = 8 };

static int open_name(const struct way *way, int name, int flags, mode_t mode)
{
	const char *path = way->path[name];

	if (!way->native)
		return open(path, flags, mode);
	path = strrchr(path, '/');
	return way->mq ? mq_open(path, flags, mode, &small)
		       : shm_open(path, flags, mode);
}

#define UNCHANGED (-1) /* to chown(2) */

#define UNUSED __attribute__((unused))
#define RUN(name)                                                          \
	static int name(const struct way *way, UNUSED const struct op *op, \
			UNUSED mode_t mode, UNUSED struct stat *seen)

static int look(int fd, struct stat *seen)
{
	if (fd < 0)
		return -1;
	MUST(fstat(fd, seen));
	return close(fd);
}

/* O_CREAT on an existing object matters for one rule only; see main.c. */
RUN(do_open)
{
	int flags = (int)op->a;

	if (way->native && !way->mq && (flags & O_TRUNC))
		flags |= O_CREAT;
	else if (way->native && !(flags & O_EXCL))
		flags &= ~O_CREAT;
	return look(open_name(way, OBJECT, flags, 0666), seen);
}

RUN(do_create)
{
	int fd;

	(void)umask((mode_t)op->b);
	fd = open_name(way, FRESH, (int)op->a, mode);
	(void)umask(0);
	return look(fd, seen);
}

RUN(do_mknod)
{
	return mknod(way->path[FRESH], S_IFREG | mode, 0);
}

RUN(do_tmpfile)
{
	return look(open(way->dir, O_TMPFILE | (int)op->a, mode), seen);
}

RUN(do_chmod)
{
	return chmod(way->path[OBJECT], (mode_t)op->a);
}

RUN(do_chown)
{
	return chown(way->path[OBJECT], (uid_t)op->a, (gid_t)op->b);
}

RUN(do_touch)
{
	return utimensat(AT_FDCWD, way->path[OBJECT], NULL, 0);
}

RUN(do_utimens)
{
	struct timespec times[] = { { TIME_SET, op->a }, { TIME_SET, op->b } };

	return utimensat(AT_FDCWD, way->path[OBJECT], times, 0);
}

RUN(do_truncate)
{
	return truncate(way->path[OBJECT], op->a);
}

/* mq_unlink(3) turns EPERM into EACCES, and so does the mount. */
RUN(do_unlink)
{
	const char *path = way->path[op->a];

	return way->native && way->mq ? mq_unlink(strrchr(path, '/'))
				      : unlink(path);
}

RUN(do_rename)
{
	return renameat2(AT_FDCWD, way->path[op->a / N_NAMES], AT_FDCWD,
			 way->path[op->a % N_NAMES], (unsigned int)op->b);
}

RUN(do_stat)
{
	return stat(way->path[OBJECT], seen);
}

RUN(do_access)
{
	return faccessat(AT_FDCWD, way->path[OBJECT], (int)op->a, (int)op->b);
}

RUN(do_dir_open)
{
	return look(open(way->dir, O_RDONLY | O_DIRECTORY), seen);
}

RUN(do_dir_access)
{
	return access(way->dir, (int)op->a);
}

static const char *const xattrs[] = { "user.a", "user.b", "trusted.a",
				      "security.a" };

RUN(do_getxattr)
{
	char value[8];

	return (int)getxattr(way->path[OBJECT], xattrs[op->a], value,
			     sizeof(value));
}

RUN(do_setxattr)
{
	return setxattr(way->path[OBJECT], xattrs[op->a], "new", 3, (int)op->b);
}

RUN(do_removexattr)
{
	return removexattr(way->path[OBJECT], xattrs[op->a]);
}

RUN(do_listxattr)
{
	char list[256];

	return (int)listxattr(way->path[OBJECT], list, sizeof(list));
}

/* Operations on a descriptor that is opened with the flags in a. */

static int through(const struct way *way, const struct op *op,
		   int (*act)(int fd, const struct op *op))
{
	int fd = open_name(way, OBJECT, (int)op->a, 0);
	int r, error;

	if (fd < 0)
		return -1;
	r = act(fd, op);
	error = errno;
	MUST(close(fd));
	errno = error;
	return r;
}

#define THROUGH(name, call)                                       \
	static int act_##name(int fd, UNUSED const struct op *op) \
	{                                                         \
		return (int)(call);                               \
	}                                                         \
                                                                  \
	RUN(do_##name)                                            \
	{                                                         \
		return through(way, op, act_##name);              \
	}

THROUGH(write, write(fd, "x", 1))
THROUGH(ftruncate, ftruncate(fd, op->b))
THROUGH(fallocate, fallocate(fd, 0, 0, op->b))
THROUGH(fchmod, fchmod(fd, (mode_t)op->b))
THROUGH(fchown, fchown(fd, UNCHANGED, (gid_t)op->b))
THROUGH(futimens, futimens(fd, (struct timespec[]){ { TIME_SET, op->b },
						    { TIME_SET, op->b } }))
THROUGH(fsetxattr, fsetxattr(fd, "user.a", "new", 3, 0))

/* These native calls need the right to read. */

THROUGH(receive, mq_receive(fd, (char[8]){ 0 }, 8, NULL) < 0 ? -1 : 0)
THROUGH(getattr, mq_getattr(fd, &(struct mq_attr){ 0 }))

RUN(do_purge)
{
	return (way->native ? do_receive : do_truncate)(way, op, mode, seen);
}

RUN(do_mq_getxattr)
{
	return way->native ? do_getattr(way, op, mode, seen)
	       : getxattr(way->path[OBJECT], "user.mq.curmsgs", NULL, 0) < 0
		       ? -1
		       : 0;
}

static const struct op common[] = {
	{ "open to read", do_open, O_RDONLY, 0 },
	{ "open to write", do_open, O_WRONLY, 0 },
	{ "open for both", do_open, O_RDWR, 0 },
	{ "open to read, O_CREAT", do_open, O_RDONLY | O_CREAT, 0 },
	{ "open to write, O_CREAT", do_open, O_WRONLY | O_CREAT, 0 },
	{ "open for both, O_CREAT", do_open, O_RDWR | O_CREAT, 0 },
	{ "open to read, EXCL", do_open, O_RDONLY | EXCL, 0 },
	{ "open to write, EXCL", do_open, O_WRONLY | EXCL, 0 },
	{ "open for both, EXCL", do_open, O_RDWR | EXCL, 0 },
	{ "create", do_create, O_RDWR | O_CREAT, 0 },
	{ "create, umask 027", do_create, O_RDONLY | EXCL, 027 },
	{ "create, umask 0777", do_create, O_WRONLY | EXCL, 0777 },
	{ "mknod", do_mknod, 0, 0 },
	{ "chmod 0640", do_chmod, 0640, 0 },
	{ "chmod 06755", do_chmod, 06755, 0 },
	{ "chmod 03666", do_chmod, 03666, 0 },
	{ "chown A", do_chown, A, UNCHANGED },
	{ "chown B", do_chown, B, UNCHANGED },
	{ "chown root", do_chown, ROOT, UNCHANGED },
	{ "chown :A", do_chown, UNCHANGED, A },
	{ "chown :SHARED", do_chown, UNCHANGED, SHARED },
	{ "chown :FOREIGN", do_chown, UNCHANGED, FOREIGN },
	{ "chown A:SHARED", do_chown, A, SHARED },
	{ "chown B:FOREIGN", do_chown, B, FOREIGN },
	{ "touch", do_touch, 0, 0 },
	{ "utimens set, set", do_utimens, 0, 0 },
	{ "utimens now, now", do_utimens, UTIME_NOW, UTIME_NOW },
	{ "utimens now, omit", do_utimens, UTIME_NOW, UTIME_OMIT },
	{ "utimens omit, now", do_utimens, UTIME_OMIT, UTIME_NOW },
	{ "utimens omit, set", do_utimens, UTIME_OMIT, 0 },
	{ "utimens now, set", do_utimens, UTIME_NOW, 0 },
	{ "utimens omit, omit", do_utimens, UTIME_OMIT, UTIME_OMIT },
	{ "fchmod", do_fchmod, O_RDONLY, 06711 },
	{ "fchown", do_fchown, O_RDONLY, SHARED },
	{ "futimens", do_futimens, O_RDONLY, 0 },
	{ "futimens now", do_futimens, O_WRONLY, UTIME_NOW },
	{ "unlink", do_unlink, OBJECT, 0 },
	{ "unlink nothing", do_unlink, FRESH, 0 },
	{ "stat", do_stat, 0, 0 },
	{ "access F", do_access, F_OK, 0 },
	{ "access R", do_access, R_OK, 0 },
	{ "access W", do_access, W_OK, 0 },
	{ "access X", do_access, X_OK, 0 },
	{ "access RW", do_access, R_OK | W_OK, 0 },
	{ "eaccess RWX", do_access, R_OK | W_OK | X_OK, AT_EACCESS },
	{ "list", do_dir_open, 0, 0 },
	{ "access R of the directory", do_dir_access, R_OK, 0 },
	{ "access WX of the directory", do_dir_access, W_OK | X_OK, 0 },
};

static const struct op of_shm[] = {
	{ "open to read, O_TRUNC", do_open, O_RDONLY | O_TRUNC, 0 },
	{ "open to write, O_TRUNC", do_open, O_WRONLY | O_TRUNC, 0 },
	{ "open for both, O_TRUNC", do_open, O_RDWR | O_TRUNC, 0 },
	{ "open to read, O_CREAT | O_TRUNC", do_open,
	  O_RDONLY | O_CREAT | O_TRUNC, 0 },
	{ "open to write, O_CREAT | O_TRUNC", do_open,
	  O_WRONLY | O_CREAT | O_TRUNC, 0 },
	{ "open for both, O_CREAT | O_TRUNC", do_open,
	  O_RDWR | O_CREAT | O_TRUNC, 0 },
	{ "open for nothing", do_open, O_ACCMODE, 0 },
	{ "create, O_TRUNC", do_create, O_RDWR | O_CREAT | O_TRUNC, 02 },
	{ "O_TMPFILE", do_tmpfile, O_RDWR, 0 },
	{ "O_TMPFILE to write", do_tmpfile, O_WRONLY | O_EXCL, 0 },
	{ "O_TMPFILE to read", do_tmpfile, O_RDONLY, 0 },
	{ "truncate to nothing", do_truncate, 0, 0 },
	{ "truncate to the same", do_truncate, 10, 0 },
	{ "truncate to more", do_truncate, 100, 0 },
	{ "ftruncate", do_ftruncate, O_WRONLY, 5 },
	{ "ftruncate to the same", do_ftruncate, O_RDWR, 10 },
	{ "ftruncate of a reader's", do_ftruncate, O_RDONLY, 5 },
	{ "fallocate", do_fallocate, O_RDWR, 100 },
	{ "write", do_write, O_WRONLY, 0 },
	{ "append", do_write, O_RDWR | O_APPEND, 0 },
	{ "rename to nothing", do_rename, OBJECT *N_NAMES + FRESH, 0 },
	{ "rename over another", do_rename, OBJECT *N_NAMES + OTHER, 0 },
	{ "rename another over it", do_rename, OTHER *N_NAMES + OBJECT, 0 },
	{ "rename nothing over it", do_rename, FRESH *N_NAMES + OBJECT, 0 },
	{ "rename to nothing, NOREPLACE", do_rename, OBJECT *N_NAMES + FRESH,
	  RENAME_NOREPLACE },
	{ "rename over another, NOREPLACE", do_rename, OBJECT *N_NAMES + OTHER,
	  RENAME_NOREPLACE },
	{ "rename another over it, NOREPLACE", do_rename,
	  OTHER *N_NAMES + OBJECT, RENAME_NOREPLACE },
	{ "rename nothing over it, NOREPLACE", do_rename,
	  FRESH *N_NAMES + OBJECT, RENAME_NOREPLACE },
	{ "rename to nothing, EXCHANGE", do_rename, OBJECT *N_NAMES + FRESH,
	  RENAME_EXCHANGE },
	{ "rename over another, EXCHANGE", do_rename, OBJECT *N_NAMES + OTHER,
	  RENAME_EXCHANGE },
	{ "rename another over it, EXCHANGE", do_rename,
	  OTHER *N_NAMES + OBJECT, RENAME_EXCHANGE },
	{ "rename nothing over it, EXCHANGE", do_rename,
	  FRESH *N_NAMES + OBJECT, RENAME_EXCHANGE },
	{ "getxattr user", do_getxattr, 0, 0 },
	{ "getxattr of none", do_getxattr, 1, 0 },
	{ "getxattr trusted", do_getxattr, 2, 0 },
	{ "getxattr security", do_getxattr, 3, 0 },
	{ "setxattr user", do_setxattr, 0, 0 },
	{ "setxattr user, a new one", do_setxattr, 1, XATTR_CREATE },
	{ "setxattr XATTR_CREATE", do_setxattr, 0, XATTR_CREATE },
	{ "setxattr XATTR_REPLACE", do_setxattr, 1, XATTR_REPLACE },
	{ "setxattr trusted", do_setxattr, 2, 0 },
	{ "setxattr security", do_setxattr, 3, 0 },
	{ "fsetxattr of a reader's", do_fsetxattr, O_RDONLY, 0 },
	{ "removexattr user", do_removexattr, 0, 0 },
	{ "removexattr of none", do_removexattr, 1, 0 },
	{ "removexattr trusted", do_removexattr, 2, 0 },
	{ "listxattr", do_listxattr, 0, 0 },
};

static const struct op of_mq[] = {
	{ "purge", do_purge, 0, 0 },
	{ "getxattr user.mq.curmsgs", do_mq_getxattr, O_RDONLY, 0 },
};

#define OPS(array)                                \
	{                                         \
		.ops = (array), .n = COUNT(array) \
	}
const struct ops common_ops = OPS(common);
const struct ops shm_ops = OPS(of_shm);
const struct ops mq_ops = OPS(of_mq);

bool op_renames(const struct op *op)
{
	return op->run == do_rename;
}

bool op_writes(const struct op *op)
{
	return op->run == do_write;
}
