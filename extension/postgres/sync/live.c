#include "postgres/sync/live.h"

#include "catalog/pg_type.h"
#include "core/stamp.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "postgres/base/bridge.h"
#include "postgres/base/catalog.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/subtransaction.h"
#include "postgres/base/unix_time.h"
#include "postgres/connection/cache.h"
#include "postgres/sync/run.h"
#include "postgres/worker/process.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Bytes of the worker's own name in that of the live sync. */
#define NAME_MOST 40

#define HOW_TO_DROP "Take it away with: pythia sync --mode live --drop --name %s, with the same source and target."

static Datum column(int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, isnull);
}

char *pythia_sync_live_name(int32 worker_id)
{
	static const char sql[] =
		"SELECT name, pg_catalog.left(home::pg_catalog.text, 8) FROM pythia.worker WHERE worker_id = $1";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext before;
	bool isnull;
	char *name;
	char *home;

	SPI_connect();
	pythia_catalog_execute(sql, 1, types, values, NULL);
	if (SPI_processed != 1)
		elog(ERROR, "worker %d has no row", worker_id);
	before = MemoryContextSwitchTo(caller);
	name = TextDatumGetCString(column(1, &isnull));
	home = TextDatumGetCString(column(2, &isnull));
	MemoryContextSwitchTo(before);
	SPI_finish();
	/* of other encodings a letter may take more */
	name[pg_mbcliplen(name, (int) strlen(name), GetDatabaseEncoding() == PG_UTF8 ? NAME_MOST : NAME_MOST / 4)] = '\0';
	return psprintf("%s_%d_%s", pythia_to_utf8(name), worker_id, home);
}

/* --- what it leaves behind -------------------------------------------------------------------- */

static bool was_live(int32 worker_id)
{
	static const char sql[] = "SELECT FROM pythia.live_state WHERE worker_id = $1";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};

	return pythia_catalog_run(sql, 1, types, values, NULL) > 0;
}

static void forget(int32 worker_id)
{
	static const char state[] = "DELETE FROM pythia.live_state WHERE worker_id = $1";
	static const char tables[] = "UPDATE pythia.sync_state SET live = NULL WHERE worker_id = $1";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};

	pythia_catalog_run(state, 1, types, values, NULL);
	pythia_catalog_run(tables, 1, types, values, NULL);
}

static void warn_stays(const pythia_sync_spec *spec, const char *side, const char *live_name, const char *why)
{
	ereport(WARNING, (errmsg("what sync worker \"%s\" has put into its %s stays there", spec->name, side),
					  errdetail_internal("%s", why), errhint(HOW_TO_DROP, pythia_message_from_utf8(live_name))));
}

/* Takes the error. */
static void warn_of(const pythia_sync_spec *spec, const char *side, const char *live_name, pythia_error *error)
{
	if (error->error_class == PYTHIA_E_CANCELLED)
		pythia_raise(error);
	warn_stays(spec, side, live_name, pythia_message_from_utf8(error->message));
	pythia_error_reset(error);
}

/* Both sides by themselves: what one refuses is no reason to leave the other as it is. */
static void leave_side(const pythia_sync_spec *spec, const pythia_sides *sides, bool source, const char *live_name)
{
	const pythia_endpoint *endpoint = source ? sides->source : sides->target;
	pythia_session *session = pythia_session_begin(spec->default_schema);
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_db *db = NULL;
	bool ok = pythia_connection_take(session, endpoint, &db, &error) &&
			  pythia_live_drop(source ? db : NULL, source ? NULL : db, live_name, &error);

	pythia_connection_give_back(endpoint, db, ok);
	pythia_session_end(session, ok);
	if (!ok)
		warn_of(spec, source ? "source" : "target", live_name, &error);
}

void pythia_sync_live_leave(const pythia_sync_spec *spec)
{
	char *live_name;
	pythia_sides *sides;

	if (!spec->live || !was_live(spec->worker_id))
		return;
	if (spec->enabled_at != 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE), errmsg("live sync worker \"%s\" is running", spec->name),
						errhint("Stop it first, with pythia.stop_sync, in a transaction of its own.")));
	if (!pythia_worker_lock_await(spec->worker_id))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("the process of live sync worker \"%s\" has not ended yet", spec->name),
				 errhint("Commit pythia.stop_sync before this; then it ends when its window is in the target.")));
	live_name = pythia_sync_live_name(spec->worker_id);
	if (GetUserId() != spec->owner)
		warn_stays(spec, "source and target", live_name,
				   psprintf("It was made as role \"%s\".", GetUserNameFromId(spec->owner, true)));
	else
	{
		sides = pythia_sides_resolve(spec, true);
		leave_side(spec, sides, true, live_name);
		leave_side(spec, sides, false, live_name);
	}
	forget(spec->worker_id);
}

