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
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postgres/base/catalog.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/settings.h"
#include "postgres/base/subtransaction.h"
#include "postgres/base/user_code.h"
#include "postgres/base/verb.h"
#include "postgres/capture/change.h"
#include "postgres/jobs/attempt.h"
#include "postgres/jobs/batch.h"
#include "postgres/jobs/share.h"
#include "postgres/journal/consume.h"
#include "postgres/worker/process.h"
#include "postgres/worker/worker.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* A batch is bounded by bytes as well as by batch_size. */
#define MAX_BATCH_BYTES (16 * 1024 * 1024)
static void keep_result(const pythia_batch *b, const pythia_batch_item *item, Datum result, bool isnull)
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

static void call_handler(pythia_batch *b, const pythia_batch_item *item)
{
	LOCAL_FCINFO(call, 1);
	PgStat_FunctionCallUsage usage;
	pythia_user_call before;
	bool refused;
	volatile Datum result = (Datum) 0;

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
	/* it is called between two steps: what it polls or alters is seen by the next one */
	refused = pythia_verbs_refuse(false);
	PG_TRY();
	{
		result = FunctionCallInvoke(call);
	}
	PG_FINALLY();
	{
		(void) pythia_verbs_refuse(refused);
	}
	PG_END_TRY();
	pgstat_end_function_usage(&usage, true);
	PopActiveSnapshot();
	pythia_user_call_end(&before);
	if (b->worker->config.keep_result)
		keep_result(b, item, result, call->isnull);
	if (item->retried)
		pythia_failed_forget(b, item);
	CommandCounterIncrement();
	if (pythia_guc_log_changes)
		ereport(LOG, (errmsg("CDC worker \"%s\" handled change " INT64_FORMAT, b->worker->name, item->change_id)));
}

typedef struct run
{
	pythia_batch *batch;
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

/* Items [from, to) in one subtransaction. Returns NULL, or the error of item b->failed_at (to: of what follows the last
 * one), all rolled back. */
static ErrorData *run_together(pythia_batch *b, int from, int to)
{
	run r = {b, from, to, AllocSetContextCreate(CurrentMemoryContext, "pythia_db handler", ALLOCSET_DEFAULT_SIZES)};
	ErrorData *error = pythia_isolated(try_to_run, is_the_handlers, &r);

	if (error)
		b->failed_at = r.next;
	MemoryContextDelete(r.scratch);
	return error;
}

/* As run_together failed: one by one, each only where no earlier one of its key waits. */
static void run_singly(pythia_batch *b, int from, int to)
{
	for (int i = from; i < to; i++)
	{
		ErrorData *error = NULL;
		bool waiting = !b->items[i].retried && pythia_batch_must_wait(b, &b->items[i]);

		if (waiting || (error = run_together(b, i, i + 1)) != NULL)
			pythia_failed_write(b, &b->items[i], error);
	}
}

static void run_range(pythia_batch *b, int from, int to)
{
	while (from < to)
	{
		pythia_batch_item *item = &b->items[from];
		ErrorData *error;
		int failed;
		int start = from;

		/* what the commit refused the last time */
		if (b->handling->refused && item->change_id == b->handling->change_id)
		{
			pythia_failed_write(b, item, b->handling->refused);
			b->handling->refused = NULL;
			b->budget--;
			from++;
			continue;
		}
		/* those that have to wait for an earlier one */
		if (!item->retried && pythia_batch_must_wait(b, item))
		{
			pythia_failed_write(b, item, NULL);
			from++;
			continue;
		}
		/* a run ends before the next one that has to wait */
		while (from < to && (b->items[from].retried || !pythia_batch_must_wait(b, &b->items[from])))
			from++;
		b->budget -= from - start;
		error = run_together(b, start, from);
		if (!error)
			continue;
		failed = b->failed_at;
		/* the end of their subtransaction failed: whose fault that is shows one by one */
		if (failed == from)
		{
			run_singly(b, start, from);
			continue;
		}
		/* what went well before, once more: one by one if it does not go well now */
		if (failed == start + 1 || (failed > start && run_together(b, start, failed)))
			run_singly(b, start, failed);
		pythia_failed_write(b, &b->items[failed], pythia_batch_must_wait(b, &b->items[failed]) ? NULL : error);
		from = failed + 1;
	}
}

/* ---- gathering ---- */

static pythia_batch_item *add_item(pythia_batch *b)
{
	if (b->count == b->capacity)
	{
		b->capacity = b->capacity ? b->capacity * 2 : 64;
		b->items = b->items ? repalloc(b->items, sizeof(pythia_batch_item) * b->capacity)
							: MemoryContextAlloc(b->memory, sizeof(pythia_batch_item) * b->capacity);
	}
	b->items[b->count] = (pythia_batch_item){0};
	return &b->items[b->count++];
}

static bool gather(void *context, const pythia_entry *entry)
{
	pythia_batch *b = context;
	MemoryContext before = MemoryContextSwitchTo(b->memory);
	pythia_batch_item *item = add_item(b);
	Datum values[10];
	bool nulls[10];
	HeapTuple tuple;

	item->change_id = entry->change_id;
	item->table_id = entry->table_id;
	pythia_batch_set_key(item, entry->key);
	if (!pythia_batch_has(b, item))
	{
		b->count--;
		MemoryContextSwitchTo(before);
		return true;
	}
	pythia_change_values(b->maker, entry, values, nulls);
	/* forms a copy with values out of line brought in */
	tuple = heap_form_tuple(pythia_change_desc(b->maker), values, nulls);
	item->change = heap_copy_tuple_as_datum(tuple, pythia_change_desc(b->maker));
	b->bytes += tuple->t_len;
	MemoryContextSwitchTo(before);
	return b->count < b->piece && b->bytes < MAX_BATCH_BYTES;
}

/* Up to b->piece changes. False where that was all there is. */
static bool gather_piece(pythia_batch *b, pythia_consumer *consumer)
{
	pythia_share *share = b->handling->share;

	b->count = 0;
	if (share)
	{
		if (pythia_consumer_read_part(consumer, &share->position, share->upto, gather, b))
			share->position = share->upto;
		return share->position < share->upto;
	}
	return pythia_consumer_read(consumer, b->piece, gather, b) >= b->piece || b->bytes >= MAX_BATCH_BYTES;
}

/* What waits, in pieces that grow as long as the time is good for them. True where there may be more. */
static bool run_waiting(pythia_batch *b, pythia_consumer *consumer)
{
	int64 total = 0;
	bool more = true;

	b->piece = 1;
	while (more)
	{
		int64 elapsed;

		b->piece = Min(b->piece, Min(b->max - total, b->budget));
		more = gather_piece(b, consumer);
		run_range(b, 0, b->count);
		total += b->count;
		elapsed = TimestampDifferenceMilliseconds(b->began, GetCurrentTimestamp());
		if (total >= b->max || b->budget <= 0 || b->bytes >= MAX_BATCH_BYTES || elapsed >= PYTHIA_TURN_MS ||
			(b->worker->config.ordered && b->any_waiting))
			break;
		b->piece = Min(b->piece * 2, 1 + (PYTHIA_TURN_MS - elapsed) * total / Max(elapsed, 1));
	}
	return more;
}

/* Whoever hands over holds the consumer: alone, or of a share with the others. False where there is nothing for it. */
static bool hold_consumer(const pythia_cdc_worker *worker, pythia_handling *handling, pythia_consumer *consumer)
{
	if (handling->share)
	{
		if (!pythia_share_load(worker->worker_id, handling->share, consumer))
			return false;
	}
	else if (!pythia_consumer_lock(worker->worker_id, PYTHIA_HANDLER_CONSUMER, consumer))
		elog(ERROR, "consumer \"%s\" is missing", PYTHIA_HANDLER_CONSUMER);
	else if (FullTransactionIdIsValid(consumer->segment))
	{
		handling->divided = true;
		return false;
	}
	if (consumer->lost)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the handler of CDC worker \"%s\" fell so far behind that changes were dropped", worker->name),
			 errhint("Bring what it feeds up to date, then call pythia.seek('%s', 'handler', 'now').", worker->name)));
	return true;
}

