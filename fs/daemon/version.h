/* SPDX-License-Identifier: BSD-3-Clause */
/* version: what this is, and what works on this machine: -V. */
#ifndef FS_VERSION_H
#define FS_VERSION_H

#include <stdbool.h>

/* Prints it. Returns 0, or -EIO if stdout doesn't take it. */
int fs_version_print(void);

/* Whether the kernel has message queues. */
bool fs_version_has_queues(void);

#endif
