#include "postgres/jobs/attempt.h"

#include "catalog/pg_type.h"
#include "postgres/base/catalog.h"
#include "postgres/base/catalog_read.h"
#include "postgres/jobs/handler.h"
#include "utils/builtins.h"

bool pythia_attempt_left(int32 worker_id, const pythia_share *share, int64 *change_id)
{
	Datum key[] = {Int32GetDatum(worker_id),
				   share ? Int32GetDatum(share->index) : CStringGetTextDatum(PYTHIA_HANDLER_CONSUMER)};
	pythia_reading row;
	bool isnull = true;

	if (share)
		pythia_reading_begin(&row, "handler_share", "handler_share_pkey", lengthof(key), key);
	else
		pythia_reading_begin(&row, "consumer", "consumer_pkey", lengthof(key), key);
	if (pythia_reading_next(&row))
		*change_id = DatumGetInt64(pythia_reading_value(&row, "calling", &isnull));
	pythia_reading_end(&row);
	return !isnull;
}

/* What is called is noted with the consumer, or with the share of one that several processes have. */
#define SET_CALLING(table, column)                                                                                     \
	"UPDATE pythia." table " SET calling = $3 WHERE worker_id = $1 AND " column " = $2 "                               \
	"AND calling IS DISTINCT FROM $3"

/* Of all that a worker calls; what somebody holds stays, and is a row of the answer. */
#define FORGET(table, column)                                                                                          \
	"WITH held AS MATERIALIZED (SELECT " column " AS member FROM pythia." table " WHERE worker_id = $1 AND calling "   \
	"IS NOT NULL), free AS MATERIALIZED (SELECT " column " AS member FROM pythia." table " WHERE worker_id = $1 AND "  \
	"calling IS NOT NULL FOR NO KEY UPDATE SKIP LOCKED), gone AS (UPDATE pythia." table " SET calling = NULL WHERE "   \
	"worker_id = $1 AND " column " IN (SELECT member FROM free)) "                                                     \
	"SELECT FROM held WHERE member NOT IN (SELECT member FROM free)"

static void set_calling(int32 worker_id, const pythia_share *share, Datum change_id, char null)
{
	static const char alone[] = SET_CALLING("consumer", "name");
	static const char shared[] = SET_CALLING("handler_share", "share");
	Oid types[] = {INT4OID, share ? INT4OID : TEXTOID, INT8OID};
	Datum values[] = {Int32GetDatum(worker_id),
					  share ? Int32GetDatum(share->index) : CStringGetTextDatum(PYTHIA_HANDLER_CONSUMER), change_id};
	char nulls[] = {' ', ' ', null, '\0'};

	pythia_catalog_run(share ? shared : alone, lengthof(types), types, values, nulls);
}

void pythia_attempt_note(int32 worker_id, const pythia_share *share, int64 change_id)
{
	set_calling(worker_id, share, Int64GetDatum(change_id), ' ');
}

void pythia_attempt_forget(int32 worker_id, const pythia_share *share)
{
	set_calling(worker_id, share, (Datum) 0, 'n');
}

bool pythia_attempt_forget_all(int32 worker_id)
{
	static const char alone[] = FORGET("consumer", "name");
	static const char shared[] = FORGET("handler_share", "share");
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};
	uint64 left = pythia_catalog_run(alone, lengthof(types), types, values, NULL);

	return left + pythia_catalog_run(shared, lengthof(types), types, values, NULL) == 0;
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
