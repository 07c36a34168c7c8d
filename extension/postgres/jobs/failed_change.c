/* The rows of pythia.failed_change: changes that a handler could not handle, and those that wait for them. */
#include "postgres/capture/catalog.h"

#include "postgres/base/verb.h"
#include "postgres/jobs/batch.h"
#include "catalog/pg_type.h"
#include "core/retry.h"
#include "executor/spi.h"
#include "postgres/base/arguments.h"
#include "postgres/base/catalog.h"
#include "postgres/base/catalog_read.h"
#include "postgres/base/pg_compat.h"
#include "postgres/worker/worker.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

void pythia_failed_write(pythia_batch *b, pythia_batch_item *item, const ErrorData *error)
{
	static const char sql[] =
		"INSERT INTO pythia.failed_change AS f (worker_id, change_id, table_id, change, state, attempts, sqlstate, "
		"message, detail, hint, last_failed_at, retry_at, owner) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN $7 IS NULL THEN NULL ELSE "
		"pg_catalog.clock_timestamp() END, $11, $12::pg_catalog.oid) "
		"ON CONFLICT (worker_id, change_id) DO UPDATE SET state = EXCLUDED.state, attempts = EXCLUDED.attempts, "
		"sqlstate = EXCLUDED.sqlstate, message = EXCLUDED.message, detail = EXCLUDED.detail, hint = EXCLUDED.hint, "
		"last_failed_at = EXCLUDED.last_failed_at, retry_at = EXCLUDED.retry_at";
	/* that two processes stood in each other's way says nothing of the handler */
	bool counts = error && ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_TRANSACTION_ROLLBACK;
	int attempts = item->attempts + (counts ? 1 : 0);
	bool dead = counts && attempts >= b->worker->config.max_attempts;
	pythia_retry retry = pythia_retry_growing((int64) (b->worker->config.retry_delay * 1000), pythia_random_number());
	Oid types[] = {INT4OID, INT8OID, INT4OID, pythia_change_type_oid(), TEXTOID, INT4OID, TEXTOID,
				   TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID,           OIDOID};
	Datum values[12];
	char nulls[] = "            ";

	retry.attempt = attempts > 0 ? attempts - 1 : 0;
	values[0] = Int32GetDatum(b->worker->worker_id);
	values[1] = Int64GetDatum(item->change_id);
	values[2] = Int32GetDatum(item->table_id);
	values[3] = item->change;
	values[4] = CStringGetTextDatum(!error ? "blocked" : dead ? "dead" : "retry");
	values[5] = Int32GetDatum(attempts);
	values[6] = pythia_text_or_null(error ? unpack_sql_state(error->sqlerrcode) : NULL, &nulls[6]);
	values[7] = pythia_text_or_null(error ? error->message : NULL, &nulls[7]);
	values[8] = pythia_text_or_null(error ? error->detail : NULL, &nulls[8]);
	values[9] = pythia_text_or_null(error ? error->hint : NULL, &nulls[9]);
	values[10] = TimestampTzGetDatum(GetCurrentTimestamp() + pythia_retry_next(&retry) * 1000);
	nulls[10] = error && !dead ? ' ' : 'n';
	values[11] = ObjectIdGetDatum(b->worker->owner);
	pythia_catalog_run(sql, 12, types, values, nulls);
	if (!dead)
		pythia_batch_add_waiting(b, item);
	if (!error)
		return;
	if (b->handling->failed++ == 0)
	{
		b->handling->failed_first = item->change_id;
		strlcpy(b->handling->why, error->message ? error->message : "unknown error", sizeof(b->handling->why));
	}
	b->handling->dead += dead;
}

void pythia_failed_forget(const pythia_batch *b, const pythia_batch_item *item)
{
	static const char sql[] = "DELETE FROM pythia.failed_change WHERE worker_id OPERATOR(pg_catalog.=) $1 "
							  "AND change_id OPERATOR(pg_catalog.=) $2";
	Oid types[] = {INT4OID, INT8OID};
	Datum values[] = {Int32GetDatum(b->worker->worker_id), Int64GetDatum(item->change_id)};

	pythia_catalog_run(sql, 2, types, values, NULL);
}

/* A turn that is late ends, but not before it has handed over one: those that only make others wait have to be known,
 * however long it takes to read them. */
static bool must_stop(const pythia_batch *b, int64 budget)
{
	return b->budget <= 0 || (b->budget < budget && pythia_batch_is_late(b));
}

/* One page of failed changes beyond *after, which is moved on, in order: those that are due run, the others' keys wait.
 * False where there are no more to look at.  `budget` is what the turn began with. */
