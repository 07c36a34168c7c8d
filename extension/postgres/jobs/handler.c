/*
 * Handing changes to a worker's function.
 *
 * A batch runs in one subtransaction, which is cheap while all goes well.  When
 * change k fails, the batch is rolled back, what came before k runs again in a
 * subtransaction of its own, k is written to pythia.failed_change, and the rest goes on:
 * the outcome is that of a subtransaction a change.
 */
#include "postgres/capture/catalog.h"

#include "postgres/jobs/handler.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "core/retry.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postgres/base/catalog.h"
#include "postgres/base/catalog_read.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/settings.h"
#include "postgres/base/subtransaction.h"
#include "postgres/base/user_code.h"
#include "postgres/capture/change.h"
#include "postgres/jobs/attempt.h"
#include "postgres/journal/consume.h"
#include "postgres/worker/process.h"
#include "postgres/worker/worker.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

/* A batch is bounded by bytes as well as by batch_size. */
#define MAX_BATCH_BYTES (16 * 1024 * 1024)
/* What was handed over is committed after so long, though more waits: a stop loses little, and progress shows. */
#define TURN_MS 1000

typedef struct batch_item
{
	int64 change_id;
	int32 table_id;
	bool whole; /* it concerns the table and every key in it */
	uint64 key; /* of the key and its table */
	Datum change;
	bool retried; /* it comes from pythia.failed_change */
	int attempts;
} batch_item;

typedef struct batch
{
	pythia_cdc_worker *worker;
	pythia_change_maker *maker;
	MemoryContext memory;
	FmgrInfo handler;
	batch_item *items;
	int count;
	int capacity;
	Size bytes;
	int64 max;
	HTAB *waiting; /* keys with an earlier change that is not done; also their tables, and tables as a whole */
	bool any_waiting;
	int64 budget; /* calls that may yet be made */
	TimestampTz began;
	pythia_handling *handling;
	int failed_at; /* where the last run stopped, or -1 */
} batch;

/* ---- which keys wait ---- */

/* Marks beside the keys: something of the table waits; something that concerns all of the table waits. */
enum
{
	MARK_SOMETHING = 1,
	MARK_EVERYTHING = 2
};

static uint64 mark_of(int32 table_id, int mark)
{
	return hash_combine64(~(uint64) table_id, (uint64) mark);
}

static void set_key(batch_item *item, Datum key)
{
	Jsonb *json;

	item->whole = !key;
	if (item->whole)
	{
		item->key = mark_of(item->table_id, MARK_EVERYTHING);
		return;
	}
	json = DatumGetJsonbP(key);
	item->key =
		hash_combine64((uint64) item->table_id,
					   DatumGetUInt64(hash_any_extended((unsigned char *) VARDATA(json), VARSIZE(json) - VARHDRSZ, 0)));
}

static void add_waiting(batch *b, const batch_item *item)
{
	uint64 something = mark_of(item->table_id, MARK_SOMETHING);

	(void) hash_search(b->waiting, &item->key, HASH_ENTER, NULL);
	(void) hash_search(b->waiting, &something, HASH_ENTER, NULL);
	b->any_waiting = true;
}

static bool waits(const batch *b, uint64 key)
{
	return hash_search(b->waiting, &key, HASH_FIND, NULL) != NULL;
}

static bool must_wait(const batch *b, const batch_item *item)
{
	if (!b->any_waiting)
		return false;
	if (b->worker->config.ordered)
		return true;
	if (b->worker->config.on_error != PYTHIA_ON_ERROR_BLOCK_KEY)
		return false;
	if (item->whole)
		return waits(b, mark_of(item->table_id, MARK_SOMETHING));
	return waits(b, item->key) || waits(b, mark_of(item->table_id, MARK_EVERYTHING));
}

/* ---- failed changes ---- */

