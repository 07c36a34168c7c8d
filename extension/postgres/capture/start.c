#include "postgres/capture/start.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "postgres/base/bridge.h"
#include "postgres/base/catalog.h"
#include "postgres/base/boundary.h"
#include "postgres/capture/identity.h"
#include "postgres/capture/low_water.h"
#include "postgres/capture/poll.h"
#include "postgres/capture/state.h"
#include "postgres/capture/track.h"
#include "postgres/capture/trigger.h"
#include "postgres/journal/journal.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

static void say_start(void *arg)
{
	errcontext("option \"start_from\": \"now\", \"beginning\" or a value of the timestamp column");
}

static Datum instant_in_zone(const char *text, const char *zone)
{
	pg_tz *before = session_timezone;
	Datum result;

	session_timezone = pg_tzset(zone);
	PG_TRY();
	{
		result =
			DirectFunctionCall3(timestamptz_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	}
	PG_FINALLY();
	{
		session_timezone = before;
	}
	PG_END_TRY();
	return result;
}

/* Without a zone: a time that tells one is an instant, and is shown in the zone that stamps are in. */
static Datum local_time(const pythia_cdc_table *table, const char *text)
{
	Datum instant = instant_in_zone(text, "UTC");
	const char *zone = table->config.time_zone;

	if (DatumGetTimestampTz(instant) != DatumGetTimestampTz(instant_in_zone(text, "Etc/GMT-12")))
		return DirectFunctionCall3(timestamp_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
								   Int32GetDatum(-1));
	/* of any zone: the least that one may show */
	if (zone && strcmp(zone, "any") == 0)
		zone = "Etc/GMT+12";
	return DirectFunctionCall2(timestamptz_zone,
							   CStringGetTextDatum(zone ? zone : pg_get_timezone_name(session_timezone)), instant);
}

static bool is_finite(Oid type, Datum value)
{
	switch (type)
	{
		case DATEOID:
			return !DATE_NOT_FINITE(DatumGetDateADT(value));
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return !TIMESTAMP_NOT_FINITE(DatumGetTimestamp(value));
		default:
			return true;
	}
}

static void start_low(pythia_cdc_table *table, const pythia_boundary *boundary)
{
	Oid input;
	Oid parameter;
	Oid type = INT8OID;
	Datum value;
	ErrorContextCallback callback = {.callback = say_start};

	if (table->config.start != PYTHIA_START_AT)
		return;
	switch (table->stamp_kind)
	{
		case PYTHIA_STAMP_TIMESTAMPTZ:
			type = TIMESTAMPTZOID;
			break;
		case PYTHIA_STAMP_TIMESTAMP:
			type = TIMESTAMPOID;
			break;
		case PYTHIA_STAMP_DATE:
			type = DATEOID;
			break;
		default:
			break;
	}
	getTypeInputInfo(type, &input, &parameter);
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	if (type == TIMESTAMPOID || type == DATEOID)
	{
		value = local_time(table, pythia_from_utf8(table->config.start_at));
		if (type == DATEOID)
			value = DirectFunctionCall1(timestamp_date, value);
	}
	else
		value = OidInputFunctionCall(input, pythia_from_utf8(table->config.start_at), parameter, -1);
	if (!is_finite(type, value))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("\"%s\" is no time to start from", pythia_from_utf8(table->config.start_at)),
						errhint("Give \"beginning\", \"now\" or a time.")));
	error_context_stack = callback.previous;
	/* in range: the type's own input function has read it */
	table->low = pythia_stamp_number(table->stamp_kind, type, value);
}

/* A table that joins others takes theirs: entries of a table that leaves meanwhile stay within reach. */
static int64 first_floor(const pythia_cdc_worker *worker, const pythia_cdc_table *table)
{
	int64 floor = pythia_journal_last_number();

	for (int i = 0; i < worker->ntables; i++)
		if (worker->tables[i].has_state)
			floor = Min(floor, worker->tables[i].journal_floor);
	return floor;
}

void pythia_cdc_baseline(pythia_cdc_worker *worker, pythia_cdc_table *table)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "pythia_db baseline", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(cxt);
	pythia_scan scan = {.worker = worker, .table = table, .memory = cxt, .discard = true};
	pythia_cdc_identity identity;
	pythia_boundary boundary;
	TimestampTz seen_at;

	SPI_connect();
	pythia_boundary_read(&boundary, true);
	table->clock_base = boundary.base;
	table->low = PYTHIA_LOW_WATER_MINIMUM;
	table->seen_until = NULL;
	table->nhistory = 0;
	table->journal_floor = first_floor(worker, table);
	start_low(table, &boundary);
	if (table->config.start == PYTHIA_START_NOW && table->stamp_kind != PYTHIA_STAMP_INTEGER &&
		!IsolationUsesXactSnapshot())
		table->low = pythia_low_water_next(table, &boundary, boundary.clock, PYTHIA_LOW_WATER_MINIMUM);
	pythia_cdc_enter(worker, table, &identity);
	PushActiveSnapshot(GetTransactionSnapshot());
	scan.snapshot = pythia_snapshot_take(false);
	seen_at = GetCurrentTimestamp();
	if (table->config.start != PYTHIA_START_BEGINNING && pythia_tracks(table))
		pythia_track_baseline(worker, table);
	/* triggers are there already, and hold writers off until we commit: what is there now is delivered here */
	if (table->config.capture == PYTHIA_CAPTURE_TRIGGER)
		scan.discard = false;
	if ((table->config.start == PYTHIA_START_NOW) == (table->config.capture == PYTHIA_CAPTURE_POLL))
		pythia_scan_run(&scan);
	PopActiveSnapshot();
	pythia_cdc_leave(&identity);
	if (table->stamp_kind == PYTHIA_STAMP_INTEGER && table->config.start == PYTHIA_START_NOW)
		table->low = pythia_low_water_next(table, &boundary, seen_at, scan.greatest);
	/* without a snapshot everything at or after low is new */
	/* what triggers write is counted where it is */
	pythia_cdc_save_state(table, &scan, &boundary, table->config.capture == PYTHIA_CAPTURE_POLL ? scan.captured : 0);
	if (table->config.start != PYTHIA_START_NOW)
	{
		static const char sql[] =
			"UPDATE pythia.cdc_state SET seen_until = NULL WHERE table_id OPERATOR(pg_catalog.=) $1";
		Oid types[] = {INT4OID};
		Datum values[] = {Int32GetDatum(table->table_id)};

		pythia_catalog_execute(sql, 1, types, values, NULL);
	}
	SPI_finish();
	MemoryContextSwitchTo(before);
	MemoryContextDelete(cxt);
}

void pythia_cdc_start_table(pythia_cdc_worker *worker, pythia_cdc_table *table)
{
	if (table->config.capture == PYTHIA_CAPTURE_TRIGGER)
		pythia_trigger_install(table);
	if (pythia_tracks(table))
		pythia_track_create(worker, table);
	pythia_cdc_baseline(worker, table);
}
