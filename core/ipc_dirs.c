/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file system of type mqueue shows the queues of the IPC namespace of the
 * process that mounts it. A privileged process uses a mount that is attached
 * nowhere. Such a mount needs no mount point, shows the right namespace
 * whatever is mounted on /dev/mqueue, and ends with its descriptor.
 *
 * We reach another process's namespaces through its directory in /proc. The
 * directory is opened once: the descriptor belongs to the process even after
 * another process has got the same number. The process decides what its
 * /dev/shm is, and may want to lead us elsewhere. So the path is resolved as
 * the process would resolve it, never leaves the process's root, and must lead
 * to a tmpfs, which the rest of core/ expects.
 */
#include "core/ipc_dirs.h"

#include "core/cleanup.h"
#include "core/file.h"
#include "core/linux.h"
#include "core/name_set.h"
#include "core/proc.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

/* How often a path is resolved. Other processes may make each attempt fail. */
#define TRIES 1000

static int mount_detached(int *ret_fd)
{
	_cleanup_close_ int fs = fsopen("mqueue", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC,
		     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static int open_mounted(int *ret_fd)
{
	_cleanup_close_ int fd =
		open("/dev/mqueue", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs sf;

	if (fd < 0 || fstatfs(fd, &sf) < 0)
		return -errno;
	if (sf.f_type != MQUEUE_MAGIC)
		return -ENODEV;
	*ret_fd = core_steal_fd(&fd);
	return 0;
}

/*
 * Returns the id that stands for unmapped ids. Returns -1 if the map
 * (/proc/self/uid_map or gid_map) maps this id itself, or can't be read.
 */
static unsigned int unknown_id(const char *map, const char *sysctl)
{
	_cleanup_free_ char *maps = core_proc_read(map);
	_cleanup_free_ char *overflow = core_proc_read(sysctl);
	unsigned int id = overflow ? (unsigned int)atoi(overflow) : 65534;
	unsigned int first, outside, n;
	char *rest = maps;

	while (rest && sscanf(strsep(&rest, "\n"), "%u %u %u", &first, &outside,
			      &n) == 3) {
		if (id - first < n)
			return (unsigned int)-1;
	}
	return maps ? id : (unsigned int)-1;
}

static void core_ipc_dirs_freep(struct core_ipc_dirs **dirs)
{
	core_ipc_dirs_free(*dirs);
}

/*
 * shm_dir: taken over on success. is_own: whether this process is in the IPC
 * namespace in which it began. If so, /dev/mqueue shows this namespace.
 */
static int ns_new(int *shm_dir, bool is_own, struct core_ipc_dirs **ret)
{
	_cleanup_(core_ipc_dirs_freep) struct core_ipc_dirs *dirs =
		calloc(1, sizeof(*dirs));

	if (!dirs)
		return -ENOMEM;
	dirs->shm_dir = -1;
	dirs->mq_dir = -1;
	if (mount_detached(&dirs->mq_dir) == 0) {
		dirs->mq = CORE_IPC_DIRS_MQ_DETACHED;
	} else if (is_own && open_mounted(&dirs->mq_dir) == 0) {
		dirs->mq = CORE_IPC_DIRS_MQ_MOUNTED;
	} else {
		dirs->mq = CORE_IPC_DIRS_MQ_NONE;
		dirs->mq_names = core_name_set_new();
		if (!dirs->mq_names)
			return -ENOMEM;
	}
	dirs->unknown_uid = unknown_id("/proc/self/uid_map",
				       "/proc/sys/kernel/overflowuid");
	dirs->unknown_gid = unknown_id("/proc/self/gid_map",
				       "/proc/sys/kernel/overflowgid");
	dirs->shm_dir = core_steal_fd(shm_dir);
	*ret = core_steal_ptr(dirs);
	return 0;
}

int core_ipc_dirs_new(struct core_ipc_dirs **ret)
{
	_cleanup_close_ int shm =
		open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return shm < 0 ? -errno : ns_new(&shm, true, ret);
}

/* Opens /dev/shm below the root directory of another process. */
static int open_shm_below(int root, int *ret_fd)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	_cleanup_close_ int fd = -1;
	struct statfs sf;

	/*
	 * EAGAIN: while the kernel followed a "..", a file was renamed or
	 * mounted anywhere in the system.
	 */
	for (int tries = 0; tries < TRIES && fd < 0; tries++) {
		fd = (int)syscall(SYS_openat2, root, "dev/shm", &how,
				  sizeof(how));
		if (fd < 0 && errno != EAGAIN)
			break;
	}
	if (fd < 0 || fstatfs(fd, &sf) < 0)
		return -errno;
	if (sf.f_type != TMPFS_MAGIC)
		return -ENODEV;
	*ret_fd = core_steal_fd(&fd);
	return 0;
}

int core_ipc_dirs_enter(pid_t pid, struct core_ipc_dirs **ret)
{
	_cleanup_close_ int process = -1, ipc = -1, root = -1, shm = -1;
	int r;

	process = open(core_proc_path("/proc/%d", pid).s,
		       O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (process >= 0)
		ipc = openat(process, "ns/ipc", O_RDONLY | O_CLOEXEC);
	if (ipc >= 0)
		root = openat(process, "root",
			      O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* A process that has ended has neither ns/ipc nor root. */
	if (root < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	r = open_shm_below(root, &shm);
	if (r < 0)
		return r;
	if (setns(ipc, CLONE_NEWIPC) < 0)
		return -errno;
	return ns_new(&shm, false, ret);
}

int core_ipc_dirs_stat(const struct core_ipc_dirs *dirs, int dir,
		       struct statx *ret)
{
	const struct core_cred self = core_cred_self();
	int r;

	if (dir < 0) {
		*ret = (struct statx){ .stx_mask = STATX_BASIC_STATS,
				       .stx_mode = S_IFDIR | S_ISVTX | 0777,
				       .stx_nlink = 2,
				       .stx_uid = self.uid,
				       .stx_gid = self.gid };
		return 0;
	}
	r = core_file_statx(dir, ret);
	if (r < 0)
		return r;
	if (ret->stx_uid == dirs->unknown_uid)
		ret->stx_uid = self.uid;
	if (ret->stx_gid == dirs->unknown_gid)
		ret->stx_gid = self.gid;
	return 0;
}

bool core_ipc_dirs_is_noexec(const struct core_ipc_dirs *dirs)
{
	struct statvfs sv;

	return fstatvfs(dirs->shm_dir, &sv) == 0 && (sv.f_flag & ST_NOEXEC);
}

struct core_ipc_dirs *core_ipc_dirs_free(struct core_ipc_dirs *dirs)
{
	if (!dirs)
		return NULL;
	core_closep(&dirs->shm_dir);
	core_closep(&dirs->mq_dir);
	core_name_set_free(dirs->mq_names);
	free(dirs);
	return NULL;
}

int core_ipc_dirs_statfs(const struct core_ipc_dirs *dirs, struct statvfs *ret)
{
	return fstatvfs(dirs->shm_dir, ret) < 0 ? -errno : 0;
}