static List *live_workers(void)
{
	static const char sql[] = "SELECT worker_id FROM pythia.live_state ORDER BY worker_id";
	MemoryContext caller = CurrentMemoryContext;
	List *ids = NIL;

	SPI_connect();
	pythia_catalog_execute(sql, 0, NULL, NULL, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext before = MemoryContextSwitchTo(caller);
		bool isnull;

		ids = lappend_int(ids, DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull)));
		MemoryContextSwitchTo(before);
	}
	SPI_finish();
	return ids;
}

static void all_stay(void *unused)
{
	ListCell *cell;

	foreach (cell, live_workers())
	{
		char *live_name = pythia_sync_live_name(lfirst_int(cell));

		ereport(WARNING, (errmsg("what live sync \"%s\" has put into its source and target stays there",
								 pythia_message_from_utf8(live_name)),
						  errdetail("Triggers at the source go on writing into their logs."),
						  errhint(HOW_TO_DROP, pythia_message_from_utf8(live_name))));
	}
}

static bool is_lasting(void *unused, const ErrorData *error)
{
	return ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_OPERATOR_INTERVENTION;
}

void pythia_sync_live_all_stay(void)
{
	/* a catalog that cannot be read is no reason to keep it */
	(void) pythia_isolated(all_stay, is_lasting, NULL);
}

/* --- how far it is ------------------------------------------------------------------------------ */

void pythia_sync_live_note(int32 worker_id, const pythia_live_status *now, const pythia_live_status *before,
						   int64 waiting)
{
	static const char sql[] =
		"INSERT INTO pythia.live_state AS s (worker_id, applied_until, lag_seconds, lag_changes, windows, changes, "
		"rows_written) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (worker_id) DO UPDATE SET "
		"applied_until = excluded.applied_until, lag_seconds = excluded.lag_seconds, "
		"lag_changes = excluded.lag_changes, windows = s.windows + excluded.windows, "
		"changes = s.changes + excluded.changes, rows_written = s.rows_written + excluded.rows_written, "
		"seen_at = pg_catalog.clock_timestamp()";
	Oid types[] = {INT4OID, TIMESTAMPTZOID, FLOAT8OID, INT8OID, INT8OID, INT8OID, INT8OID};
	Datum values[] = {Int32GetDatum(worker_id),
					  TimestampTzGetDatum(pythia_from_unix(now->applied_until)),
					  Float8GetDatum((double) now->lag / PYTHIA_SECOND),
					  Int64GetDatum(waiting),
					  Int64GetDatum(now->windows - before->windows),
					  Int64GetDatum(now->changes - before->changes),
					  Int64GetDatum(now->rows_written - before->rows_written)};

	pythia_catalog_run(sql, lengthof(types), types, values, now->applied_until == 0 ? " n     " : NULL);
}

void pythia_sync_live_note_table(int32 worker_id, const char *table, const char *state, const char *why)
{
	static const char sql[] =
		"INSERT INTO pythia.sync_state AS s (worker_id, table_name, live, last_mode, failures, last_error, "
		"last_error_at) VALUES ($1, $2, $3, 'live', CASE WHEN $4 IS NULL THEN 0 ELSE 1 END, $4, "
		"CASE WHEN $4 IS NOT NULL THEN pg_catalog.clock_timestamp() END) ON CONFLICT (worker_id, table_name) DO UPDATE "
		"SET live = excluded.live, last_mode = CASE WHEN excluded.live = 'live' THEN 'live' ELSE s.last_mode END, "
		"failures = excluded.failures, last_error = excluded.last_error, last_error_at = excluded.last_error_at";
	Oid types[] = {INT4OID, TEXTOID, TEXTOID, TEXTOID};
	char nulls[5] = "    ";
	Datum values[] = {Int32GetDatum(worker_id), CStringGetTextDatum(table), CStringGetTextDatum(state),
					  pythia_text_or_null(why != NULL ? pythia_message_from_utf8(why) : NULL, &nulls[3])};

	pythia_catalog_run(sql, lengthof(types), types, values, nulls);
}
