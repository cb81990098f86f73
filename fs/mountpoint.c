/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mount table of a process, /proc/self/mountinfo, is polled: the kernel
 * reports each change of it as an exceptional condition (proc_pid_mountinfo(5)).
 * The mount is known by its device number, so it is found also after it was
 * moved or bound elsewhere.
 *
 * The watch sends no request to the mount that it watches: it may not be served
 * yet, or any more.
 */
#include "fs/mountpoint.h"

#include "core/cleanup.h"
#include "core/wait.h"

#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

/* Whether what is mounted on a path, on top, is an ipcfs. */
static bool is_ipcfs(const char *path)
{
	FILE *table = setmntent("/proc/self/mounts", "re");
	const struct mntent *entry;
	bool found = false;

	if (!table)
		return false;
	while ((entry = getmntent(table))) {
		if (strcmp(entry->mnt_dir, path) == 0)
			found = strcmp(entry->mnt_type, "fuse.ipcfs") == 0;
	}
	(void)endmntent(table);
	return found;
}

/* Without privileges the helper that mounted it takes it away as well. */
static int unmount_dead(const char *path)
{
	const char *argv[] = { "fusermount3", "-u", "-z", "--", path, NULL };
	pid_t pid;
	int r;

	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		return 0;
	r = posix_spawnp(&pid, argv[0], NULL, NULL,
			 (char *const *)(uintptr_t)argv, environ);
	if (r != 0)
		return -r;
	if (waitpid(pid, &r, 0) < 0)
		return -errno;
	return WIFEXITED(r) && WEXITSTATUS(r) == 0 ? 0 : -EBUSY;
}

static int fail(const char *path, const char *what, int r)
{
	(void)fprintf(stderr, "ipcfs: mount point '%s': %s\n", path,
		      what ?: strerror(-r));
	return r;
}

int fs_mountpoint_prepare(const char *path, char **ret)
{
	_cleanup_free_ char *absolute = NULL;
	struct stat st;
	int r = stat(path, &st) < 0 ? -errno : 0;

	absolute = realpath(path, NULL);
	if (r == -ENOTCONN && absolute) {
		if (!is_ipcfs(absolute))
			return fail(path,
				    "a dead mount of another file system; "
				    "unmount it first",
				    r);
		r = unmount_dead(absolute);
		if (r == 0 && stat(path, &st) < 0)
			r = -errno;
	}
	if (r == 0 && !absolute)
		r = -errno;
	if (r < 0)
		return fail(path, NULL, r);
	if (!S_ISDIR(st.st_mode))
		return fail(path, "not a directory", -ENOTDIR);
	*ret = core_steal_ptr(absolute);
	return 0;
}

void fs_mountpoint_release(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0 && errno == ENOTCONN && is_ipcfs(path))
		(void)unmount_dead(path);
}

struct fs_watch {
	struct core_wait *wait;
	unsigned int major, minor; /* of the mount's device number */
	FILE *table;
	int event; /* an eventfd: the watch is to end */
	pthread_t thread;
};

static bool is_mounted(struct fs_watch *watch)
{
	unsigned int major, minor;
	bool found = false;
	char *line = NULL;
	size_t size = 0;

	rewind(watch->table);
	while (!found && getline(&line, &size, watch->table) > 0)
		found = sscanf(line, "%*d %*d %u:%u", &major, &minor) == 2 &&
			major == watch->major && minor == watch->minor;
	free(line);
	return found;
}

static void *serve(void *closure)
{
	struct fs_watch *watch = closure;
	struct pollfd fds[] = {
		{ .fd = fileno(watch->table), .events = POLLPRI },
		{ .fd = watch->event, .events = POLLIN },
	};

	pthread_setname_np(pthread_self(), "watch");
	while (is_mounted(watch)) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents)
			return NULL;
	}
	core_wait_end_all(watch->wait);
	return NULL;
}

static void watch_freep(struct fs_watch **watch)
{
	if (!*watch)
		return;
	if ((*watch)->table)
		(void)fclose((*watch)->table);
	core_closep(&(*watch)->event);
	free(*watch);
}

int fs_watch_new(const char *path, struct core_wait *wait,
		 struct fs_watch **ret)
{
	_cleanup_(watch_freep) struct fs_watch *watch =
		calloc(1, sizeof(*watch));
	struct statx stx;
	sigset_t all, old;
	int r;

	if (!watch)
		return -ENOMEM;
	watch->wait = wait;
	watch->table = fopen("/proc/self/mountinfo", "re");
	watch->event = eventfd(0, EFD_CLOEXEC);
	/* The device number is the kernel's own: no request is sent for it. */
	if (!watch->table || watch->event < 0 ||
	    statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx) < 0)
		return -errno;
	watch->major = stx.stx_dev_major;
	watch->minor = stx.stx_dev_minor;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&watch->thread, NULL, serve, watch);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r == 0)
		*ret = core_steal_ptr(watch);
	return -r;
}

struct fs_watch *fs_watch_free(struct fs_watch *watch)
{
	if (!watch)
		return NULL;
	(void)eventfd_write(watch->event, 1);
	pthread_join(watch->thread, NULL);
	watch_freep(&watch);
	return NULL;
}
