/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process changes objects natively, and then sends a byte through a pipe to
 * another process. The other process makes the same calls natively and on the
 * mount. Nothing changes meanwhile, so the outcomes must be equal: the mount
 * shows nothing stale, and no call fails that doesn't fail natively.
 *
 *	SEED	replays a run; each run prints its seed
 *	ROUNDS	how often the objects are changed and looked at; default 20000
 *
 * Run by on_mount.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

enum { N_NAMES = 4, N_HELD = 3, MAX_SIZE = 9000, N_LOOKS = 3 };
enum side { NATIVE, MOUNT, N_SIDES };

/* The directory of the objects. */
static int dirs[N_SIDES];
static const char names[N_NAMES][2] = { "a", "b", "c", "d" };

static uint64_t random_state;

/* Returns a random number below n. */
static unsigned int draw(unsigned int n)
{
	random_state =
		random_state * 6364136223846793005U + 1442695040888963407U;
	return (unsigned int)(random_state >> 33) % n;
}

static const char *draw_name(void)
{
	return names[draw(N_NAMES)];
}

/*
 * The changes. A change that fails, because a name is missing or taken, is fine:
 * then nothing has changed.
 */

static void change_content(void)
{
	char bytes[MAX_SIZE / 2];
	int fd = openat(dirs[NATIVE], draw_name(), O_WRONLY);

	memset(bytes, 'A' + (int)draw(26), sizeof(bytes));
	(void)pwrite(fd, bytes, draw(sizeof(bytes)), draw(MAX_SIZE / 2));
	(void)close(fd);
}

static void change_size(void)
{
	int fd = openat(dirs[NATIVE], draw_name(), O_WRONLY);

	(void)ftruncate(fd, draw(MAX_SIZE));
	(void)close(fd);
}

static void change_mode(void)
{
	(void)fchmodat(dirs[NATIVE], draw_name(), draw(010000), 0);
}

static void change_owner(void)
{
	(void)fchownat(dirs[NATIVE], draw_name(), draw(3), draw(3), 0);
}

static void add_object(void)
{
	int fd = openat(dirs[NATIVE], draw_name(), O_WRONLY | O_CREAT | O_EXCL,
			0600);

	(void)write(fd, "new", draw(4));
	(void)close(fd);
}

static void add_name(void)
{
	(void)linkat(dirs[NATIVE], draw_name(), dirs[NATIVE], draw_name(), 0);
}

static void remove_name(void)
{
	(void)unlinkat(dirs[NATIVE], draw_name(), 0);
}

static void rename_over(void)
{
	(void)renameat(dirs[NATIVE], draw_name(), dirs[NATIVE], draw_name());
}

static void exchange_names(void)
{
	(void)renameat2(dirs[NATIVE], draw_name(), dirs[NATIVE], draw_name(),
			RENAME_EXCHANGE);
}

/* Replaces a file as programs do: a new object gets the name by rename(2). */
static void replace(void)
{
	static const char spare[] = "spare";
	int fd = openat(dirs[NATIVE], spare, O_WRONLY | O_CREAT | O_EXCL, 0600);

	(void)write(fd, "replaced", draw(9));
	(void)close(fd);
	(void)renameat(dirs[NATIVE], spare, dirs[NATIVE], draw_name());
}

static void (*const changes[])(void) = {
	change_content, change_size, change_mode, change_owner,	  add_object,
	add_name,	remove_name, rename_over, exchange_names, replace,
};

/* The result of a call, as text. */
struct outcome {
	char text[2 * MAX_SIZE];
	size_t size;
};

__attribute__((format(printf, 2, 3))) static void note(struct outcome *outcome,
						       const char *format, ...)
{
	va_list args;

	va_start(args, format);
	outcome->size +=
		(size_t)vsnprintf(outcome->text + outcome->size,
				  sizeof(outcome->text) - outcome->size, format,
				  args);
	va_end(args);
}

