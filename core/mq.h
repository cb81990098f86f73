/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mq: POSIX message queues. An open queue is a descriptor that is always
 * O_NONBLOCK; core/wait waits for it. close(2) closes it.
 */
#ifndef CORE_MQ_H
#define CORE_MQ_H

#include "core/cred.h"
#include "core/ipc_dirs.h"

#include <mqueue.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* Whether the kernel has message queues. */
bool core_mq_is_supported(void);

/*
 * Opens or creates a queue: mq_open(3) as cred. A new queue is charged to
 * cred's user, up to the RLIMIT_MSGQUEUE of process cred->pid and to the hard limit
 * of this process. A process without privileges is charged itself.
 *
 * flags: O_RDONLY, O_WRONLY or O_RDWR, and O_CREAT, O_EXCL; others are ignored.
 * mode: of a new queue, less the process's umask.
 * attr: mq_maxmsg and mq_msgsize of a new queue, each 0 for the system's default;
 *       NULL: both.
 * ino: the inode number that an existing queue must have, or 0 for any.
 * ret_fd: the caller's, O_NONBLOCK and close-on-exec.
 *
 * Returns 0, or
 *   -ENOENT   no such queue and no O_CREAT, or others create and remove it
 *             all the time
 *   -EEXIST   O_CREAT and O_EXCL, and the name is taken
 *   -ESTALE   the name leads to another queue than ino
 *   -EACCES   not permitted
 *   -EINVAL   attr is not positive or above msg_max or msgsize_max; or as
 *             core_name_check()
 *   -EMFILE   the queue's size would exceed RLIMIT_MSGQUEUE, or no descriptor
 *   -ENOSPC   queues_max queues exist
 *   -EINTR    a signal of cred's user ended the creation; the queue may exist
 *   -EAGAIN   no more processes
 *   -ENAMETOOLONG, -EPERM, -ENFILE, -ENOMEM
 *
 * Source: mq_open(3), mq_overview(7).
 */
int core_mq_open(const struct core_ipc_dirs *dirs, const struct core_cred *cred,
		 const char *name, int flags, mode_t mode,
		 const struct mq_attr *attr, ino_t ino, int *ret_fd);

/*
 * Resolves a name to a descriptor for core_mq_stat() and core/file, as
 * core_file_find(). Where queues can't be looked up the queue is opened,
 * which needs the right to read or to write it.
 */
int core_mq_find(const struct core_ipc_dirs *dirs, const struct core_cred *cred,
		 const char *name, ino_t ino, int *ret_fd);

/*
 * statx(2) of a queue, with the messages in it as content: stx_size is the sum
 * of their lengths in bytes, stx_blksize the longest message allowed.
 *
 * fd: any descriptor of the queue. overhead: bytes to add for each message. If
 * cred may not read the queue, stx_size is 0; if cred may not write to it
 * either, stx_blksize is the kernel's.
 *
 * Returns 0, -ENOENT (no /proc), -EMFILE, -ENFILE, -ENOMEM, or as
 * core_cred_enter().
 *
 * Source: mq_overview(7), QSIZE.
 */
int core_mq_stat(const struct core_cred *cred, int fd, long overhead,
		 struct statx *ret);

/* A queue's attributes and state. */
struct core_mq_info {
	long maxmsg;
	long msgsize;	   /* the most bytes in a message */
	long curmsgs;	   /* messages that wait */
	size_t bytes;	   /* in all of them */
	pid_t notify_pid;  /* the process that mq_notify(3) notifies, or 0 */
	int notify_signal; /* the signal that notifies it; 0: another way */
};

/*
 * Reads a queue's attributes and state. fd: a descriptor of the queue, open for reading.
 * Returns 0, -EBADF (not open for reading), or -EIO (the kernel's text has
 * another form).
 */
int core_mq_get_info(int fd, struct core_mq_info *ret);

/*
 * The limits for users without CAP_SYS_RESOURCE: mq_maxmsg and mq_msgsize of ret are
 * msg_max and msgsize_max. Returns 0, an error of opening a file in
 * /proc/sys/fs/mqueue, or -EIO.
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
 * Whether the next message will make the kernel send a signal: a process has
 * registered by mq_notify(3), and the queue is empty. The signal tells the
 * sender's real user: the thread's with core_mq_send(), cred's with
 * core_mq_send_as().
 *
 * fd: any open descriptor of the queue. readable: one that is open for reading
 * (may be fd), or -1: the result is false. Also false on an error.
 */
bool core_mq_is_awaited(int fd, int readable);

/*
 * core_mq_send() in a child process of cred's, so that cred is the sender.
 * Takes as long as core_child_run(). Returns as core_mq_send() or
 * core_child_run(); with -EINTR the message may have been sent.
 */
int core_mq_send_as(const struct core_cred *cred, int fd, const void *buf,
		    size_t len, unsigned int priority);

/*
 * Receives the oldest of the messages with the highest priority: mq_receive(3).
 *
 * buf: size bytes, at least the queue's msgsize. ret_len: its length in bytes.
 * ret_priority: may be NULL.
 *
 * Returns 0, -EAGAIN (empty), -EMSGSIZE (size below msgsize), -EBADF.
 */
int core_mq_receive(int fd, void *buf, size_t size, size_t *ret_len,
		    unsigned int *ret_priority);

/*
 * Receives and drops the messages in the open queue fd: no more than there are at
 * the start, so that a busy sender can't keep this going. Messages that are sent
 * meanwhile are dropped or stay. Returns 0, -EBADF (not open for reading),
 * -ENOMEM.
 */
int core_mq_purge(int fd);

/* mq_unlink(3) as cred; as core_shm_unlink(), and -EACCES in place of -EPERM. */
int core_mq_unlink(const struct core_ipc_dirs *dirs,
		   const struct core_cred *cred, const char *name);

/*
 * Lists queues where the system can't (CORE_IPC_DIRS_MQ_NONE): finds the first queue
 * at or after a place, among those that were opened last with these dirs and still
 * exist.
 *
 * place: 0 for the first call; becomes the place after the queue.
 * ret_name: NAME_MAX + 1 bytes.
 * ret_ino: the queue's inode number, or 1 if cred may not open the queue.
 * Returns whether a queue was found.
 */
bool core_mq_next(const struct core_ipc_dirs *dirs,
		  const struct core_cred *cred, size_t *place, char *ret_name,
		  ino_t *ret_ino);

/*
 * The namespace's number of queues: f_files is queues_max, f_ffree the number of
 * queues that may still be created. Returns 0, what opening /proc/sys/fs/mqueue or the
 * directory failed with, or -EIO.
 */
int core_mq_statfs(const struct core_ipc_dirs *dirs,
		   const struct core_cred *cred, struct statvfs *ret);

#endif
