/*
 * Cutover: the target of a live sync takes over from the source.
 *
 * The fence (fence.h) stops the writers at the source; the last windows are applied, both sides are compared, sequences go
 * on from the source's, and one row at the source says that the target is in charge.  Until that row is written everything that fails
 * lifts the fence, and the source is in charge as before; a process that is killed leaves the fence, and the row that says so.
 */
#ifndef PYTHIA_CUTOVER_H
#define PYTHIA_CUTOVER_H

#include "live/charge.h"
#include "validate/validate.h"

typedef struct pythia_cutover_job
{
	/* Opens a further connection; they are closed here. */
	bool (*connect)(void *context, bool target, const pythia_host *host, pythia_db **db, pythia_error *error);
	void *context;
	const char *name; /* of the live sync; NULL: the one of the pair */
	char *const *tables;
	int ntables;
	const pythia_node *config; /* the live sync's */
	pythia_live_change on_change;
	bool rehearse;
	bool reverse;
	bool compare_within; /* all rows within the fence, by `method` */
	pythia_validate_method method;
	int64_t max_lag_ms;
	int64_t lock_ms;
	int64_t timeout_ms; /* of what waits: for the lag, and for the fence */
	/* What is begun, a word: take, validate, catch_up, fence, fenced, drain, compare, sequences, reverse, charge, moved, clean_up,
	 * lift.  May be NULL. */
	void (*step)(void *context, const char *step);
	/* A table that was compared, before the fence or within it. */
	void (*compared)(void *context, const char *table, bool within, const pythia_validate_result *result);
	void *tell_context;
} pythia_cutover_job;

typedef struct pythia_cutover_result
{
	bool moved;  /* the target is in charge */
	bool fenced; /* the fence is still there, though the target is not in charge: it could not be lifted */
	int tries;   /* of locking */
	int sequences;
	int64_t windows; /* within the fence */
	/* microseconds: until the last writer was out; after that */
	int64_t fencing, draining, comparing, counting, reversing;
	int64_t held; /* from the first lock until the target was in charge, or the fence was gone */
	char *worker;
} pythia_cutover_result;

/* False with an error where the source is in charge as before, result->fenced apart. */
bool pythia_cutover_run(const pythia_cutover_job *job, pythia_cutover_result *result, pythia_error *error);
void pythia_cutover_result_free(pythia_cutover_result *result);

/* Takes the fence away, and what was made for the way back; `target` may be NULL where that was not asked for. After the tables have
 * moved only by force (55000). */
bool pythia_cutover_lift(pythia_db *source, pythia_db *target, const char *worker, bool force, pythia_error *error);
/* After the tables have moved: triggers, logs and positions of the live sync go, the fence stays. */
bool pythia_cutover_finish(pythia_db *source, pythia_db *target, const char *worker, pythia_error *error);

#endif