/* Writes one down as failed (error given) or as waiting for an earlier one. */
static void write_failed(batch *b, batch_item *item, const ErrorData *error)
{
	static const char sql[] =
		"INSERT INTO pythia.failed_change AS f (worker_id, change_id, table_id, change, state, attempts, sqlstate, "
		"message, detail, hint, last_failed_at, retry_at, owner) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN $7 IS NULL THEN NULL ELSE "
		"pg_catalog.clock_timestamp() END, $11, $12::pg_catalog.oid) "
		"ON CONFLICT (worker_id, change_id) DO UPDATE SET state = EXCLUDED.state, attempts = EXCLUDED.attempts, "
		"sqlstate = EXCLUDED.sqlstate, message = EXCLUDED.message, detail = EXCLUDED.detail, hint = EXCLUDED.hint, "
		"last_failed_at = EXCLUDED.last_failed_at, retry_at = EXCLUDED.retry_at";
	int attempts = item->attempts + (error ? 1 : 0);
	bool dead = error && attempts >= b->worker->config.max_attempts;
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
		add_waiting(b, item);
	if (!error)
		return;
	if (b->handling->failed++ == 0)
	{
		b->handling->failed_first = item->change_id;
		strlcpy(b->handling->why, error->message ? error->message : "unknown error", sizeof(b->handling->why));
	}
	b->handling->dead += dead;
}

static void forget_failed(const batch *b, const batch_item *item)
{
	static const char sql[] = "DELETE FROM pythia.failed_change WHERE worker_id OPERATOR(pg_catalog.=) $1 "
							  "AND change_id OPERATOR(pg_catalog.=) $2";
	Oid types[] = {INT4OID, INT8OID};
	Datum values[] = {Int32GetDatum(b->worker->worker_id), Int64GetDatum(item->change_id)};

	pythia_catalog_run(sql, 2, types, values, NULL);
}

static void keep_result(const batch *b, const batch_item *item, Datum result, bool isnull)
{
	static const char sql[] =
		"INSERT INTO pythia.handler_result (worker_id, change_id, result, owner) VALUES ($1, $2, $3, "
		"$4::pg_catalog.oid) "
		"ON CONFLICT (worker_id, change_id) DO UPDATE SET result = EXCLUDED.result, handled_at = EXCLUDED.handled_at";
	Oid types[] = {INT4OID, INT8OID, JSONBOID, OIDOID};
	Datum values[] = {Int32GetDatum(b->worker->worker_id), Int64GetDatum(item->change_id), result,
					  ObjectIdGetDatum(b->worker->owner)};

	pythia_catalog_run(sql, 4, types, values, isnull ? "  n " : "    ");
}

/* ---- running ---- */

static void call_handler(batch *b, const batch_item *item)
{
	LOCAL_FCINFO(call, 1);
	PgStat_FunctionCallUsage usage;
	pythia_user_call before;
	Datum result;

	CHECK_FOR_INTERRUPTS();
	b->handling->calls++;
	b->handling->change_id = item->change_id;
	if (b->handling->plan)
		return;
	pythia_user_call_begin(&before);
	InitFunctionCallInfoData(*call, &b->handler, 1, InvalidOid, NULL, NULL);
	call->args[0].value = item->change;
	call->args[0].isnull = false;
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_init_function_usage(call, &usage);
	result = FunctionCallInvoke(call);
	pgstat_end_function_usage(&usage, true);
	PopActiveSnapshot();
	pythia_user_call_end(&before);
	if (b->worker->config.keep_result)
		keep_result(b, item, result, call->isnull);
	if (item->retried)
		forget_failed(b, item);
	CommandCounterIncrement();
	if (pythia_guc_log_changes)
		ereport(LOG, (errmsg("CDC worker \"%s\" handled change " INT64_FORMAT, b->worker->name, item->change_id)));
}

typedef struct run
{
	batch *batch;
	int next;
	int end;
	MemoryContext scratch;
} run;

