/*
 * Where workers are at home.
 *
 * A copy of a database must not act on the world by itself: its workers would write to the original's targets and
 * empty the logs of its sources. So each worker carries the token of the database that it was made in, and is held
 * where the database has another one. The token lies in a table that dumps leave out, and is made anew when the
 * database finds itself to be a copy: by its number, its server's, its data directory or its timeline (home.c).
 */
#ifndef PYTHIA_POSTGRES_WORKER_HOME_H
#define PYTHIA_POSTGRES_WORKER_HOME_H

#include "postgres.h"

/* Notes where this database is, with a new token where it is a copy. Writes nothing where that is known. */
extern void pythia_home_ensure(void);
/* Where this database is, for many workers; palloc'ed, in a transaction. */
typedef struct pythia_home pythia_home;
extern pythia_home *pythia_home_look(void);
/* Why a worker with this token (a uuid) is held here, as text that ends a sentence; NULL where it may run, and on a
 * standby, which decides nothing. */
extern const char *pythia_home_fault_seen(const pythia_home *home, Datum token);
/* The same of one worker. In a transaction. */
extern const char *pythia_home_fault(Datum token);
/* An error (55000) where the worker is held for such a reason: before it reads or writes anything. */
extern void pythia_home_require(int32 worker_id);
/* True where it is. */
extern bool pythia_home_abroad(int32 worker_id);
/* From now on the worker belongs here. */
extern void pythia_home_adopt(int32 worker_id);
/* What to do about a worker that is held; palloc'ed. */
extern const char *pythia_home_hint(const char *worker);

#endif
