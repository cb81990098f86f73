/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file system of type mqueue shows the queues of the IPC namespace of whoever
 * mounts it. A privileged process takes a mount that is attached nowhere: it
 * needs no mount point, shows the right namespace whatever is mounted on
 * /dev/mqueue, and goes away with its descriptor.
 */
#include "core/ns.h"

#include "core/cleanup.h"
#include "core/seen.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202 /* ipc/mqueue.c */
#endif

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

static void core_ns_freep(struct core_ns **ns)
{
	core_ns_free(*ns);
}

int core_ns_new(struct core_ns **ret)
{
	_cleanup_(core_ns_freep) struct core_ns *ns = calloc(1, sizeof(*ns));
	int r = 0;

	if (!ns)
		return -ENOMEM;
	ns->mq_dir = -1;
	ns->shm_dir = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ns->shm_dir < 0)
		return -errno;
	if (mount_detached(&ns->mq_dir) == 0) {
		ns->mq = CORE_NS_MQ_DETACHED;
	} else if (open_mounted(&ns->mq_dir) == 0) {
		ns->mq = CORE_NS_MQ_MOUNTED;
	} else {
		ns->mq = CORE_NS_MQ_NONE;
		r = core_seen_new(&ns->mq_seen);
	}
	if (r == 0)
		*ret = core_steal_ptr(ns);
	return r;
}

struct core_ns *core_ns_free(struct core_ns *ns)
{
	if (!ns)
		return NULL;
	core_closep(&ns->shm_dir);
	core_closep(&ns->mq_dir);
	core_seen_free(ns->mq_seen);
	free(ns);
	return NULL;
}
