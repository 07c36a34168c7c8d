#include "postgres/sync/run.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "core/memory.h"
#include "miscadmin.h"
#include "postgres/base/bridge.h"
#include "postgres/base/catalog.h"
#include "postgres/base/jsonb_node.h"
#include "postgres/base/unix_time.h"
#include "postgres/connection/cache.h"
#include "postgres/sync/conflict.h"
#include "postgres/sync/ranges.h"
#include "postgres/worker/home.h"
#include "postgres/worker/owner.h"
#include "postgres/worker/progress.h"
#include "postgres/worker/transaction.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "validate/validate.h"

/*
 * What a session runs, its owner's triggers and functions run at once or, deferred
 * or in a held cursor, at commit, with the rights of the session's role.  So that
 * role has to be the owner's own.
 */
void pythia_require_owner(const pythia_sync_spec *spec)
{
	char *owner;

	if (GetUserId() == spec->owner)
		return;
	pythia_owner_require(spec->owner);
	owner = GetUserNameFromId(spec->owner, false);
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("only role \"%s\" runs this sync worker in its session", owner),
					errdetail("Its tables' triggers would get the rights of the role that calls."),
					errhint("SET ROLE %s first, or let its background worker run it: pythia.start_sync.",
							quote_identifier(owner))));
}

/* Before anything looks into it: of a call, or from a catalog that another version has written. */
static void check_config(const pythia_node *tree)
{
	pythia_sync_config config;
	pythia_error error = PYTHIA_ERROR_INIT;

	if (!pythia_sync_config_read(tree, NULL, NULL, &config, &error) || !pythia_validate_config_check(&config, &error))
		pythia_raise(&error);
}

pythia_sides *pythia_sides_resolve(const pythia_sync_spec *spec, bool write)
{
	pythia_sides *sides = palloc0(sizeof(pythia_sides));

	check_config(spec->config);
	if (write && spec->worker_id != 0)
		pythia_home_require(spec->worker_id);
	sides->spec = spec;
	sides->write = write;
	if (spec->worker_id == 0)
	{
		sides->source = pythia_endpoint_resolve(spec->source, false);
		sides->target = pythia_endpoint_resolve(spec->target, write);
	}
	else
	{
		sides->source = pythia_endpoint_resolve_stored(spec->source, spec->source_owner, write && spec->live);
		sides->target = pythia_endpoint_resolve_stored(spec->target, spec->target_owner, write);
	}
	return sides;
}

int pythia_sync_parallel(const pythia_sync_spec *spec)
{
	pythia_sync_config config;
	pythia_error error = PYTHIA_ERROR_INIT;

	if (!pythia_sync_config_read(spec->config, NULL, NULL, &config, &error))
		pythia_raise(&error);
	return config.parallel > 0 ? (int) config.parallel : 1;
}

typedef struct connect_context
{
	pythia_session *session;
	const pythia_sides *sides;
} connect_context;

static bool open_further(void *context, bool target, const pythia_host *host, pythia_db **db, pythia_error *error)
{
	connect_context *call = context;

	if (!pythia_connection_open(call->session, target ? call->sides->target : call->sides->source, host, db, error))
		return false;
	if (target && call->sides->write && (*db)->local)
		pythia_local_writes(*db);
	return true;
}

static bool open_both(pythia_session *session, const pythia_sides *sides, pythia_sync_job *job, pythia_error *error)
{
	if (!pythia_connection_take(session, sides->source, &job->source, error))
		return pythia_error_context(error, "source %s", sides->source->display);
	if (!pythia_connection_take(session, sides->target, &job->target, error))
		return pythia_error_context(error, "target %s", sides->target->display);
	if (sides->write && job->target->local)
		pythia_local_writes(job->target);
	return true;
}

/* Was the table taken with all others, and not by its name? */
static bool is_any_table(const pythia_sync_spec *spec, const char *name)
{
	ListCell *cell;

	if (spec->worker_id == 0)
		return false;
	foreach (cell, spec->tables)
	{
		char *given = lfirst(cell);
		size_t length = strlen(given);

		if ((length < 3 || strcmp(given + length - 2, ".*") != 0) &&
			pythia_same_table_name(pythia_to_utf8(given), name))
			return false;
	}
	return true;
}

