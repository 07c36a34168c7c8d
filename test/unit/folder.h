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

static inline int remove_test_folder(const char *path)
{
	char command[FOLDER_SIZE + 20];

	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	return system(command);
}

/* The folder of a group of tests: set up and torn down by the next two. */
static inline char *group_folder(void)
{
	static char path[FOLDER_SIZE];

	return path;
}

static inline int make_folder(void **state)
{
	(void) state;
	return make_test_folder(group_folder(), "unit") ? 0 : -1;
}

static inline int remove_folder(void **state)
{
	(void) state;
	return remove_test_folder(group_folder());
}

#endif
