/* SPDX-License-Identifier: BSD-3-Clause */
/* probe: what works on this machine; -V prints it. */
#ifndef FS_PROBE_H
#define FS_PROBE_H

#include <stdbool.h>

/* Prints versions and what works here. Returns 0, or -EIO if stdout doesn't take it. */
int fs_probe_print(void);

/* Whether the kernel has message queues. */
bool fs_probe_has_queues(void);

#endif
