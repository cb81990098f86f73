/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the bindings of other languages do with POSIX shm and mq, each step done
 * natively and through the mount. A scenario writes down what it sees, and the
 * two accounts must be equal to the letter. Run by on_mount.
 */
#include <errno.h>
#include <fcntl.h>
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
#include <unistd.h>

#include <cmocka.h>

/* One way to reach objects. */
struct way {
	int (*open)(const char *name, int flags, mode_t mode);
	int (*unlink)(const char *name);
	ssize_t (*send)(int fd, const void *buf, size_t len);
	ssize_t (*receive)(int fd, void *buf, size_t len);
	FILE *account;
};

static const char *mount_path(const char *dir, const char *name)
{
	static char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s%s", getenv("MNT"), dir, name);
	return path;
}

static int mount_shm_open(const char *name, int flags, mode_t mode)
{
	return open(mount_path("shm", name), flags, mode);
}

static int mount_shm_unlink(const char *name)
{
	return unlink(mount_path("shm", name));
}

static int native_mq_open(const char *name, int flags, mode_t mode)
{
	return mq_open(name, flags, mode, NULL);
}

static int mount_mq_open(const char *name, int flags, mode_t mode)
{
	return open(mount_path("mq", name), flags, mode);
}

static int mount_mq_unlink(const char *name)
{
	return unlink(mount_path("mq", name));
}

static ssize_t native_send(int fd, const void *buf, size_t len)
{
	return mq_send(fd, buf, len, 0) < 0 ? -1 : (ssize_t)len;
}

static ssize_t native_receive(int fd, void *buf, size_t len)
{
	return mq_receive(fd, buf, len, NULL);
}

static const struct way native_shm = { .open = shm_open, .unlink = shm_unlink };
static const struct way mount_shm = { .open = mount_shm_open,
				      .unlink = mount_shm_unlink };
static const struct way native_mq = { .open = native_mq_open,
				      .unlink = mq_unlink,
				      .send = native_send,
				      .receive = native_receive };
static const struct way mount_mq = { .open = mount_mq_open,
				     .unlink = mount_mq_unlink,
				     .send = write,
				     .receive = read };

__attribute__((format(printf, 2, 3))) static void note(const struct way *way,
						       const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vfprintf(way->account, format, args);
	va_end(args);
	(void)fputc('\n', way->account);
}

/* Notes whether a call succeeded, or its errno; returns the result. */
static long outcome(const struct way *way, const char *what, long result)
{
	note(way, "%s: %s", what, result < 0 ? strerrorname_np(errno) : "ok");
	return result;
}

/* Runs a scenario both ways and compares the accounts. */
static void compare(const struct way *native, const struct way *mount,
		    void (*scenario)(const struct way *))
{
	const struct way *ways[] = { native, mount };
	char *accounts[2];
	size_t size;

	for (int i = 0; i < 2; i++) {
		struct way way = *ways[i];

		way.account = open_memstream(&accounts[i], &size);
		scenario(&way);
		(void)fclose(way.account);
	}
	assert_string_equal(accounts[0], accounts[1]);
	assert_true(strlen(accounts[0]) > 0);
	free(accounts[0]);
	free(accounts[1]);
}

static void note_content(const struct way *way, int fd)
{
	char buf[64];
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);

	if (n < 0) {
		(void)outcome(way, "pread", n);
		return;
	}
	note(way, "content: %zd bytes, sum %d", n,
	     n > 0 ? buf[0] + buf[n - 1] : 0);
}

static void note_stat(const struct way *way, int fd)
{
	struct stat st;

	if (outcome(way, "fstat", fstat(fd, &st)) < 0)
		return;
	note(way,
	     "mode %o nlink %lu uid %u gid %u size %ld blksize %ld blocks %ld",
	     st.st_mode, (unsigned long)st.st_nlink, st.st_uid, st.st_gid,
	     (long)st.st_size, (long)st.st_blksize, (long)st.st_blocks);
}

/* A Scheme binding of shm: its flags, and what it does with an object. */

static void scheme_open(const struct way *way)
{
	static const int access_modes[] = { O_RDONLY, O_RDWR };

	for (int i = 0; i < 2 * 8 * 2; i++) {
		int flags = access_modes[i & 1] | (i & 2 ? O_CREAT : 0) |
			    (i & 4 ? O_EXCL : 0) | (i & 8 ? O_TRUNC : 0);
		bool exists = i & 16;
		int fd;

		if (exists) {
			fd = way->open("/o", O_RDWR | O_CREAT, 0600);
			assert_int_equal(write(fd, "old", 3), 3);
			close(fd);
		}
		note(way, "flags %#o, %s", (unsigned int)flags,
		     exists ? "existing" : "missing");
		fd = way->open("/o", flags, 0744);
		if (outcome(way, "open", fd) >= 0) {
			note_stat(way, fd);
			note_content(way, fd);
			(void)outcome(way, "write", write(fd, "new", 3));
			(void)outcome(way, "ftruncate", ftruncate(fd, 5));
			close(fd);
		}
		(void)outcome(way, "unlink", way->unlink("/o"));
	}
}

