/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc_dirs: the directories of the objects: one of the shared memory objects,
 * and one of the message queues of this process's IPC namespace.
 */
#ifndef CORE_IPC_DIRS_H
#define CORE_IPC_DIRS_H

#include "core/statx.h"

#include <stdbool.h>
#include <sys/statvfs.h>
#include <sys/types.h>

/* How queues can be listed and looked up without being opened. */
enum core_ipc_dirs_mq {
	CORE_IPC_DIRS_MQ_DETACHED, /* in a mount that only we see */
	CORE_IPC_DIRS_MQ_MOUNTED,  /* in /dev/mqueue */
	CORE_IPC_DIRS_MQ_NONE,	   /* not at all: queues can only be opened */
};

/* Immutable after core_ipc_dirs_new(), so threads share it without a lock. */
struct core_ipc_dirs {
	int shm_dir;		  /* directory of the shared memory objects */
	int mq_dir;		  /* directory of the queues; -1 with MQ_NONE */
	enum core_ipc_dirs_mq mq; /* where mq_dir comes from */
	struct core_name_set
		*mq_names; /* queues opened here; with MQ_NONE only */
	/*
	 * The ids that stand for all ids that the user namespace doesn't map.
	 * -1: the user namespace maps this id itself, as a full map does.
	 */
	uid_t unknown_uid;
	gid_t unknown_gid;
};

/*
 * Opens the directories.
 *
 * ret: the caller's; core_ipc_dirs_free() frees it.
 *
 * Returns 0, an error of open("/dev/shm") (-ENOENT, -ENOTDIR, -EACCES,
 * -EMFILE), or -ENOMEM. If queues can't be listed, that isn't an error: see
 * "mq".
 *
 * Source: shm_overview(7), mq_overview(7) ("Mounting the message queue
 * filesystem"), fsopen(2), fsmount(2).
 */
int core_ipc_dirs_new(struct core_ipc_dirs **ret);

/*
 * core_ipc_dirs_new() for the namespaces of a process: its IPC namespace, and
 * its /dev/shm. The directories stay valid after the process has ended.
 *
 * The calling thread, and threads that it starts from now on, are in the IPC
 * namespace for good. The mount namespace doesn't change.
 *
 * Returns 0, or
 *   -ESRCH    no such process, or the process has ended
 *   -EACCES   the caller may not look at the process (ptrace(2), "access mode
 *             checking")
 *   -EPERM    the caller may not enter the IPC namespace: CAP_SYS_ADMIN is
 *             needed both there and here
 *   -ENOENT   the process has no /dev/shm
 *   -ENOTDIR, -ELOOP   its /dev/shm doesn't lead to a directory
 *   -ENODEV   its /dev/shm is not a tmpfs
 *   -EAGAIN   other processes kept renaming or mounting directories on the way
 *   -EMFILE, -ENFILE, -ENOMEM
 *
 * Source: setns(2), ipc_namespaces(7), proc_pid_ns(5), proc_pid_root(5).
 */
int core_ipc_dirs_enter(pid_t pid, struct core_ipc_dirs **ret);

/*
 * statx(2) of one of the directories. If the user namespace doesn't map the
 * owner or the group, ret has this process's user or group instead: in a
 * directory whose owner is unmapped, the kernel refuses to create any file,
 * whatever the mode is.
 *
 * dir: dirs->shm_dir or dirs->mq_dir. With MQ_NONE dirs->mq_dir is -1, and ret
 *     describes a made-up directory of queues.
 *
 * Returns 0 or an error of statx(2).
 * Source: user_namespaces(7), "Unmapped user and group IDs".
 */
int core_ipc_dirs_stat(const struct core_ipc_dirs *dirs, int dir,
		       struct statx *ret);

/* The capacity of /dev/shm: fstatvfs(3). Returns 0 or -errno. */
int core_ipc_dirs_statfs(const struct core_ipc_dirs *dirs, struct statvfs *ret);

/* Whether /dev/shm is mounted with noexec: no file in it may be executed. */
bool core_ipc_dirs_is_noexec(const struct core_ipc_dirs *dirs);

/* Closes the directories; NULL is allowed. Returns NULL. */
struct core_ipc_dirs *core_ipc_dirs_free(struct core_ipc_dirs *dirs);

#endif
