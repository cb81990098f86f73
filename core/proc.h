/* SPDX-License-Identifier: BSD-3-Clause */
/* proc: the files of /proc, which are text and short. */
#ifndef CORE_PROC_H
#define CORE_PROC_H

struct core_proc_path {
	char s[64];
};

/*
 * A path of up to 63 bytes; format: as for printf(3). The text may be used
 * until the end of the expression that calls this: chmod(core_proc_path(...).s,
 * mode).
 */
__attribute__((format(printf, 1, 2))) struct core_proc_path
core_proc_path(const char *format, ...);

/*
 * Reads a whole file. Returns its text, null-terminated, for free(3); or NULL
 * with errno.
 *
 * The file is opened once, and the kernel writes the text at the first read(2),
 * so the whole text shows the same moment. Source: proc(5).
 */
char *core_proc_read(const char *path);

#endif