static void scheme_life(const struct way *way)
{
	int fd = way->open("/life", O_RDWR | O_CREAT | O_EXCL, 0744);
	int old;

	(void)outcome(way, "create", fd);
	note_stat(way, fd);
	(void)outcome(way, "ftruncate", ftruncate(fd, 40));
	note_content(way, fd);
	(void)outcome(way, "pwrite", pwrite(fd, "hello", 5, 10));
	(void)outcome(way, "close", close(fd));

	old = way->open("/life", O_RDONLY, 0);
	(void)outcome(way, "open to read", old);
	note_content(way, old);
	(void)outcome(way, "write to a reader's", write(old, "x", 1));
	(void)outcome(way, "unlink", way->unlink("/life"));
	(void)outcome(way, "open of the unlinked",
		      way->open("/life", O_RDWR, 0));
	fd = way->open("/life", O_RDWR | O_CREAT, 0744);
	(void)outcome(way, "create anew", fd);
	note_stat(way, fd);
	note_stat(way, old);
	(void)outcome(way, "write", write(fd, "other", 5));
	note_content(way, old);
	close(old);
	close(fd);
	(void)outcome(way, "unlink", way->unlink("/life"));
	(void)outcome(way, "unlink again", way->unlink("/life"));
}

static void test_scheme_shm_open(void **state)
{
	(void)state;
	compare(&native_shm, &mount_shm, scheme_open);
}

static void test_scheme_shm_life(void **state)
{
	(void)state;
	compare(&native_shm, &mount_shm, scheme_life);
}

/* A Lisp binding of shm: its twelve ways to open, and operations. */

static void lisp_open(const struct way *way)
{
	static const int access_modes[] = { O_RDONLY, O_RDWR };
	static const int options[] = {
		0,	 O_CREAT,	    O_CREAT | O_EXCL,
		O_TRUNC, O_CREAT | O_TRUNC, O_CREAT | O_EXCL | O_TRUNC
	};

	for (int i = 0; i < 2 * 6 * 2; i++) {
		int flags = access_modes[i % 2] | options[i / 2 % 6];
		int fd;

		if (i >= 12) {
			fd = way->open("/lisp", O_RDWR | O_CREAT, 0600);
			assert_int_equal(ftruncate(fd, 100), 0);
			close(fd);
		}
		fd = way->open("/lisp", flags, 0640);
		note(way, "flags %#o, %s", (unsigned int)flags,
		     i >= 12 ? "existing" : "missing");
		if (outcome(way, "open", fd) >= 0) {
			note_stat(way, fd);
			close(fd);
		}
		(void)way->unlink("/lisp");
	}
}

static void lisp_supersede(const struct way *way)
{
	int old = way->open("/lisp", O_RDWR | O_CREAT, 0600);
	int new;

	(void)outcome(way, "write", write(old, "old", 3));
	(void)outcome(way, "unlink", way->unlink("/lisp"));
	new = way->open("/lisp", O_RDWR | O_CREAT | O_EXCL, 0600);
	(void)outcome(way, "create", new);
	note_stat(way, new);
	note_content(way, old);
	close(new);
	close(old);
	(void)way->unlink("/lisp");
}

static void lisp_permissions(const struct way *way)
{
	for (int bit = 0; bit < 9; bit++) {
		int fd = way->open("/lisp", O_RDWR | O_CREAT | O_EXCL,
				   1U << bit);

		note_stat(way, fd);
		(void)outcome(way, "fchmod", fchmod(fd, 0777 & ~(1U << bit)));
		note_stat(way, fd);
		close(fd);
		(void)way->unlink("/lisp");
	}
}

