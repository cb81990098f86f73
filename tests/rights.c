/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Compares the rights of users with the native rights. Several users do each
 * operation natively to one object and through the mount to its twin. Both must
 * end in the same way: with the same errno and the same results, and both
 * objects must be in the same state. on_mount runs this test, with -o
 * allow_other.
 *
 * ROUNDS (default: 50,000) is about how many cells of a matrix are compared, if
 * the matrix has more cells: always the same cells, picked by chance.
 *
 * The test leaves out what FUSE doesn't report to the daemon:
 * - O_CREAT when an existing object is opened. fs.protected_regular is a rule for
 *   O_CREAT; the daemon assumes O_CREAT if O_TRUNC is set.
 * - chown(2) with -1 for both ids: a change of attributes that changes nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <mqueue.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* A call that can only fail if the test is wrong. */
#define MUST(call)                                                  \
	do {                                                        \
		if ((call) < 0)                                     \
			fail_msg("%s: %s", #call, strerror(errno)); \
	} while (0)

/*
 * A and B share a group. Each user also has a group of the user's own number.
 */
enum { ROOT = 0, A = 1001, B = 1002, C = 1003, SHARED = 2000, FOREIGN = 3000 };

/*
 * The saved user stays root, so that the test can return. It doesn't count for
 * files.
 */
static void become(uid_t uid)
{
	gid_t shared = SHARED;

	MUST(setresuid(ROOT, ROOT, ROOT));
	MUST(setgroups(uid == A || uid == B, &shared));
	MUST(setresgid(uid, uid, ROOT));
	MUST(setresuid(uid, uid, ROOT));
}

/*
 * The names in each directory: an object, a second object, and a missing one.
 */
enum { OBJECT, OTHER, FRESH, N_NAMES };

/* One of two ways to the same directory. */
struct way {
	bool native, mq;
	const char *dir;
	const char *path[N_NAMES];
	const char *backstage[N_NAMES]; /* the same, natively */
};

/* Small queues. */
static const struct mq_attr small = { .mq_maxmsg = 1, .mq_msgsize = 8 };

static int open_name(const struct way *way, int name, int flags, mode_t mode)
{
	const char *path = way->path[name];

	if (!way->native)
		return open(path, flags, mode);
	path = strrchr(path, '/');
	return way->mq ? mq_open(path, flags, mode, &small)
		       : shm_open(path, flags, mode);
}

/* The times of an object before the operation, and the times that are set. */
enum { TIME_BEFORE = 1000000, TIME_SET = 2000000 };

#define UNCHANGED (-1) /* to chown(2) */
#define EXCL	  (O_CREAT | O_EXCL)

struct op {
	const char *name;
	/*
	 * Returns the result of its system call, and may fill in what was read.
	 * It creates with this mode.
	 */
	int (*run)(const struct way *way, const struct op *op, mode_t mode,
		   struct stat *seen);
	long a, b;
};

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

/* O_CREAT on an existing object matters for one rule only; see the top. */
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

/* Operations of objects and queues. */
static const struct op ops[] = {
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

static const struct op shm_ops[] = {
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

static const struct op mq_ops[] = {
	{ "purge", do_purge, 0, 0 },
	{ "getxattr user.mq.curmsgs", do_mq_getxattr, O_RDONLY, 0 },
};

/* Makes an object. */
static void put(const struct way *way, int name, mode_t mode, uid_t uid,
		gid_t gid, off_t size)
{
	struct timespec times[] = { { TIME_BEFORE, 0 }, { TIME_BEFORE, 0 } };
	const char *path = way->backstage[name];
	int fd;

	if (way->mq) {
		fd = mq_open(strrchr(path, '/'), O_RDWR | EXCL, 0600, &small);
		MUST(fd);
		MUST(mq_send(fd, "x", 1, 0));
	} else {
		fd = open(path, O_RDWR | EXCL, 0600);
		MUST(fd);
		MUST(ftruncate(fd, size));
		/* Before Linux 6.6 an object can't have the attribute. */
		if (fsetxattr(fd, "user.a", "x", 1, 0) < 0)
			MUST(errno == ENOTSUP ? 0 : -1);
	}
	MUST(fchown(fd, uid, gid));
	MUST(fchmod(fd, mode));
	MUST(futimens(fd, times));
	MUST(close(fd));
}

/* The results of a cell, as text. */
struct account {
	char text[1024];
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void note(struct account *account,
						       const char *format, ...)
{
	size_t room = sizeof(account->text) - account->len;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(account->text + account->len, room, format, args);
	va_end(args);
	assert_in_range(n, 0, room - 1);
	account->len += (size_t)n;
}

static const char *when(struct timespec time)
{
	switch (time.tv_sec) {
	case TIME_BEFORE:
		return "before";
	case TIME_SET:
		return "set";
	default:
		return "now";
	}
}

/*
 * The size also identifies an object. The size of a queue is the mount's own.
 */
static void note_stat(struct account *account, const struct way *way,
		      const struct stat *st)
{
	note(account, " mode %06o owner %u:%u links %lu", st->st_mode,
	     st->st_uid, st->st_gid, (unsigned long)st->st_nlink);
	if (!way->mq)
		note(account, " size %ld", (long)st->st_size);
	note(account, " times %s, %s", when(st->st_atim), when(st->st_mtim));
}

/* One cell of a matrix: who does what to which object. */
struct cell {
	const struct op *op;
	uid_t user, owner;
	gid_t group;
	mode_t mode;
};

static struct account run(const struct way *way, const struct cell *cell)
{
	const struct op *op = cell->op;
	struct account account = { .len = 0 };
	struct stat st = { 0 };
	int r;

	put(way, OBJECT, cell->mode, cell->owner, cell->group, 10);
	if (op->run == do_rename)
		put(way, OTHER, 0600, B, B, 20);
	become(cell->user);
	r = op->run(way, op, cell->mode, &st);
	note(&account, "%s", r < 0 ? strerrorname_np(errno) : "ok");
	become(ROOT);
	note_stat(&account, way, &st);
	for (int i = 0; i < N_NAMES; i++) {
		const char *path = way->backstage[i];

		if (stat(path, &st) < 0) {
			note(&account, "\n\t%s", strerrorname_np(errno));
			continue;
		}
		note(&account, "\n\t");
		note_stat(&account, way, &st);
		note(&account, " xattr %zd", getxattr(path, "user.a", NULL, 0));
		MUST(unlink(path));
	}
	return account;
}

static bool is_same(const struct way ways[2], const struct cell *cell)
{
	struct account native = run(&ways[0], cell);
	struct account mount = run(&ways[1], cell);

	if (strcmp(native.text, mount.text) == 0)
		return true;
	print_error("%s by %u; object: mode %04o owner %u:%u\n"
		    "natively: %s\nby the mount: %s\n",
		    cell->op->name, cell->user, cell->mode, cell->owner,
		    cell->group, native.text, mount.text);
	return false;
}

static const uid_t users[] = { ROOT, A, B, C };

/* The group needn't be a group of the owner. */
static const struct {
	uid_t uid;
	gid_t gid;
} owners[] = { { A, SHARED }, { B, SHARED }, { C, SHARED }, { ROOT, ROOT } };

/* Operations, and the modes of the directory in which they are tried. */
struct kind {
	struct way ways[2];
	const struct op *own_ops; /* beside ops */
	size_t n_own_ops;
};

static struct kind shm = { .own_ops = shm_ops, .n_own_ops = COUNT(shm_ops) };
static struct kind mq = { .own_ops = mq_ops, .n_own_ops = COUNT(mq_ops) };

static const struct op *get_op(const struct kind *kind, size_t i)
{
	return i < COUNT(ops) ? &ops[i] : &kind->own_ops[i - COUNT(ops)];
}

static size_t rounds = 50000;
static bool passthrough;

/*
 * With passthrough the kernel writes as nobody, so each write clears setuid and
 * setgid bits. Without passthrough, a write also clears a setgid bit without the
 * group's right to execute. To keep the bit for members of the group, ipcfs would
 * have to read the groups at each write.
 */
static bool is_out_of_reach(const struct cell *cell)
{
	if (cell->op->run != do_write)
		return false;
	return passthrough ? cell->mode & 06000 : (cell->mode & 02010) == 02000;
}

/*
 * Compares the matrix of these modes: each operation on each object by each
 * user, or about "most" cells of it.
 */
static void sweep(const struct kind *kind, const mode_t *modes, size_t n_modes,
		  size_t most)
{
	size_t n_objects = n_modes * COUNT(owners);
	size_t n_ops = COUNT(ops) + kind->n_own_ops;
	size_t n = n_objects * COUNT(users) * n_ops;
	size_t n_same = 0, n_different = 0;
	unsigned int seed = 1;

	for (size_t i = 0; i < n && n_different < 20; i++) {
		size_t object = i % n_objects, rest = i / n_objects;
		struct cell cell = {
			.mode = modes[object % n_modes],
			.owner = owners[object / n_modes].uid,
			.group = owners[object / n_modes].gid,
			.user = users[rest % COUNT(users)],
			.op = get_op(kind, rest / COUNT(users)),
		};

		if ((size_t)rand_r(&seed) % n >= most || is_out_of_reach(&cell))
			continue;
		if (is_same(kind->ways, &cell))
			n_same++;
		else
			n_different++;
	}
	print_message("# of %zu cells %zu are the same, %zu are not\n", n,
		      n_same, n_different);
	assert_true(n_same > 0);
	assert_int_equal(n_different, 0);
}

static void sweep_all_modes(const struct kind *kind)
{
	mode_t modes[0777 + 1];

	for (mode_t mode = 0; mode < COUNT(modes); mode++)
		modes[mode] = mode;
	sweep(kind, modes, COUNT(modes), rounds);
}

/* With setuid, setgid and sticky bits. */
static void sweep_special_modes(const struct kind *kind)
{
	static const mode_t some[] = { 0000, 0644, 0666, 0711, 0767, 0777 };
	mode_t modes[COUNT(some) * 7];

	for (mode_t i = 0; i < COUNT(modes); i++)
		modes[i] = some[i / 7] | (i % 7 + 1) << 9;
	sweep(kind, modes, COUNT(modes), rounds);
}

/*
 * Directories whose own rights matter. Opening a queue doesn't check its
 * directory, and a queue doesn't inherit a group from it.
 */
static void sweep_directories(const struct kind *kind)
{
	static const mode_t modes[] = { 0000, 0444, 0222, 0666,
					0640, 0606, 0777, 02775 };
	static const struct {
		mode_t mode;
		uid_t uid;
		gid_t gid;
		bool shm_only;
	} dirs[] = {
		{ 0777, ROOT, ROOT, false },   { 0755, ROOT, ROOT, false },
		{ 0733, ROOT, ROOT, false },   { 01777, A, A, false },
		{ 0700, ROOT, ROOT, true },    { 02777, ROOT, SHARED, true },
		{ 02775, ROOT, SHARED, true }, { 03777, B, SHARED, true },
	};
	const char *dir = kind->ways[0].dir;
	struct stat st;

	for (size_t i = 0; i < COUNT(dirs); i++) {
		if (dirs[i].shm_only && kind != &shm)
			continue;
		MUST(chown(dir, dirs[i].uid, dirs[i].gid));
		MUST(chmod(dir, dirs[i].mode));
		/*
		 * The kernel uses the directory's mode that a stat has fetched
		 * last.
		 */
		MUST(stat(kind->ways[1].dir, &st));
		print_message("# directory: mode %04o owner %u:%u\n",
			      dirs[i].mode, dirs[i].uid, dirs[i].gid);
		sweep(kind, modes, COUNT(modes), rounds / COUNT(dirs));
	}
	MUST(chown(dir, ROOT, ROOT));
	MUST(chmod(dir, 01777));
}

static void test_shm(void **state)
{
	(void)state;
	sweep_all_modes(&shm);
}

static void test_shm_special_modes(void **state)
{
	(void)state;
	sweep_special_modes(&shm);
}

static void test_shm_directories(void **state)
{
	(void)state;
	sweep_directories(&shm);
}

static void test_mq(void **state)
{
	(void)state;
	sweep_all_modes(&mq);
}

static void test_mq_special_modes(void **state)
{
	(void)state;
	sweep_special_modes(&mq);
}

static void test_mq_directories(void **state)
{
	(void)state;
	sweep_directories(&mq);
}

static const char *join(const char *a, const char *b, const char *c)
{
	char *path;

	MUST(asprintf(&path, "%s/%s%s", a, b, c));
	return path;
}

static void set_up_kind(struct kind *kind, const char *native, const char *name)
{
	static const char *const names[] = { "object", "other", "fresh" };

	for (int i = 0; i < 2; i++) {
		struct way *way = &kind->ways[i];

		way->native = i == 0;
		way->mq = kind == &mq;
		way->dir = way->native ? native : join(getenv("MNT"), name, "");
		for (int j = 0; j < N_NAMES; j++) {
			const char *prefix = way->native ? "native-" : "mount-";

			way->path[j] = join(way->dir, prefix, names[j]);
			way->backstage[j] = join(native, prefix, names[j]);
		}
	}
}

static int set_up(void **state)
{
	const char *n = getenv("ROUNDS");
	char *mnt = strdup(getenv("MNT"));

	(void)state;
	if (n)
		rounds = strtoul(n, NULL, 10);
	passthrough = !strstr(getenv("IPCFS_OPTIONS"), "nopassthrough");
	(void)umask(0);
	/* Only root may search the mount point's parent. */
	MUST(chmod(dirname(mnt), 0755));
	free(mnt);
	set_up_kind(&shm, "/dev/shm", "shm");
	set_up_kind(&mq, getenv("NATIVE"), "mq:maxmsg=1,msgsize=8");
	return 0;
}

/* Usage: rights [PATTERN], which selects tests. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shm),
		cmocka_unit_test(test_shm_special_modes),
		cmocka_unit_test(test_shm_directories),
		cmocka_unit_test(test_mq),
		cmocka_unit_test(test_mq_special_modes),
		cmocka_unit_test(test_mq_directories),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, set_up, NULL);
}
