/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/load/load.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/*
 * Whether a call has succeeded. A call may fail because of other processes or
 * because of a signal. Any other error ends the process, and so the test.
 */
static bool worked(long result, const char *what)
{
	if (result < 0 && errno != EINTR && errno != ENOENT &&
	    errno != EEXIST && errno != EAGAIN)
		err(1, "%s", what);
	return result >= 0;
}

static int must_open(const char *name, int flags)
{
	int fd;

	do
		fd = open(name, flags | O_CLOEXEC, 0600);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		err(1, "%s", name);
	return fd;
}

/* Numbered messages, which are counted. */

static bool is_unready(ssize_t n)
{
	return n < 0 && (errno == EINTR || errno == EAGAIN);
}

static void wait_for(int fd, short events)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	(void)worked(poll(&pollfd, 1, 100), "poll");
}

static void send_all(struct party *self, int fd, bool natively)
{
	struct message message = { .writer = self->id };
	ssize_t n;

	while (!shared->writers_end && self->next < MAX_MESSAGES) {
		self->moving = true;
		message.number = self->next++;
		do {
			n = natively ? mq_send(fd, (const char *)&message,
					       sizeof(message), 0)
				     : write(fd, &message, sizeof(message));
			if (n < 0 && errno == EAGAIN)
				wait_for(fd, POLLOUT);
		} while (is_unready(n));
		if (n != (natively ? 0 : (ssize_t)sizeof(message)))
			err(1, "sent %zd", n);
		self->moving = false;
		self->n++;
		if (natively) /* otherwise the mount is idle */
			pause_for(50);
	}
}

static void write_waiting(struct party *self)
{
	send_all(self, must_open(path("mq/load"), O_WRONLY | O_APPEND), false);
}

static void write_polling(struct party *self)
{
	send_all(self, must_open(path("mq/load"), O_RDWR | O_NONBLOCK), false);
}

static void write_natively(struct party *self)
{
	send_all(self, must_open_native(O_WRONLY), true);
}

static void note_received(struct party *self, const struct message *message)
{
	if (message->writer >= MAX_WRITERS || message->number >= MAX_MESSAGES)
		errx(1, "received what nobody sent");
	shared->counts[message->writer][message->number]++;
	if (message->number < self->may_come[message->writer])
		shared->disordered++;
	self->may_come[message->writer] = message->number + 1;
	self->moving = false;
	self->n++;
}

/* Receives messages, in pieces of this many bytes. */
static void receive_all(struct party *self, int fd, size_t piece)
{
	struct message message;
	char *at = (char *)&message, *end = at + sizeof(message);

	while (at > (char *)&message || !shared->all_end) {
		ssize_t n;

		self->moving = true;
		n = read(fd, at, MIN(piece, (size_t)(end - at)));
		if (is_unready(n) && errno == EAGAIN)
			wait_for(fd, POLLIN);
		else if (n < 0 && errno != EINTR)
			err(1, "read");
		at += n > 0 ? n : 0;
		if (at < end)
			continue;
		note_received(self, &message);
		at = (char *)&message;
	}
}

static void read_waiting(struct party *self)
{
	receive_all(self, must_open(path("mq/load"), O_RDONLY),
		    sizeof(struct message));
}

static void read_in_pieces(struct party *self)
{
	receive_all(self, must_open(path("mq:follow/load"), O_RDWR), 3);
}

static void read_polling(struct party *self)
{
	receive_all(self, must_open(path("mq/load"), O_RDONLY | O_NONBLOCK),
		    sizeof(struct message));
}

static void read_natively(struct party *self)
{
	mqd_t mqd = must_open_native(O_RDONLY | O_NONBLOCK);
	struct message message;
	ssize_t n;

	while (!shared->all_end) {
		self->moving = true;
		n = mq_receive(mqd, (char *)&message, sizeof(message), NULL);
		if (n == sizeof(message))
			note_received(self, &message);
		else if (worked(n, "mq_receive") || errno == EAGAIN)
			wait_for(mqd, POLLIN);
		pause_for(50);
	}
}

/* Queues that are emptied, that nobody reads, that are created and removed. */

static void fill_queue(struct party *self)
{
	int fd = must_open(path("mq/discard"), O_WRONLY | O_NONBLOCK);
	char text[64] = "text";

	for (; !shared->all_end; self->n++)
		if (!worked(write(fd, text, draw(sizeof(text)) + 1), "write"))
			wait_for(fd, POLLOUT);
}

static void discard(struct party *self)
{
	int fd = must_open(path("mq/discard"), O_RDWR);

	for (; !shared->all_end; self->n++)
		(void)worked(draw(2) ? ftruncate(fd, 0)
				     : truncate(path("mq/discard"), 0),
			     "truncate");
}

static void wait_in_vain(struct party *self)
{
	bool reads = draw(2);
	int fd = must_open(path(reads ? "mq/empty" : "mq/full"), O_RDWR);
	char c = 'x';

	for (; !shared->all_end; self->n++)
		if (worked(reads ? read(fd, &c, 1) : write(fd, &c, 1), "wait"))
			errx(1, "it has not waited");
}

