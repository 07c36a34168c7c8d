/* A file of SQL cut into its statements, as the engine's own client would. */
#ifndef PYTHIA_MIGRATE_STATEMENTS_H
#define PYTHIA_MIGRATE_STATEMENTS_H

#include "core/error.h"
#include "core/url.h"

/* *statements are the caller's (core/list.h), without semicolons and without the blanks and comments around them.  A text
 * that cannot be read to its end is class USAGE; `file` is its name for the message. */
bool pythia_statements_split(pythia_engine engine, const char *file, const char *text, char ***statements, int *count,
							 pythia_error *error);

#endif
