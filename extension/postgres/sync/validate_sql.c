/* validate_sync, sync_differences, repair_sync and their forms without a worker. */
#include "postgres/sync/run.h"

#include "catalog/pg_type.h"
#include "core/memory.h"
#include "dialect/short_name.h"
#include "miscadmin.h"
#include "postgres/base/arguments.h"
#include "postgres/base/bridge.h"
#include "postgres/base/catalog.h"
#include "postgres/base/jsonb_node.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/rows_out.h"
#include "postgres/base/verb.h"
#include "postgres/sync/out.h"
#include "postgres/worker/progress.h"
#include "postgres/worker/transaction.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "validate/options_split.h"

/* What all six have in common, read from their arguments. */
typedef struct validate_call
{
	pythia_sync_spec *spec;
	char *table;
	const pythia_node *overrides; /* for the sync_config */
	pythia_validate_options options;
	pythia_validate_result result;
	pythia_sync_result repaired;
	pythia_rows_out *out; /* differences go here */
	pythia_session *session;
} validate_call;

static void free_node(void *node)
{
	pythia_node_free(node);
}

/* One object holds the validation's own options and, for the rest, those of a sync. */
static void read_options(validate_call *call, Jsonb *json, bool between)
{
	pythia_node *own;
	pythia_node *config;
	pythia_error error = PYTHIA_ERROR_INIT;

	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("options must be a JSON object"),
						errhint("For example '{\"method\": \"rows\"}'.")));
	pythia_validate_split(pythia_node_copy_jsonb(json), &own, &config);
	pythia_free_with_context(free_node, own);
	pythia_free_with_context(free_node, config);
	if (between)
		call->spec->config = config;
	else
		call->overrides = config;
	if (!pythia_validate_options_read(own, &call->options, &error))
		pythia_raise(&error);
}

static void read_worker_call(FunctionCallInfo fcinfo, validate_call *call)
{
	call->spec = pythia_sync_spec_by_name(pythia_argument_text(fcinfo, 0));
	call->table = pythia_argument_text(fcinfo, 1);
	read_options(call, DatumGetJsonbP(pythia_argument(fcinfo, 2)), false);
}

static void read_between_call(FunctionCallInfo fcinfo, validate_call *call)
{
	call->spec = pythia_sync_spec_between(pythia_argument_text(fcinfo, 0), pythia_argument_text(fcinfo, 1), NULL);
	call->table = pythia_argument_text(fcinfo, 2);
	read_options(call, DatumGetJsonbP(pythia_argument(fcinfo, 3)), true);
}

/* Resolves, runs and raises. */
static void run(validate_call *call, bool write, pythia_sides_body body)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_sides *sides;
	bool ok;

	pythia_require_owner(call->spec);
	if (write)
		pythia_sync_refuse_live(call->spec);
	sides = pythia_sides_resolve(call->spec, write);
	pythia_progress_start(call->spec->worker_id, call->table);
	ok = pythia_with_sides(sides, call->table, call->overrides, body, call, &error);
	pythia_progress_end();
	if (!ok)
		pythia_raise(&error);
}

static void progress(void *context, const char *phase, int64_t rows, int64_t total, int64_t bytes)
{
	pythia_progress_update(phase, rows, total, bytes);
}

static const pythia_sync_callbacks callbacks = {.progress = progress};

static bool validate_body(pythia_session *session, pythia_sync_job *job, void *arg, pythia_error *error)
{
	validate_call *call = arg;

	job->callbacks = &callbacks;
	return pythia_validate_table(job, &call->options, NULL, NULL, &call->result, error);
}

static void record_validation(const validate_call *call)
{
	static const char sql[] =
		"INSERT INTO pythia.sync_state (worker_id, table_name, last_valid, last_difference, last_validated) "
		"VALUES ($1, $2, $3, $4, pg_catalog.clock_timestamp()) ON CONFLICT (worker_id, table_name) DO UPDATE "
		"SET last_valid = excluded.last_valid, last_difference = excluded.last_difference, last_validated = "
		"excluded.last_validated";
	Oid types[] = {INT4OID, TEXTOID, BOOLOID, INT8OID};
	Datum values[] = {Int32GetDatum(call->spec->worker_id), CStringGetTextDatum(call->table),
					  BoolGetDatum(call->result.is_valid), Int64GetDatum(call->result.difference)};

	pythia_catalog_run(sql, 4, types, values, NULL);
}

