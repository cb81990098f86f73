/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * diagnose: what is in the way of mounting, and of all that a mount can do, said
 * on one line each with the command that mends it.
 */
#ifndef FS_DIAGNOSE_H
#define FS_DIAGNOSE_H

#include <stdbool.h>

struct fs;

/* Where an ordinary user can always mount. */
#define FS_DIAGNOSE_ELSEWHERE "mkdir -p ~/ipc && ipcfs ~/ipc"

/* What a command that only root may give begins with, or "" for root. */
const char *fs_diagnose_sudo(void);

/*
 * Finds what mount(2) or fusermount3(1) would refuse, or would explain in terms
 * of their own. What is rarer is left to them and to libfuse to say.
 *
 * path: the mount point, absolute, which is known to be a directory.
 * allow_other: whether that was asked for.
 *
 * Returns 0 or, when it has said on stderr what is wrong, a negative errno.
 */
int fs_diagnose_mount(const char *path, bool allow_other);

/* Logs what the mount can do only in part. no_passthrough: it wasn't wanted. */
void fs_diagnose_parts(const struct fs *fs, bool no_passthrough);

#endif
