/* SPDX-License-Identifier: BSD-3-Clause */
/* What the fuzz targets share: scripts/fuzz runs them, tests run their seeds. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* What must hold whatever the data; also with NDEBUG. */
#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

/* libFuzzer's: tries the data. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