bool pythia_with_sides(const pythia_sides *sides, const char *table, const pythia_node *overrides,
					   pythia_sides_body body, void *arg, pythia_error *error)
{
	pythia_sync_config config;
	char *name = pythia_to_utf8(table);
	pythia_sync_job job = {.table = name, .config = &config};
	connect_context connect = {.sides = sides};
	bool ok;

	if (!pythia_sync_config_read(sides->spec->config, overrides, name, &config, error) ||
		!pythia_validate_config_check(&config, error))
		return false;
	config.may_fall_back = is_any_table(sides->spec, name);
	/* when the worker was created */
	config.idle_told = sides->spec->worker_id != 0 && overrides == NULL && pythia_sync_config_one(sides->spec->config);
	job.others_follow = sides->others_follow;
	connect.session = pythia_session_begin(sides->spec->default_schema);
	job.connect = open_further;
	job.connect_context = &connect;
	ok = open_both(connect.session, sides, &job, error) &&
		 (sides->spec->worker_id != 0 || pythia_sync_config_names(sides->spec->config, &name, 1, job.source, error)) &&
		 body(connect.session, &job, arg, error);
	pythia_connection_give_back(sides->target, job.target, ok);
	pythia_connection_give_back(sides->source, job.source, ok);
	pythia_session_end(connect.session, ok);
	return ok;
}

/* --- one table's run ------------------------------------------------------- */

typedef struct table_state
{
	char *watermark;
	char *checkpoint;
} table_state;

typedef struct sync_run
{
	const pythia_sync_spec *spec;
	const pythia_ranges_limits *limits;
	const char *table;
	pythia_session *session;
	table_state state;
	pythia_sync_result *result;
	pythia_resolver resolver;
	pythia_sides_body body; /* instead of a plain sync */
	void *arg;
	bool dry_run;
	bool parts; /* it kept some */
} sync_run;

typedef struct quarantined_row
{
	const sync_run *run;
	const char *table;
	const char *row;
	const char *column;
	const char *reason;
} quarantined_row;

/* Reads the state and keeps others from the same table until the transaction ends. */
static void load_state(const pythia_sync_spec *spec, const char *table, table_state *state)
{
	static const char make[] =
		"INSERT INTO pythia.sync_state (worker_id, table_name) VALUES ($1, $2) ON CONFLICT DO NOTHING";
	static const char read[] = "SELECT watermark, checkpoint, copier FROM pythia.sync_state WHERE worker_id = $1 "
							   "AND table_name = $2 FOR UPDATE";
	static const char close[] = "UPDATE pythia.sync_state SET copier = NULL WHERE worker_id = $1 AND table_name = $2";
	bool closed = true;
	Oid types[] = {INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(spec->worker_id), CStringGetTextDatum(table)};
	MemoryContext caller = CurrentMemoryContext;

	SPI_connect();
	pythia_catalog_execute(make, 2, types, values, NULL);
	pythia_catalog_execute(read, 2, types, values, NULL);
	if (SPI_processed == 1)
	{
		char *watermark = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
		char *checkpoint = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2);

		state->watermark = watermark ? MemoryContextStrdup(caller, watermark) : NULL;
		state->checkpoint = checkpoint ? MemoryContextStrdup(caller, checkpoint) : NULL;
		(void) SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3, &closed);
	}
	if (!closed)
		pythia_catalog_execute(close, 2, types, values, NULL);
	SPI_finish();
}

