/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The messages of fusermount3 don't say how to fix the problem. So we check the
 * rules of fusermount3 before we run it. The rules are in its check_perm() and
 * do_mount().
 */
#include "fs/daemon/diagnose.h"

#include "core/caller.h"
#include "core/cleanup.h"
#include "core/linux.h"
#include "core/mq.h"
#include "fs/kinds/root.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* Enough for nine queues with default attributes: linux/mqueue.h. */
enum { DEFAULT_MSGQUEUE = 819200 };

const char *fs_diagnose_sudo(void)
{
	return geteuid() == 0 ? "" : "sudo ";
}

static int check_device(void)
{
	_cleanup_close_ int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	const int r = fd < 0 ? -errno : 0;
	const bool absent = r == -ENOENT || r == -ENODEV || r == -ENXIO;
	const char *mend = NULL;

	if (r == 0)
		return 0;
	if (absent)
		mend = "modprobe fuse, or for a container: docker run "
		       "--device /dev/fuse --cap-add SYS_ADMIN ...";
	else if (r == -EACCES)
		mend = "chmod 666 /dev/fuse";
	else if (r == -EPERM) /* cgroups(7), "devices" */
		mend = "docker run --device /dev/fuse ...";
	(void)fprintf(stderr, "ipcfs: /dev/fuse: %s: %s%s%s%s\n",
		      absent ? "not there" : "can't be opened", strerror(-r),
		      mend ? "; try: " : "", mend ? fs_diagnose_sudo() : "",
		      mend ?: "");
	return r;
}

/* fsopen(2) needs the same privilege as mount(2). */
static bool may_mount(void)
{
	_cleanup_close_ int fd = fsopen("fuse", FSOPEN_CLOEXEC);

	return fd >= 0 || errno != EPERM;
}

/* Looks in the same places as libfuse. */
static bool has_fusermount(void)
{
	return access("/usr/bin/fusermount3", X_OK) == 0 ||
	       system("command -v fusermount3 >/dev/null") == 0;
}

/*
 * Whether /etc/fuse.conf allows allow_other. If we may not read the file,
 * returns true: fusermount3 can read the file and decides.
 */
static bool others_allowed(void)
{
	FILE *file = fopen("/etc/fuse.conf", "re");
	char line[256], word[sizeof(line)];
	bool found = false;

	if (!file)
		return errno != ENOENT;
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, " %255[^# \t\n]", word) == 1 &&
			strcmp(word, "user_allow_other") == 0;
	(void)fclose(file);
	return found;
}

/* On a sticky directory, such as /tmp, only the directory's owner can mount. */
static bool is_writable(const char *path)
{
	struct stat st;

	return access(path, W_OK) == 0 && stat(path, &st) == 0 &&
	       (!(st.st_mode & S_ISVTX) || st.st_uid == getuid());
}

/*
 * A request names its thread by a number in our PID namespace, and core/caller
 * looks the number up in /proc. Without privileges no thread is looked up.
 */
static int check_proc(void)
{
	if (geteuid() != 0 || core_caller_works())
		return 0;
	(void)fputs(
		"ipcfs: /proc is not that of this PID namespace, so callers' "
		"rights can't be read; try: mount -t proc proc /proc\n",
		stderr);
	return -EPERM;
}

static int refuse(const char *path, const char *why, const char *mend)
{
	(void)fprintf(stderr, "ipcfs: %s: %s; try: %s\n", path, why, mend);
	return -EPERM;
}

int fs_diagnose_mount(const char *path, bool allow_other)
{
	int r = check_device() ?: check_proc();

	if (r < 0 || may_mount())
		return r;
	if (prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) == 0)
		return refuse(path,
			      "nobody may mount in this container or service",
			      "docker run --cap-add SYS_ADMIN --device "
			      "/dev/fuse ...");
	if (getuid() == 0)
		return 0;
	if (!has_fusermount())
		return refuse(path,
			      "an ordinary user mounts through fusermount3, "
			      "which isn't installed",
			      "sudo apt install fuse3");
	if (!is_writable(path))
		return refuse(path,
			      "an ordinary user can mount only on their own "
			      "directories",
			      FS_DIAGNOSE_ELSEWHERE);
	if (allow_other && !others_allowed())
		return refuse(path,
			      "allow_other needs root, or user_allow_other in "
			      "/etc/fuse.conf",
			      "echo user_allow_other | sudo tee -a "
			      "/etc/fuse.conf");
	return 0;
}

/*
 * If we act as other users, a queue is charged up to its creator's soft limit,
 * or up to our hard limit if it is lower. Otherwise a queue is charged up to
 * our soft limit.
 */
static rlim_t queue_limit(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	(void)getrlimit(RLIMIT_MSGQUEUE, &limit);
	return geteuid() == 0 ? limit.rlim_max : limit.rlim_cur;
}

void fs_diagnose_parts(const struct fs *fs, bool no_passthrough)
{
	unsigned long long limit = queue_limit();

	if (!fs->passthrough && !no_passthrough)
		fuse_log(FUSE_LOG_WARNING,
			 "ipcfs: objects can't be mapped (MAP_SHARED) and are "
			 "slower: passthrough needs root and Linux 6.9\n");
	if (!core_mq_is_supported()) {
		fuse_log(FUSE_LOG_WARNING,
			 "ipcfs: mq/ doesn't work: this kernel has no message "
			 "queues (CONFIG_POSIX_MQUEUE)\n");
		return;
	}
	if (fs->dirs->mq == CORE_IPC_DIRS_MQ_NONE)
		fuse_log(FUSE_LOG_WARNING,
			 "ipcfs: mq/ lists only queues opened there; run ipcfs "
			 "as root, or try: sudo mkdir -p /dev/mqueue && "
			 "sudo mount -t mqueue mqueue /dev/mqueue\n");
	if (limit < DEFAULT_MSGQUEUE)
		fuse_log(FUSE_LOG_WARNING,
			 "ipcfs: all queues of a user may take %llu bytes, but "
			 "%d is usual; try: ulimit -q %d\n",
			 limit, DEFAULT_MSGQUEUE, DEFAULT_MSGQUEUE);
}

void fs_diagnose_print(void)
{
	struct core_ipc_dirs *dirs = NULL;
	int r = core_ipc_dirs_new(&dirs);

	(void)printf("ipcfs %s\nlibfuse %s\n", IPCFS_VERSION,
		     fuse_pkgversion());
	for (size_t i = 0; fs_kinds[i]; i++)
		if (fs_kinds[i]->probe)
			fs_kinds[i]->probe(dirs, r);
	core_ipc_dirs_free(dirs);
}
