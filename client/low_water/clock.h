/* What a source's clock shows, since when its open transactions are open, and which one is the oldest. */
#ifndef PYTHIA_CLOCK_H
#define PYTHIA_CLOCK_H

#include "drivers/driver.h"

#define PYTHIA_OPEN_UNKNOWN INT64_MIN       /* open transactions cannot be seen */
#define PYTHIA_OPEN_HELD    (INT64_MIN + 1) /* one of unknown age is open: the mark must stay */

typedef struct pythia_clock
{
	int64_t now;      /* microseconds since 1970, UTC, by the source's clock */
	int64_t boundary; /* no open transaction began before it, or one of the two above */
	int64_t lag;      /* of a replica: what was committed at its primary up to so long ago has come, in microseconds */
	bool idle;        /* a replica that applies nothing just now, or not from each of its sources */
} pythia_clock;

/* To be read BEFORE the snapshot that reads the rows, and outside a transaction of the connection (a local database
 * apart).  `own`: a transaction of the connection's own counts, too; its now() stands still.  A SQLite file is locked for a
 * moment.  False: the source cannot be asked. */
bool pythia_clock_read(pythia_db *db, bool own, pythia_clock *clock, pythia_error *error);
/* The clock alone: microseconds since 1970. */
bool pythia_clock_now(pythia_db *db, int64_t *now, pythia_error *error);

#define PYTHIA_HOLDER_SIZE 200

/* What keeps the boundary behind the source's clock. */
typedef struct pythia_holder
{
	int64_t id;                    /* of the connection or process there; 0: it has none */
	char what[PYTHIA_HOLDER_SIZE]; /* ASCII; empty where nothing has held it for a while */
} pythia_holder;

/* Asks once more where the boundary is old: it may be another one by then.  Fails only with the connection. */
bool pythia_holder_read(pythia_db *db, const pythia_clock *clock, pythia_holder *holder, pythia_error *error);

#endif
