/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipcfs: POSIX shared memory and message queues as files.
 *
 * A map of the code. A request of the kernel travels down this list.
 *
 *	fs/main		this: wires all together, and the exit status
 *	fs/opts		the command line
 *	fs/view		options through which queues are seen
 *	fs/mountpoint	the directory mounted on, and the end of the mount
 *	fs/dispatch	what libfuse calls: request -> slot of the node's kind
 *	fs/ops.h	the slots: what a kind of node can do
 *	fs/node		node id <-> node, lookup counts, open handles
 *	fs/reply	replies that carry a node or a handle
 *	fs/dir		what all directories share
 *	fs/object	what all objects share: lookup, stat, chmod, chown, ...
 *	fs/root		the root: one line for each kind of object
 *	fs/shm		kind: shm/ and the objects in it
 *	fs/mq		kind: mq/ and the queues in it
 *	fs/mq_info	kind: the same as text, in the view "info"
 *	fs/mq_io	open queues: read, write, wait, poll
 *
 *	core/shm	shared memory objects	) POSIX IPC as a library that
 *	core/mq		message queues		) knows nothing of FUSE; each
 *	core/lock	record locks on objects	) call that resolves a name
 *	core/wait	waiting without threads	) takes whom to act as
 *	core/object	what objects share	)
 *	core/cred	act as a user
 *	core/ns		where the objects live
 *	core/name, list, seen, cleanup	names, lists of them, helpers
 *
 * Threads: libfuse's workers serve requests; core/wait's completes those that
 * had to wait; fs/mountpoint's watches the mount table. Locks are taken in the
 * order node table, node, queue handle, core/wait; none is held while a reply
 * is sent.
 */
#include "fs/dispatch.h"
#include "fs/mountpoint.h"
#include "fs/node.h"
#include "fs/opts.h"

#include "core/cleanup.h"
#include "core/lock.h"
#include "core/ns.h"
#include "core/wait.h"

#include <fcntl.h>
#include <grp.h>
#include <mqueue.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>

enum { EXIT_USAGE = 2 };

static const char *listing(enum core_ns_mq mq)
{
	switch (mq) {
	case CORE_NS_MQ_DETACHED:
		return "yes, through a mount of its own";
	case CORE_NS_MQ_MOUNTED:
		return "yes, through /dev/mqueue";
	case CORE_NS_MQ_NONE:
		break;
	}
	return "only those opened here: needs root or a mounted /dev/mqueue";
}

/* Any answer but ENOSYS shows that the kernel has message queues. */
static bool has_queues(void)
{
	return mq_open("/", O_RDONLY) >= 0 || errno != ENOSYS;
}

/*
 * Whether the kernel may be given backing files. It is asked for one on a
 * connection that isn't mounted: an answer but ENOTTY shows that it has them.
 */
static bool has_passthrough(void)
{
	_cleanup_close_ int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	/* struct fuse_backing_map with the descriptor -1. */
	uint32_t map[4] = { UINT32_MAX };

	/* FUSE_DEV_IOC_BACKING_OPEN; older headers lack both. */
	return fd >= 0 && geteuid() == 0 &&
	       (ioctl(fd, _IOW(229, 1, map), map) >= 0 || errno != ENOTTY);
}

static int print_version(void)
{
	struct core_ns *ns = NULL;
	int r = core_ns_new(&ns);

	(void)printf("ipcfs %s\n", IPCFS_VERSION);
	(void)printf("libfuse %s\n", fuse_pkgversion());
	(void)printf("POSIX shm: %s\n", r == 0 ? "yes" : strerror(-r));
	(void)printf("message queues: %s\n",
		     has_queues() ? "yes" : "not in this kernel");
	(void)printf("listing queues: %s\n",
		     ns ? listing(ns->mq) : strerror(-r));
	(void)printf("shared mmap: %s\n",
		     has_passthrough() ? "yes, by passthrough"
				       : "no: needs root and Linux 6.9");
	core_ns_free(ns);
	return ferror(stdout) || fflush(stdout) != 0 ? EXIT_FAILURE
						     : EXIT_SUCCESS;
}

/*
 * What the process is for all it does: modes are the callers' business, a
 * caller's file size limit is the kernel's, and descriptors are what open files
 * cost. Root's groups would only be in the way of acting as others; who may not
 * drop them doesn't do that.
 */
