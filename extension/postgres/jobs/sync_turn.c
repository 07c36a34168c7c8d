/* The turn of a sync worker. */
#include "postgres/jobs/turn.h"

#include "catalog/pg_type.h"
#include "postgres/base/catalog.h"
#include "postgres/base/pg_compat.h"
#include "postgres/connection/cache.h"
#include "postgres/jobs/live_turn.h"
#include "postgres/jobs/sync_due.h"
#include "postgres/worker/transaction.h"
#include "utils/timestamp.h"

/* With nothing due for so long, it looks again anyway. */
#define LONGEST_SLEEP_MS (3600 * 1000L)

/* False where it was started again meanwhile. */
static bool disable(const pythia_sync_spec *spec)
{
	static const char sql[] = "UPDATE pythia.worker SET enabled = false, enabled_at = NULL "
							  "WHERE worker_id = $1 AND enabled_at = $2";
	Oid types[] = {INT4OID, TIMESTAMPTZOID};
	Datum values[] = {Int32GetDatum(spec->worker_id), TimestampTzGetDatum(spec->enabled_at)};
	bool disabled;

	pythia_job_begin();
	disabled = pythia_catalog_run(sql, 2, types, values, NULL) == 1;
	pythia_job_commit();
	return disabled;
}

long pythia_sync_turn(const pythia_job *job)
{
	pythia_sides *sides;
	List *tables;
	double next = LONGEST_SLEEP_MS;

	if (!pythia_sync_begin(job, &sides, &tables))
		return PYTHIA_TURN_OVER;
	if (sides->spec->live)
		return pythia_live_turn(job, sides, tables);
	pythia_sync_due_tables(job, sides, tables);
	if (!pythia_sync_next_due(sides->spec, tables, &next) && sides->spec->schedule_ms < 0)
		return disable(sides->spec) ? PYTHIA_TURN_OVER : 0;
	if (next > PYTHIA_LONGEST_IDLE)
		(void) pythia_connections_close_idle();
	return (long) next + (next > 0);
}
