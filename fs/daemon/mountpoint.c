/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /proc/self/mountinfo lists the mounts (proc_pid_mountinfo(5)). We identify
 * our mount by its numbers there and by its device number, so we find the mount
 * even after the mount was moved, or a directory above it was renamed. The
 * kernel reports each change of the table as an exceptional condition to
 * poll(2).
 *
 * A path from the table may lead elsewhere by the time the path is used. So the
 * daemon opens the path, compares the numbers of the opened mount, and unmounts
 * by the descriptor. Until then the daemon keeps no descriptor: a descriptor of
 * the mount would make umount(8) fail, and a descriptor of the directory would
 * keep the file system below busy after the unmount.
 *
 * No function here sends a request to our mount, because the daemon may not
 * serve requests yet, or any more.
 */
#include "fs/daemon/mountpoint.h"
#include "fs/daemon/diagnose.h"
#include "fs/daemon/mount.h"

#include "core/cleanup.h"
#include "core/linux.h"
#include "core/statx.h"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

enum {
	TYPE_MAX = 64, /* one more than the format "%63s" reads */
	TRIES = 100    /* to unmount, if the path changes or memory is short */
};

/* A line of the mount table. */
struct listed {
	unsigned long long id;
	dev_t device;
	char *path; /* in line */
	char type[TYPE_MAX];
	char *line; /* from getline(3) */
	size_t size;
};

/* The kernel writes white space and backslashes in octal: "\040". */
static void unescape(char *path)
{
	unsigned int c;
	char *to = path;

	while (*path) {
		if (sscanf(path, "\\%3o", &c) == 1) {
			*to++ = (char)c;
			path += 4;
		} else {
			*to++ = *path++;
		}
	}
	*to = '\0';
}

/* Reads the next line of text. At the end, frees the line and returns false. */
static bool next(FILE *table, struct listed *listed)
{
	while (getline(&listed->line, &listed->size, table) > 0) {
		const char *type = strstr(listed->line, " - ");
		unsigned int major, minor;
		int from = 0, to = 0;

		if (type && sscanf(type, " - %63s", listed->type) == 1 &&
		    sscanf(listed->line, "%llu %*d %u:%u %*s %n%*s%n",
			   &listed->id, &major, &minor, &from, &to) == 3 &&
		    to > 0) {
			listed->device = makedev(major, minor);
			listed->line[to] = '\0';
			listed->path = listed->line + from;
			unescape(listed->path);
			return true;
		}
	}
	free(listed->line);
	listed->line = NULL;
	return false;
}

/* Reads the numbers of the mount that a descriptor is on. */
static int identify(int fd, struct fs_mountpoint *ret)
{
	struct statx listed, stx;
	const int flags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC;

	/*
	 * The kernel sets stx_mnt_id even if the mask doesn't ask for it. A
	 * kernel without unique numbers returns the same number twice.
	 */
	if (statx(fd, "", flags, 0, &listed) < 0 ||
	    statx(fd, "", flags, STATX_MNT_ID_UNIQUE, &stx) < 0)
		return -errno;
	ret->listed_id = listed.stx_mnt_id;
	ret->id = stx.stx_mnt_id;
	ret->device = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	return 0;
}

/*
 * Finds the line of a mount in the table. On success the caller frees
 * ret->line. Returns 0, -ENOENT (there is none), -ENOMEM, -ENODEV (there is no
 * /proc) or another error of fopen(3).
 */
static int find(uint64_t listed_id, struct listed *ret)
{
	FILE *table = fopen("/proc/self/mountinfo", "re");
	int r = -ENOENT;

	/* Without /proc we can't know that the mount is gone. */
	if (!table)
		return errno == ENOENT ? -ENODEV : -errno;
	while (r < 0 && next(table, ret))
		r = ret->id == listed_id ? 0 : -ENOENT;
	if (r < 0 && !feof(table))
		r = -ENOMEM;
	(void)fclose(table);
	return r;
}

/*
 * Gets the type of a mount from a descriptor of its root. If the descriptor
 * isn't the root of a mount, type is empty.
 */
static void get_mounted(int fd, char type[static TYPE_MAX])
{
	struct listed listed = { 0 };
	struct statx stx = { 0 };

	/*
	 * statx(2) with an empty mask also works for users whom a FUSE mount
	 * denies access.
	 */
	(void)statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &stx);
	*type = '\0';
	if ((stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) &&
	    find(stx.stx_mnt_id, &listed) == 0)
		strcpy(type, listed.type);
	free(listed.line);
}

