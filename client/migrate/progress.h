/* What of a migration is done, remembered in the target. */
#ifndef PYTHIA_MIGRATE_PROGRESS_H
#define PYTHIA_MIGRATE_PROGRESS_H

#include "drivers/driver.h"

typedef struct pythia_migrate_progress
{
	pythia_db *target;
	char **done; /* digests, in order */
	int count;
	bool again; /* an earlier run has begun it */
} pythia_migrate_progress;

/* Makes the table, or reads what it has. */
bool pythia_migrate_progress_open(pythia_db *target, pythia_migrate_progress *progress, pythia_error *error);
/* `what` is anything that names the thing: a statement. */
bool pythia_migrate_is_done(const pythia_migrate_progress *progress, const char *what);
/* Remembers it, in the transaction that is open if one is. */
bool pythia_migrate_set_done(pythia_migrate_progress *progress, const char *what, pythia_error *error);
/* All is done: forgets it. */
bool pythia_migrate_progress_end(pythia_migrate_progress *progress, pythia_error *error);
void pythia_migrate_progress_free(pythia_migrate_progress *progress);

#endif
