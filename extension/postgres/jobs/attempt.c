#include "postgres/jobs/attempt.h"

#include "catalog/pg_type.h"
#include "postgres/base/catalog.h"
#include "postgres/base/catalog_read.h"
#include "postgres/jobs/handler.h"
#include "utils/builtins.h"

bool pythia_attempt_left(int32 worker_id, int64 *change_id)
{
	Datum key[] = {Int32GetDatum(worker_id), CStringGetTextDatum(PYTHIA_HANDLER_CONSUMER)};
	pythia_reading row;
	bool isnull = true;

	pythia_reading_begin(&row, "consumer", "consumer_pkey", lengthof(key), key);
	if (pythia_reading_next(&row))
		*change_id = DatumGetInt64(pythia_reading_value(&row, "calling", &isnull));
	pythia_reading_end(&row);
	return !isnull;
}

void pythia_attempt_note(int32 worker_id, int64 change_id)
{
	static const char sql[] = "UPDATE pythia.consumer SET calling = $3 WHERE worker_id = $1 AND name = $2";
	Oid types[] = {INT4OID, TEXTOID, INT8OID};
	Datum values[] = {Int32GetDatum(worker_id), CStringGetTextDatum(PYTHIA_HANDLER_CONSUMER), Int64GetDatum(change_id)};

	pythia_catalog_run(sql, lengthof(types), types, values, NULL);
}

void pythia_attempt_forget(int32 worker_id)
{
	static const char sql[] =
		"UPDATE pythia.consumer SET calling = NULL WHERE worker_id = $1 AND name = $2 AND calling IS NOT NULL";
	Oid types[] = {INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(worker_id), CStringGetTextDatum(PYTHIA_HANDLER_CONSUMER)};

	pythia_catalog_run(sql, lengthof(types), types, values, NULL);
}

ErrorData *pythia_attempt_error(void)
{
	ErrorData *error = palloc0(sizeof(ErrorData));

	error->elevel = ERROR;
	error->sqlerrcode = ERRCODE_CRASH_SHUTDOWN;
	error->message = pstrdup("the process ended before its handler did");
	error->detail = pstrdup("The handler ended it, or somebody else did, or the server went down.");
	return error;
}

bool pythia_attempt_suspects(int32 worker_id)
{
	static const char sql[] = "SELECT FROM pythia.failed_change WHERE worker_id = $1 AND state = 'retry' "
							  "AND sqlstate = '" PYTHIA_ATTEMPT_SQLSTATE "' "
							  "AND retry_at <= pg_catalog.clock_timestamp() LIMIT 1";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};

	return pythia_catalog_run(sql, lengthof(types), types, values, NULL) > 0;
}