static void note_stat(struct outcome *outcome, int r, const struct stat *st)
{
	if (r < 0)
		note(outcome, "stat: %s\n", strerror(errno));
	else
		note(outcome,
		     "ino %lu size %ld blocks %ld mode %o links %lu owner "
		     "%u:%u mtime %ld.%ld ctime %ld.%ld\n",
		     (unsigned long)st->st_ino, (long)st->st_size,
		     (long)st->st_blocks, st->st_mode,
		     (unsigned long)st->st_nlink, st->st_uid, st->st_gid,
		     (long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
		     (long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

static void note_open_file(struct outcome *outcome, int fd)
{
	char bytes[MAX_SIZE + 1];
	struct stat st;
	ssize_t n;

	note_stat(outcome, fstat(fd, &st), &st);
	note(outcome, "end %ld\n", (long)lseek(fd, 0, SEEK_END));
	n = pread(fd, bytes, MAX_SIZE, 0);
	if (n < 0)
		note(outcome, "read: %s\n", strerror(errno));
	for (ssize_t i = 0; i < n; i++)
		bytes[i] = bytes[i] ?: '0';
	note(outcome, "read %.*s\n", n < 0 ? 0 : (int)n, bytes);
}

/* The looks: each notes what it finds. Both sides use the same name and number. */

static void look_at_name(enum side side, const char *name, unsigned int number,
			 struct outcome *ret)
{
	struct stat st;

	int r = fstatat(dirs[side], name, &st, 0);

	(void)number;
	note_stat(ret, r, &st);
	/* Not after a read: the first of both reads sets the time. */
	if (r == 0)
		note(ret, "atime %ld.%ld\n", (long)st.st_atim.tv_sec,
		     st.st_atim.tv_nsec);
}

static void look_inside(enum side side, const char *name, unsigned int number,
			struct outcome *ret)
{
	int fd = openat(dirs[side], name, number % 2 ? O_RDONLY : O_RDWR);

	if (fd < 0) {
		note(ret, "open: %s\n", strerror(errno));
		return;
	}
	note_open_file(ret, fd);
	(void)close(fd);
}

/*
 * Each descriptor stays open for a while, also if its object loses its names.
 */
static void look_at_held(enum side side, const char *name, unsigned int number,
			 struct outcome *ret)
{
	static int held[N_SIDES][N_HELD] = { { -1, -1, -1 }, { -1, -1, -1 } };
	int *fd = &held[side][number % N_HELD];

	if (*fd >= 0)
		note_open_file(ret, *fd);
	if (*fd >= 0 && number % 16 < 12)
		return;
	(void)close(*fd);
	*fd = openat(dirs[side], name, O_RDWR);
	note(ret, "opens: %s\n", *fd < 0 ? strerror(errno) : "yes");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The number decides whether the directory is opened anew or rewound. */
static void list(enum side side, const char *name, unsigned int number,
		 struct outcome *ret)
{
	static DIR *held[N_SIDES];
	char *found[N_NAMES + 3];
	const struct dirent *entry;
	size_t n = 0;

	(void)name;
	if (held[side] && number % 2) {
		(void)closedir(held[side]);
		held[side] = NULL;
	}
	if (!held[side])
		held[side] = fdopendir(
			openat(dirs[side], ".", O_RDONLY | O_DIRECTORY));
	if (!held[side])
		err(1, "a directory can't be opened");
	rewinddir(held[side]);
	while (n < COUNT(found) && (entry = readdir(held[side])))
		found[n++] = strdup(entry->d_name);
	qsort(found, n, sizeof(*found), by_name);
	for (size_t i = 0; i < n; i++) {
		note(ret, "%s ", found[i]);
		free(found[i]);
	}
}

static void (*const looks[])(enum side side, const char *name,
			     unsigned int number, struct outcome *ret) = {
	look_at_name,
	look_inside,
	look_at_held,
	list,
};

/* Returns whether the mount shows the same as the native call. */
static int look(unsigned long round)
{
	static struct outcome outcomes[N_SIDES];
	const char *name = draw_name();
	unsigned int i = draw(COUNT(looks)), number = draw(1 << 16);

	/* The mount comes first: it must not profit from the native call. */
	for (int side = N_SIDES - 1; side >= 0; side--) {
		outcomes[side].size = 0;
		looks[i](side, name, number, &outcomes[side]);
	}
	if (strcmp(outcomes[NATIVE].text, outcomes[MOUNT].text) == 0)
		return 1;
	(void)fprintf(stderr, "round %lu, %s: natively\n%s\non the mount\n%s\n",
		      round, name, outcomes[NATIVE].text, outcomes[MOUNT].text);
	return 0;
}

static unsigned long variable_or(const char *variable, unsigned long otherwise)
{
	const char *text = getenv(variable);

	return text ? strtoul(text, NULL, 10) : otherwise;
}

/* For each byte received, changes the objects and sends a byte back. */
static void change_all(int in, int out)
{
	char byte;

	while (read(in, &byte, 1) == 1) {
		for (unsigned int n = 1 + draw(3); n > 0; n--)
			changes[draw(COUNT(changes))]();
		if (write(out, &byte, 1) != 1)
			break;
	}
	_exit(0);
}

int main(void)
{
	unsigned long n_rounds = variable_or("ROUNDS", 20000), i;
	unsigned long seed = variable_or("SEED", (unsigned long)time(NULL));
	int there[2], back[2];
	char byte = 0;
	int good = 1;

	(void)printf("1..1\n# SEED=%lu\n", seed);
	(void)fflush(stdout);
	(void)umask(0);
	dirs[NATIVE] = open("/dev/shm", O_RDONLY | O_DIRECTORY);
	dirs[MOUNT] = open(getenv("SHM"), O_RDONLY | O_DIRECTORY);
	if (dirs[NATIVE] < 0 || dirs[MOUNT] < 0 || pipe(there) < 0 ||
	    pipe(back) < 0)
		err(1, "can't begin");
	random_state = seed;
	if (fork() == 0) {
		(void)close(there[1]);
		change_all(there[0], back[1]);
	}
	(void)close(there[0]);
	(void)close(back[1]);
	random_state = ~seed;
	for (i = 0; i < n_rounds && good; i++) {
		if (write(there[1], &byte, 1) != 1 ||
		    read(back[0], &byte, 1) != 1)
			errx(1, "the other process has ended");
		for (int n = 0; n < N_LOOKS && good; n++)
			good = look(i);
	}
	(void)close(there[1]);
	(void)wait(NULL);
	for (int n = 0; n < N_NAMES; n++)
		(void)unlinkat(dirs[NATIVE], names[n], 0);
	(void)printf("%sok 1 - the mount shows what is there\n# %lu rounds\n",
		     good ? "" : "not ", i);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
