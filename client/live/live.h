/*
 * Live sync: a target that is always the source as of a moment.
 *
 * Triggers log the keys of the rows that change (capture/source/log.h).  A window is what the logs of all tables show in one
 * snapshot of the source: the rows of those keys, as that snapshot has them, go to the target in one transaction.  So
 * each state of the target, once all tables are copied and the first window has ended, is one that the source had; in what order
 * changes came, or how often they are looked at again, makes no difference.
 *
 * Who follows keeps nothing of its own: the source has which tables are logged and where, both sides have the number of the last
 * window and a random token, written at the source before the target commits.  A pair that does not go together (one side restored, another
 * process at work) is refused, not guessed at.
 */
#ifndef PYTHIA_LIVE_H
#define PYTHIA_LIVE_H

#include "core/node.h"
#include "drivers/driver.h"
#include "sync/sync.h"

typedef struct pythia_live pythia_live;

/* What to do when a table's columns change at the source. */
typedef enum pythia_live_change
{
	PYTHIA_LIVE_FOLLOW, /* columns that came are added to the target, and the table is compared as a whole */
	PYTHIA_LIVE_STOP,   /* an error that names the table */
	PYTHIA_LIVE_IGNORE  /* columns that came are left out */
} pythia_live_change;

typedef struct pythia_live_job
{
	pythia_db *source; /* both borrowed, and used for nothing else meanwhile */
	pythia_db *target;
	const char *name;    /* of the worker; NULL: one that follows from the pair */
	char *const *tables; /* as the source names them */
	int ntables;
	const pythia_node *config; /* sync_config, the whole tree; NULL: defaults */
	pythia_live_change on_change;
	bool refresh;    /* begin anew: all tables are compared as a whole, whatever was known of them */
	bool moves_back; /* the source is about to be in charge again, though its tables have moved (charge.h) */
} pythia_live_job;

/* What there is to be told. */
typedef struct pythia_live_status
{
	int aside;            /* tables that are put aside */
	int64_t windows;      /* that were applied, of this process */
	int64_t number;       /* of the last one, of the worker */
	int64_t changes;      /* rows of logs */
	int64_t rows_written; /* inserted, updated or deleted in the target */
	int64_t
		applied_until; /* the target has what was committed at the source before this, microseconds since 1970 by the source's clock; 0: nothing is known */
	int64_t
		lag; /* microseconds from then until the last window was in the target, or nothing was found to be applied */
} pythia_live_status;

/*
 * Looks at the tables, makes their logs and the tables of positions where they are missing.  Class USAGE, SQLSTATE 55000,
 * where source and target do not continue one another.  Outside of transactions.
 */
bool pythia_live_open(const pythia_live_job *job, pythia_live **live, pythia_error *error);
void pythia_live_close(pythia_live *live); /* NULL-safe; the databases stay open */

/* Whether table i is to be copied in full (mode full, deletes hard) before the first window.  To be told when it has been. */
bool pythia_live_wants_copy(const pythia_live *live, int i);
bool pythia_live_copied(pythia_live *live, int i, pythia_error *error);
/* Instead of that: the first window compares all of table i.  For rows that could not be copied by themselves, as they refer
 * to others that have come since: in one snapshot both are there. */
void pythia_live_compare(pythia_live *live, int i);

/* Instead of either: it could not be copied, for `failure`, which is taken.  False, with `error`, where that is more than
 * this table's failure. */
bool pythia_live_fail(pythia_live *live, int i, pythia_error *failure, pythia_error *error);

/*
 * Applies one window; all tables are copied, compared or have failed.  A table that cannot be followed is put aside, with
 * those that foreign keys bind to it, and tried again from time to time: no error, the log has it, and
 * pythia_live_is_aside.  *applied is false where there was nothing to apply.  After an error the
 * worker is to be closed; opened again it goes on where it was, for what may be tried again.
 */
bool pythia_live_window(pythia_live *live, bool *applied, pythia_error *error);
void pythia_live_look(const pythia_live *live, pythia_live_status *status);
/* Rows of those logs that were not empty at the last look: changes that wait.  Asks the source. */
bool pythia_live_waiting(const pythia_live *live, int64_t *changes, pythia_error *error);

/* A table that is put aside: why, and since when (microseconds since 1970); the text is the worker's, until its next window.
 * False where it is followed. */
bool pythia_live_is_aside(const pythia_live *live, int i, const char **why, int64_t *since);

/* Takes everything away that a worker has put into source and target, but for the target's tables.  Either may be
 * NULL: one that cannot be reached, or is left to another call. */
bool pythia_live_drop(pythia_db *source, pythia_db *target, const char *name, pythia_error *error);
/* The name that follows from the pair; the caller's. */
char *pythia_live_name(const pythia_db *source, const pythia_db *target);

#endif