/* --- in the background ------------------------------------------------------ */

/* True where sync_config asks for it and the last one is long enough ago. */
static bool validation_is_due(const pythia_sync_spec *spec, const char *table, const pythia_sync_config *config)
{
	static const char sql[] =
		"SELECT 1 FROM pythia.sync_state WHERE worker_id = $1 AND table_name = $2 AND last_validated > "
		"pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $3)";
	Oid types[] = {INT4OID, TEXTOID, FLOAT8OID};
	Datum values[] = {Int32GetDatum(spec->worker_id), CStringGetTextDatum(table),
					  Float8GetDatum(config->validate_every)};
	bool due;

	SPI_connect();
	pythia_catalog_execute(sql, 3, types, values, NULL);
	due = SPI_processed == 0;
	SPI_finish();
	return due;
}

bool pythia_run_validation(const pythia_sides *sides, const char *table, pythia_error *error)
{
	MemoryContext caller = CurrentMemoryContext;
	pythia_sync_config config;
	validate_call call = {.spec = unconstify(pythia_sync_spec *, sides->spec), .table = pstrdup(table)};
	const pythia_node *options;
	bool due;
	bool ok;

	if (!pythia_sync_config_read(sides->spec->config, NULL, pythia_to_utf8(table), &config, error))
		return false;
	if (!config.validate)
		return true;
	options = config.validate->type == PYTHIA_NODE_OBJECT ? config.validate : NULL;
	if (!pythia_validate_options_read(options, &call.options, error))
		return false;
	pythia_job_begin();
	MemoryContextSwitchTo(caller);
	due = validation_is_due(sides->spec, table, &config);
	pythia_job_commit();
	MemoryContextSwitchTo(caller);
	if (!due)
		return true;
	pythia_progress_start(sides->spec->worker_id, table);
	ok = pythia_with_sides(sides, table, NULL, validate_body, &call, error);
	pythia_progress_end();
	if (!ok)
		return false;
	if (!call.result.is_valid)
		ereport(WARNING, (errmsg("sync worker \"%s\": table \"%s\" is not equal to its source", sides->spec->name,
								 pythia_name_shown(table, (char[PYTHIA_NAME_ROOM]){0})),
						  errdetail("%lld rows differ, %lld break a check.", (long long) call.result.difference,
									(long long) call.result.failed_checks),
						  errhint("pythia.sync_differences names the rows, pythia.repair_sync mends them.")));
	pythia_job_begin();
	MemoryContextSwitchTo(caller);
	record_validation(&call);
	pythia_job_commit();
	MemoryContextSwitchTo(caller);
	pythia_validate_result_free(&call.result);
	return true;
}

/* --- in SQL ----------------------------------------------------------------- */

static Datum json_or_null(const char *text, bool *isnull)
{
	*isnull = text == NULL;
	return text ? JsonbPGetDatum(pythia_jsonb_from_text(text)) : (Datum) 0;
}

static Datum validate(FunctionCallInfo fcinfo, validate_call *call)
{
	const pythia_validate_result *result = &call->result;
	Datum values[15];
	bool nulls[15] = {false};

	run(call, false, validate_body);
	if (call->spec->worker_id != 0)
		record_validation(call);
	values[0] = CStringGetTextDatum(call->table);
	values[1] = BoolGetDatum(result->is_valid);
	values[2] = Int64GetDatum(result->source_count);
	values[3] = Int64GetDatum(result->target_count);
	values[4] = Int64GetDatum(result->difference);
	values[5] = Int64GetDatum(result->missing);
	values[6] = Int64GetDatum(result->extra);
	values[7] = Int64GetDatum(result->differing);
	values[8] = CStringGetTextDatum(result->method ? result->method : "");
	values[9] = Float8GetDatum(result->duration_seconds);
	nulls[10] = true;
	values[11] = Float8GetDatum(result->sample);
	values[12] = Float8GetDatum(result->max_difference);
	values[13] = Int64GetDatum(result->failed_checks);
	values[14] = json_or_null(result->checks, &nulls[14]);
	pythia_validate_result_free(&call->result);
	return pythia_row_out(fcinfo, values, nulls);
}

