#include "postgres/capture/low_water.h"

#include "catalog/pg_type.h"
#include "core/epoch.h"
#include "core/number.h"
#include "low_water/mark.h"
#include "low_water/zone.h"
#include "pgtime.h"
#include "postgres/base/bridge.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/unix_time.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

/* Numbers made of seconds may repeat for a while: until then the last one is read again. */
#define TIE_USECS   (10 * USECS_PER_SEC)
#define MAX_HISTORY 64
/* Two clocks are not read at once. */
#define CLOCK_STEP (100 * 1000)

/* Microseconds before the boundary that are read again: a backend's stamp is taken a little
 * before the others can see its transaction. */
static int64 lookback_of(const pythia_cdc_table *table)
{
	return (int64) (pythia_lookback(PYTHIA_POSTGRESQL, table->config.lookback, table->foreign) * USECS_PER_SEC);
}

pythia_stamp_kind pythia_stamp_kind_of(Oid type)
{
	switch (type)
	{
		case TIMESTAMPTZOID:
			return PYTHIA_STAMP_TIMESTAMPTZ;
		case TIMESTAMPOID:
			return PYTHIA_STAMP_TIMESTAMP;
		case DATEOID:
			return PYTHIA_STAMP_DATE;
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return PYTHIA_STAMP_INTEGER;
		default:
			return PYTHIA_STAMP_NONE;
	}
}

int64 pythia_stamp_number(pythia_stamp_kind kind, Oid type, Datum value)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		case DATEOID:
			return DatumGetDateADT(value);
		default:
			return DatumGetInt64(value);
	}
}

Datum pythia_stamp_datum(pythia_stamp_kind kind, Oid type, int64 number)
{
	switch (type)
	{
		case INT2OID:
			return Int16GetDatum((int16) Max(Min(number, PG_INT16_MAX), PG_INT16_MIN));
		case INT4OID:
			return Int32GetDatum((int32) Max(Min(number, PG_INT32_MAX), PG_INT32_MIN));
		case DATEOID:
			return DateADTGetDatum((DateADT) Max(Min(number, PG_INT32_MAX), PG_INT32_MIN));
		default:
			return Int64GetDatum(number); /* for timestamps the minimum is -infinity */
	}
}

static bool any_zone(const char *zone)
{
	return zone && pg_strcasecmp(zone, "any") == 0;
}

static pg_tz *zone_of(const char *zone)
{
	pg_tz *tz = zone ? pg_tzset(zone) : NULL;

	return tz ? tz : pg_tzset("UTC");
}

void pythia_check_time_zone(const char *zone)
{
	if (zone && !any_zone(zone) && !pg_tzset(zone))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid value for option \"time_zone\""),
						errdetail("There is no time zone \"%s\".", pythia_message_from_utf8(zone)),
						errhint("Give a name of pg_timezone_names, or \"any\" where writers use different zones.")));
}

Timestamp pythia_time_within(int64 time)
{
	return Max(MIN_TIMESTAMP, Min(time, END_TIMESTAMP - 1));
}

/* A low that its column can have, as the functions that read and write such values take it. */
static int64 low_within(pythia_stamp_kind kind, int64 low)
{
	switch (kind)
	{
		case PYTHIA_STAMP_TIMESTAMPTZ:
		case PYTHIA_STAMP_TIMESTAMP:
			return pythia_time_within(low);
		case PYTHIA_STAMP_DATE:
			return Max(DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE,
					   Min(low, DATE_END_JULIAN - POSTGRES_EPOCH_JDATE - 1));
		default:
			return low;
	}
}

/* Seconds east of Greenwich. */
static int offset_at(pg_tz *tz, TimestampTz instant)
{
	struct pg_tm tm;
	fsec_t fraction;
	int west = 0;

	if (TIMESTAMP_NOT_FINITE(instant) || timestamp2tm(instant, &west, &tm, &fraction, NULL, tz) != 0)
		return 0;
	return -west;
}

static Timestamp least_local(const char *zone, TimestampTz instant)
{
	int64_t offsets[PYTHIA_ZONE_STEPS];
	TimestampTz start = pythia_zone_start(instant);
	pg_tz *tz;

	if (any_zone(zone))
		return instant + PYTHIA_ZONE_WEST;
	tz = zone_of(zone);
	for (int i = 0; i < PYTHIA_ZONE_STEPS; i++)
		offsets[i] = offset_at(tz, start + i * PYTHIA_ZONE_STEP) * USECS_PER_SEC;
	return pythia_zone_least(instant, offsets);
}

/* Days since 2000, rounded down. */
static int64 day_of(Timestamp local)
{
	int64 day = local / USECS_PER_DAY;

	return local % USECS_PER_DAY < 0 ? day - 1 : day;
}

bool pythia_stamp_instant(const pythia_cdc_table *table, Datum value, TimestampTz *instant)
{
	Timestamp local;

	switch (table->stamp_kind)
	{
		case PYTHIA_STAMP_TIMESTAMPTZ:
			*instant = DatumGetTimestampTz(value);
			return true;
		case PYTHIA_STAMP_TIMESTAMP:
			local = DatumGetTimestamp(value);
			break;
		case PYTHIA_STAMP_DATE:
			/* dates go further than times */
			if (DATE_NOT_FINITE(DatumGetDateADT(value)) ||
				DatumGetDateADT(value) >= TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE)
				return false;
			local = (Timestamp) DatumGetDateADT(value) * USECS_PER_DAY;
			break;
		default:
			return false;
	}
	if (TIMESTAMP_NOT_FINITE(local))
	{
		*instant = local;
		return true;
	}
	/* the offset of the local time taken as an instant is right but for the hours around a change */
	{
		pg_tz *tz = any_zone(table->config.time_zone) ? pg_tzset("UTC") : zone_of(table->config.time_zone);
		int offset = offset_at(tz, local);

		offset = offset_at(tz, local - offset * USECS_PER_SEC);
		*instant = pythia_time_within(local - offset * USECS_PER_SEC);
	}
	return true;
}

