/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipcfs: POSIX shared memory, message queues and semaphores as files.
 *
 * This is a map of the code. A request of the kernel passes the modules from
 * the top to the bottom.
 *
 * fs/
 *   main		calls all modules; the exit status
 * fs/daemon/		the process
 *   opts		the command line
 *   privileges		descriptors, limits, capabilities
 *   diagnose		why ipcfs can't mount, and the command that fixes it
 *   mountpoint		the directory, the mount on it, and the unmount
 *   mount		makes the mount, as a descriptor
 *   sd_notify		reports start and end to the service manager
 *   loop		the threads that serve requests; each user's share
 * fs/fuse/		requests, nodes and handles, whatever the kind
 *   negotiate		FUSE_INIT: what the kernel and the daemon can do
 *   dispatch		what libfuse calls: request -> slot of the node's kind
 *   request		from the arrival of a request to its reply
 *   kind		the slots: what a kind of object can do
 *   node		node id <-> node, lookup counts, open handles
 *   charge		each user's limits
 *   waiting		requests that can't be answered yet
 *   retry		lets the kernel's second attempt after ESTALE succeed
 *   protocol	definitions that an older linux/fuse.h lacks
 *   log		rate-limited warnings
 *   backing		files that the kernel reads, writes and maps itself
 *   reply		replies that carry a node or a handle
 *   dir		the same for all directories: listing, ...
 *   file		the same for all files: lookup, stat, chmod, chown, ...
 * fs/kinds/		the directories and files on the mount
 *   root		the root, and the list of kinds: one line for each
 *   status		the state of the daemon: extended attributes of the root
 *   info		KIND:info/NAME: text about an object of any kind
 *   holders		the processes that have an object open or mapped
 *   shm		kind: shm/ and the objects in it
 *   mq			kind: mq/ and the queues in it
 *   sem			kind: sem/ and the semaphores in it
 *   mq_view		options through which queues are seen
 *   mq_handle		open queues: open, close, poll
 *   mq_read		reading queues
 *   mq_write		writing to queues
 *   mq_peek		looking at queues: the view "peek"
 *   read_buffer	the text that was received last
 *   pending_lines	lines of text that no newline has ended yet
 *   frame		messages in a text: prefix, lines
 *   view		kinds seen through options, in a path or after -o
 * core/		POSIX IPC as a library that doesn't know FUSE. Each call that
 *			resolves a name has an argument for the user to act as
 *   shm		shared memory objects
 *   mq			message queues
 *   sem			named semaphores
 *   peek		messages of a queue, without receiving them
 *   peek.bpf		  its part that runs in the kernel
 *   peek_state		  memory that both parts share
 *   lock		record locks on objects
 *   holders		processes that have objects open or mapped, from /proc
 *   wait		waiting without threads
 *   wait_source	  the thread, and the functions of all wait sources
 *   waitlist		  waiters in order, each ends once: a data type
 *   poll_notify	reports changes of a queue, for poll(2)
 *   file		the functions that serve all kinds of objects
 *   caller		the rights of a request's thread, from /proc
 *   cred		act as a user
 *   child		be a user, in a child process
 *   cgroup		make a call charged to the caller's memory cgroup
 *   ipc_dirs		the directories of the objects
 *   name, name_set	names and sets of names
 *   proc		paths and text of /proc
 *   linux		definitions that the headers of Linux may lack
 *   statx		statx(2), which an old C library may lack
 *   cleanup		variables that release what they own
 *   thread_safety	which lock guards what, checked by clang
 *
 * Threads
 *	main		starts the others, waits for the end, watches the
 *			table of mounts, finds stuck workers
 *	worker		of fs/daemon/loop: each serves a request
 *	wait		of core/wait: completes requests that had to wait
 *	retry		of fs/fuse/retry: closes descriptors that it has pinned
 *
 * Locks. clang checks the annotated data; see core/thread_safety.h. A thread
 * holds at most two locks, in one of these orders:
 *	node table, then node or fs/fuse/charge
 *	fs/fuse/retry, then fs/fuse/charge
 *	node, then queue handle or fs/fuse/log
 *	fs/kinds/info, then core/wait
 *	fs/kinds/holders
 *	directory handle, then core/name_set
 *	handle of mq_peek, then core/peek
 * A thread that holds one of the other locks holds no second lock: core/wait,
 * core/lock's table and its owners, fs/daemon/loop. No lock is held while a
 * reply is sent.
 */
#include "fs/daemon/diagnose.h"
#include "fs/daemon/loop.h"
#include "fs/daemon/mount.h"
#include "fs/daemon/mountpoint.h"
#include "fs/daemon/opts.h"
#include "fs/daemon/privileges.h"
#include "fs/daemon/sd_notify.h"
#include "fs/fuse/charge.h"
#include "fs/fuse/dispatch.h"
#include "fs/fuse/negotiate.h"
#include "fs/fuse/node.h"
#include "fs/fuse/retry.h"
#include "fs/kinds/root.h"

#include "core/cleanup.h"
#include "core/ipc_dirs.h"
#include "core/wait.h"

