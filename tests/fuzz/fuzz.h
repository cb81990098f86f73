/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the fuzz targets: scripts/fuzz runs them, tests run their seeds. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Must hold for all data. Checked with NDEBUG, too. */
#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

/* libFuzzer calls this: tries the data. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
