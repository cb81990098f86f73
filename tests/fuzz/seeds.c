/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a fuzz target over its seeds, the files of a directory, as a normal
 * test.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

static int is_seed(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	static uint8_t data[65536];
	struct dirent **seeds = NULL;
	int n = -1;

	if (argc == 2 && chdir(argv[1]) == 0)
		n = scandir(".", &seeds, is_seed, alphasort);
	MUST(n > 0);
	(void)printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		FILE *file = fopen(seeds[i]->d_name, "re");
		size_t size;

		MUST(file);
		size = fread(data, 1, sizeof(data), file);
		MUST(!ferror(file));
		(void)fclose(file);
		MUST(LLVMFuzzerTestOneInput(data, size) == 0);
		(void)printf("ok %d - %s\n", i + 1, seeds[i]->d_name);
		(void)fflush(stdout);
		free(seeds[i]);
	}
	free(seeds);
	return EXIT_SUCCESS;
}
