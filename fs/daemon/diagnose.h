/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * diagnose: finds what is in the way of mounting, and what a mount can do only in
 * part. Each is said on one line, with the command that mends it.
 */
#ifndef FS_DIAGNOSE_H
#define FS_DIAGNOSE_H

#include <stdbool.h>

struct fs;

/* Where an ordinary user can always mount. */
#define FS_DIAGNOSE_ELSEWHERE "mkdir -p ~/ipc && ipcfs ~/ipc"

/* The beginning of a command that takes root: "sudo ", or "" for root. */
const char *fs_diagnose_sudo(void);

/*
 * Finds what mount(2) or fusermount3(1) would refuse. Rare reasons are left to them
 * and to libfuse to report.
 *
 * path: the mount point, an absolute path of a directory.
 * allow_other: whether the option was given.
 *
 * Returns 0; or a negative errno, after a message on stderr.
 */
int fs_diagnose_mount(const char *path, bool allow_other);

/* Logs what the mount can do only in part. no_passthrough: the option was given. */
void fs_diagnose_parts(const struct fs *fs, bool no_passthrough);

/*
 * Prints versions and what works on this machine. Passthrough isn't among it: only
 * a mount can find out, and fs_diagnose_parts() says if it is missing.
 *
 * Returns 0 or -EIO.
 */
int fs_diagnose_print(void);

#endif
