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
#include "fs/diagnose.h"

#include "core/cleanup.h"
#include "core/wait.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

enum { TYPE_MAX = 64 }; /* one more than its format reads */

/*
 * The type of what is mounted on a path; empty if nothing is. Nothing is asked of
 * the file system, so it is told also to who may not look into it, and an automount
 * is not set off.
 */
static void get_mounted(const char *path, char type[static TYPE_MAX])
{
	FILE *table = fopen("/proc/self/mountinfo", "re");
	unsigned long long id;
	struct statx stx = { 0 };
	char *line = NULL;
	size_t size = 0;

	*type = '\0';
	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0,
		  &stx) < 0 ||
	    !(stx.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		stx.stx_mnt_id = 0;
	while (table && !*type && getline(&line, &size, table) > 0) {
		if (sscanf(line, "%llu", &id) == 1 && id == stx.stx_mnt_id)
			(void)sscanf(strstr(line, " - ") ?: "", " - %63s",
				     type);
	}
	free(line);
	if (table)
		(void)fclose(table);
}

static bool is_ipcfs(const char *type)
{
	return strcmp(type, "fuse.ipcfs") == 0;
}

/* Without privileges the helper that mounted it takes it away as well. */
static int unmount_dead(const char *path)
{
	const char *argv[] = {
		"fusermount3", "-u", "-z", "-q", "--", path, NULL
	};
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

/* Says why a path can't be mounted on, on which a type is mounted or "". */
static int fail(const char *path, const char *type, int r)
{
	const char *sudo = fs_diagnose_sudo();

	(void)fprintf(stderr, "ipcfs: %s: ", path);
	if (*type && r == -ENOTCONN)
		(void)fprintf(stderr,
			      "a dead %s is mounted there; mend it with: "
			      "%sumount -l '%s'\n",
			      type, sudo, path);
	else if (*type && (is_ipcfs(type) || r == -EACCES))
		(void)fprintf(stderr,
			      "%s is mounted there already; mend it with: "
			      "%sumount '%s'\n",
			      type, sudo, path);
	else if (r == -ENOENT)
		(void)fprintf(stderr,
			      "no such directory; mend it with: "
			      "mkdir -p '%s'\n",
			      path);
	else
		(void)fprintf(stderr, "%s; mend it with: %s\n", strerror(-r),
			      FS_DIAGNOSE_ELSEWHERE);
	return r;
}

static int enter(const char *namespace)
{
	_cleanup_close_ int fd = open(namespace, O_RDONLY | O_CLOEXEC);

	return fd < 0 || setns(fd, CLONE_NEWNS) < 0 ? -errno : 0;
}

/*
 * A dead ipcfs is replaced. On one that lives a second would show nothing new,
 * and the first of the two to end would unmount the other.
 *
 * Anything else is hidden until the unmount, which is what mount(8) and all that
 * mounts by libfuse 3 do, and loses nothing. Files in the directory aren't
 * mentioned: one may be there to say that it is a mount point. A mount is: who
 * made it will miss it. autofs mounts to be mounted on.
 */
int fs_mountpoint_prepare(const char *path, const char *namespace, char **ret)
{
	_cleanup_free_ char *absolute = NULL;
	char type[TYPE_MAX] = "";
	struct stat st = { 0 };
	int r = namespace ? enter(namespace) : 0;

	if (r < 0) {
		(void)fprintf(stderr,
			      "ipcfs: %s: its mount namespace '%s' can't be "
			      "entered: %s\n",
			      path, namespace, strerror(-r));
		return r;
	}
	absolute = realpath(path, NULL);
	do {
		r = absolute && stat(absolute, &st) == 0 ? 0 : -errno;
		if (absolute)
			get_mounted(absolute, type);
	} while (r == -ENOTCONN && is_ipcfs(type) &&
		 unmount_dead(absolute) == 0);
	if (r == 0 && is_ipcfs(type))
		r = -EBUSY;
	else if (r == 0 && !S_ISDIR(st.st_mode))
		r = -ENOTDIR;
	if (r < 0)
		return fail(absolute ?: path, type, r);
	if (*type && strcmp(type, "autofs") != 0)
		(void)fprintf(stderr,
			      "ipcfs: %s: hides the %s that is mounted there; "
			      "see it again with: umount '%s'\n",
			      absolute, type, absolute);
	*ret = core_steal_ptr(absolute);
	return 0;
}

void fs_mountpoint_release(const char *path)
{
	char type[TYPE_MAX];
	struct stat st;

	get_mounted(path, type);
	if (is_ipcfs(type) && stat(path, &st) < 0 && errno == ENOTCONN)
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

	/* What was read before is forgotten: to seek may keep it, and read no more. */
	clearerr(watch->table);
	if (fflush(watch->table) != 0 || fseek(watch->table, 0, SEEK_SET) < 0)
		return true;
	while (!found && getline(&line, &size, watch->table) > 0)
		found = sscanf(line, "%*d %*d %u:%u", &major, &minor) == 2 &&
			major == watch->major && minor == watch->minor;
	free(line);
	/* What can't be read tells nothing. */
	return found || ferror(watch->table);
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
