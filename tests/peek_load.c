/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Usage: peek_load MOUNTPOINT
 *
 * Peeks at a queue without end, while four processes send and four receive
 * numbered messages of many sizes: ten times ROUNDS messages in all. Each
 * message that is shown must be one that was sent and wasn't received before the
 * peek, whole and in its order; and each is received in the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SENDERS = 4, RECEIVERS = 4, PRIORITIES = 3, MAXMSG = 8, MSGSIZE = 8192 };

/* More numbers than messages can be on their way at once. */
enum { WINDOW = 1 << 16 };

struct head {
	uint32_t magic, sender, number, len;
};

#define MAGIC 0x6b656570

/* The processes share this. */
struct shared {
	atomic_bool stop;
	atomic_uint peek; /* which one is running */
	atomic_uint n_sent[SENDERS], n_received[SENDERS];
	/* The peek during which a message was received, or UINT32_MAX. */
	atomic_uint received[SENDERS][WINDOW];
};

static struct shared *shared;
static mqd_t queue;

_Noreturn static void fail(const char *what, const struct head *head)
{
	printf("%s: message %u of sender %u, %u bytes; errno %d\n", what,
	       head ? head->number : 0, head ? head->sender : 0,
	       head ? head->len : 0, errno);
	exit(EXIT_FAILURE);
}

static unsigned int priority_of(const struct head *head)
{
	return head->number % PRIORITIES;
}

/* Some messages are shorter than a page, some need two or three pages. */
static uint32_t len_of(uint32_t sender, uint32_t number)
{
	uint32_t some = (number * 2654435761U + sender * 40503U) >> 8;
	uint32_t most = some % 4 ? 200 : MSGSIZE;

	return sizeof(struct head) + some % (most - sizeof(struct head) + 1);
}

/*
 * Makes the message of a number. The messages of two numbers differ in all
 * bytes.
 */
static void make(uint32_t sender, uint32_t number, char *ret)
{
	struct head head = { MAGIC, sender, number, len_of(sender, number) };

	memcpy(ret, &head, sizeof(head));
	for (uint32_t i = sizeof(head); i < head.len; i++)
		ret[i] = (char)(number * 31 + sender * 7 + (i >> 8));
}

static void check_text(const char *text, const struct head *head)
{
	char expected[MSGSIZE];

	if (head->magic != MAGIC || head->sender >= SENDERS ||
	    head->len != len_of(head->sender, head->number))
		fail("never sent", head);
	make(head->sender, head->number, expected);
	if (memcmp(text, expected, head->len) != 0)
		fail("of several messages", head);
}

static void send_all(uint32_t sender)
{
	char text[MSGSIZE];
	struct head head = { 0 };

	for (; !shared->stop; head.number++) {
		make(sender, head.number, text);
		shared->received[sender][head.number % WINDOW] = UINT32_MAX;
		shared->n_sent[sender]++;
		if (mq_send(queue, text, len_of(sender, head.number),
			    priority_of(&head)) < 0)
			fail("mq_send", &head);
	}
	exit(EXIT_SUCCESS);
}

/* An empty message ends a receiver. */
static void receive_all(void)
{
	char text[MSGSIZE];
	struct head head;
	ssize_t n;

	while ((n = mq_receive(queue, text, sizeof(text), NULL)) > 0) {
		memcpy(&head, text, sizeof(head));
		check_text(text, &head);
		shared->received[head.sender][head.number % WINDOW] =
			shared->peek;
		shared->n_received[head.sender]++;
	}
	exit(n == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* Returns the number of messages in a text of "PRIORITY MESSAGE..." pieces. */
static size_t check(const char *text, size_t size)
{
	/* The last number that a sender has sent with a priority, plus 1. */
	uint32_t last[SENDERS][PRIORITIES] = { 0 };
	unsigned int priority, before = PRIORITIES;
	struct head head;
	size_t n = 0;

	for (const char *p = text; p < text + size; p += head.len, n++) {
		priority = (unsigned int)(*p - '0');
		memcpy(&head, p + 2, sizeof(head));
		p += 2;
		check_text(p, &head);
		if (priority != priority_of(&head) || priority > before)
			fail("out of order", &head);
		if (head.number >= shared->n_sent[head.sender])
			fail("not sent yet", &head);
		if (shared->received[head.sender][head.number % WINDOW] <
		    shared->peek)
			fail("received long ago", &head);
		/* The messages of one sender with one priority have no gap. */
		if (last[head.sender][priority] != 0 &&
		    last[head.sender][priority] + PRIORITIES != head.number + 1)
			fail("one is missing before", &head);
		last[head.sender][priority] = head.number + 1;
		before = priority;
	}
	return n;
}

static void peek(const char *mountpoint, size_t n_wanted)
{
	static char text[2 * MAXMSG * MSGSIZE];
	size_t n = 0, n_busy = 0, n_peeks = 0;
	char path[4096];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/mq:peek,prefix/load",
		       mountpoint);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		fail(path, NULL);
	while (n < n_wanted) {
		ssize_t size;

		shared->peek++;
		size = pread(fd, text, sizeof(text), 0);
		n_peeks++;
		if (size < 0 && errno != EAGAIN)
			fail("read", NULL);
		if (size < 0)
			n_busy++;
		else
			n += check(text, (size_t)size);
	}
	printf("%zu messages in %zu peeks, and %zu of a busy queue\n", n,
	       n_peeks - n_busy, n_busy);
	close(fd);
}

static pid_t start(void (*function)(uint32_t), uint32_t i)
{
	pid_t pid = fork();

	if (pid == 0)
		function(i);
	if (pid < 0)
		fail("fork", NULL);
	return pid;
}

static void receive_one(uint32_t i)
{
	(void)i;
	receive_all();
}

static void join(const pid_t *pids, int n)
{
	int status;

	for (int i = 0; i < n; i++)
		if (waitpid(pids[i], &status, 0) < 0 || status != 0)
			fail("a process", NULL);
}

int main(int argc, char **argv)
{
	struct mq_attr attr = { .mq_maxmsg = MAXMSG, .mq_msgsize = MSGSIZE };
	const char *rounds = getenv("ROUNDS");
	pid_t senders[SENDERS], receivers[RECEIVERS];

	if (argc != 2 || !getenv("IPCFS_IN_NAMESPACE"))
		fail("usage: in_namespace peek_load MOUNTPOINT", NULL);
	setbuf(stdout, NULL);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	queue = mq_open("/load", O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
	if (shared == MAP_FAILED || queue < 0)
		fail("mq_open", NULL);
	for (uint32_t i = 0; i < SENDERS; i++)
		senders[i] = start(send_all, i);
	for (uint32_t i = 0; i < RECEIVERS; i++)
		receivers[i] = start(receive_one, i);
	peek(argv[1], (rounds ? strtoul(rounds, NULL, 10) : 100000) * 10);
	shared->stop = true;
	join(senders, SENDERS);
	for (int i = 0; i < RECEIVERS; i++)
		if (mq_send(queue, "", 0, 0) < 0)
			fail("mq_send", NULL);
	join(receivers, RECEIVERS);
	for (int i = 0; i < SENDERS; i++) {
		printf("sender %d: %u messages sent\n", i, shared->n_sent[i]);
		if (shared->n_sent[i] != shared->n_received[i])
			fail("a message was taken", NULL);
	}
	mq_unlink("/load");
	return EXIT_SUCCESS;
}