static void try_to_run(void *argument)
{
	run *r = argument;

	for (; r->next < r->end; r->next++)
	{
		MemoryContextSwitchTo(r->scratch);
		call_handler(r->batch, &r->batch->items[r->next]);
		MemoryContextReset(r->scratch);
	}
}

/* Somebody stopping us is not the handler's failure. A cancel of the call alone is: the handler itself may have sent
 * it, from here or from another session. */
static bool is_the_handlers(void *argument, const ErrorData *error)
{
	return !pythia_process_stopped(error) ||
		   pythia_worker_wanted(PYTHIA_JOB_CDC, ((run *) argument)->batch->worker->worker_id);
}

/* Items [from, to) in one subtransaction. Returns NULL, or the error of item b->failed_at, all rolled back. */
static ErrorData *run_together(batch *b, int from, int to)
{
	run r = {b, from, to, AllocSetContextCreate(CurrentMemoryContext, "pythia_db handler", ALLOCSET_DEFAULT_SIZES)};
	ErrorData *error = pythia_isolated(try_to_run, is_the_handlers, &r);

	if (error)
		b->failed_at = r.next;
	MemoryContextDelete(r.scratch);
	return error;
}

/* As run_together failed: one by one, each only where no earlier one of its key waits. */
static void run_singly(batch *b, int from, int to)
{
	for (int i = from; i < to; i++)
	{
		ErrorData *error = NULL;
		bool waiting = !b->items[i].retried && must_wait(b, &b->items[i]);

		if (waiting || (error = run_together(b, i, i + 1)) != NULL)
			write_failed(b, &b->items[i], error);
	}
}

static void run_range(batch *b, int from, int to)
{
	while (from < to)
	{
		batch_item *item = &b->items[from];
		ErrorData *error;
		int failed;
		int start = from;

		/* what the commit refused the last time */
		if (b->handling->refused && item->change_id == b->handling->change_id)
		{
			write_failed(b, item, b->handling->refused);
			b->handling->refused = NULL;
			b->budget--;
			from++;
			continue;
		}
		/* those that have to wait for an earlier one */
		if (!item->retried && must_wait(b, item))
		{
			write_failed(b, item, NULL);
			from++;
			continue;
		}
		/* a run ends before the next one that has to wait */
		while (from < to && (b->items[from].retried || !must_wait(b, &b->items[from])))
			from++;
		b->budget -= from - start;
		error = run_together(b, start, from);
		if (!error)
			continue;
		failed = b->failed_at;
		/* what went well before, once more: one by one if it does not go well now */
		if (failed == start + 1 || (failed > start && run_together(b, start, failed)))
			run_singly(b, start, failed);
		write_failed(b, &b->items[failed], must_wait(b, &b->items[failed]) ? NULL : error);
		from = failed + 1;
	}
}

/* ---- gathering ---- */

static batch_item *add_item(batch *b)
{
	if (b->count == b->capacity)
	{
		b->capacity = b->capacity ? b->capacity * 2 : 64;
		b->items = b->items ? repalloc(b->items, sizeof(batch_item) * b->capacity)
							: MemoryContextAlloc(b->memory, sizeof(batch_item) * b->capacity);
	}
	b->items[b->count] = (batch_item){0};
	return &b->items[b->count++];
}

static bool gather(void *context, const pythia_entry *entry)
{
	batch *b = context;
	MemoryContext before = MemoryContextSwitchTo(b->memory);
	batch_item *item = add_item(b);
	Datum values[10];
	bool nulls[10];
	HeapTuple tuple;

	pythia_change_values(b->maker, entry, values, nulls);
	/* forms a copy with values out of line brought in */
	tuple = heap_form_tuple(pythia_change_desc(b->maker), values, nulls);
	item->change = heap_copy_tuple_as_datum(tuple, pythia_change_desc(b->maker));
	item->change_id = entry->change_id;
	item->table_id = entry->table_id;
	set_key(item, entry->key);
	b->bytes += tuple->t_len;
	MemoryContextSwitchTo(before);
	return b->bytes < MAX_BATCH_BYTES;
}

