/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mq: POSIX message queues. An open queue is a descriptor that is always
 * O_NONBLOCK: who wants to wait uses core/wait. close(2) closes it.
 */
#ifndef CORE_MQ_H
#define CORE_MQ_H

#include "core/cred.h"
#include "core/ns.h"

#include <mqueue.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/*
 * Opens or creates a queue: mq_open(3) as cred, who is also charged for it. The
 * limit on that is the one of cred's process, up to the hard limit of this one; a
 * process without privileges has just its own.
 *
 * flags: O_RDONLY, O_WRONLY or O_RDWR, and O_CREAT, O_EXCL; others are ignored.
 * mode: of a new queue, less the process's umask.
 * attr: mq_maxmsg and mq_msgsize of a new queue, each 0 for the system's default;
 *       NULL: both.
 * ino: the inode number that an existing queue must have, or 0 for any.
 * ret_fd: the caller's, O_NONBLOCK and close-on-exec.
 *
 * Returns 0, or
 *   -ENOENT   no such queue and no O_CREAT, or one that comes and goes all the
 *             time
 *   -EEXIST   O_CREAT and O_EXCL, and the name is taken
 *   -ESTALE   the name is another queue's than ino by now
 *   -EACCES   not permitted
 *   -EINVAL   attr is not positive or above msg_max or msgsize_max; or as
 *             core_name_check()
 *   -EMFILE   the queue's size would exceed RLIMIT_MSGQUEUE, or no descriptor
 *   -ENOSPC   queues_max queues exist
 *   -EINTR    cred's user has ended the creation by a signal; there may be a
 *             queue
 *   -EAGAIN   no process more
 *   -ENAMETOOLONG, -EPERM, -ENFILE, -ENOMEM
 *
 * Source: mq_open(3), mq_overview(7).
 */
int core_mq_open(const struct core_ns *ns, const struct core_cred *cred,
		 const char *name, int flags, mode_t mode,
		 const struct mq_attr *attr, ino_t ino, int *ret_fd);

/*
 * Resolves a name to a descriptor for core_mq_stat() and core/object, as
 * core_object_find(). Where queues can't be looked up the queue is opened,
 * which needs the right to read or to write it.
 */
int core_mq_find(const struct core_ns *ns, const struct core_cred *cred,
		 const char *name, ino_t ino, int *ret_fd);

/*
 * fstat(2) of a queue, with the messages in it as content: st_size is the sum
 * of their lengths in bytes, st_blksize the longest message allowed.
 *
 * fd: any descriptor of the queue. overhead: bytes that each message counts for
 * besides its own. st_size is 0 where cred may not read the queue, and st_blksize
 * the kernel's where it may not write either. Returns 0, -EMFILE, -ENFILE or -ENOMEM.
 *
 * Source: mq_overview(7), QSIZE.
 */
int core_mq_stat(const struct core_cred *cred, int fd, long overhead,
		 struct stat *ret);

/* What there is to know of a queue. */
struct core_mq_info {
	long maxmsg,
		msgsize;  /* how many messages, and bytes in one, it takes */
	long curmsgs;	  /* messages that wait */
	size_t bytes;	  /* in all of them */
	pid_t notify_pid; /* who is to be notified (mq_notify(3)), or 0 */
};

/*
 * Looks at a queue. fd: a descriptor of it that is open for reading. Returns 0, or
 * -EBADF (not open so).
 */
int core_mq_look(int fd, struct core_mq_info *ret);

/*
 * The limits for who isn't root: mq_maxmsg and mq_msgsize of ret are msg_max and
 * msgsize_max. Returns 0, what opening /proc/sys/fs/mqueue failed with, or -EIO.
 */
int core_mq_limits(struct mq_attr *ret);

/* The longest message of the open queue fd, in bytes: mq_getattr(3). */
int core_mq_msgsize(int fd, size_t *ret);

/*
 * Sends the len bytes at buf as one message: mq_send(3).
 *
 * Returns 0, -EAGAIN (full), -EMSGSIZE (longer than the queue allows), -EINVAL
 * (priority above MQ_PRIO_MAX - 1), -EBADF (not open for writing), -ENOMEM.
 */
int core_mq_send(int fd, const void *buf, size_t len, unsigned int priority);

/*
 * Whether a process waits to be told of a message by a signal: mq_notify(3), and the
 * queue is empty. It is told the user who sends: the real one of the thread, or with
 * core_mq_send_as() cred's.
 *
 * fd, readable: descriptors of the queue, or one; readable is open for reading, or -1:
 * then that can't be seen, and the answer is false.
 */
bool core_mq_is_awaited(int fd, int readable);

/*
 * core_mq_send() in a process that is cred's; it takes the time that core_child_run()
 * does. Returns as that and core_mq_send(); at -EINTR the message may have been sent.
 */
int core_mq_send_as(const struct core_cred *cred, int fd, const void *buf,
		    size_t len, unsigned int priority);

/*
 * Takes the oldest of the messages with the highest priority: mq_receive(3).
 *
 * buf: size bytes, at least the queue's msgsize. ret_len: its length in bytes.
 * ret_priority: may be NULL.
 *
 * Returns 0, -EAGAIN (empty), -EMSGSIZE (size below msgsize), -EBADF.
 */
int core_mq_receive(int fd, void *buf, size_t size, size_t *ret_len,
		    unsigned int *ret_priority);

/*
 * Takes and drops the messages that wait in the open queue fd. What is sent
 * meanwhile may go with them or stay; the number taken has a bound, so that a
 * busy sender can't keep this going. Returns 0, -EBADF (not open for reading),
 * -ENOMEM.
 */
int core_mq_purge(int fd);

/* mq_unlink(3) as cred; as core_shm_unlink(), and -EACCES in place of -EPERM. */
int core_mq_unlink(const struct core_ns *ns, const struct core_cred *cred,
		   const char *name);

/*
 * Where the system can't list the queues (CORE_NS_MQ_NONE), those that were opened
 * last with this ns and still exist: finds the first one at or behind a place.
 *
 * place: begins at 0; becomes the place behind the queue. ret_name: NAME_MAX + 1
 * bytes. ret_ino: its inode number, or 1 where cred may not open the queue.
 * Returns whether there is one.
 */
bool core_mq_next(const struct core_ns *ns, const struct core_cred *cred,
		  size_t *place, char *ret_name, ino_t *ret_ino);

/* fstat(2) of the queues' directory, or what it would be if there were one. */
int core_mq_stat_dir(const struct core_ns *ns, struct stat *ret);

/*
 * What queues use of the namespace: f_files is queues_max, f_ffree how many
 * more there may be. Returns 0, what opening /proc/sys/fs/mqueue or the directory
 * failed with, or -EIO.
 */
int core_mq_statfs(const struct core_ns *ns, const struct core_cred *cred,
		   struct statvfs *ret);

#endif
