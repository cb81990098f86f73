/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What newer kernels have added to the protocol of linux/fuse.h. Headers are
 * often older than the kernel, so this file has copies, with the release of
 * Linux that brought each. An older kernel refuses what it doesn't know, or
 * ignores a flag; see negotiate.
 */
#ifndef FS_PROTOCOL_H
#define FS_PROTOCOL_H

#include <linux/fuse.h>
#include <stdint.h>
#include <sys/ioctl.h>

/* A message to the kernel: forget these nodes, if they aren't in use. */
#define FS_NOTIFY_PRUNE 9 /* FUSE_NOTIFY_PRUNE, Linux 6.18 */

struct fs_notify_prune_out { /* the node ids follow */
	uint32_t count;
	uint32_t padding;
	uint64_t spare;
};

/* Flags of an open file. */
enum {
	/*
	 * Every read and write comes to the daemon, so changes that other
	 * processes make are visible at once. mmap(MAP_SHARED) fails with
	 * ENODEV.
	 */
	FS_FOPEN_DIRECT_IO = 1 << 0, /* Linux 2.6.14 */
	/*
	 * The file has no position. With a position, the kernel locks the
	 * position during each read and write of a descriptor that threads or
	 * processes share. A read that waits would then block a write,
	 * unkillable, for ever.
	 */
	FS_FOPEN_STREAM = 1 << 4, /* Linux 5.1 */
	/* The kernel needn't send FLUSH at close(2). */
	FS_FOPEN_NOFLUSH = 1 << 5, /* Linux 5.16 */
	/* The kernel doesn't lock the inode for a write that doesn't append. */
	FS_FOPEN_PARALLEL_DIRECT_WRITES = 1 << 6, /* Linux 6.2 */
	/*
	 * The kernel reads, writes and maps the backing file; no request comes.
	 */
	FS_FOPEN_PASSTHROUGH = 1 << 7 /* Linux 6.9 */
};

/* struct fuse_open_out; backing_id is padding before Linux 6.9. */
struct fs_open_out {
	uint64_t handle;
	uint32_t flags;
	int32_t backing_id;
};

/*
 * FUSE_DEV_IOC_BACKING_*, Linux 6.9. The argument of the first ioctl is a
 * struct fuse_backing_map: 16 bytes, and the first four are the descriptor.
 */
#define FS_BACKING_OPEN	 _IOW(229, 1, int32_t[4])
#define FS_BACKING_CLOSE _IOW(229, 2, uint32_t)

#endif
