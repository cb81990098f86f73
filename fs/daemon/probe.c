/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/daemon/probe.h"

#include "core/cleanup.h"
#include "core/ipc_dirs.h"
#include "fs/daemon/mount.h"
#include "fs/fuse/dispatch.h"
#include "fs/fuse/negotiate.h"

#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>

static const char *listing(enum core_ipc_dirs_mq mq)
{
	switch (mq) {
	case CORE_IPC_DIRS_MQ_DETACHED:
		return "yes, through a mount of its own";
	case CORE_IPC_DIRS_MQ_MOUNTED:
		return "yes, through /dev/mqueue";
	case CORE_IPC_DIRS_MQ_NONE:
		break;
	}
	return "only those opened here: needs root or a mounted /dev/mqueue";
}

/* Any answer but ENOSYS shows it. */
bool fs_probe_has_queues(void)
{
	return mq_open("/", O_RDONLY) >= 0 || errno != ENOSYS;
}

/* Tries it, as only the kernel knows; on a mount that nobody sees. */
static bool has_passthrough(void)
{
	struct fs fs = { .passthrough = true };
	char device[sizeof("/dev/fd/2147483647")];
	char *argv[] = { "ipcfs", NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	_cleanup_close_ int mount = -1;
	struct fuse_session *session;
	/* The session's, once it has it. */
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return false;
	(void)snprintf(device, sizeof(device), "/dev/fd/%d", fd);
	(void)fs_mount_new(fd, &(struct fuse_args){ 0 }, &mount);
	session =
		fuse_session_new(&args, &fs_dispatch, sizeof(fs_dispatch), &fs);
	fs.session = session;
	if (mount < 0 || !session || fuse_session_mount(session, device) < 0) {
		fs.passthrough = false;
		(void)close(fd);
	} else {
		(void)fs_negotiate_first(session, &fs);
	}
	if (session)
		fuse_session_destroy(session);
	fuse_opt_free_args(&args);
	return fs.passthrough;
}

int fs_probe_print(void)
{
	struct core_ipc_dirs *dirs = NULL;
	int r = core_ipc_dirs_new(&dirs);

	(void)printf("ipcfs %s\n", IPCFS_VERSION);
	(void)printf("libfuse %s\n", fuse_pkgversion());
	(void)printf("POSIX shm: %s\n", r == 0 ? "yes" : strerror(-r));
	(void)printf("message queues: %s\n",
		     fs_probe_has_queues() ? "yes" : "not in this kernel");
	(void)printf("listing queues: %s\n",
		     dirs ? listing(dirs->mq) : strerror(-r));
	(void)printf("shared mmap: %s\n",
		     has_passthrough() ? "yes, by passthrough"
				       : "no: needs root and Linux 6.9");
	core_ipc_dirs_free(dirs);
	return ferror(stdout) || fflush(stdout) != 0 ? -EIO : 0;
}