PYTHIA_VERB(pythia_validate_sync)
{
	validate_call call = {0};

	read_worker_call(fcinfo, &call);
	PG_RETURN_DATUM(validate(fcinfo, &call));
}

PYTHIA_VERB(pythia_validate_between)
{
	validate_call call = {0};

	read_between_call(fcinfo, &call);
	PG_RETURN_DATUM(validate(fcinfo, &call));
}

typedef struct found_row
{
	validate_call *call;
	const pythia_difference *difference;
} found_row;

static void put_difference(void *arg)
{
	static const char *const kinds[] = {"missing", "extra", "differing"};
	found_row *row = arg;
	const pythia_difference *difference = row->difference;
	MemoryContext mine = AllocSetContextCreate(CurrentMemoryContext, "pythia_db difference", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(mine);
	Datum values[5];
	bool nulls[5] = {false};
	Datum *names = palloc(sizeof(Datum) * Max(difference->ncolumns, 1));

	values[0] = json_or_null(difference->primary_key, &nulls[0]);
	values[1] = CStringGetTextDatum(kinds[difference->kind]);
	for (int i = 0; i < difference->ncolumns; i++)
		names[i] = CStringGetTextDatum(pythia_from_utf8(difference->columns[i]));
	values[2] = PointerGetDatum(construct_array(names, difference->ncolumns, TEXTOID, -1, false, TYPALIGN_INT));
	nulls[2] = difference->kind != PYTHIA_DIFFERING;
	values[3] = json_or_null(difference->source_row, &nulls[3]);
	values[4] = json_or_null(difference->target_row, &nulls[4]);
	tuplestore_putvalues(row->call->out->store, row->call->out->desc, values, nulls);
	MemoryContextSwitchTo(before);
	MemoryContextDelete(mine);
}

static bool found(void *context, const pythia_difference *difference, pythia_error *error)
{
	found_row row = {.call = context, .difference = difference};

	return pythia_session_run(row.call->session, put_difference, &row, error);
}

static bool differences_body(pythia_session *session, pythia_sync_job *job, void *arg, pythia_error *error)
{
	validate_call *call = arg;

	call->session = session;
	job->callbacks = &callbacks;
	return pythia_validate_table(job, &call->options, found, call, &call->result, error);
}

PYTHIA_VERB(pythia_sync_differences)
{
	validate_call call = {0};
	pythia_rows_out out;

	pythia_rows_out_begin(fcinfo, &out);
	read_worker_call(fcinfo, &call);
	call.out = &out;
	run(&call, false, differences_body);
	return (Datum) 0;
}

PYTHIA_VERB(pythia_differences_between)
{
	validate_call call = {0};
	pythia_rows_out out;

	pythia_rows_out_begin(fcinfo, &out);
	read_between_call(fcinfo, &call);
	call.out = &out;
	run(&call, false, differences_body);
	return (Datum) 0;
}

static bool repair_body(pythia_session *session, pythia_sync_job *job, void *arg, pythia_error *error)
{
	validate_call *call = arg;

	job->callbacks = &callbacks;
	return pythia_repair_table(job, &call->options, NULL, NULL, &call->repaired, error);
}

static Datum repair(FunctionCallInfo fcinfo, validate_call *call)
{
	Datum values[PYTHIA_SYNC_COLUMNS];
	bool nulls[PYTHIA_SYNC_COLUMNS];

	run(call, !call->options.dry_run, repair_body);
	pythia_sync_values(call->table, &call->repaired, NULL, values, nulls);
	pythia_sync_result_free(&call->repaired);
	return pythia_row_out(fcinfo, values, nulls);
}

PYTHIA_VERB(pythia_repair_sync)
{
	validate_call call = {0};

	read_worker_call(fcinfo, &call);
	PG_RETURN_DATUM(repair(fcinfo, &call));
}

PYTHIA_VERB(pythia_repair_between)
{
	validate_call call = {0};

	read_between_call(fcinfo, &call);
	PG_RETURN_DATUM(repair(fcinfo, &call));
}
