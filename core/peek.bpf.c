/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of core/peek that runs in the kernel: a BPF program that copies the
 * messages of a queue. Alternatively, this file may be distributed under the
 * terms of the GNU General Public License, version 2: the kernel lets no other
 * program read its memory.
 *
 * core/peek runs the program by a system call, so "current" is a thread of the
 * daemon, and the queue's descriptor is one of the daemon's. The program takes
 * no lock. A message that is received meanwhile may be freed memory, which the
 * program reads without harm: bpf_probe_read_kernel() fails where no memory is.
 * The copy is then wrong, and core/peek notices.
 *
 * The structures are the kernel's (ipc/mqueue.c, ipc/msgutil.c), but only the
 * members in use: when the program is loaded, the kernel replaces the offsets
 * by its own (CO-RE).
 *
 * A queue is a red-black tree with a node for each priority, and each node has
 * a list of messages, the oldest first. The walk begins at the rightmost node,
 * which has the highest priority, and goes to the left. bpf_loop() calls
 * step(), which moves to the next node or message, or copies one piece of a
 * message. The state is in a map and not on the stack: the verifier would try
 * all values that a variable on the stack can have.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Copies from linux/types.h and linux/bpf.h: clang finds these headers only for
 * the machine that builds.
 */
typedef uint8_t __u8;
typedef uint16_t __u16;
typedef uint32_t __u32;
typedef uint64_t __u64;
typedef int32_t __s32;
typedef int64_t __s64;
typedef uint16_t __be16;
typedef uint32_t __be32;
typedef uint32_t __wsum;
enum { BPF_MAP_TYPE_ARRAY = 2 };
enum { BPF_F_MMAPABLE = 1 << 10 };

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "core/peek_state.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), \
			     apply_to = record)

struct inode {
	unsigned long i_ino;
};

struct file {
	struct inode *f_inode;
};

struct fdtable {
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct task_struct {
	struct files_struct *files;
};

struct rb_node {
	unsigned long __rb_parent_color;
	struct rb_node *rb_right, *rb_left;
};

struct list_head {
	struct list_head *next;
};

struct mq_attr {
	long mq_msgsize, mq_curmsgs;
};

struct mqueue_inode_info {
	struct inode vfs_inode;
	struct rb_node *msg_tree_rightmost;
	struct mq_attr attr;
	unsigned long qsize;
};

struct posix_msg_tree_node {
	struct rb_node rb_node;
	struct list_head msg_list;
	int priority;
};

/* A message's text follows its head, and continues after each segment's head. */
struct msg_msgseg {
	struct msg_msgseg *next;
};

struct msg_msg {
	struct list_head m_list;
	long m_type; /* the priority */
	size_t m_ts; /* the length */
	struct msg_msgseg *next;
};

#pragma clang attribute pop

char _license[] SEC("license") = "Dual BSD/GPL";

/* core/peek sets how many parts there are. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, char[CORE_PEEK_STRIDE]);
} parts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct core_peek_state);
} state SEC(".maps");

/* The beginning of a step; see struct core_peek_state. */
enum {
	IN_LIST,  /* at a message or at the head of the list */
	GO_RIGHT, /* from a node to the highest priority below it */
	GO_UP,	  /* from a node to the next lower priority above it */
	AT_END,
};

/* More steps than any queue needs: 65536 messages, or 16 MiB in pieces. */
#define MAX_STEPS (1 << 23)

#define CONTAINER_OF(address, type, member) \
	((type *)((address)-bpf_core_field_offset(type, member)))

/* Keeps clang from leaving out a comparison that only the verifier needs. */
#define OPAQUE(variable) asm volatile("" : "+r"(variable))

/* Appends n bytes, which fit into the part. */
static __always_inline bool append(struct core_peek_state *s, const void *from,
				   uint64_t n)
{
	uint32_t i = s->len / CORE_PEEK_PART;
	uint64_t offset = s->len % CORE_PEEK_PART;
	char *part = bpf_map_lookup_elem(&parts, &i);

	OPAQUE(offset);
	OPAQUE(n);
	if (!part || offset >= CORE_PEEK_PART || n > CORE_PEEK_CHUNK ||
	    bpf_probe_read_kernel(part + offset, n, from) < 0)
		return false;
	s->len += n;
	return true;
}

/* Sets the piece of the message that is copied next: the part in one page. */
static __always_inline void set_source(struct core_peek_state *s,
				       uint64_t address, uint64_t head_size)
{
	s->source = address + head_size;
	s->n_source = s->page_size - head_size;
	if (s->n_source > s->n_left)
		s->n_source = s->n_left;
}

static __always_inline bool copy_piece(struct core_peek_state *s)
{
	uint64_t n = CORE_PEEK_PART - s->len % CORE_PEEK_PART;
	struct msg_msgseg *segment;

	if (n > CORE_PEEK_CHUNK)
		n = CORE_PEEK_CHUNK;
	if (n > s->n_source)
		n = s->n_source;
	if (!append(s, (const void *)s->source, n))
		return false;
	s->source += n;
	s->n_source -= n;
	s->n_left -= n;
	if (s->n_left == 0)
		s->len = (s->len + 7) & ~UINT64_C(7);
	if (s->n_left == 0 || s->n_source > 0)
		return true;
	segment = (struct msg_msgseg *)s->segment;
	s->segment = (uint64_t)BPF_CORE_READ(segment, next);
	set_source(s, (uint64_t)segment, bpf_core_type_size(struct msg_msgseg));
	return segment;
}

/* Begins a record: the message's length and priority, and then its text. */
static __always_inline bool begin_message(struct core_peek_state *s)
{
	struct msg_msg *message = CONTAINER_OF(s->at, struct msg_msg, m_list);
	uint64_t len = BPF_CORE_READ(message, m_ts);
	uint32_t record[2] = { (uint32_t)len, (uint32_t)s->priority };

	if (len > s->msgsize || s->n_messages >= s->curmsgs ||
	    BPF_CORE_READ(message, m_type) != s->priority)
		return false;
	if (s->len + CORE_PEEK_RECORD(len) > s->room) {
		s->cut = 1;
		s->where = AT_END;
		return true;
	}
	s->n_messages++;
	s->n_bytes += len;
	s->n_left = len;
	s->segment = (uint64_t)BPF_CORE_READ(message, next);
	set_source(s, (uint64_t)message, bpf_core_type_size(struct msg_msg));
	return append(s, record, sizeof(record));
}

static __always_inline bool begin_list(struct core_peek_state *s)
{
	struct posix_msg_tree_node *node =
		CONTAINER_OF(s->node, struct posix_msg_tree_node, rb_node);
	int priority = BPF_CORE_READ(node, priority);

	if (priority >= s->priority)
		return false;
	s->priority = priority;
	s->head = (uint64_t)node +
		  bpf_core_field_offset(struct posix_msg_tree_node, msg_list);
	s->at = s->head;
	s->where = IN_LIST;
	return true;
}

static __always_inline bool go_on_in_list(struct core_peek_state *s)
{
	struct list_head *at = (struct list_head *)s->at;
	struct rb_node *node = (struct rb_node *)s->node, *left;

	s->at = (uint64_t)BPF_CORE_READ(at, next);
	if (s->at != s->head)
		return begin_message(s);
	left = BPF_CORE_READ(node, rb_left);
	s->where = left ? GO_RIGHT : GO_UP;
	if (left)
		s->node = (uint64_t)left;
	return true;
}

static __always_inline bool go_right(struct core_peek_state *s)
{
	struct rb_node *node = (struct rb_node *)s->node;
	struct rb_node *right = BPF_CORE_READ(node, rb_right);

	if (!right)
		return begin_list(s);
	s->node = (uint64_t)right;
	return true;
}

/* The lowest bits of the parent's address are the node's colour. */
static __always_inline bool go_up(struct core_peek_state *s)
{
	struct rb_node *node = (struct rb_node *)s->node;
	struct rb_node *parent =
		(struct rb_node *)(BPF_CORE_READ(node, __rb_parent_color) &
				   ~3UL);

	if (!parent) {
		s->where = AT_END;
		return true;
	}
	s->node = (uint64_t)parent;
	return BPF_CORE_READ(parent, rb_left) == node || begin_list(s);
}

static __always_inline bool go_on(struct core_peek_state *s)
{
	if (s->n_left > 0)
		return copy_piece(s);
	switch (s->where) {
	case IN_LIST:
		return go_on_in_list(s);
	case GO_RIGHT:
		return go_right(s);
	default:
		return go_up(s);
	}
}

static struct core_peek_state *get_state(void)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(&state, &zero);
}