static void set_up_process(void)
{
	struct rlimit limit;

	(void)umask(0);
	(void)setgroups(0, NULL);
	(void)signal(SIGXFSZ, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int fail(const char *what, int r)
{
	fuse_log(FUSE_LOG_ERR, "ipcfs: %s: %s\n", what, strerror(-r));
	return EXIT_FAILURE;
}

/* Serves requests until the mount or the daemon is told to end. */
static int serve(struct fuse_session *session, struct fs *fs,
		 const char *mountpoint)
{
	struct fs_watch *watch = NULL;
	int r = core_wait_new(&fs->wait);

	if (r < 0)
		return fail("can't start waiting", r);
	r = fs_watch_new(mountpoint, fs->wait, &watch);
	if (r < 0)
		r = fail("can't watch the mount", r);
	else
		/* Above zero it is the signal that asked for the end. */
		r = fuse_session_loop_mt(session, NULL) < 0 ? EXIT_FAILURE
							    : EXIT_SUCCESS;
	fs_watch_free(watch);
	/* Who waits gets an error; then the mount goes, then what it held. */
	core_wait_stop(fs->wait);
	fuse_session_unmount(session);
	fs->nodes = fs_nodes_free(fs->nodes);
	fs->wait = core_wait_free(fs->wait);
	return r;
}

static int mount_and_serve(struct fuse_args *args, const struct fs_opts *opts,
			   struct fs *fs)
{
	_cleanup_free_ char *mountpoint = NULL;
	struct fuse_session *session;
	int r = EXIT_FAILURE;

	session = fuse_session_new(args, &fs_dispatch, sizeof(fs_dispatch), fs);
	if (!session) {
		(void)fputs("ipcfs: try 'ipcfs -h'\n", stderr);
		return EXIT_USAGE;
	}
	fs->session = session;
	/* Before the mount, so that a signal can't leave it behind. */
	if (fuse_set_signal_handlers(session) < 0)
		goto out;
	if (fs_mountpoint_prepare(opts->mountpoint, &mountpoint) < 0) {
		r = EXIT_USAGE;
	} else if (fuse_session_mount(session, mountpoint) == 0) {
		if (fuse_daemonize(opts->foreground) == 0) {
			if (!opts->foreground)
				fuse_log_enable_syslog("ipcfs", LOG_PID,
						       LOG_DAEMON);
			r = serve(session, fs, mountpoint);
		}
		fuse_session_unmount(session);
		fs_mountpoint_release(mountpoint);
	}
	fuse_remove_signal_handlers(session);
out:
	fuse_session_destroy(session);
	return r;
}

static int run(struct fuse_args *args, const struct fs_opts *opts)
{
	/* Backing files take CAP_SYS_ADMIN; what else they need, FUSE_INIT tells. */
	struct fs fs = { .view = opts->view,
			 .read_only = opts->read_only,
			 .debug = opts->debug,
			 .passthrough =
				 !opts->no_passthrough && geteuid() == 0 };
	int r;

	set_up_process();
	(void)clock_gettime(CLOCK_REALTIME, &fs.started);
	if (fuse_opt_insert_arg(args, 1, "-ofsname=ipcfs,subtype=ipcfs") < 0)
		return EXIT_FAILURE;
	r = core_ns_new(&fs.ns);
	if (r < 0)
		return fail("/dev/shm", r);
	r = fs_nodes_new(&fs.nodes);
	if (r == 0)
		r = core_locks_new(&fs.locks);
	if (r < 0)
		r = fail("starting", r);
	else
		r = mount_and_serve(args, opts, &fs);
	fs_nodes_free(fs.nodes);
	core_locks_free(fs.locks);
	core_ns_free(fs.ns);
	return r;
}

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	struct fs_opts opts = { 0 };
	int r = EXIT_SUCCESS;

	if (fs_opts_parse(&args, &opts) < 0)
		r = EXIT_USAGE;
	else if (opts.help)
		fs_opts_usage();
	else if (opts.version)
		r = print_version();
	else
		r = run(&args, &opts);
	fs_opts_free(&opts);
	fuse_opt_free_args(&args);
	return r;
}