/* Writes down how far it has come. */
static void save_position(const pythia_cdc_worker *worker, const pythia_handling *handling,
						  const pythia_consumer *consumer)
{
	if (handling->share)
		pythia_share_save(worker->worker_id, handling->share);
	else if (consumer->moved)
		pythia_consumer_save(consumer);
}

static void run_one(pythia_batch *b, const pythia_batch_item *item)
{
	b->count = 0;
	*add_item(b) = *item;
	run_range(b, 0, 1);
	b->count = 0;
}

bool pythia_cdc_handler_idle(const pythia_cdc_worker *worker)
{
	pythia_consumer consumer;

	if (!worker->handler)
		return true;
	(void) pythia_cdc_handler_function(worker);
	/* an idle turn takes no lock, which would cost a transaction id */
	if (!pythia_failed_due(worker) && pythia_consumer_idle(worker->worker_id, PYTHIA_HANDLER_CONSUMER))
		return true;
	if (!pythia_consumer_look(worker->worker_id, PYTHIA_HANDLER_CONSUMER, &consumer))
	{
		const pythia_cdc_worker *whole = pythia_cdc_load(worker->worker_id);
		pythia_mark beginning = pythia_mark_beginning(whole ? pythia_cdc_journal_floor(whole) : 0);

		(void) pythia_consumer_add(worker->worker_id, PYTHIA_HANDLER_CONSUMER, &beginning, 0);
	}
	return false;
}

bool pythia_cdc_handle(pythia_cdc_worker *worker, pythia_handling *handling)
{
	HASHCTL control = {.keysize = sizeof(uint64), .entrysize = sizeof(uint64)};
	pythia_batch b = {.worker = worker, .max = worker->config.batch_size, .handling = handling};
	pythia_consumer consumer;
	MemoryContext before;
	bool more = false;

	if (!worker->handler)
		return false;
	b.memory = AllocSetContextCreate(CurrentMemoryContext, "pythia_db batch", ALLOCSET_DEFAULT_SIZES);
	before = MemoryContextSwitchTo(b.memory);
	control.hcxt = b.memory;
	b.waiting = hash_create("pythia_db waiting keys", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	b.maker = pythia_change_maker_make(worker);
	fmgr_info(pythia_cdc_handler_function(worker), &b.handler);
	b.budget = handling->most > 0 ? handling->most : PG_INT64_MAX;
	if (hold_consumer(worker, handling, &consumer))
	{
		b.began = GetCurrentTimestamp();
		if (!pythia_failed_run(&b, run_one) || b.budget <= 0)
			more = true;
		else if (!(worker->config.ordered && b.any_waiting))
			more = run_waiting(&b, &consumer);
		save_position(worker, handling, &consumer);
	}
	/* a share's is taken back with its position */
	if (!handling->share)
		pythia_attempt_forget(worker->worker_id, NULL);
	MemoryContextSwitchTo(before);
	MemoryContextDelete(b.memory);
	return more;
}
