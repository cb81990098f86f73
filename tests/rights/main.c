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
#include "tests/rights/rights.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>

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
	if (op_renames(op))
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
	const struct ops *own_ops; /* beside common_ops */
};

static struct kind shm = { .own_ops = &shm_ops };
static struct kind mq = { .own_ops = &mq_ops };

static const struct op *get_op(const struct kind *kind, size_t i)
{
	return i < common_ops.n ? &common_ops.ops[i]
				: &kind->own_ops->ops[i - common_ops.n];
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
	if (!op_writes(cell->op))
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
	size_t n_ops = common_ops.n + kind->own_ops->n;
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

static void test_shm_all_modes(void **state)
{
	(void)state;
	sweep_all_modes(&shm);
}

static void test_shm_special_modes(void **state)
{
	(void)state;
	sweep_special_modes(&shm);
}

static void test_shm_directory_modes(void **state)
{
	(void)state;
	sweep_directories(&shm);
}

static void test_mq_all_modes(void **state)
{
	(void)state;
	sweep_all_modes(&mq);
}

static void test_mq_special_modes(void **state)
{
	(void)state;
	sweep_special_modes(&mq);
}

static void test_mq_directory_modes(void **state)
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

	(void)state;
	if (n)
		rounds = strtoul(n, NULL, 10);
	passthrough = !strstr(getenv("IPCFS_OPTIONS"), "nopassthrough");
	(void)umask(0);
	set_up_kind(&shm, "/dev/shm", "shm");
	set_up_kind(&mq, getenv("NATIVE"), "mq:maxmsg=1,msgsize=8");
	return 0;
}

/* Usage: rights [PATTERN], which selects tests. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shm_all_modes),
		cmocka_unit_test(test_shm_special_modes),
		cmocka_unit_test(test_shm_directory_modes),
		cmocka_unit_test(test_mq_all_modes),
		cmocka_unit_test(test_mq_special_modes),
		cmocka_unit_test(test_mq_directory_modes),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, set_up, NULL);
}
