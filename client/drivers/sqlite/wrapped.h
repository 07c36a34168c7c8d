/* One call of a verb on a wrapped handle, as its driver sees it. */
#ifndef PYTHIA_DRIVERS_SQLITE_WRAPPED_H
#define PYTHIA_DRIVERS_SQLITE_WRAPPED_H

#include "drivers/driver.h"

/*
 * Before the verb.  nested: the handle is in a transaction of its owner's, which undecided says has written already;
 * inside: a statement that writes is at work, and calls the verb.  Then the driver's begin, commit and rollback set no
 * savepoint, and a rollback after a change fails.
 */
void pythia_sqlite_enter(pythia_db *db, bool nested, bool undecided, bool inside);
/* After it: ends stream, load and statement that it left open, and forgets its savepoints, which the caller ends.
 * False where there were any of these. */
bool pythia_sqlite_leave(pythia_db *db);

#endif
