/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * diagnose: finds the reasons why ipcfs can't mount, and the features that a
 * mount lacks. Each message is one line of text with the command that fixes the
 * problem.
 */
#ifndef FS_DIAGNOSE_H
#define FS_DIAGNOSE_H

#include <stdbool.h>

struct fs;

/* A command for a mount where an ordinary user can always mount. */
#define FS_DIAGNOSE_ELSEWHERE "mkdir -p ~/ipc && ipcfs ~/ipc"

/* The beginning of a command that needs root: "sudo ", or "" for root. */
const char *fs_diagnose_sudo(void);

/*
 * Finds the reasons why mount(2) or fusermount3(1) would refuse to mount. Rare
 * reasons aren't checked: mount(2), fusermount3 or libfuse report them.
 *
 * path: the mount point, an absolute path of a directory.
 * allow_other: whether the option was given.
 *
 * Returns 0; or a negative errno, after a message on stderr.
 */
int fs_diagnose_mount(const char *path, bool allow_other);

/*
 * Logs which features the mount lacks or has only in part. no_passthrough:
 * whether the option was given.
 */
void fs_diagnose_parts(const struct fs *fs, bool no_passthrough);

/*
 * Prints versions and the features that work on this machine, except
 * passthrough: only a mount can find out whether passthrough works, and
 * fs_diagnose_parts() logs if it doesn't.
 */
void fs_diagnose_print(void);

#endif
