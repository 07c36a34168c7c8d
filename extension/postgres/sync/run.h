/* Running the engine's sync and validation for one table, in a session of the local driver. */
#ifndef PYTHIA_POSTGRES_SYNC_RUN_H
#define PYTHIA_POSTGRES_SYNC_RUN_H

#include "postgres.h"

#include "core/error.h"
#include "postgres/connection/connection.h"
#include "postgres/sync/ranges.h"
#include "postgres/sync/worker.h"
#include "sync/sync.h"
#include "validate/validate.h"

/* Both sides of a spec, resolved: what the current role may do is checked. */
typedef struct pythia_sides
{
	const pythia_sync_spec *spec;
	pythia_endpoint *source;
	pythia_endpoint *target;
	bool write;         /* the target shall be changed */
	bool others_follow; /* one of several tables: rows that others refer to are left to pythia_run_sweep */
	pythia_ranges_limits parts;
} pythia_sides;

/* Ereports. `write`: the target shall be changed. */
extern pythia_sides *pythia_sides_resolve(const pythia_sync_spec *spec, bool write);

/* The worker's "parallel"; 1 where it says nothing: one table after another. */
extern int pythia_sync_parallel(const pythia_sync_spec *spec);

/*
 * Synchronises one table, with the watermark of the last run and, where it went
 * well, the new one stored.  In a caller's transaction a failure undoes what it
 * did here; in a background worker it was committed up to the last checkpoint.
 * Engine errors are returned, others ereported.  The result's texts are the
 * caller's (pythia_sync_result_free).
 */
extern bool pythia_run_sync(const pythia_sides *sides, const char *table, const pythia_node *overrides,
							pythia_sync_result *result, pythia_error *error);

/* Deletes what the table's run has left (result->rows_left), when the others are done, and adds it to *result; errors as
 * above. */
extern bool pythia_run_sweep(const pythia_sides *sides, const char *table, pythia_sync_result *result,
							 pythia_error *error);

/* A call in which source and target are open; the session ends as it returns. */
typedef bool (*pythia_sides_body)(pythia_session *session, pythia_sync_job *job, void *arg, pythia_error *error);
extern bool pythia_with_sides(const pythia_sides *sides, const char *table, const pythia_node *overrides,
							  pythia_sides_body body, void *arg, pythia_error *error);

/* The same with what the engine asks a host for: progress, the quarantine, conflict functions. */
extern bool pythia_with_callbacks(const pythia_sides *sides, const char *table, const pythia_node *overrides,
								  pythia_sides_body body, void *arg, pythia_error *error);

/* In a background worker, outside a transaction: validates the table where its sync_config has
 * "validate" and the last time is "validate_every" ago, and records what it said. */
extern bool pythia_run_validation(const pythia_sides *sides, const char *table, pythia_error *error);

/* Stores that a table failed (in the current transaction). */
extern void pythia_sync_record_error(int32 worker_id, const char *table, const pythia_error *error);

/* Ereports unless the current role is the worker's owner. */
extern void pythia_require_owner(const pythia_sync_spec *spec);

#endif
