/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fusermount3 runs as root and says on its own what it refuses, so it is asked
 * only for what it would grant. Its rules are in its check_perm() and do_mount().
 */
#include "fs/daemon/diagnose.h"

#include "core/caller.h"
#include "core/cleanup.h"
#include "core/ipc_dirs.h"
#include "fs/daemon/probe.h"
#include "fs/fuse/ops.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Nine queues with the default attributes: include/uapi/linux/mqueue.h. */
enum { DEFAULT_MSGQUEUE = 819200 };

const char *fs_diagnose_sudo(void)
{
	return geteuid() == 0 ? "" : "sudo ";
}

static int check_device(void)
{
	_cleanup_close_ int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	const char *what = "can't be opened", *mend = NULL;
	int r = fd < 0 ? -errno : 0;

	switch (r) {
	case 0:
		return 0;
	case -ENOENT:
	case -ENODEV:
	case -ENXIO:
		what = "not there";
		mend = "modprobe fuse, or for a container: docker run "
		       "--device /dev/fuse --cap-add SYS_ADMIN ...";
		break;
	case -EACCES:
		mend = "chmod 666 /dev/fuse";
		break;
	case -EPERM: /* cgroups(7), "devices" */
		mend = "docker run --device /dev/fuse ...";
		break;
	default:
		break;
	}
	(void)fprintf(stderr, "ipcfs: /dev/fuse: %s: %s%s%s%s\n", what,
		      strerror(-r), mend ? "; mend it with: " : "",
		      mend ? fs_diagnose_sudo() : "", mend ?: "");
	return r;
}

/* The kernel asks here what it asks in mount(2). */
static bool may_mount(void)
{
	_cleanup_close_ int fd = fsopen("fuse", FSOPEN_CLOEXEC);

	return fd >= 0 || errno != EPERM;
}

/* It is looked for where libfuse does. */
static bool has_fusermount(void)
{
	const char *argv[] = { "fusermount3", "--version", NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int r;

	if (access("/usr/bin/fusermount3", X_OK) == 0 ||
	    posix_spawn_file_actions_init(&actions) != 0)
		return true;
	(void)posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO,
					       "/dev/null", O_WRONLY, 0);
	r = posix_spawnp(&pid, argv[0], &actions, NULL,
			 (char *const *)(uintptr_t)argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	if (r == 0)
		(void)waitpid(pid, NULL, 0);
	return r == 0;
}

/* Whether allow_other is for all. Who may not read that leaves it to fusermount3. */
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

/* Sticky directories, as /tmp, are for their owner only to mount on. */
static bool is_writable(const char *path)
{
	struct stat st;

	return access(path, W_OK) == 0 && stat(path, &st) == 0 &&
	       (!(st.st_mode & S_ISVTX) || st.st_uid == getuid());
}

/* Why it is refused to who asks, or NULL. */
static const char *refusal(const char *path, bool allow_other,
			   const char **ret_mend)
{
	if (prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) == 0) {
		*ret_mend = "docker run --cap-add SYS_ADMIN --device /dev/fuse "
			    "...";
		return "nobody may mount in this container or service";
	}
	if (getuid() == 0)
		return NULL;
	if (!has_fusermount()) {
		*ret_mend = "sudo apt install fuse3";
		return "an ordinary user mounts through fusermount3, which is "
		       "not there";
	}
	if (!is_writable(path)) {
		*ret_mend = FS_DIAGNOSE_ELSEWHERE;
		return "an ordinary user mounts on directories of their own "
		       "only";
	}
	if (allow_other && !others_allowed()) {
		*ret_mend = "echo user_allow_other | sudo tee -a "
			    "/etc/fuse.conf";
		return "allow_other is root's, unless /etc/fuse.conf says "
		       "otherwise";
	}
	return NULL;
}

/*
 * A request names its thread by the number in our PID namespace, and
 * core/caller looks it up in /proc. Without privileges nothing is looked up.
 */
static int check_proc(void)
{
	if (geteuid() != 0 || core_caller_works())
		return 0;
	(void)fputs(
		"ipcfs: /proc is not that of this PID namespace, so callers' "
		"rights can't be read; mend it with: mount -t proc proc "
		"/proc\n",
		stderr);
	return -EPERM;
}

int fs_diagnose_mount(const char *path, bool allow_other)
{
	const char *what, *mend = NULL;
	int r = check_device();

	if (r == 0)
		r = check_proc();
	if (r < 0 || may_mount())
		return r;
	what = refusal(path, allow_other, &mend);
	if (!what)
		return 0;
	(void)fprintf(stderr, "ipcfs: %s: %s; mend it with: %s\n", path, what,
		      mend);
	return -EPERM;
}

/*
 * What a queue counts against is its creator's soft limit below our hard one if
 * we act as others, else our soft one.
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
	if (!fs_probe_has_queues()) {
		fuse_log(FUSE_LOG_WARNING,
			 "ipcfs: mq/ is of no use: this kernel has no message "
			 "queues (CONFIG_POSIX_MQUEUE)\n");
		return;
	}
	if (fs->dirs->mq == CORE_IPC_DIRS_MQ_NONE)
		fuse_log(FUSE_LOG_WARNING,
			 "ipcfs: mq/ lists only queues opened there; for all, "
			 "run as root, or: sudo mkdir -p /dev/mqueue && "
			 "sudo mount -t mqueue mqueue /dev/mqueue\n");
	if (limit < DEFAULT_MSGQUEUE)
		fuse_log(FUSE_LOG_WARNING,
			 "ipcfs: all queues of a user may take %llu bytes; for "
			 "the usual %d: ulimit -q %d\n",
			 limit, DEFAULT_MSGQUEUE, DEFAULT_MSGQUEUE);
}
