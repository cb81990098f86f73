/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mq: POSIX message queues. An open queue is a descriptor that is always
 * O_NONBLOCK. core/wait waits for messages and room. close(2) closes the
 * descriptor.
 */
#ifndef CORE_MQ_H
#define CORE_MQ_H

#include "core/cred.h"
#include "core/ipc_dirs.h"

#include <mqueue.h>
#include <stdbool.h>
#include <sys/statvfs.h>

/* Whether the kernel has message queues. */
bool core_mq_is_supported(void);

/*
 * Opens or creates a queue: mq_open(3) as cred. A new queue is charged to
 * cred's user. The limit is the RLIMIT_MSGQUEUE of process cred->pid, or the
 * hard limit of this process if it is lower. If this process has no privileges,
 * its own user is charged.
 *
 * flags: O_RDONLY, O_WRONLY or O_RDWR, and O_CREAT, O_EXCL; other flags are
 *     ignored.
 * mode: of a new queue; the process's umask is applied.
 * attr: mq_maxmsg and mq_msgsize of a new queue. 0: the system's default. NULL:
 *     both defaults.
 * ino: the inode number that an existing queue must have, or 0 for any number.
 * ret_fd: the caller's, O_NONBLOCK and close-on-exec.
 *
 * Returns 0, or
 *   -ENOENT   no such queue and no O_CREAT, or other processes keep creating
 *             and removing the queue
 *   -EEXIST   O_CREAT and O_EXCL, and the name is taken
 *   -ESTALE   the name leads to a queue whose inode number isn't ino
 *   -EACCES   not permitted
 *   -EINVAL   a member of attr is negative, or above msg_max or msgsize_max; or
 *             as core_name_check()
 *   -EMFILE   the queues of the user would exceed RLIMIT_MSGQUEUE, or no
 *             descriptor is free
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
 * Resolves a name to a descriptor for core_mq_stat() and core/file. Parameters
 * and results are those of core_file_find(). With CORE_IPC_DIRS_MQ_NONE, queues
 * can't be looked up. The queue is opened instead, which needs the right to
 * read or to write; the results are then those of core_mq_open().
 */
int core_mq_find(const struct core_ipc_dirs *dirs, const struct core_cred *cred,
		 const char *name, ino_t ino, int *ret_fd);

/*
 * statx(2) of a queue, with the queue's messages as the content: stx_size is
 * the sum of their lengths in bytes, and stx_blksize is the most bytes in a
 * message. If cred may not read the queue, stx_size is 0. If cred may not write
 * to the queue either, stx_blksize is the kernel's.
 *
 * fd: any descriptor of the queue. overhead: bytes to add for each message.
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
	long curmsgs;	   /* messages in the queue */
	size_t bytes;	   /* in all messages */
	pid_t notify_pid;  /* the process that mq_notify(3) notifies, or 0 */
	int notify_signal; /* of the notification; 0: not by a signal */
};

/*
 * Reads a queue's attributes and state. fd: a descriptor of the queue, open for
 * reading. Returns 0, -EBADF (not open for reading), or -EIO (the kernel's text
 * has another form).
 */
int core_mq_get_info(int fd, struct core_mq_info *ret);

/*
 * Reads the limits for users without CAP_SYS_RESOURCE: msg_max into mq_maxmsg,
 * and msgsize_max into mq_msgsize. Returns 0, -EIO (the text isn't a number),
 * or an error of open(2) for a file in /proc/sys/fs/mqueue. Source:
 * mq_overview(7), "/proc interfaces".
 */
int core_mq_limits(struct mq_attr *ret);

/*
 * Reads the most bytes that a message of the open queue fd may have. Returns 0,
 * or -EBADF: fd isn't an open queue. Source: mq_getattr(3).
 */
int core_mq_msgsize(int fd, size_t *ret);

/*
 * Sends the len bytes at buf as one message: mq_send(3).
 *
 * Returns 0, -EAGAIN (full), -EMSGSIZE (longer than the queue allows), -EINVAL
 * (priority above MQ_PRIO_MAX - 1), -EBADF (not open for writing), -ENOMEM.
 */
int core_mq_send(int fd, const void *buf, size_t len, unsigned int priority);

/*
 * Whether the next message will make the kernel send a signal, because a
 * process has registered by mq_notify(3) and the queue is empty. The signal
 * carries the real user of the sender: with core_mq_send() the thread's real
 * user, with core_mq_send_as() cred's user.
 *
 * fd: any open descriptor of the queue. readable: a descriptor that is open for
 * reading, perhaps fd; or -1. Returns false with -1, and on an error.
 */
bool core_mq_is_awaited(int fd, int readable);

/*
 * core_mq_send() in a child process that is cred's, so that cred is the sender.
 * The call takes as long as core_child_run(). Returns as core_mq_send() or
 * core_child_run(). After -EINTR the message may have been sent.
 */
int core_mq_send_as(const struct core_cred *cred, int fd, const void *buf,
		    size_t len, unsigned int priority);

/*
 * Receives the oldest of the messages with the highest priority: mq_receive(3).
 *
 * buf: size bytes, at least the queue's msgsize. ret_len: the message's length
 * in bytes. ret_priority: may be NULL.
 *
 * Returns 0, -EAGAIN (empty), -EMSGSIZE (size below msgsize), -EBADF.
 */
int core_mq_receive(int fd, void *buf, size_t size, size_t *ret_len,
		    unsigned int *ret_priority);

/*
 * Receives and drops the messages in the open queue fd. At most as many
 * messages are dropped as are in the queue at the start, so that a busy sender
 * can't prolong the call for ever. Messages that are sent meanwhile are dropped
 * or stay. Returns 0, -EBADF (not open for reading), -ENOMEM.
 */
int core_mq_purge(int fd);

/*
 * Removes a queue's name: mq_unlink(3) as cred. Processes that have the queue
 * open keep it. Returns 0, -ENOENT, -EACCES, or an error of core_name_check().
 */
int core_mq_unlink(const struct core_ipc_dirs *dirs,
		   const struct core_cred *cred, const char *name);

/*
 * Lists queues if there is no directory of queues (CORE_IPC_DIRS_MQ_NONE).
 * Finds the first queue at or after a place, among the queues that were opened
 * last with these dirs and that still exist.
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
 * Reads the namespace's number of queues: f_files is queues_max, and f_ffree is
 * the number of queues that may still be created. Returns 0, -EIO (queues_max
 * isn't a number), or an error of open(2) for
 * /proc/sys/fs/mqueue/queues_max or the directory of the queues.
 */
int core_mq_statfs(const struct core_ipc_dirs *dirs,
		   const struct core_cred *cred, struct statvfs *ret);

#endif
