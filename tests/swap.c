/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An attacker uses a name through the mount while the name is swapped, as fast
 * as possible, between the attacker's object and an object of root's that the
 * attacker has no right to. No operation may reach root's object, wherever the
 * name led when the kernel looked the name up. on_mount runs this test, with -o
 * allow_other.
 *
 * ROUNDS (default: 100,000) is the number of attacks of each test.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <mqueue.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

enum { ROOT = 0, ATTACKER = 1001 };

/* The saved user stays root, so that the test can return. */
static void become(uid_t uid)
{
	if (setresuid(ROOT, ROOT, ROOT) < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(uid, uid, ROOT) < 0 || setresuid(uid, uid, ROOT) < 0)
		abort();
}

/* The names, natively and through the mount. */
struct place {
	bool mq;
	const char *native, *spare; /* the second is for objects */
	const char *mount, *stolen;
	const char *attribute; /* identifies the object, like the content */
};

/* The content of root's and of the attacker's object, and their time. */
static const char roots[] = "2", attackers[] = "1";
enum { TIME = 1000000 };

/* Makes an object, or a queue with a message. Returns -1 on an error. */
static int make(const struct place *place, const char *path, mode_t mode,
		const char *content)
{
	struct timespec times[] = { { TIME, 0 }, { TIME, 0 } };
	struct mq_attr attr = { .mq_maxmsg = content[0] - '0',
				.mq_msgsize = 1 };
	int flags = O_RDWR | O_CREAT | O_EXCL;
	int fd;

	if (place->mq) {
		fd = mq_open(strrchr(path, '/'), flags, mode, &attr);
		(void)mq_send(fd, content, 1, 0);
	} else {
		fd = open(path, flags, mode);
		(void)pwrite(fd, content, 1, 0);
		(void)fsetxattr(fd, place->attribute, content, 1, 0);
	}
	(void)futimens(fd, times);
	return fd;
}

/* Shared by the process that swaps and the attacker. */
static struct {
	atomic_ulong n_swaps;
	char broken[200]; /* the promise that was broken, or empty */
} * shared;

__attribute__((format(printf, 1, 2))) static void broken(const char *format,
							 ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(shared->broken, sizeof(shared->broken), format, args);
	va_end(args);
}

/* Returns whether root's object is unchanged. */
static void check(const struct place *place, int fd, nlink_t n_links)
{
	char content[2] = "", value[2] = "";
	struct mq_attr attr = { 0 };
	struct stat st = { 0 };

	(void)fstat(fd, &st);
	if (st.st_mode != (S_IFREG | 0600) || st.st_uid != ROOT ||
	    st.st_gid != ROOT || st.st_mtim.tv_sec != TIME ||
	    st.st_nlink != n_links)
		broken("root's: mode %o owner %u:%u time %ld links %lu",
		       st.st_mode, st.st_uid, st.st_gid,
		       (long)st.st_mtim.tv_sec, (unsigned long)st.st_nlink);
	if (place->mq) {
		(void)mq_getattr(fd, &attr);
		if (attr.mq_curmsgs != 1)
			broken("root's: %ld messages", attr.mq_curmsgs);
		return;
	}
	(void)pread(fd, content, 1, 0);
	(void)fgetxattr(fd, place->attribute, value, 1);
	if (strcmp(content, roots) != 0 || strcmp(value, roots) != 0)
		broken("root's: content %s attribute %s", content, value);
}

/* Swaps by making and removing both objects in turn. */
static void swap_in_turn(const struct place *place)
{
	struct stat made = { 0 }, found = { 0 };
	int fd = make(place, place->native, 0600, roots);

	/* If it fails, the attacker has created an object meanwhile. */
	if (fd >= 0) {
		(void)fstat(fd, &made);
		(void)stat(place->native, &found);
		if (found.st_ino != made.st_ino)
			broken("root's was moved or removed");
		(void)unlink(place->native);
		check(place, fd, 0);
		(void)close(fd);
	}
	become(ATTACKER);
	fd = make(place, place->native, 0666, attackers);
	become(ROOT);
	(void)close(fd);
	(void)unlink(place->native);
}

/* Swaps by exchanging the names of two objects. */
static void swap_names(const struct place *place)
{
	static int fd = -1;

	if (fd < 0) {
		fd = make(place, place->native, 0600, roots);
		become(ATTACKER);
		(void)close(make(place, place->spare, 0666, attackers));
		become(ROOT);
	}
	if (renameat2(AT_FDCWD, place->native, AT_FDCWD, place->spare,
		      RENAME_EXCHANGE) < 0)
		broken("exchange: %s", strerror(errno));
	check(place, fd, 1);
}

/* The attacks. Each returns the result of its system call. */

#define ATTACK(name)                               \
	static int name(const struct place *place, \
			__attribute__((unused)) int flags)

ATTACK(attack_open)
{
	int fd = open(place->mount, flags | O_NONBLOCK, 0666);
	char content[2] = "";
	struct stat st = { 0 };

	if (fd < 0)
		return -1;
	(void)fstat(fd, &st);
	(void)read(fd, content, 1);
	(void)write(fd, attackers, 1);
	if (st.st_uid != ATTACKER || strcmp(content, roots) == 0)
		broken("open %#o: owner %u content %s", (unsigned int)flags,
		       st.st_uid, content);
	return close(fd);
}

ATTACK(attack_chmod)
{
	return chmod(place->mount, 0666);
}

