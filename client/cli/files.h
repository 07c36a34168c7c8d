/* Files that hold what only their owner shall read: state, rows set aside, locks, configuration with a URL. */
#ifndef PYTHIA_CLI_FILES_H
#define PYTHIA_CLI_FILES_H

#include <stdbool.h>

#include "core/error.h"

/*
 * Opens a file, made where it is missing, readable by its owner alone; -1 after an error.  `flags` are open(2)'s.
 * It is no link, and in a folder where others may write, such as /tmp, a file that somebody else has put there is not
 * taken for ours, nor a folder or a link on the way.  Where others can exchange one of them a warning says so.
 */
int cli_private_open(const char *path, int flags, const char *option, pythia_error *error);

/* The same for a SQLite database, and for the files beside it.  Returns
 * the path to open it by, the caller's to free; NULL after an error. */
char *cli_private_database(const char *path, const char *option, pythia_error *error);

/* Warns where neither we nor root own a file that says what is run. */
void cli_warn_of_owner(const char *path);

#endif
