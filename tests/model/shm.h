/* SPDX-License-Identifier: BSD-3-Clause */
/* shm: functions that the operations on shared memory share. */
#ifndef TESTS_MODEL_SHM_H
#define TESTS_MODEL_SHM_H

#include "tests/model/model.h"

/*
 * Returns the step's file; if it is closed, perhaps another file that is open.
 */
int shm_fd(enum side side, const struct args *x);
/* Returns the file in the step's other slot, or -1. */
int shm_to_fd(enum side side, const struct args *x);

/*
 * Returns the path of the step's name. Never the directory: all teams share it.
 */
const char *shm_path(enum side side, const struct args *x);

/*
 * Shows the kernel the size and the owner. The kernel uses the size that it saw
 * last for copy_file_range, for locks relative to the end, and without
 * passthrough for appends. It uses the owner that it saw last when a descriptor
 * changes an ACL.
 */
void shm_show_attributes(int fd);

#endif
