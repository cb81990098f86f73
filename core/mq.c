/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mq_open() and mq_unlink() open, create and remove queues, so that all rules
 * and errors are the kernel's. The directory of the queues is used to look at
 * queues: there a queue can be found, listed and stat'ed without the right to
 * open the queue.
 */
#include "core/mq.h"

#include "core/caller.h"
#include "core/child.h"
#include "core/cleanup.h"
#include "core/file.h"
#include "core/name.h"
#include "core/name_set.h"
#include "core/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* Any error but ENOSYS shows that the kernel has queues. */
bool core_mq_is_supported(void)
{
	return mq_open("/", O_RDONLY) >= 0 || errno != ENOSYS;
}

/* Reads a file of /proc/sys/fs/mqueue. */
static int read_limit(const char *of, const char *which, long *ret)
{
	_cleanup_free_ char *text = core_proc_read(
		core_proc_path("/proc/sys/fs/mqueue/%s_%s", of, which).s);

	if (!text)
		return -errno;
	return sscanf(text, "%ld", ret) == 1 ? 0 : -EIO;
}

/* Replaces each member that is 0 by a limit. which: "default" or "max". */
static int fill_in(struct mq_attr *attr, const char *which)
{
	int r = 0;

	if (attr->mq_maxmsg == 0)
		r = read_limit("msg", which, &attr->mq_maxmsg);
	if (r == 0 && attr->mq_msgsize == 0)
		r = read_limit("msgsize", which, &attr->mq_msgsize);
	return r;
}

/* A queue that a child creates. */
struct creation {
	const char *object;
	int flags;
	mode_t mode;
	const struct mq_attr *attr;
	struct rlimit limit;
	bool created;
};

CORE_IN_CHILD static int create_in_child(void *arg)
{
	struct creation *creation = arg;
	int fd = setrlimit(RLIMIT_MSGQUEUE, &creation->limit);

	if (fd == 0)
		fd = mq_open(creation->object, creation->flags, creation->mode,
			     creation->attr);
	if (fd < 0)
		return -errno;
	creation->created = true;
	return fd;
}

/*
 * The kernel charges a queue to the real user of the process that creates the
 * queue. So a child creates the queue and returns the descriptor. We can't open
 * the queue by name instead: the name may be removed by then, and the mode may
 * deny the owner access.
 */
static int create(const struct core_cred *cred, struct creation *creation,
		  int *ret_fd)
{
	int r = core_caller_queue_limit(cred->pid, &creation->limit);

	if (r < 0)
		return r;
	r = core_child_run(&(struct core_child){
		.cred = cred,
		.group = -1,
		.fd = -1,
		.fn = create_in_child,
		.arg = creation,
		.ret_fd = ret_fd,
	});
	/*
	 * Without a descriptor the caller can't know that the queue exists, so
	 * the queue is removed.
	 */
	if (r < 0 && creation->created)
		(void)CORE_CRED_AS(cred, mq_unlink(creation->object));
	return r;
}

/*
 * How often other processes may remove the queue before our open, and create
 * the queue before our create.
 */
#define TRIES 64