#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <sys/resource.h>
#include <syslog.h>
#include <time.h>

enum { EXIT_USAGE = 2 };

static int fail(const char *what, int r)
{
	fuse_log(FUSE_LOG_ERR, "ipcfs: %s: %s%s\n", what, strerror(-r),
		 r == -EMFILE ? "; try: ulimit -n 1024" : "");
	return EXIT_FAILURE;
}

/*
 * Ends the connection by closing its last descriptor; then the mount is dead.
 * We don't ask libfuse to unmount, because libfuse would unmount by path. We
 * put a directory in place of the /dev/fuse descriptor, so that late replies
 * and libfuse's cleanup fail. If we closed the descriptor, its number could be
 * reused for another file.
 */
static void end_connection(const struct fs *fs)
{
	(void)dup3(fs->dirs->shm_dir, fuse_session_fd(fs->session), O_CLOEXEC);
}

/*
 * Last resort at shutdown: a worker is stuck in the kernel, perhaps for ever,
 * behind a lock that another process holds. The worker may still use any of our
 * data, so we free nothing, and only end the mount.
 */
_Noreturn static void give_up(const struct fs *fs,
			      const struct fs_mountpoint *mountpoint)
{
	fuse_log(FUSE_LOG_ERR,
		 "ipcfs: %s: a request doesn't end; ending the mount anyway\n",
		 mountpoint->path);
	end_connection(fs);
	(void)fs_mountpoint_unmount(mountpoint);
	_exit(EXIT_FAILURE);
}

/* Serves requests until an unmount or a signal. */
static int serve(struct fs *fs, struct fs_mountpoint *mountpoint)
{
	int r = core_wait_new(&fs->wait);

	r = r ?: fs_mountpoint_monitor(mountpoint);
	if (r == 0) {
		fs_sd_notify("READY=1");
		r = fs_loop(fs, mountpoint);
		fs_sd_notify("STOPPING=1");
	}
	if (r == -ETIMEDOUT)
		give_up(fs, mountpoint);
	/* Waiting requests fail with ENOTCONN. */
	if (fs->wait)
		core_wait_stop(fs->wait);
	return r < 0 ? fail("requests can't be served", r) : EXIT_SUCCESS;
}

/*
 * Drops privileges, negotiates with the kernel, logs which features are
 * missing, and moves the daemon to the background.
 */
static int start(struct fs *fs, const struct fs_opts *opts)
{
	int r = fs_privileges_drop();

	if (r < 0)
		return fail("privileges can't be given up", r);
	r = fs_negotiate_first(fs->session, fs);
	if (r < 0)
		return fail("the kernel's first request can't be served", r);
	if (opts->debug)
		fuse_log(FUSE_LOG_INFO, "ipcfs: passthrough is %s\n",
			 fs->passthrough ? "on" : "off");
	fs_diagnose_parts(fs, opts->no_passthrough);
	if (fuse_daemonize(opts->foreground) < 0)
		return EXIT_FAILURE;
	if (!opts->foreground)
		fuse_log_enable_syslog("ipcfs", LOG_PID | LOG_NDELAY,
				       LOG_DAEMON);
	return EXIT_SUCCESS;
}

static int mount_and_serve(struct fs *fs, const struct fs_opts *opts,
			   const struct fuse_args *options)
{
	_cleanup_(fs_mountpoint_close) struct fs_mountpoint mountpoint = {
		.dir = -1
	};
	int r;

	if (fs_mountpoint_open(opts->mountpoint, opts->namespace, &mountpoint) <
	    0)
		return EXIT_USAGE;
	if (fs_diagnose_mount(mountpoint.path, opts->allow_other) < 0 ||
	    fs_mountpoint_mount(&mountpoint, fs->session, options) < 0)
		return EXIT_FAILURE;
	fs->device = mountpoint.device;
	r = start(fs, opts) ?: serve(fs, &mountpoint);
	end_connection(fs);
	fs->nodes = fs_nodes_free(fs, fs->nodes);
	fs_retry_stop();
	fs->wait = core_wait_free(fs->wait);
	/* The unmount needs free descriptors; freed nodes have closed some. */
	return fs_mountpoint_unmount(&mountpoint) < 0 ? EXIT_FAILURE : r;
}

static int run_session(struct fs *fs, const struct fs_opts *opts,
		       struct fuse_args *args)
{
	_cleanup_(fuse_opt_free_args) struct fuse_args options =
		FUSE_ARGS_INIT(0, NULL);
	int r = fs_mount_collect(args, &options);

	if (r < 0)
		return fail("can't start", r);
	fs->session =
		fuse_session_new(args, &fs_dispatch, sizeof(fs_dispatch), fs);
	if (!fs->session) {
		(void)fputs("ipcfs: try: ipcfs -h\n", stderr);
		return EXIT_USAGE;
	}
	r = EXIT_FAILURE;
	/* Done before the mount: a signal can't leave the mount behind. */
	if (fuse_set_signal_handlers(fs->session) == 0) {
		r = opts->fake ? EXIT_SUCCESS
			       : mount_and_serve(fs, opts, &options);
		fuse_remove_signal_handlers(fs->session);
	}
	fuse_session_destroy(fs->session);
	return r;
}