ATTACK(attack_chown)
{
	return chown(place->mount, (uid_t)-1, ATTACKER);
}

ATTACK(attack_touch)
{
	return utimensat(AT_FDCWD, place->mount, NULL, 0);
}

ATTACK(attack_truncate)
{
	return truncate(place->mount, 0);
}

ATTACK(attack_setxattr)
{
	return setxattr(place->mount, place->attribute, attackers, 1, 0);
}

ATTACK(attack_getxattr)
{
	char value[2] = "";
	ssize_t n = getxattr(place->mount, place->attribute, value, 1);

	if (strcmp(value, roots) == 0)
		broken("getxattr: %s", value);
	return (int)n;
}

ATTACK(attack_unlink)
{
	return unlink(place->mount);
}

ATTACK(attack_rename)
{
	struct stat st = { 0 };

	if (rename(place->mount, place->stolen) < 0)
		return -1;
	(void)stat(place->stolen, &st);
	if (st.st_uid != ATTACKER)
		broken("rename: owner %u", st.st_uid);
	/* The name may lead to root's object. */
	return rename(place->stolen, place->mount);
}

static const struct {
	const char *name;
	int (*run)(const struct place *place, int flags);
	int flags;
} attacks[] = {
	{ "open to read", attack_open, O_RDONLY },
	{ "open to write", attack_open, O_WRONLY },
	{ "open for both, O_TRUNC", attack_open, O_RDWR | O_TRUNC },
	{ "open for both, O_CREAT", attack_open, O_RDWR | O_CREAT },
	{ "chmod", attack_chmod, 0 },
	{ "chown", attack_chown, 0 },
	{ "touch", attack_touch, 0 },
	{ "truncate", attack_truncate, 0 },
	{ "setxattr", attack_setxattr, 0 },
	{ "getxattr", attack_getxattr, 0 },
	/*
	 * These attacks remove the name, so only swap_in_turn() can be used
	 * with them.
	 */
	{ "unlink", attack_unlink, 0 },
	{ "rename", attack_rename, 0 },
};

static struct place shm, mq;
static unsigned long rounds = 100000;

static void attack(const struct place *place,
		   void (*swap)(const struct place *))
{
	size_t n_attacks = COUNT(attacks) - (swap == swap_names ? 2 : 0);
	unsigned long done[COUNT(attacks)] = { 0 };
	unsigned long refused[COUNT(attacks)] = { 0 };
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	/* The first swap, before the attacker can create the name. */
	swap(place);
	pid = fork();
	if (pid == 0) {
		for (;; shared->n_swaps++)
			swap(place);
	}
	assert_true(pid > 0);
	become(ATTACKER);
	/* At least until the attacker has met both objects. */
	for (unsigned long i = 0;
	     (i < rounds || !done[0] || !refused[0]) && !*shared->broken; i++) {
		size_t j = i % n_attacks;

		if (attacks[j].run(place, attacks[j].flags) >= 0)
			done[j]++;
		else if (errno == EACCES || errno == EPERM ||
			 errno == EOPNOTSUPP)
			refused[j]++;
		else if (errno != ENOENT && errno != ENODATA && errno != ESTALE)
			broken("%s: %s", attacks[j].name, strerror(errno));
	}
	become(ROOT);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	(void)unlink(place->native);
	(void)unlink(place->spare);
	(void)unlink(place->stolen);
	/* A lookup of the removed name drops what the daemon has pinned for it. */
	(void)access(place->mount, F_OK);
	for (size_t i = 0; i < n_attacks; i++)
		print_message("# %s: %lu on his own, %lu refused\n",
			      attacks[i].name, done[i], refused[i]);
	print_message("# %lu swaps\n", shared->n_swaps);
	assert_string_equal(shared->broken, "");
}

static void test_shm_names_are_exchanged(void **state)
{
	(void)state;
	attack(&shm, swap_names);
}

static void test_shm_name_is_recreated_for_each_user(void **state)
{
	(void)state;
	attack(&shm, swap_in_turn);
}

static void test_mq_name_is_recreated_for_each_user(void **state)
{
	(void)state;
	attack(&mq, swap_in_turn);
}

static const char *path(const char *variable, const char *name)
{
	char *ret = NULL;

	assert_true(asprintf(&ret, "%s/%s", getenv(variable), name) > 0);
	return ret;
}

static int set_up(void **state)
{
	const char *n = getenv("ROUNDS");

	(void)state;
	if (n)
		rounds = strtoul(n, NULL, 10);
	(void)umask(0);
	shm = (struct place){
		.native = "/dev/shm/name",
		.spare = "/dev/shm/spare",
		.mount = path("SHM", "name"),
		.stolen = path("SHM", "stolen"),
		.attribute = "user.a",
	};
	mq = (struct place){
		.mq = true,
		.native = path("NATIVE", "name"),
		.spare = path("NATIVE", "spare"),
		.mount = path("MNT", "mq:maxmsg=1,msgsize=1/name"),
		.stolen = path("MQ", "stolen"),
		.attribute = "user.mq.maxmsg",
	};
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED;
}

/* Usage: swap [PATTERN], which selects tests. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shm_names_are_exchanged),
		cmocka_unit_test(test_shm_name_is_recreated_for_each_user),
		cmocka_unit_test(test_mq_name_is_recreated_for_each_user),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, set_up, NULL);
}
