/* SPDX-License-Identifier: BSD-3-Clause */
/* What the operations on shared memory share. */
#ifndef TESTS_MODEL_SHM_H
#define TESTS_MODEL_SHM_H

#include "tests/model/model.h"

/* The step's open file, or if that is closed perhaps another one that isn't. */
int shm_fd(enum side side, const struct args *x);
/* The one in its other slot, or -1. */
int shm_to_fd(enum side side, const struct args *x);

/* The path of the step's name; not the directory, which is not for all to change. */
const char *shm_path(enum side side, const struct args *x);

/*
 * Shows the kernel the size. It goes by the one that it last saw in some things:
 * copy_file_range, locks from the end, and without passthrough what appends.
 */
void shm_show_size(int fd);

#endif
