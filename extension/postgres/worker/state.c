#include "postgres/worker/state.h"

#include "catalog/pg_type.h"
#include "postgres/base/catalog.h"
#include "utils/builtins.h"

/* Nobody waits here for whoever drops it just now, and may keep that transaction open. */
#define WORKER "(SELECT worker_id FROM pythia.worker WHERE worker_id = $1 FOR KEY SHARE SKIP LOCKED) w "

void pythia_state_started(int32 worker_id)
{
	static const char sql[] =
		"INSERT INTO pythia.worker_state (worker_id, started_at) SELECT w.worker_id, "
		"pg_catalog.clock_timestamp() FROM " WORKER
		"ON CONFLICT (worker_id) DO UPDATE SET started_at = excluded.started_at, stopped_at = NULL, "
		"retry_at = NULL";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};

	pythia_catalog_run(sql, 1, types, values, NULL);
}

void pythia_state_stopped(int32 worker_id)
{
	static const char sql[] =
		"UPDATE pythia.worker_state SET stopped_at = pg_catalog.clock_timestamp(), retry_at = NULL "
		"WHERE worker_id IN (SELECT worker_id FROM pythia.worker_state WHERE worker_id = $1 FOR NO KEY UPDATE SKIP "
		"LOCKED)";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};

	pythia_catalog_run(sql, 1, types, values, NULL);
}

void pythia_state_recovered(int32 worker_id)
{
	static const char sql[] = "UPDATE pythia.worker_state SET failures = 0, retry_at = NULL "
							  "WHERE worker_id = $1 AND failures > 0";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};

	pythia_catalog_run(sql, 1, types, values, NULL);
}

void pythia_state_failed(int32 worker_id, const char *sqlstate, const char *message, int64 retry_ms)
{
	static const char sql[] =
		"INSERT INTO pythia.worker_state (worker_id, failures, last_error_sqlstate, last_error, last_error_at, "
		"retry_at) "
		"SELECT w.worker_id, 1, $2, $3, pg_catalog.clock_timestamp(), pg_catalog.clock_timestamp() "
		"+ "
		"pg_catalog.make_interval(secs => $4) FROM " WORKER
		"ON CONFLICT (worker_id) DO UPDATE SET failures = pythia.worker_state.failures + 1, "
		"last_error_sqlstate = excluded.last_error_sqlstate, last_error = excluded.last_error, "
		"last_error_at = excluded.last_error_at, retry_at = excluded.retry_at";
	Oid types[] = {INT4OID, TEXTOID, TEXTOID, FLOAT8OID};
	Datum values[] = {Int32GetDatum(worker_id), CStringGetTextDatum(sqlstate), CStringGetTextDatum(message),
					  Float8GetDatum(retry_ms / 1000.0)};
	char nulls[5] = "    ";

	nulls[3] = retry_ms < 0 ? 'n' : ' ';
	pythia_catalog_run(sql, 4, types, values, nulls);
}
