/* What holds low back in another database, for stat_cdc: asked for by polls, so that the view need not ask. */
#include "postgres/remote/internal.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "postgres/base/catalog.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* The source shows whole seconds, and the way there takes its time. */
#define SAME_START (3 * USECS_PER_SEC)

/* NULL: nothing holds it back. */
static const char *reason_of(const pythia_source_status *status)
{
	return status->holder.what[0] ? status->holder.what : NULL;
}

static bool same_time(TimestampTz a, TimestampTz b)
{
	if (a == 0 || b == 0)
		return a == b;
	return a - b < SAME_START && b - a < SAME_START;
}

bool pythia_remote_hold_changed(const pythia_cdc_worker *worker, const pythia_source_status *status)
{
	const char *why = reason_of(status);

	if (!why || !worker->held_why)
		return why != worker->held_why;
	return strcmp(why, worker->held_why) != 0 || status->holder.id != worker->held_by ||
		   !same_time(pythia_remote_boundary(status), worker->held_since);
}

void pythia_remote_hold_save(const pythia_cdc_worker *worker, const pythia_source_status *status)
{
	static const char sql[] =
		"INSERT INTO pythia.cdc_source AS s (worker_id, held_by, held_why, held_since) "
		"SELECT w.worker_id, $2, $3, $4 FROM pythia.cdc_worker w WHERE w.worker_id OPERATOR(pg_catalog.=) $1 "
		"ON CONFLICT (worker_id) DO UPDATE SET held_by = EXCLUDED.held_by, held_why = EXCLUDED.held_why, "
		"held_since = EXCLUDED.held_since";
	Oid types[] = {INT4OID, INT8OID, TEXTOID, TIMESTAMPTZOID};
	const char *why = reason_of(status);
	TimestampTz since = why ? pythia_remote_boundary(status) : 0;
	Datum values[] = {Int32GetDatum(worker->worker_id), Int64GetDatum(status->holder.id),
					  why ? CStringGetTextDatum(why) : (Datum) 0, TimestampTzGetDatum(since)};
	char nulls[] = "    ";

	if (status->holder.id == 0)
		nulls[1] = 'n';
	if (!why)
		nulls[2] = 'n';
	if (since == 0)
		nulls[3] = 'n';
	pythia_catalog_run(sql, 4, types, values, nulls);
}