static bool is_ipcfs(const char *type)
{
	return strcmp(type, "fuse.ipcfs") == 0;
}

/* Whether a mount's daemon is gone. If so, the kernel itself answers. */
static bool is_dead(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 && errno == ENOTCONN;
}

/* An ordinary user unmounts through fusermount3, which also made the mount. */
static int unmount(int fd, const char *path)
{
	const char *argv[] = {
		"fusermount3", "-u", "-z", "-q", "--", path, NULL
	};
	char link[sizeof("/proc/self/fd/2147483647")];
	pid_t pid;
	int r;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (umount2(link, MNT_DETACH) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	r = posix_spawnp(&pid, argv[0], NULL, NULL,
			 (char *const *)(uintptr_t)argv, environ);
	if (r != 0)
		return -r;
	return waitpid(pid, &r, 0) == pid && r == 0 ? 0 : -EIO;
}

/*
 * Prints why ipcfs can't be mounted on a path. type: the type of the mount
 * there, or empty.
 */
static int fail(const char *path, const char *type, int r)
{
	const bool dead = *type && r == -ENOTCONN;

	(void)fprintf(stderr, "ipcfs: %s: ", path);
	if (dead || (*type && (is_ipcfs(type) || r == -EACCES)))
		(void)fprintf(stderr,
			      "%s%s is mounted there%s; try: "
			      "%sumount %s'%s'\n",
			      dead ? "a dead " : "", type,
			      dead ? "" : " already", fs_diagnose_sudo(),
			      dead ? "-l " : "", path);
	else if (r == -ENOENT)
		(void)fprintf(stderr,
			      "no such directory; try: "
			      "mkdir -p '%s'\n",
			      path);
	else
		(void)fprintf(stderr, "%s; try: %s\n", strerror(-r),
			      FS_DIAGNOSE_ELSEWHERE);
	return r;
}

/*
 * A dead ipcfs on the directory is replaced. If a living ipcfs is there, we
 * refuse to mount: a second ipcfs would show nothing new.
 *
 * Any other mount is hidden until the unmount, as with mount(8) and libfuse 3.
 * We don't warn about files in the directory: a placeholder file is common. We
 * warn about a mount that will be hidden, but not about autofs, which is there
 * to be mounted on. Opening with O_PATH doesn't trigger an automount.
 */
int fs_mountpoint_open(const char *path, const char *namespace,
		       struct fs_mountpoint *ret)
{
	_cleanup_free_ char *absolute = NULL;
	_cleanup_close_ int dir = -1;
	char type[TYPE_MAX] = "";
	struct stat st = { 0 };
	_cleanup_close_ int ns =
		namespace ? open(namespace, O_RDONLY | O_CLOEXEC) : -1;
	int r;

	if (namespace && (ns < 0 || setns(ns, CLONE_NEWNS) < 0)) {
		r = -errno;
		(void)fprintf(stderr,
			      "ipcfs: %s: its mount namespace '%s' can't be "
			      "entered: %s\n",
			      path, namespace, strerror(-r));
		return r;
	}
	absolute = realpath(path, NULL);
	do {
		core_closep(&dir);
		dir = absolute ? open(absolute, O_PATH | O_CLOEXEC) : -1;
		r = dir >= 0 && fstat(dir, &st) == 0 ? 0 : -errno;
		if (dir >= 0)
			get_mounted(dir, type);
	} while (r == -ENOTCONN && is_ipcfs(type) &&
		 unmount(dir, absolute) == 0);
	if (r == 0 && is_ipcfs(type))
		r = -EBUSY;
	else if (r == 0 && !S_ISDIR(st.st_mode))
		r = -ENOTDIR;
	if (r < 0)
		return fail(absolute ?: path, type, r);
	if (*type && strcmp(type, "autofs") != 0)
		(void)fprintf(stderr,
			      "ipcfs: %s: hides the %s that is mounted there; "
			      "to see it again, try: umount '%s'\n",
			      absolute, type, absolute);
	*ret = (struct fs_mountpoint){ .path = core_steal_ptr(absolute),
				       .dir = core_steal_fd(&dir) };
	return 0;
}

/* Attaches a mount to its directory. On success the session owns device. */
static int attach(int mount, const struct fs_mountpoint *mountpoint, int device,
		  struct fuse_session *session)
{
	char name[sizeof("/dev/fd/2147483647")];

	if (move_mount(mount, "", mountpoint->dir, "",
		       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	(void)snprintf(name, sizeof(name), "/dev/fd/%d", device);
	if (fuse_session_mount(session, name) == 0)
		return 0;
	(void)unmount(mount, mountpoint->path);
	return -ENOMEM;
}

/* Mounts through fusermount3. On failure libfuse itself prints a message. */
static int mount_by_helper(struct fs_mountpoint *mountpoint,
			   struct fuse_session *session)
{
	_cleanup_close_ int root = -1;

	if (fuse_session_mount(session, mountpoint->path) < 0)
		return -EPERM;
	root = open(mountpoint->path, O_PATH | O_CLOEXEC);
	if (root >= 0 && identify(root, mountpoint) == 0)
		return 0;
	fuse_session_unmount(session);
	return -EIO;
}

int fs_mountpoint_mount(struct fs_mountpoint *mountpoint,
			struct fuse_session *session,
			const struct fuse_args *options)
{
	_cleanup_close_ int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	_cleanup_close_ int mount = -1;
	int r = device < 0 ? -errno : fs_mount_new(device, options, &mount);

	if (r == -EPERM) {
		r = mount_by_helper(mountpoint, session);
	} else {
		r = r ?: identify(mount, mountpoint);
		r = r ?: attach(mount, mountpoint, device, session);
		if (r == 0)
			(void)core_steal_fd(&device);
		else
			(void)fprintf(stderr,
				      "ipcfs: %s: fuse can't be mounted: %s\n",
				      mountpoint->path, strerror(-r));
	}
	core_closep(&mountpoint->dir);
	mountpoint->dir = -1;
	return r;
}

/* Unmounts our mount at a path. -EAGAIN: the path leads elsewhere. */
static int unmount_ours(const struct fs_mountpoint *mountpoint,
			const char *path)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct fs_mountpoint found = { 0 };

	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? -errno : -EAGAIN;
	if (identify(fd, &found) < 0)
		return -EAGAIN;
	/* A new mount has the number in the table that was ours. */
	if (found.listed_id == mountpoint->listed_id &&
	    found.id != mountpoint->id)
		return 0;
	if (found.id != mountpoint->id || found.device != mountpoint->device)
		return -EAGAIN;
	/*
	 * Before Linux 6.8 a new mount may have the numbers of ours, but a new
	 * mount isn't dead.
	 */
	return is_dead(fd) ? unmount(fd, path) : 0;
}

static int try_unmount(const struct fs_mountpoint *mountpoint)
{
	struct listed listed = { 0 };
	int r = find(mountpoint->listed_id, &listed);

	if (listed.line && listed.device == mountpoint->device)
		r = unmount_ours(mountpoint, listed.path);
	free(listed.line);
	return r == -ENOENT ? 0 : r;
}

int fs_mountpoint_unmount(const struct fs_mountpoint *mountpoint)
{
	int r = -EAGAIN;

	for (int tries = 0; tries < TRIES && (r == -EAGAIN || r == -ENOMEM);
	     tries++)
		r = try_unmount(mountpoint);
	if (r == -EAGAIN)
		r = -EBUSY;
	if (r < 0)
		fuse_log(FUSE_LOG_ERR,
			 "ipcfs: %s: the mount stays: %s; try: "
			 "%sumount -l '%s'\n",
			 mountpoint->path,
			 r == -EBUSY
				 ? "another mount hides it, which goes first"
				 : strerror(-r),
			 fs_diagnose_sudo(), mountpoint->path);
	return r;
}

int fs_mountpoint_monitor(struct fs_mountpoint *mountpoint)
{
	mountpoint->table = fopen("/proc/self/mountinfo", "re");
	return mountpoint->table ? 0 : -errno;
}

bool fs_mountpoint_is_mounted(const struct fs_mountpoint *mountpoint)
{
	FILE *table = mountpoint->table;
	struct listed listed = { 0 };
	bool found = false;

	/* fseek(3) alone may keep the text that was read before. */
	clearerr(table);
	if (fflush(table) != 0 || fseek(table, 0, SEEK_SET) < 0)
		return true;
	while (next(table, &listed))
		found = found || listed.device == mountpoint->device;
	/* If the table can't be read, assume that we are still mounted. */
	return found || !feof(table);
}

void fs_mountpoint_close(struct fs_mountpoint *mountpoint)
{
	free(mountpoint->path);
	core_closep(&mountpoint->dir);
	if (mountpoint->table)
		(void)fclose(mountpoint->table);
}
