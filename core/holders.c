/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/holders.h"

#include "core/cleanup.h"
#include "core/proc.h"
#include "core/statx.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

struct scan {
	const struct core_holders_search *search;
	struct core_holder *holders;
	size_t n, capacity;
	size_t first; /* the first holder that is of the process pid */
	pid_t pid;
};

static void close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static void close_file(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

/*
 * Whether the process is this one or a child. A child of core/child may share
 * our descriptors.
 */
static bool is_ours(pid_t pid)
{
	_cleanup_free_ char *stat =
		core_proc_read(core_proc_path("/proc/%d/stat", pid).s);
	/* The command is in parentheses, and may have any characters. */
	const char *end = stat ? strrchr(stat, ')') : NULL;
	pid_t parent = 0;

	return pid == getpid() || !end ||
	       sscanf(end, ") %*c %d", &parent) != 1 || parent == getpid();
}

static int add(struct scan *scan, ino_t ino, struct core_holder **ret)
{
	_cleanup_free_ char *command = NULL;
	struct core_holder *holder;

	if (scan->n == CORE_HOLDERS_MAX)
		return -E2BIG;
	if (scan->n == scan->capacity) {
		size_t capacity = scan->capacity ? 2 * scan->capacity : 64;

		holder = reallocarray(scan->holders, capacity, sizeof(*holder));
		if (!holder)
			return -ENOMEM;
		scan->holders = holder;
		scan->capacity = capacity;
	}
	command = core_proc_read(core_proc_path("/proc/%d/comm", scan->pid).s);
	holder = &scan->holders[scan->n++];
	*holder = (struct core_holder){ .ino = ino, .pid = scan->pid };
	/* The text ends with a newline. */
	if (command && *command)
		(void)snprintf(holder->command, sizeof(holder->command), "%.*s",
			       (int)strlen(command) - 1, command);
	*ret = holder;
	return 0;
}

/* Finds the holder of this process and inode, or adds it. */
static int get(struct scan *scan, ino_t ino, struct core_holder **ret)
{
	for (size_t i = scan->first; i < scan->n; i++) {
		if (scan->holders[i].ino == ino) {
			*ret = &scan->holders[i];
			return 0;
		}
	}
	return add(scan, ino, ret);
}

/* Whether a file may be an object: its path decides on the second device. */
static bool is_wanted(const struct scan *scan, dev_t device, ino_t ino)
{
	return (device == scan->search->device ||
		device == scan->search->mount) &&
	       (scan->search->ino == 0 || scan->search->ino == ino);
}

static bool is_object(const struct scan *scan, dev_t device, const char *path)
{
	return device == scan->search->device ||
	       scan->search->is_object(scan->search->closure, path);
}

/*
 * Reads /proc/PID/fd. The file systems aren't asked for new attributes: a FUSE
 * server might not answer.
 */
static int read_fds(struct scan *scan)
{
	_cleanup_(close_dir) DIR *dir =
		opendir(core_proc_path("/proc/%d/fd", scan->pid).s);
	const struct dirent *entry;
	int r = 0;

	while (dir && r == 0 && (entry = readdir(dir))) {
		char path[PATH_MAX];
		struct core_holder *holder;
		struct statx stx;
		struct stat link;
		dev_t device;
		ssize_t n;

		if (!isdigit((unsigned char)*entry->d_name) ||
		    statx(dirfd(dir), entry->d_name, AT_STATX_DONT_SYNC,
			  STATX_INO, &stx) < 0)
			continue;
		device = makedev(stx.stx_dev_major, stx.stx_dev_minor);
		if (!is_wanted(scan, device, stx.stx_ino) ||
		    fstatat(dirfd(dir), entry->d_name, &link,
			    AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		n = readlinkat(dirfd(dir), entry->d_name, path,
			       sizeof(path) - 1);
		path[n < 0 ? 0 : n] = '\0';
		/* The mode of the link has the rights; O_PATH has none. */
		if (!(link.st_mode & 0600) || !is_object(scan, device, path))
			continue;
		r = get(scan, stx.stx_ino, &holder);
		if (r == 0)
			holder->fd |= (uint8_t)((link.st_mode & 0600) >> 6);
	}
	return r;
}

static int read_maps(struct scan *scan)
{
	_cleanup_(close_file) FILE *maps =
		fopen(core_proc_path("/proc/%d/maps", scan->pid).s, "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int r = 0;

	while (maps && r == 0 && getline(&line, &size, maps) > 0) {
		struct core_holder *holder;
		unsigned int major, minor;
		char rights[5];
		uint64_t ino;
		int path;

		if (sscanf(line, "%*s %4s %*s %x:%x %" SCNu64 " %n", rights,
			   &major, &minor, &ino, &path) != 4 ||
		    !is_wanted(scan, makedev(major, minor), ino) ||
		    !is_object(scan, makedev(major, minor), line + path))
			continue;
		r = get(scan, ino, &holder);
		if (r == 0)
			holder->map |= (uint8_t)((rights[0] == 'r' ? R_OK : 0) |
						 (rights[1] == 'w' ? W_OK : 0) |
						 (rights[2] == 'x' ? X_OK : 0));
	}
	return r;
}

/* A process that ends meanwhile, or that cred may not look at, has nothing. */
static int read_processes(struct scan *scan, DIR *proc)
{
	const struct dirent *entry;
	int r = 0;

	while (r == 0 && (entry = readdir(proc))) {
		if (!isdigit((unsigned char)*entry->d_name))
			continue;
		scan->pid = atoi(entry->d_name);
		scan->first = scan->n;
		r = read_fds(scan) ?: read_maps(scan);
		if (scan->n > scan->first && is_ours(scan->pid))
			scan->n = scan->first;
	}
	return r;
}

int core_holders_find(const struct core_cred *cred,
		      const struct core_holders_search *search,
		      struct core_holder **ret, size_t *ret_n)
{
	_cleanup_(close_dir) DIR *proc = opendir("/proc");
	struct scan scan = { .search = search };
	int r;

	if (!proc)
		return -errno;
	r = core_cred_enter(cred);
	if (r < 0)
		return r;
	r = read_processes(&scan, proc);
	core_cred_leave(cred);
	if (r < 0) {
		free(scan.holders);
		return r;
	}
	*ret = scan.holders;
	*ret_n = scan.n;
	return 0;
}