int core_mq_open(const struct core_ipc_dirs *dirs, const struct core_cred *cred,
		 const char *name, int flags, mode_t mode,
		 const struct mq_attr *attr, ino_t ino, int *ret_fd)
{
	struct mq_attr copy = attr ? *attr : (struct mq_attr){ 0 };
	const bool is_default = copy.mq_maxmsg == 0 && copy.mq_msgsize == 0;
	const bool excl = (flags & O_CREAT) && (flags & O_EXCL);
	const int open_flags = (flags & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC;
	char object[NAME_MAX + 2] = "/";
	_cleanup_close_ int fd = -1;
	struct creation creation = {
		.object = object,
		.flags = open_flags | O_CREAT | O_EXCL,
		.mode = mode,
		.attr = is_default ? NULL : &copy,
	};
	int r = core_name_check(name);

	if (r == 0 && (flags & O_CREAT) && !is_default)
		r = fill_in(&copy, "default");
	if (r < 0)
		return r;
	strcpy(object + 1, name);
	for (int i = 0; i < TRIES && fd < 0; i++) {
		r = excl ? -ENOENT
			 : CORE_FILE_UNLEASED(CORE_CRED_AS(
				   cred, mq_open(object, open_flags)));
		if (r >= 0)
			fd = r;
		if (r != -ENOENT || !(flags & O_CREAT))
			break;
		/* Without privileges the only user to charge is our own. */
		if (core_cred_self().uid == 0)
			r = create(cred, &creation, &fd);
		else
			r = fd = CORE_CRED_AS(cred,
					      mq_open(object, creation.flags,
						      mode, creation.attr));
		if (r != -EEXIST || excl)
			break;
		r = -ENOENT;
	}
	if (r >= 0)
		r = core_file_check(fd, ino);
	if (r < 0)
		return r;
	if (dirs->mq_names)
		core_name_set_add(dirs->mq_names, name);
	*ret_fd = core_steal_fd(&fd);
	return 0;
}

int core_mq_find(const struct core_ipc_dirs *dirs, const struct core_cred *cred,
		 const char *name, ino_t ino, int *ret_fd)
{
	int r;

	if (dirs->mq_dir >= 0)
		return core_file_find(dirs->mq_dir, cred, name, ino, ret_fd);
	r = core_mq_open(dirs, cred, name, O_RDONLY, 0, NULL, ino, ret_fd);
	if (r == -EACCES)
		r = core_mq_open(dirs, cred, name, O_WRONLY, 0, NULL, ino,
				 ret_fd);
	return r;
}

int core_mq_msgsize(int fd, size_t *ret)
{
	struct mq_attr attr;

	if (mq_getattr(fd, &attr) < 0)
		return -errno;
	*ret = (size_t)attr.mq_msgsize;
	return 0;
}

/*
 * Reads the text that read(2) of a queue returns: the sum of the lengths, and
 * the process that is notified.
 */
static int read_text(int fd, struct core_mq_info *ret)
{
	char text[128] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		return -errno;
	return sscanf(text, "QSIZE:%zu NOTIFY:%*d SIGNO:%d NOTIFY_PID:%d",
		      &ret->bytes, &ret->notify_signal, &ret->notify_pid) == 3
		       ? 0
		       : -EIO;
}

/*
 * The kernel counts reading the text as an access. So the access time is
 * restored, if this process may set it. The change time can't be restored.
 */
int core_mq_get_info(int fd, struct core_mq_info *ret)
{
	struct timespec times[2] = { { 0 }, { .tv_nsec = UTIME_OMIT } };
	struct core_mq_info info = { 0 };
	struct mq_attr attr;
	struct stat st;
	int r;

	if (mq_getattr(fd, &attr) < 0 || fstat(fd, &st) < 0)
		return -errno;
	info.maxmsg = attr.mq_maxmsg;
	info.msgsize = attr.mq_msgsize;
	info.curmsgs = attr.mq_curmsgs;
	r = read_text(fd, &info);
	if (r < 0)
		return r;
	times[0] = st.st_atim;
	(void)futimens(fd, times);
	*ret = info;
	return 0;
}

/*
 * Reads as much of a queue's attributes and state as cred may. A user who may
 * only write gets the attributes but not the number of messages. The text of an
 * empty queue isn't read, because the kernel counts reading as an access.
 */
static int look_as(const struct core_cred *cred, int fd,
		   struct core_mq_info *ret)
{
	_cleanup_close_ int opened = -1;
	struct mq_attr attr;
	int r = core_file_reopen(cred, fd, O_RDONLY, &opened);
	bool readable = r == 0;

	if (r == -EACCES)
		r = core_file_reopen(cred, fd, O_WRONLY, &opened);
	if (r == 0 && mq_getattr(opened, &attr) < 0)
		r = -errno;
	if (r < 0)
		return r;
	if (readable && attr.mq_curmsgs > 0)
		return core_mq_get_info(opened, ret);
	*ret = (struct core_mq_info){ .maxmsg = attr.mq_maxmsg,
				      .msgsize = attr.mq_msgsize };
	return 0;
}

int core_mq_stat(const struct core_cred *cred, int fd, long overhead,
		 struct statx *ret)
{
	struct core_mq_info info = { 0 };
	struct statx stx;
	int r = look_as(cred, fd, &info);

	/* EAGAIN: a process has a lease on the queue. */
	if (r < 0 && r != -EACCES && r != -EAGAIN)
		return r;
	r = core_file_statx(fd, &stx);
	if (r < 0)
		return r;
	info.bytes += (size_t)(info.curmsgs * overhead);
	stx.stx_size = info.bytes;
	stx.stx_blocks = (info.bytes + 511) / 512;
	if (info.msgsize > 0)
		stx.stx_blksize = (uint32_t)info.msgsize;
	*ret = stx;
	return 0;
}

int core_mq_limits(struct mq_attr *ret)
{
	struct mq_attr limits = { 0 };
	int r = fill_in(&limits, "max");

	if (r == 0)
		*ret = limits;
	return r;
}

int core_mq_send(int fd, const void *buf, size_t len, unsigned int priority)
{
	return mq_send(fd, buf, len, priority) < 0 ? -errno : 0;
}

/*
 * The text is read only if the queue is empty. Reading sets times of the queue,
 * but the send that follows sets them too.
 */
bool core_mq_is_awaited(int fd, int readable)
{
	struct core_mq_info info = { 0 };
	struct mq_attr attr;

	return readable >= 0 && mq_getattr(fd, &attr) == 0 &&
	       attr.mq_curmsgs == 0 && read_text(readable, &info) == 0 &&
	       info.notify_signal != 0;
}

struct sending {
	int fd;
	const void *buf;
	size_t len;
	unsigned int priority;
};

CORE_IN_CHILD static int send_in_child(void *arg)
{
	const struct sending *sending = arg;

	return syscall(SYS_mq_timedsend, sending->fd, sending->buf,
		       sending->len, sending->priority, NULL) < 0
		       ? -errno
		       : 0;
}

int core_mq_send_as(const struct core_cred *cred, int fd, const void *buf,
		    size_t len, unsigned int priority)
{
	struct sending sending = { fd, buf, len, priority };

	return core_child_run(&(struct core_child){
		.cred = cred,
		.group = -1,
		.fd = fd,
		.fn = send_in_child,
		.arg = &sending,
	});
}

int core_mq_receive(int fd, void *buf, size_t size, size_t *ret_len,
		    unsigned int *ret_priority)
{
	unsigned int priority;
	ssize_t n = mq_receive(fd, buf, size, &priority);

	if (n < 0)
		return -errno;
	*ret_len = (size_t)n;
	if (ret_priority)
		*ret_priority = priority;
	return 0;
}

int core_mq_purge(int fd)
{
	_cleanup_free_ char *buf = NULL;
	struct mq_attr attr;

	if (mq_getattr(fd, &attr) < 0)
		return -errno;
	buf = malloc((size_t)attr.mq_msgsize);
	if (!buf)
		return -ENOMEM;
	/* One attempt at least shows whether fd is open for reading. */
	for (long i = 0; i == 0 || i < attr.mq_curmsgs; i++) {
		if (mq_receive(fd, buf, (size_t)attr.mq_msgsize, NULL) < 0)
			return errno == EAGAIN ? 0 : -errno;
	}
	return 0;
}

/* Removes a name, unless a new queue has got the name meanwhile. */
static void forget_name(const struct core_ipc_dirs *dirs,
			const struct core_cred *cred, const char *name)
{
	_cleanup_close_ int fd = -1;

	core_name_set_remove(dirs->mq_names, name);
	/* If the queue opens, its name is added. */
	if (core_mq_find(dirs, cred, name, 0, &fd) == -EACCES)
		core_name_set_add(dirs->mq_names, name);
}

int core_mq_unlink(const struct core_ipc_dirs *dirs,
		   const struct core_cred *cred, const char *name)
{
	char object[NAME_MAX + 2] = "/";
	int r = core_name_check(name);

	if (r < 0)
		return r;
	strcpy(object + 1, name);
	r = CORE_CRED_AS(cred, mq_unlink(object));
	if (r == 0 && dirs->mq_names)
		forget_name(dirs, cred, name);
	return r;
}

bool core_mq_next(const struct core_ipc_dirs *dirs,
		  const struct core_cred *cred, size_t *place, char *ret_name,
		  ino_t *ret_ino)
{
	while (core_name_set_next(dirs->mq_names, place, ret_name)) {
		_cleanup_close_ int fd = -1;
		struct stat st;
		int r = core_mq_find(dirs, cred, ret_name, 0, &fd);

		if (r == -ENOENT) {
			forget_name(dirs, cred, ret_name);
			continue;
		}
		/* readdir(3) hides entries whose number is 0. */
		*ret_ino = r == 0 && fstat(fd, &st) == 0 ? st.st_ino : 1;
		return true;
	}
	return false;
}

/* Counts the queues in a directory of queues. */
static int count_entries(int mq_dir, size_t *ret)
{
	int fd = openat(mq_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		r = -errno;
		core_closep(&fd);
		return r;
	}
	errno = 0;
	while ((entry = readdir(dir)))
		*ret += entry->d_type == DT_REG;
	r = -errno;
	(void)closedir(dir);
	return r;
}

int core_mq_statfs(const struct core_ipc_dirs *dirs,
		   const struct core_cred *cred, struct statvfs *ret)
{
	struct statvfs sv = { .f_namemax = NAME_MAX };
	size_t n = 0, place = 0;
	char name[NAME_MAX + 1];
	long max = 0;
	ino_t ino;
	int r = read_limit("queues", "max", &max);

	if (r == 0 && dirs->mq_dir >= 0)
		r = count_entries(dirs->mq_dir, &n);
	if (r < 0)
		return r;
	while (dirs->mq_dir < 0 && core_mq_next(dirs, cred, &place, name, &ino))
		n++;
	sv.f_files = (fsfilcnt_t)max;
	sv.f_ffree = sv.f_files > n ? sv.f_files - n : 0;
	sv.f_favail = sv.f_ffree;
	sv.f_bsize = sv.f_frsize = (unsigned long)sysconf(_SC_PAGESIZE);
	*ret = sv;
	return 0;
}
