/*
 * The fence: triggers that reject every write to the tables, whoever is alive.  A session that may pass
 * (live/charge.h) writes all the same.
 */
#ifndef PYTHIA_CUTOVER_FENCE_H
#define PYTHIA_CUTOVER_FENCE_H

#include "drivers/driver.h"

typedef struct pythia_fence
{
	pythia_db *db;
	const char *worker;   /* whose it is */
	const char *moved_to; /* for the message */
	char *const *tables;  /* as the database names them */
	int ntables;
	int64_t lock_ms; /* so long a lock is waited for, then those behind us have their turn */
	int64_t most_ms; /* so long in all */
} pythia_fence;

/*
 * Puts it up; what is up already stays.  When it returns true no transaction writes there any more: those that did have ended.
 * Otherwise some of it may be up.  *tries is how often it was tried.
 */
bool pythia_fence_raise(const pythia_fence *fence, int *tries, pythia_error *error);
/* Takes away whatever there is of it. */
bool pythia_fence_lift(pythia_db *db, const char *worker, pythia_error *error);

#endif
