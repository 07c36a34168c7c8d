/* What is seen of live syncs from outside: by who has a connection to one of their databases, and may read our tables there. */
#ifndef PYTHIA_LIVE_OUTSIDE_H
#define PYTHIA_LIVE_OUTSIDE_H

#include "drivers/driver.h"

/* A table of a live sync; where the database is the target of one, the live sync as a whole. */
typedef struct pythia_live_seen
{
	const char *worker;
	const char *table;    /* as the source has it, with its schema unless that is the usual one; NULL: as a whole */
	const char *source;   /* at the target: the source as it is shown; else NULL */
	const char *state;    /* live, copying, aside; at the target always live */
	const char *error;    /* why it is aside, or was until it is compared; or NULL */
	const char *error_at; /* since when, UTC; or NULL */
	int64_t window;       /* number of the last one */
	const char *until;    /* the target has what was committed at the source before this, UTC; NULL: nothing is known */
	/* Microseconds that the target is behind at most, 0 where nothing waits to be applied; -1: nothing is known.  An idle
	 * live sync says only every few seconds how far it is. */
	int64_t lag;
	int64_t changes; /* rows of the table's log; -1: nothing is known */
} pythia_live_seen;

/* The texts are there until it returns. */
typedef bool (*pythia_live_see)(void *context, const pythia_live_seen *seen, pythia_error *error);

/* Tells of all live syncs whose source or target is in the database; *there: tables of ours are there, whatever is in them. */
bool pythia_live_look_at(pythia_db *db, pythia_live_see see, void *context, bool *there, pythia_error *error);

#endif