/* Keeps the history short: every other entry of the older half goes. */
static void thin(pythia_cdc_table *table)
{
	int kept = 0;

	for (int i = 0; i < table->nhistory; i++)
	{
		if (i < MAX_HISTORY / 2 && i % 2 == 1)
			continue;
		table->history_at[kept] = table->history_at[i];
		table->history_value[kept++] = table->history_value[i];
	}
	table->nhistory = kept;
}

static void remember(pythia_cdc_table *table, TimestampTz at, int64 greatest)
{
	int n = table->nhistory;

	if (greatest == PYTHIA_LOW_WATER_MINIMUM || (n > 0 && table->history_value[n - 1] >= greatest))
		return;
	table->history_at = n ? repalloc(table->history_at, sizeof(TimestampTz) * (n + 1)) : palloc(sizeof(TimestampTz));
	table->history_value = n ? repalloc(table->history_value, sizeof(int64) * (n + 1)) : palloc(sizeof(int64));
	table->history_at[n] = at;
	table->history_value[n] = greatest;
	table->nhistory = n + 1;
	if (table->nhistory > MAX_HISTORY)
		thin(table);
}

/*
 * A number drawn by a transaction that began after we saw `v` as the greatest is
 * greater than v (or equal, if it counts seconds); older transactions may still
 * bring lesser ones.  So low is the greatest number seen before the oldest open one began.
 */
static int64 low_of_history(pythia_cdc_table *table, TimestampTz began)
{
	int64 low = table->low;
	int newest = -1;

	for (int i = 0; i < table->nhistory; i++)
		if (table->history_at[i] <= began)
			newest = i;
	if (newest < 0)
		return low;
	low = Max(low, table->history_value[newest]);
	if (table->history_at[newest] <= began - TIE_USECS && table->history_value[newest] < PG_INT64_MAX)
		low = Max(low, table->history_value[newest] + 1);
	/* what lies before is of no more use */
	if (newest > 0)
	{
		memmove(table->history_at, table->history_at + newest, sizeof(TimestampTz) * (table->nhistory - newest));
		memmove(table->history_value, table->history_value + newest, sizeof(int64) * (table->nhistory - newest));
		table->nhistory -= newest;
	}
	return low;
}

bool pythia_low_water_follow(pythia_cdc_table *table, const pythia_boundary *boundary)
{
	int64 back = table->clock_base != 0 ? table->clock_base - boundary->base : 0;
	TimestampTz at;

	table->clock_base = boundary->base;
	if (table->low == PYTHIA_LOW_WATER_MINIMUM || !table->seen_until)
		return false;
	/* another machine, or it was started anew: how long ago is not known */
	if (pythia_stamp_instant(table, pythia_stamp_datum(table->stamp_kind, InvalidOid, table->low), &at) &&
		at > boundary->clock)
		back = Max(back, at - boundary->clock + pythia_unnoticed(-1));
	if (back < CLOCK_STEP)
		return false;
	switch (table->stamp_kind)
	{
		case PYTHIA_STAMP_TIMESTAMPTZ:
		case PYTHIA_STAMP_TIMESTAMP:
			table->low = low_within(table->stamp_kind, pythia_subtract(table->low, back));
			return true;
		case PYTHIA_STAMP_DATE:
			table->low = low_within(table->stamp_kind, table->low - (back / USECS_PER_DAY + 1));
			return true;
		default:
			return false;
	}
}

int64 pythia_low_water_next(pythia_cdc_table *table, const pythia_boundary *boundary, TimestampTz seen_at,
							int64 greatest)
{
	TimestampTz began = boundary->instant - lookback_of(table);

	if (table->stamp_kind == PYTHIA_STAMP_INTEGER)
		remember(table, seen_at, pythia_epoch_now(greatest, pythia_to_unix(seen_at)));
	if (boundary->hold)
		return table->low;
	switch (table->stamp_kind)
	{
		case PYTHIA_STAMP_TIMESTAMPTZ:
			return low_within(table->stamp_kind, began);
		case PYTHIA_STAMP_TIMESTAMP:
			return low_within(table->stamp_kind, least_local(table->config.time_zone, began));
		case PYTHIA_STAMP_DATE:
			return day_of(least_local(table->config.time_zone, began));
		case PYTHIA_STAMP_INTEGER:
			return low_of_history(table, began);
		default:
			return table->low;
	}
}

PYTHIA_FUNCTION(pythia_low_water_text);

/* Of any number: one row that cannot be written would keep everybody from seeing the others. */
Datum pythia_low_water_text(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	pythia_stamp_kind kind = pythia_stamp_kind_named(name);
	int64 low = PG_GETARG_INT64(1);
	Datum value = Int64GetDatum(low_within(kind, low));
	char *result;

	if (low == PYTHIA_LOW_WATER_MINIMUM)
		PG_RETURN_TEXT_P(cstring_to_text("-infinity"));
	switch (kind)
	{
		case PYTHIA_STAMP_TIMESTAMPTZ:
			result = DatumGetCString(DirectFunctionCall1(timestamptz_out, value));
			break;
		case PYTHIA_STAMP_TIMESTAMP:
			result = DatumGetCString(DirectFunctionCall1(timestamp_out, value));
			break;
		case PYTHIA_STAMP_DATE:
			result = DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum((DateADT) DatumGetInt64(value))));
			break;
		default:
			result = psprintf(INT64_FORMAT, low);
			break;
	}
	PG_RETURN_TEXT_P(cstring_to_text(result));
}