static void lisp_descriptor(const struct way *way)
{
	int fd = way->open("/lisp", O_RDWR | O_CREAT, 0600);
	struct stat before, after;

	(void)outcome(way, "ftruncate", ftruncate(fd, 10000));
	(void)outcome(way, "ftruncate below 0", ftruncate(fd, -1));
	(void)outcome(way, "write", write(fd, "0123456789", 10));
	assert_int_equal(fstat(fd, &before), 0);
	(void)outcome(way, "fchown", fchown(fd, 12, 34));
	(void)outcome(way, "fchown of the group", fchown(fd, (uid_t)-1, 56));
	(void)outcome(way, "fchmod", fchmod(fd, 04751));
	note_stat(way, fd);
	assert_int_equal(fstat(fd, &after), 0);
	note(way, "same dev %d ino %d", before.st_dev == after.st_dev,
	     before.st_ino == after.st_ino);
	(void)outcome(way, "close", close(fd));
	(void)outcome(way, "close again", close(fd));
	(void)outcome(way, "write after close", write(fd, "x", 1));
	(void)outcome(way, "ftruncate after close", ftruncate(fd, 1));
	(void)way->unlink("/lisp");
}

static void test_lisp_shm_open(void **state)
{
	(void)state;
	compare(&native_shm, &mount_shm, lisp_open);
}

static void test_lisp_shm_supersede(void **state)
{
	(void)state;
	compare(&native_shm, &mount_shm, lisp_supersede);
}

static void test_lisp_shm_permissions(void **state)
{
	(void)state;
	compare(&native_shm, &mount_shm, lisp_permissions);
}

static void test_lisp_shm_descriptor(void **state)
{
	(void)state;
	compare(&native_shm, &mount_shm, lisp_descriptor);
}

/* A Scheme binding of mq. */

static void note_receive(const struct way *way, int fd)
{
	char buf[8192];
	ssize_t n = way->receive(fd, buf, sizeof(buf));

	if (outcome(way, "receive", n) >= 0)
		note(way, "%zd bytes: %.*s", n, (int)n, buf);
}

static void scheme_mq(const struct way *way)
{
	static const char bytes[] = "a\0b\377";
	int fd = way->open("/mq", O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0640);
	struct stat st;

	(void)outcome(way, "create", fd);
	(void)outcome(way, "create again",
		      way->open("/mq", O_RDWR | O_CREAT | O_EXCL, 0640));
	assert_int_equal(fstat(fd, &st), 0);
	note(way, "mode %o nlink %lu", st.st_mode, (unsigned long)st.st_nlink);
	(void)outcome(way, "fchmod", fchmod(fd, 0604));
	(void)outcome(way, "fchown", fchown(fd, 12, 34));
	assert_int_equal(fstat(fd, &st), 0);
	note(way, "mode %o uid %u gid %u", st.st_mode, st.st_uid, st.st_gid);

	note_receive(way, fd);
	(void)outcome(way, "send", way->send(fd, bytes, sizeof(bytes)));
	(void)outcome(way, "send", way->send(fd, "second", 6));
	note_receive(way, fd);
	note_receive(way, fd);
	note_receive(way, fd);
	for (int i = 0; i < 12; i++)
		(void)outcome(way, "send", way->send(fd, "x", 1));
	(void)outcome(way, "send too much", way->send(fd, bytes, 100000));
	(void)outcome(way, "unlink", way->unlink("/mq"));
	(void)outcome(way, "unlink again", way->unlink("/mq"));
	(void)outcome(way, "open", way->open("/mq", O_RDONLY, 0));
	note_receive(way, fd);
	(void)outcome(way, "close", close(fd));
	(void)outcome(way, "send after close", way->send(fd, "x", 1));
}

static void scheme_mq_access(const struct way *way)
{
	int fd = way->open("/mq", O_RDONLY | O_CREAT | O_NONBLOCK, 0600);

	(void)outcome(way, "send to a reader's", way->send(fd, "x", 1));
	close(fd);
	fd = way->open("/mq", O_WRONLY, 0);
	(void)outcome(way, "open to write", fd);
	note_receive(way, fd);
	(void)outcome(way, "send", way->send(fd, "x", 1));
	close(fd);
	fd = way->open("/mq", O_RDONLY, 0);
	(void)outcome(way, "open to read", fd);
	note_receive(way, fd);
	close(fd);
	(void)way->unlink("/mq");
}

static void test_scheme_mq(void **state)
{
	(void)state;
	compare(&native_mq, &mount_mq, scheme_mq);
}

static void test_scheme_mq_access(void **state)
{
	(void)state;
	compare(&native_mq, &mount_mq, scheme_mq_access);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scheme_shm_open),
		cmocka_unit_test(test_scheme_shm_life),
		cmocka_unit_test(test_lisp_shm_open),
		cmocka_unit_test(test_lisp_shm_supersede),
		cmocka_unit_test(test_lisp_shm_permissions),
		cmocka_unit_test(test_lisp_shm_descriptor),
		cmocka_unit_test(test_scheme_mq),
		cmocka_unit_test(test_scheme_mq_access),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