static void save_state(const pythia_sync_spec *spec, const char *table, const pythia_sync_result *result)
{
	static const char sql[] =
		"UPDATE pythia.sync_state SET watermark = coalesce($3, watermark), checkpoint = NULL, "
		"copier = NULL, runs = runs + 1, failures = 0, rows_synced = rows_synced + $4, "
		"rows_inserted = rows_inserted + $5, rows_updated = rows_updated + $6, "
		"rows_deleted = rows_deleted + $7, rows_skipped = rows_skipped + $8, "
		"rows_quarantined = rows_quarantined + $9, bytes = bytes + $10, last_mode = $11, "
		"last_start = $12, last_end = $13, enabled_at = $14, last_error = NULL, last_error_at = NULL "
		"WHERE worker_id = $1 AND table_name = $2";
	Oid types[] = {INT4OID, TEXTOID, TEXTOID, INT8OID, INT8OID,        INT8OID,        INT8OID,
				   INT8OID, INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum values[14] = {Int32GetDatum(spec->worker_id),
						CStringGetTextDatum(table),
						(Datum) 0,
						Int64GetDatum(result->rows_synced),
						Int64GetDatum(result->rows_inserted),
						Int64GetDatum(result->rows_updated),
						Int64GetDatum(result->rows_deleted),
						Int64GetDatum(result->rows_skipped),
						Int64GetDatum(result->rows_quarantined),
						Int64GetDatum(result->bytes),
						CStringGetTextDatum(result->sync_mode ? result->sync_mode : ""),
						TimestampTzGetDatum(pythia_from_unix(result->start_time)),
						TimestampTzGetDatum(pythia_from_unix(result->end_time)),
						TimestampTzGetDatum(spec->enabled_at)};
	char nulls[15] = "              ";

	if (result->watermark)
		values[2] = CStringGetTextDatum(result->watermark);
	else
		nulls[2] = 'n';
	if (spec->enabled_at == 0)
		nulls[13] = 'n';
	pythia_catalog_run(sql, 14, types, values, nulls);
}

void pythia_sync_record_error(int32 worker_id, const char *table, const pythia_error *error)
{
	static const char sql[] =
		"INSERT INTO pythia.sync_state AS s (worker_id, table_name, failures, last_error, last_error_at) "
		"VALUES ($1, $2, 1 - $4, $3, pg_catalog.clock_timestamp()) ON CONFLICT (worker_id, table_name) DO UPDATE "
		"SET failures = s.failures + CASE WHEN s.last_error IS NULL THEN 1 - $4 ELSE 1 - $5 END, copier = NULL, "
		"last_error = excluded.last_error, last_error_at = excluded.last_error_at";
	/* a database that cannot be reached is no table's fault; a connection that breaks with one again and again may be */
	bool away = error->error_class == PYTHIA_E_CONNECT;
	bool lost = error->error_class == PYTHIA_E_LOST;
	Oid types[] = {INT4OID, TEXTOID, TEXTOID, INT4OID, INT4OID};
	Datum values[] = {Int32GetDatum(worker_id), CStringGetTextDatum(table),
					  CStringGetTextDatum(pythia_message_from_utf8(pythia_error_line(error))),
					  Int32GetDatum(away || lost), Int32GetDatum(away)};

	pythia_catalog_run(sql, 5, types, values, NULL);
}

static void store_quarantined(void *arg)
{
	static const char sql[] =
		"INSERT INTO pythia.quarantine (worker_id, owner, table_name, row_data, column_name, reason) "
		"VALUES ($1, $2::pg_catalog.oid, $3, $4, $5, $6)";
	quarantined_row *row = arg;
	Oid types[] = {INT4OID, OIDOID, TEXTOID, JSONBOID, TEXTOID, TEXTOID};
	Datum values[6];
	char nulls[7] = "      ";

	SPI_connect();
	values[0] = Int32GetDatum(row->run->spec->worker_id);
	nulls[0] = row->run->spec->worker_id == 0 ? 'n' : ' ';
	values[1] = ObjectIdGetDatum(GetUserId());
	values[2] = CStringGetTextDatum(pythia_from_utf8(row->table));
	values[3] = JsonbPGetDatum(pythia_jsonb_from_text(row->row));
	nulls[4] = row->column ? ' ' : 'n';
	values[4] = row->column ? CStringGetTextDatum(pythia_from_utf8(row->column)) : (Datum) 0;
	values[5] = CStringGetTextDatum(pythia_message_from_utf8(row->reason));
	pythia_catalog_execute(sql, 6, types, values, nulls);
	SPI_finish();
}

static bool quarantine(void *context, const char *table, const char *row_json, const char *column, const char *reason,
					   pythia_error *error)
{
	sync_run *run = context;
	quarantined_row row = {.run = run, .table = table, .row = row_json, .column = column, .reason = reason};

	return pythia_session_run(run->session, store_quarantined, &row, error);
}

static void store_checkpoint(void *arg)
{
	static const char sql[] = "UPDATE pythia.sync_state SET checkpoint = $3 WHERE worker_id = $1 "
							  "AND table_name = $2";
	sync_run *run = arg;
	Oid types[] = {INT4OID, TEXTOID, TEXTOID};
	Datum values[] = {Int32GetDatum(run->spec->worker_id), CStringGetTextDatum(run->table),
					  CStringGetTextDatum(run->state.checkpoint)};

	pythia_catalog_run(sql, 3, types, values, NULL);
}

static bool checkpoint(void *context, const char *text, pythia_error *error)
{
	sync_run *run = context;

	run->state.checkpoint = MemoryContextStrdup(pythia_session_memory(run->session), text);
	return pythia_session_run(run->session, store_checkpoint, run, error);
}

static bool resolve(void *context, const char *function, const char *source_row, const char *target_row,
					pythia_node **row, pythia_error *error)
{
	sync_run *run = context;

	return pythia_resolve(&run->resolver, function, source_row, target_row, row, error);
}

static void progress(void *context, const char *phase, int64_t rows, int64_t total, int64_t bytes)
{
	pythia_progress_update(phase, rows, total, bytes);
}

static bool sync_body(pythia_session *session, pythia_sync_job *job, void *arg, pythia_error *error)
{
	sync_run *run = arg;
	bool ok;
	pythia_sync_callbacks callbacks = {
		.context = run, .progress = progress, .quarantine = quarantine, .resolve = resolve};

	run->session = session;
	run->dry_run = job->config->dry_run;
	run->resolver.session = session;
	/* a name that is wrong is told before anything is copied */
	if (job->config->conflict == PYTHIA_CONFLICT_FUNCTION &&
		!pythia_resolver_find(&run->resolver, job->config->conflict_function, error))
		return false;
	/* in a caller's transaction a checkpoint would vanish with the failure it is for */
	if (pythia_in_job() && run->spec->worker_id != 0)
	{
		callbacks.checkpoint = checkpoint;
		job->checkpoint = run->state.checkpoint;
	}
	job->watermark = run->state.watermark;
	job->callbacks = &callbacks;
	if (run->body)
		return run->body(session, job, run->arg, error);
	if (callbacks.checkpoint)
		job->streams = pythia_ranges_offer(session, run->limits, run->spec->worker_id, run->table, NULL);
	ok = pythia_sync_table(job, run->result, error);
	run->parts = job->streams && pythia_ranges_leave(job->streams);
	return ok;
}

bool pythia_with_callbacks(const pythia_sides *sides, const char *table, const pythia_node *overrides,
						   pythia_sides_body body, void *arg, pythia_error *error)
{
	sync_run run = {.spec = sides->spec, .limits = &sides->parts, .table = table, .body = body, .arg = arg};
	bool ok;

	pythia_progress_start(sides->spec->worker_id, table);
	ok = pythia_with_sides(sides, table, overrides, sync_body, &run, error);
	pythia_progress_end();
	return ok;
}

/* Catalogue work around a run: in the caller's transaction, or in one of its own. */
static bool begin_own(void)
{
	if (IsTransactionState())
		return false;
	pythia_job_begin();
	return true;
}

bool pythia_run_sync(const pythia_sides *sides, const char *table, const pythia_node *overrides,
					 pythia_sync_result *result, pythia_error *error)
{
	const pythia_sync_spec *spec = sides->spec;
	MemoryContext caller = CurrentMemoryContext;
	sync_run run = {.spec = spec, .limits = &sides->parts, .table = table, .result = result};
	bool ok;

	memset(result, 0, sizeof(*result));
	if (spec->worker_id != 0)
	{
		bool own = begin_own();

		MemoryContextSwitchTo(caller);
		load_state(spec, table, &run.state);
		if (own)
			pythia_job_commit();
		MemoryContextSwitchTo(caller);
	}
	pythia_progress_start(spec->worker_id, table);
	ok = pythia_with_sides(sides, table, overrides, sync_body, &run, error);
	pythia_progress_end();
	if (ok && spec->worker_id != 0 && !run.dry_run)
	{
		bool own = begin_own();

		MemoryContextSwitchTo(caller);
		save_state(spec, table, result);
		if (run.parts || run.state.checkpoint)
			pythia_ranges_forget(spec->worker_id, table);
		if (own)
			pythia_job_commit();
		MemoryContextSwitchTo(caller);
	}
	return ok;
}

static bool sweep_body(pythia_session *session, pythia_sync_job *job, void *arg, pythia_error *error)
{
	(void) session;
	return pythia_sync_sweep(job, arg, error);
}

static void save_swept(const pythia_sync_spec *spec, const char *table, int64_t deleted)
{
	static const char sql[] = "UPDATE pythia.sync_state SET rows_deleted = rows_deleted + $3 WHERE worker_id = $1 "
							  "AND table_name = $2";
	Oid types[] = {INT4OID, TEXTOID, INT8OID};
	Datum values[] = {Int32GetDatum(spec->worker_id), CStringGetTextDatum(table), Int64GetDatum(deleted)};

	pythia_catalog_run(sql, 3, types, values, NULL);
}

bool pythia_run_sweep(const pythia_sides *sides, const char *table, pythia_sync_result *result, pythia_error *error)
{
	MemoryContext caller = CurrentMemoryContext;
	pythia_sync_result swept = {0};
	bool ok = pythia_with_callbacks(sides, table, NULL, sweep_body, &swept, error);
	bool own;

	result->rows_deleted += swept.rows_deleted;
	if (!ok || swept.rows_deleted == 0 || sides->spec->worker_id == 0)
		return ok;
	own = begin_own();
	MemoryContextSwitchTo(caller);
	save_swept(sides->spec, table, swept.rows_deleted);
	if (own)
		pythia_job_commit();
	MemoryContextSwitchTo(caller);
	return true;
}
