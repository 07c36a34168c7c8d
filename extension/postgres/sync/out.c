#include "postgres/sync/out.h"

#include "postgres/base/bridge.h"
#include "postgres/base/unix_time.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static Datum stamp(int64_t unix_microseconds)
{
	return TimestampTzGetDatum(pythia_from_unix(unix_microseconds));
}

void pythia_sync_values(const char *table, const pythia_sync_result *result, const char *error, Datum *values,
						bool *nulls)
{
	memset(nulls, 0, PYTHIA_SYNC_COLUMNS * sizeof(bool));
	values[0] = CStringGetTextDatum(table);
	nulls[1] = result->sync_mode == NULL;
	values[1] = result->sync_mode ? CStringGetTextDatum(result->sync_mode) : (Datum) 0;
	values[2] = Int64GetDatum(result->rows_synced);
	values[3] = Int64GetDatum(result->rows_inserted);
	values[4] = Int64GetDatum(result->rows_updated);
	values[5] = Int64GetDatum(result->rows_deleted);
	values[6] = Int64GetDatum(result->rows_skipped);
	values[7] = Int64GetDatum(result->rows_quarantined);
	values[8] = Int64GetDatum(result->source_count);
	values[9] = Int64GetDatum(result->bytes);
	values[10] = Float8GetDatum(result->duration_seconds);
	nulls[11] = result->start_time == 0;
	values[11] = stamp(result->start_time);
	nulls[12] = result->end_time == 0;
	values[12] = stamp(result->end_time);
	nulls[13] = result->watermark == NULL;
	values[13] = result->watermark ? CStringGetTextDatum(pythia_from_utf8(result->watermark)) : (Datum) 0;
	nulls[14] = error == NULL;
	values[14] = error ? CStringGetTextDatum(error) : (Datum) 0;
	if (error)
		for (int i = 2; i < 11; i++)
			nulls[i] = true;
}