static void churn_queues(struct party *self)
{
	const char *view = "mq:maxmsg=2,msgsize=16,drain";
	char text[16] = "text";
	int fd;

	for (; !shared->all_end; self->n++) {
		if (draw(2)) {
			(void)worked(unlink(path("mq/churn.%u", draw(3))),
				     "unlink");
			continue;
		}
		fd = open(path("%s/churn.%u", view, draw(3)),
			  O_RDWR | O_CREAT | O_NONBLOCK, 0600);
		if (!worked(fd, "open"))
			continue;
		(void)worked(write(fd, text, draw(16) + 1), "write");
		(void)worked(read(fd, text, 16), "read");
		(void)close(fd);
	}
}

/* Shared memory. */

static void use_object(int fd)
{
	char data[5000] = "data";
	char *memory;

	(void)worked(ftruncate(fd, 65536), "ftruncate");
	(void)worked(pwrite(fd, data, draw(sizeof(data)), draw(60000)),
		     "pwrite");
	(void)worked(pread(fd, data, sizeof(data), draw(65536)), "pread");
	memory = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	/* Without passthrough there are no mappings. */
	if (memory == MAP_FAILED && errno != ENODEV)
		err(1, "mmap");
	if (memory == MAP_FAILED)
		return;
	memory[draw(65536)]++;
	(void)munmap(memory, 65536);
}

static void churn_objects(struct party *self)
{
	const char *name;
	int fd;

	for (; !shared->all_end; self->n++) {
		name = path("shm/churn.%u", draw(4));
		switch (draw(6)) {
		case 0:
			(void)worked(unlink(name), "unlink");
			continue;
		case 1:
			(void)worked(rename(name,
					    path("shm/churn.%u", draw(4))),
				     "rename");
			continue;
		case 2:
			(void)worked(truncate(name, draw(70000)), "truncate");
			continue;
		case 3:
			fd = open(path("shm"), O_RDWR | O_TMPFILE, 0600);
			break;
		default:
			fd = open(name, O_RDWR | O_CREAT, 0600);
		}
		if (worked(fd, "open")) {
			use_object(fd);
			(void)close(fd);
		}
	}
}

/* Locks, and checks that no other process has the lock. */
static void lock(struct party *self)
{
	int kind = (int)draw(2), pid = getpid();
	int fd = must_open(path("shm/lock.%d", kind), O_RDWR | O_CREAT);
	struct flock lock = { .l_type = F_WRLCK };

	while (!shared->all_end) {
		lock.l_type = F_WRLCK;
		if (!worked(kind ? flock(fd, LOCK_EX)
				 : fcntl(fd, F_SETLKW, &lock),
			    "lock"))
			continue;
		shared->owners[kind] = pid;
		(void)sched_yield();
		if (shared->owners[kind] != pid)
			errx(1, "two have a lock");
		lock.l_type = F_UNLCK;
		(void)worked(kind ? flock(fd, LOCK_UN)
				  : fcntl(fd, F_SETLK, &lock),
			     "unlock");
		self->n++;
	}
}

/*
 * Lists and reads everything, but for the queues of tests/model. Looking at a
 * queue restores its access time, and a change of the time in between would be
 * lost.
 */

static void look_into(const char *dir_name)
{
	DIR *dir = opendir(path("%s", dir_name));
	const struct dirent *entry;
	char text[1000];
	struct stat st;
	int fd;

	if (!worked(dir ? 0 : -1, "opendir"))
		return;
	while ((entry = readdir(dir))) {
		const char *name = path("%s/%s", dir_name, entry->d_name);

		if (strchr("mns.", *entry->d_name))
			continue;
		(void)worked(stat(name, &st), "stat");
		if (strcmp(dir_name, "mq:info") != 0)
			continue;
		fd = open(name, O_RDONLY);
		if (fd >= 0)
			(void)worked(read(fd, text, sizeof(text)), "info");
		(void)close(fd);
	}
	(void)closedir(dir);
}

static void look(struct party *self)
{
	struct statvfs sv;
	char value[32];

	for (; !shared->all_end; self->n++) {
		look_into("shm");
		look_into("mq");
		look_into("mq:info");
		(void)worked(statvfs(path("shm"), &sv), "statvfs");
		(void)worked(statvfs(path("mq"), &sv), "statvfs");
		(void)worked(getxattr(path("mq/load"), "user.mq.bytes", value,
				      sizeof(value)),
			     "getxattr");
	}
}

const struct role load_roles[N_PARTIES] = {
	{ "write_waiting", WRITER, write_waiting, false },
	{ "write_waiting", WRITER, write_waiting, false },
	{ "write_polling", WRITER, write_polling, false },
	{ "write_natively", WRITER, write_natively, false },
	{ "read_waiting", READER, read_waiting, false },
	{ "read_waiting", READER, read_waiting, false },
	{ "read_in_pieces", READER, read_in_pieces, false },
	{ "read_polling", READER, read_polling, false },
	{ "read_natively", READER, read_natively, false },
	{ "fill_queue", OTHER, fill_queue, false },
	{ "discard", OTHER, discard, false },
	{ "wait_in_vain", OTHER, wait_in_vain, false },
	{ "wait_in_vain", OTHER, wait_in_vain, false },
	{ "churn_queues", OTHER, churn_queues, false },
	{ "churn_queues", OTHER, churn_queues, false },
	{ "churn_objects", OTHER, churn_objects, true },
	{ "churn_objects", OTHER, churn_objects, true },
	{ "lock", OTHER, lock, false },
	{ "lock", OTHER, lock, false },
	{ "lock", OTHER, lock, false },
	{ "lock", OTHER, lock, false },
	{ "look", OTHER, look, false },
};