static bool is_late(const batch *b)
{
	return TimestampDifferenceExceeds(b->began, GetCurrentTimestamp(), TURN_MS);
}

/* One page of failed changes from `after` on, in order: those that are due run, the others' keys wait. Returns
 * the last one's number, or 0 at the end. */
static int64 run_failed_page(batch *b, int64 after)
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
	Datum values[] = {Int32GetDatum(b->worker->worker_id), Int64GetDatum(after), BoolGetDatum(all)};
	MemoryContext page = AllocSetContextCreate(b->memory, "pythia_db failed changes", ALLOCSET_DEFAULT_SIZES);
	int64 last = 0;

	SPI_connect();
	pythia_catalog_execute(sql, 3, types, values, NULL);
	for (uint64 i = 0; i < SPI_processed && b->budget > 0 && !is_late(b); i++)
	{
		SPITupleTable *found = SPI_tuptable;
		HeapTuple row = found->vals[i];
		TupleDesc desc = found->tupdesc;
		uint64 count = SPI_processed;
		MemoryContext before = MemoryContextSwitchTo(page);
		batch_item item = {.retried = true};
		bool isnull;
		bool due;
		Datum key;

		item.change_id = last = DatumGetInt64(SPI_getbinval(row, desc, 1, &isnull));
		item.table_id = DatumGetInt32(SPI_getbinval(row, desc, 2, &isnull));
		item.attempts = DatumGetInt32(SPI_getbinval(row, desc, 4, &isnull));
		due = DatumGetBool(SPI_getbinval(row, desc, 5, &isnull));
		key = SPI_getbinval(row, desc, 6, &isnull);
		set_key(&item, isnull ? (Datum) 0 : key);
		if (!due || must_wait(b, &item))
			add_waiting(b, &item);
		else
		{
			item.change = datumCopy(SPI_getbinval(row, desc, 3, &isnull), false, -1);
			b->count = 0;
			*add_item(b) = item;
			run_range(b, 0, 1);
			b->count = 0;
		}
		MemoryContextSwitchTo(before);
		/* the handler may have used SPI */
		SPI_tuptable = found;
		SPI_processed = count;
		if (b->worker->config.ordered && b->any_waiting)
			last = 0;
		if (last == 0)
			break;
	}
	SPI_finish();
	MemoryContextDelete(page);
	return last;
}

/* False where there was no time for all of them. */
static bool run_failed(batch *b)
{
	int64 last = 0;

	do
		last = run_failed_page(b, last);
	while (last != 0 && b->budget > 0 && !is_late(b));
	return last == 0;
}

/* What waits, in pieces that grow as long as the time is good for them. */
static int64 run_waiting(batch *b, pythia_consumer *consumer)
{
	int64 piece = 1;
	int64 total = 0;

	for (;;)
	{
		int64 most = Min(piece, Min(b->max - total, b->budget));
		int64 elapsed;
		int64 count;

		b->count = 0;
		count = pythia_consumer_read(consumer, most, gather, b);
		run_range(b, 0, b->count);
		total += count;
		if (count < most || total >= b->max || b->budget <= 0 || b->bytes >= MAX_BATCH_BYTES ||
			(b->worker->config.ordered && b->any_waiting))
			return total;
		elapsed = TimestampDifferenceMilliseconds(b->began, GetCurrentTimestamp());
		if (elapsed >= TURN_MS)
			return total;
		piece = Min(piece * 2, 1 + (TURN_MS - elapsed) * total / Max(elapsed, 1));
	}
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
static bool any_due(const pythia_cdc_worker *worker)
{
	static const char sql[] = "SELECT FROM pythia.failed_change WHERE worker_id = $1 AND state <> 'dead' "
							  "AND (retry_at IS NULL OR retry_at <= pg_catalog.clock_timestamp()) LIMIT 1";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker->worker_id)};

	return any_failed(worker) && pythia_catalog_run(sql, lengthof(types), types, values, NULL) > 0;
}