/*
 * Opens our directories of the objects, or the directories of a process, whose
 * IPC namespace we then enter. No thread has been started yet: it would stay in
 * our IPC namespace.
 */
static int open_dirs(pid_t target, struct core_ipc_dirs **ret)
{
	int r = target ? core_ipc_dirs_enter(target, ret)
		       : core_ipc_dirs_new(ret);

	if (r == 0)
		return EXIT_SUCCESS;
	if (!target && r == -ENOENT) {
		(void)fprintf(stderr,
			      "ipcfs: /dev/shm: %s; try: %smkdir -p /dev/shm "
			      "&& %smount -t tmpfs -o mode=1777 tmpfs "
			      "/dev/shm\n",
			      strerror(-r), fs_diagnose_sudo(),
			      fs_diagnose_sudo());
		return EXIT_FAILURE;
	}
	if (!target)
		return fail("/dev/shm", r);
	(void)fprintf(stderr, "ipcfs: option 'target=%d': %s\n", target,
		      r == -ENOENT   ? "it has no /dev/shm"
		      : r == -ENODEV ? "its /dev/shm is not a tmpfs"
		      : r == -ESRCH  ? "there is no such process; try: ps -e"
		      : r == -EPERM || r == -EACCES
			      ? "it needs root; try: sudo ipcfs ..."
			      : strerror(-r));
	return EXIT_USAGE;
}

/*
 * Makes each user's limits. By default a user can have as many open files as a
 * quarter of our descriptors, but at most 4096: an open file needs one or a few
 * descriptors. A user can have as many waiting requests, but at most 2048. A
 * waiting request has up to 64 KiB of lines to send, and an open file has up to
 * 64 KiB of received lines: together 128 MiB and 256 MiB. 65536 nodes take 28
 * MB. Only an attack reaches that number: from half of it on, fs/fuse/node asks
 * the kernel to forget nodes that aren't in use. A user can run 4 allocations
 * at a time, because an allocation may need a process with a copy of the
 * daemon's memory; and have 8 files of KIND:info,holders open, because each has
 * up to 0.5 MB of text, and its open may read all of /proc.
 */
static int make_quotas(struct fs *fs, const struct fs_opts *opts)
{
	struct rlimit limit = { 0 };
	long most, handles, waiting;
	int r;

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	most = MAX((long)(limit.rlim_cur / 4), 1);
	handles = opts->max_user_handles ?: MIN(most, 4096);
	waiting = opts->max_user_waiting ?: MIN(most, 2048);
	r = fs_quota_new((size_t)handles, &fs->handles);
	r = r ?: fs_quota_new((size_t)waiting, &fs->waiting);
	r = r ?: fs_quota_new(65536, &fs->n_nodes);
	r = r ?: fs_quota_new(4, &fs->allocations);
	return r ?: fs_quota_new(8, &fs->holders);
}

static int run(struct fuse_args *args, const struct fs_opts *opts)
{
	struct fs fs = { .kinds = fs_kinds,
			 .read_only = opts->read_only,
			 .debug = opts->debug,
			 .passthrough = !opts->no_passthrough,
			 .n_workers = fs_loop_n_workers };
	int r;

	fs_privileges_set_up();
	(void)clock_gettime(CLOCK_REALTIME, &fs.started);
	r = open_dirs((pid_t)opts->target, &fs.dirs);
	if (r != EXIT_SUCCESS)
		return r;
	r = fuse_opt_insert_arg(args, 1,
				core_ipc_dirs_is_noexec(fs.dirs)
					? "-ofsname=ipcfs,subtype=ipcfs,noexec"
					: "-ofsname=ipcfs,subtype=ipcfs") < 0
		    ? -ENOMEM
		    : 0;
	r = r ?: fs_nodes_new(&fs_root, &opts->view, &fs.nodes);
	r = r ?: make_quotas(&fs, opts);
	r = r < 0 ? fail("can't start", r) : run_session(&fs, opts, args);
	fs_nodes_free(&fs, fs.nodes);
	fs_quota_free(fs.holders);
	fs_quota_free(fs.allocations);
	fs_quota_free(fs.n_nodes);
	fs_quota_free(fs.waiting);
	fs_quota_free(fs.handles);
	core_ipc_dirs_free(fs.dirs);
	return r;
}

/* Writes out what -h or -V has printed. */
static int flush_output(void)
{
	const int r = fflush(stdout) != 0 ? -errno : 0;

	/* An earlier error has lost its errno. */
	if (r < 0 || ferror(stdout))
		return fail("the output can't be written", r ?: -EIO);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	struct fs_opts opts = { 0 };
	int r = EXIT_USAGE;

	if (fs_opts_parse(&args, &opts) == 0) {
		if (opts.help)
			fs_opts_usage();
		else if (opts.version)
			fs_diagnose_print();
		r = opts.help || opts.version ? flush_output()
					      : run(&args, &opts);
	}
	fs_opts_free(&opts);
	fuse_opt_free_args(&args);
	return r;
}
