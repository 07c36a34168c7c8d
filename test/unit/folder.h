/* A folder of a test's own, where test/run keeps what is thrown away: in memory, where there is room. */
#ifndef PYTHIA_TEST_FOLDER_H
#define PYTHIA_TEST_FOLDER_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FOLDER_SIZE 160

static inline bool make_test_folder(char path[FOLDER_SIZE], const char *name)
{
	const char *parent = getenv("TMPDIR");

	return snprintf(path, FOLDER_SIZE, "%s/pythia-%s-XXXXXX", parent != NULL ? parent : "/tmp", name) < FOLDER_SIZE &&
		   mkdtemp(path) != NULL;
}

#endif