bool pythia_cdc_handler_idle(const pythia_cdc_worker *worker)
{
	pythia_consumer consumer;

	if (!worker->handler)
		return true;
	(void) pythia_cdc_handler_function(worker);
	/* an idle turn takes no lock, which would cost a transaction id */
	if (!any_due(worker) && pythia_consumer_idle(worker->worker_id, PYTHIA_HANDLER_CONSUMER))
		return true;
	if (!pythia_consumer_look(worker->worker_id, PYTHIA_HANDLER_CONSUMER, &consumer))
	{
		pythia_mark beginning = pythia_mark_beginning(pythia_cdc_journal_floor(worker));

		(void) pythia_consumer_add(worker->worker_id, PYTHIA_HANDLER_CONSUMER, &beginning, 0);
	}
	return false;
}

int64 pythia_cdc_handle(pythia_cdc_worker *worker, pythia_handling *handling)
{
	HASHCTL control = {.keysize = sizeof(uint64), .entrysize = sizeof(uint64)};
	batch b = {.worker = worker, .max = worker->config.batch_size, .handling = handling};
	pythia_consumer consumer;
	MemoryContext before;
	int64 count = 0;

	if (!worker->handler)
		return 0;
	b.memory = AllocSetContextCreate(CurrentMemoryContext, "pythia_db batch", ALLOCSET_DEFAULT_SIZES);
	before = MemoryContextSwitchTo(b.memory);
	control.hcxt = b.memory;
	b.waiting = hash_create("pythia_db waiting keys", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	b.maker = pythia_change_maker_make(worker);
	fmgr_info(pythia_cdc_handler_function(worker), &b.handler);
	if (!pythia_consumer_lock(worker->worker_id, PYTHIA_HANDLER_CONSUMER, &consumer))
		elog(ERROR, "consumer \"%s\" is missing", PYTHIA_HANDLER_CONSUMER);
	if (consumer.lost)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the handler of CDC worker \"%s\" fell so far behind that changes were dropped", worker->name),
			 errhint("Bring what it feeds up to date, then call pythia.seek('%s', 'handler', 'now').", worker->name)));
	b.budget = handling->most > 0 ? handling->most : PG_INT64_MAX;
	b.began = GetCurrentTimestamp();
	if (!run_failed(&b) || b.budget <= 0)
		count = 1; /* there may be more */
	else if (!(worker->config.ordered && b.any_waiting))
	{
		count = run_waiting(&b, &consumer);
		if (consumer.moved)
			pythia_consumer_save(&consumer);
	}
	pythia_attempt_forget(worker->worker_id);
	MemoryContextSwitchTo(before);
	MemoryContextDelete(b.memory);
	return count;
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

PYTHIA_FUNCTION(pythia_retry_failed);

Datum pythia_retry_failed(PG_FUNCTION_ARGS)
{
	static const char sql[] =
		"UPDATE pythia.failed_change SET retry_at = pg_catalog.clock_timestamp(), state = 'retry', "
		"attempts = CASE WHEN state OPERATOR(pg_catalog.=) 'dead' THEN 0 ELSE attempts END "
		"WHERE worker_id OPERATOR(pg_catalog.=) $1 AND state OPERATOR(pg_catalog.<>) 'blocked'";
	int32 worker_id = pythia_worker_lookup(PYTHIA_JOB_CDC, text_to_cstring(PG_GETARG_TEXT_PP(0)), NULL, NULL);
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};
	int64 count = (int64) pythia_catalog_run(sql, 1, types, values, NULL);
	pythia_wake_at_commit(worker_id);
	PG_RETURN_INT64(count);
}