static bool run_page(pythia_batch *b, int64 budget, int64 *after,
					 void (*run)(pythia_batch *b, const pythia_batch_item *item))
{
	static const char sql[] =
		"SELECT change_id, table_id, change, attempts, retry_at IS NULL OR retry_at OPERATOR(pg_catalog.<=) "
		"pg_catalog.clock_timestamp(), (change).primary_key FROM pythia.failed_change "
		"WHERE worker_id OPERATOR(pg_catalog.=) $1 AND state OPERATOR(pg_catalog.<>) 'dead' "
		"AND change_id OPERATOR(pg_catalog.>) $2 "
		"AND ($3 OR retry_at IS NULL OR retry_at OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()) "
		"ORDER BY change_id LIMIT 1000";
	Oid types[] = {INT4OID, INT8OID, BOOLOID};
	/* only where others wait for them those that are not due matter */
	bool all = b->worker->config.ordered || b->worker->config.on_error == PYTHIA_ON_ERROR_BLOCK_KEY;
	Datum values[] = {Int32GetDatum(b->worker->worker_id), Int64GetDatum(*after), BoolGetDatum(all)};
	MemoryContext page = AllocSetContextCreate(b->memory, "pythia_db failed changes", ALLOCSET_DEFAULT_SIZES);
	bool more;

	SPI_connect();
	pythia_catalog_execute(sql, 3, types, values, NULL);
	more = SPI_processed > 0;
	for (uint64 i = 0; more && i < SPI_processed && !must_stop(b, budget); i++)
	{
		SPITupleTable *found = SPI_tuptable;
		HeapTuple row = found->vals[i];
		TupleDesc desc = found->tupdesc;
		uint64 count = SPI_processed;
		MemoryContext before = MemoryContextSwitchTo(page);
		pythia_batch_item item = {.retried = true};
		bool isnull;
		bool due;
		Datum key;

		item.change_id = *after = DatumGetInt64(SPI_getbinval(row, desc, 1, &isnull));
		item.table_id = DatumGetInt32(SPI_getbinval(row, desc, 2, &isnull));
		item.attempts = DatumGetInt32(SPI_getbinval(row, desc, 4, &isnull));
		due = DatumGetBool(SPI_getbinval(row, desc, 5, &isnull));
		key = SPI_getbinval(row, desc, 6, &isnull);
		pythia_batch_set_key(&item, isnull ? (Datum) 0 : key);
		if (!due || !pythia_batch_has(b, &item) || pythia_batch_must_wait(b, &item))
			pythia_batch_add_waiting(b, &item);
		else
		{
			item.change = datumCopy(SPI_getbinval(row, desc, 3, &isnull), false, -1);
			run(b, &item);
		}
		MemoryContextSwitchTo(before);
		/* the handler may have used SPI */
		SPI_tuptable = found;
		SPI_processed = count;
		/* all that come later wait as well */
		more = !(b->worker->config.ordered && b->any_waiting);
	}
	SPI_finish();
	MemoryContextDelete(page);
	return more;
}

bool pythia_failed_run(pythia_batch *b, void (*run)(pythia_batch *b, const pythia_batch_item *item))
{
	int64 budget = b->budget;
	int64 after = 0;
	bool more;

	do
		more = run_page(b, budget, &after, run);
	while (more && !must_stop(b, budget));
	return !more;
}

static bool any_failed(const pythia_cdc_worker *worker)
{
	Datum key = Int32GetDatum(worker->worker_id);
	pythia_reading row;
	bool found;

	pythia_reading_begin(&row, "failed_change", "failed_change_pkey", 1, &key);
	found = pythia_reading_next(&row);
	pythia_reading_end(&row);
	return found;
}

/* Whether a failed change is due, or waits for one: those that are not due matter only when something else is. */
bool pythia_failed_due(const pythia_cdc_worker *worker)
{
	static const char sql[] = "SELECT FROM pythia.failed_change WHERE worker_id = $1 AND state <> 'dead' "
							  "AND (retry_at IS NULL OR retry_at <= pg_catalog.clock_timestamp()) LIMIT 1";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker->worker_id)};

	return any_failed(worker) && pythia_catalog_run(sql, lengthof(types), types, values, NULL) > 0;
}

long pythia_cdc_next_retry(const pythia_cdc_worker *worker)
{
	static const char sql[] = "SELECT pg_catalog.min(retry_at) FROM pythia.failed_change "
							  "WHERE worker_id OPERATOR(pg_catalog.=) $1 AND state OPERATOR(pg_catalog.=) 'retry'";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker->worker_id)};
	long result = -1;
	bool isnull;
	Datum first;

	if (!any_failed(worker))
		return -1;
	SPI_connect();
	pythia_catalog_execute(sql, 1, types, values, NULL);
	first = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (!isnull)
		result = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), DatumGetTimestampTz(first));
	SPI_finish();
	return result;
}

PYTHIA_VERB(pythia_retry_failed)
{
	static const char sql[] =
		"UPDATE pythia.failed_change SET retry_at = pg_catalog.clock_timestamp(), state = 'retry', "
		"attempts = CASE WHEN state OPERATOR(pg_catalog.=) 'dead' THEN 0 ELSE attempts END "
		"WHERE worker_id OPERATOR(pg_catalog.=) $1 AND state OPERATOR(pg_catalog.<>) 'blocked'";
	int32 worker_id = pythia_worker_lookup(PYTHIA_JOB_CDC, pythia_argument_text(fcinfo, 0), NULL, NULL);
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};
	int64 count = (int64) pythia_catalog_run(sql, 1, types, values, NULL);
	pythia_wake_at_commit(worker_id);
	PG_RETURN_INT64(count);
}