/* Returns whether the loop ends. */
static long step(uint32_t i, void *unused)
{
	struct core_peek_state *s = get_state();

	(void)i, (void)unused;
	if (!s)
		return 1;
	s->changed = !go_on(s);
	return s->changed || s->where == AT_END;
}

/* Returns the inode of a descriptor of the current thread, or NULL. */
static __always_inline struct inode *get_inode(uint32_t fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct file **files = BPF_CORE_READ(task, files, fdt, fd);
	struct file *file = NULL;

	(void)bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	return BPF_CORE_READ(file, f_inode);
}

/*
 * Returns 0: the records are the messages of the queue, unless a message was
 * sent or received meanwhile, or 1: a message was.
 */
SEC("syscall")
int core_peek_walk(void *unused)
{
	struct core_peek_state *s = get_state();
	struct mqueue_inode_info *queue;
	struct inode *inode;

	(void)unused;
	if (!s)
		return 1;
	inode = get_inode(s->fd);
	/* Another thread may have replaced the table of descriptors just now. */
	if (BPF_CORE_READ(inode, i_ino) != s->ino)
		return 1;
	queue = CONTAINER_OF((uint64_t)inode, struct mqueue_inode_info,
			     vfs_inode);
	s->curmsgs = BPF_CORE_READ(queue, attr.mq_curmsgs);
	s->qsize = BPF_CORE_READ(queue, qsize);
	s->msgsize = BPF_CORE_READ(queue, attr.mq_msgsize);
	s->len = s->n_messages = s->n_bytes = s->n_left = 0;
	s->cut = s->changed = 0;
	s->priority = INT32_MAX;
	s->where = AT_END;
	s->node = (uint64_t)BPF_CORE_READ(queue, msg_tree_rightmost);
	if (s->node && !begin_list(s))
		return 1;
	if (s->node)
		bpf_loop(MAX_STEPS, step, NULL, 0);
	if (s->changed || s->where != AT_END)
		return 1;
	if (s->cut)
		return 0;
	return s->curmsgs != s->n_messages || s->qsize != s->n_bytes ||
	       s->curmsgs != (uint64_t)BPF_CORE_READ(queue, attr.mq_curmsgs) ||
	       s->qsize != BPF_CORE_READ(queue, qsize);
}
