/* Files that hold what only their owner shall read: state, rows set aside, locks, configuration with a URL. */
#ifndef PYTHIA_CLI_FILES_H
#define PYTHIA_CLI_FILES_H

#include <stdbool.h>

#include "core/error.h"

/*
 * Opens a file, made where it is missing, readable by its owner alone; -1 after an error.  `flags` are open(2)'s.
 * No link is followed, and in a folder where others may write, such as /tmp, a file that somebody else has put
 * there is not taken for ours.
 */
int cli_private_open(const char *path, int flags, const char *option, pythia_error *error);

/* The same for a SQLite database that is about to be opened by its path, and for the files beside it; in a folder where
 * others may write there is none. */
bool cli_private_database(const char *path, const char *option, pythia_error *error);

#endif
