/* What SQL calls to poll and to consume. */
#include "postgres/capture/catalog.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "core/number.h"
#include "dialect/short_name.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "postgres/base/arguments.h"
#include "postgres/base/catalog.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/subtransaction.h"
#include "postgres/base/verb.h"
#include "postgres/capture/discovered.h"
#include "postgres/capture/change.h"
#include "postgres/capture/gather.h"
#include "postgres/jobs/dispatch.h"
#include "postgres/jobs/handler.h"
#include "postgres/journal/consume.h"
#include "postgres/journal/journal.h"
#include "postgres/worker/home.h"
#include "postgres/worker/worker.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#define DEFAULT_CONSUMER "default"
/* How often a session looks where nobody can wake it (not preloaded). */
#define UNWOKEN_MS 100
/* How often it looks unwoken: whether a worker's process has come or gone, say. */
#define LOOK_AGAIN_MS 10000

static pythia_cdc_worker *worker_of(const char *name)
{
	return pythia_cdc_reload(pythia_worker_lookup(PYTHIA_JOB_CDC, name, NULL, NULL), name);
}

PYTHIA_VERB(pythia_poll)
{
	char *name = pythia_argument_text(fcinfo, 0);
	int32 worker_id = pythia_worker_lookup(PYTHIA_JOB_CDC, name, NULL, NULL);
	pythia_cdc_worker *worker;

	pythia_cdc_refuse_standby();
	pythia_cdc_lock(worker_id);
	(void) pythia_cdc_add_discovered(worker_id);
	/* only now: what another session wrote while we waited for it counts */
	worker = pythia_cdc_reload(worker_id, name);
	if (worker->connection)
		pythia_home_require(worker_id);
	for (int i = 0; i < worker->ntables; i++)
		if (!worker->tables[i].active)
			ereport(WARNING, (errmsg("capture of table \"%s\" is stopped: %s",
									 pythia_name_shown(worker->tables[i].name, (char[PYTHIA_NAME_ROOM]){0}),
									 worker->tables[i].reason ? worker->tables[i].reason : "no reason was kept"),
							  errhint("Mend the cause, then call pythia.start_cdc.")));
	PG_RETURN_INT64(pythia_cdc_poll(worker, true));
}

/* ---- consumers ---- */

static void unknown_consumer(const pythia_cdc_worker *worker, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("consumer \"%s\" of CDC worker \"%s\" does not exist", name, worker->name),
			 errhint("Create it with pythia.create_consumer, or see pythia.stat_consumer for those there are.")));
}

static void lock_consumer(const pythia_cdc_worker *worker, const char *name, pythia_consumer *consumer)
{
	if (!pythia_consumer_lock(worker->worker_id, name, consumer))
	{
		pythia_mark beginning = pythia_mark_beginning(pythia_cdc_journal_floor(worker));

		if (strcmp(name, DEFAULT_CONSUMER) != 0)
			unknown_consumer(worker, name);
		(void) pythia_consumer_add(worker->worker_id, name, &beginning, 0);
		if (!pythia_consumer_lock(worker->worker_id, name, consumer))
			unknown_consumer(worker, name);
	}
}

typedef struct change_output
{
	pythia_change_maker *maker;
	Tuplestorestate *store;
	MemoryContext scratch;
} change_output;

static bool put_change(void *context, const pythia_entry *entry)
{
	change_output *output = context;
	MemoryContext before = MemoryContextSwitchTo(output->scratch);
	Datum values[10];
	bool nulls[10];

	pythia_change_values(output->maker, entry, values, nulls);
	tuplestore_putvalues(output->store, pythia_change_desc(output->maker), values, nulls);
	MemoryContextSwitchTo(before);
	MemoryContextReset(output->scratch);
	return true;
}

/* Milliseconds. */
#define LETS_GO_MS 100

typedef struct own_poll
{
	int32 worker_id;
	bool locked;
} own_poll;

/* A poll that wrote nothing down lets go of the worker's lock. */
static bool poll_and_keep(void *argument)
{
	own_poll *poll = argument;

	poll->locked = pythia_cdc_try_lock(poll->worker_id);
	if (poll->locked)
	{
		/* only now: what another session wrote before it let go counts */
		pythia_cdc_worker *locked = pythia_cdc_load(poll->worker_id);

		if (locked)
			(void) pythia_cdc_poll(locked, true);
	}
	return TransactionIdIsValid(GetCurrentTransactionIdIfAny());
}

/* Where no background worker does it, whoever wants changes polls for them; false while another session does. */
static bool poll_if_nobody_does(const pythia_cdc_worker *worker)
{
	own_poll poll = {worker->worker_id, true};

	if (pythia_worker_pid(worker->worker_id) == 0)
		pythia_attempt(poll_and_keep, &poll);
	return poll.locked;
}

/* The same for who has waited for a session to end: that lets go of its locks one after the other. */
static bool poll_after(const pythia_cdc_worker *worker)
{
	bool polled = poll_if_nobody_does(worker);

	for (int i = 0; !polled && i < LETS_GO_MS; i++)
	{
		pg_usleep(1000);
		CHECK_FOR_INTERRUPTS();
		polled = poll_if_nobody_does(worker);
	}
	return polled;
}

/* A table that begins now must not be undone. */
static bool begins(const pythia_cdc_worker *worker)
{
	for (int i = 0; i < worker->ntables; i++)
		if (!worker->tables[i].has_state)
			return true;
	return false;
}

static int64 consume_once(const char *name, const char *consumer_name, int64 max, change_output *output)
{
	pythia_cdc_worker *worker = worker_of(name);
	pythia_consumer consumer;
	int64 count;
	bool polled;

	if (worker->connection)
		pythia_home_require(worker->worker_id);
	polled = poll_if_nobody_does(worker);
	pythia_gather_flush();
	output->maker = pythia_change_maker_make(worker);
	if (pythia_consumer_idle(worker->worker_id, consumer_name))
		return 0;
	lock_consumer(worker, consumer_name, &consumer);
	if (consumer.lost)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("consumer \"%s\" of CDC worker \"%s\" is lost", consumer_name, name),
						errdetail("It fell so far behind that changes it had not read were dropped."),
						errhint("Bring what it feeds up to date by other means, then move it with pythia.seek.")));
	count = pythia_consumer_read(&consumer, max, put_change, output);
	/* who polled may have been the one that we waited for, and have undone it */
	if (count == 0 && !polled && poll_after(worker))
		count = pythia_consumer_read(&consumer, max, put_change, output);
	if (consumer.moved)
		pythia_consumer_save(&consumer);
	return count;
}

typedef struct look
{
	const char *name;
	const char *consumer;
	int64 max;
	change_output *output;
	bool begins;
	int64 count;
} look;

static bool look_and_keep(void *argument)
{
	look *l = argument;

	l->count = consume_once(l->name, l->consumer, l->max, l->output);
	return l->begins || l->count > 0;
}

/* The same, but where there is nothing it leaves no lock behind: for who will wait. */
static int64 try_to_consume(const char *name, const char *consumer_name, int64 max, change_output *output)
{
	pythia_cdc_worker *worker = worker_of(name);
	look l = {name, consumer_name, max, output, begins(worker), 0};

	/* before we look: a commit in between shall wake us */
	(void) pythia_waiter_add(worker->worker_id);
	pythia_attempt(look_and_keep, &l);
	return l.count;
}

/* Sleeps until somebody has written changes, at most until the deadline. */
static void wait_for_changes(const char *name, TimestampTz deadline)
{
	pythia_cdc_worker *worker = worker_of(name);
	bool polled_by_us = pythia_worker_pid(worker->worker_id) == 0;
	long timeout = Min(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline), LOOK_AGAIN_MS);

	if (!pythia_waiter_add(worker->worker_id))
		timeout = Min(timeout, UNWOKEN_MS);
	if (polled_by_us)
		timeout = Min(timeout, (long) (worker->poll_interval * 1000));
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Max(timeout, 1),
					 pythia_wait_event("PythiaConsume"));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

PYTHIA_VERB(pythia_consume_changes)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext per_query;
	MemoryContext before;
	MemoryContext scratch;
	change_output output = {0};
	TimestampTz deadline;
	int64 max;
	char *name;
	char *consumer;

	name = pythia_argument_text(fcinfo, 0);
	consumer = pythia_argument_text(fcinfo, 1);
	max = DatumGetInt32(pythia_argument(fcinfo, 2));
	if (max <= 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("max_changes must be greater than zero"),
						errhint("Give the number of changes that one call may return, such as 1000.")));
	if (!result || !IsA(result, ReturnSetInfo) || !(result->allowedModes & SFRM_Materialize))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("consume_changes must be called in FROM"),
						errhint("Write SELECT * FROM pythia.consume_changes(…).")));
	pythia_cdc_refuse_standby();
	deadline = GetCurrentTimestamp();
	if (!PG_ARGISNULL(3))
		deadline = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(deadline),
														   PointerGetDatum(PG_GETARG_INTERVAL_P(3))));

	per_query = result->econtext->ecxt_per_query_memory;
	before = MemoryContextSwitchTo(per_query);
	output.store = tuplestore_begin_heap((result->allowedModes & SFRM_Materialize_Random) != 0, false, work_mem);
	scratch = AllocSetContextCreate(per_query, "pythia_db consume", ALLOCSET_DEFAULT_SIZES);
	output.scratch = AllocSetContextCreate(per_query, "pythia_db change", ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		/* in one snapshot nothing new can be seen, however long we wait */
		bool last = GetCurrentTimestamp() >= deadline || IsolationUsesXactSnapshot();

		MemoryContextSwitchTo(scratch);
		if ((last ? consume_once : try_to_consume)(name, consumer, max, &output) > 0 || last)
			break;
		wait_for_changes(name, deadline);
		MemoryContextReset(scratch);
	}
	pythia_waiter_remove(pythia_worker_lookup(PYTHIA_JOB_CDC, name, NULL, NULL));
	MemoryContextSwitchTo(per_query);
	result->returnMode = SFRM_Materialize;
	result->setResult = output.store;
	result->setDesc = CreateTupleDescCopy(pythia_change_desc(output.maker));
	MemoryContextSwitchTo(before);
	return (Datum) 0;
}

/* ---- where a consumer begins ---- */

/* No journal counts so far, and sums with it do not overflow. */
#define LAST_NUMBER INT64_C(999999999999999999)

/* The number before the first entry captured at or after a time. */
static int64 number_before(int32 worker_id, TimestampTz time)
{
	static const char sql[] =
		"SELECT pg_catalog.min(change_id) FROM pythia.journal WHERE worker_id OPERATOR(pg_catalog.=) $1 "
		"AND COALESCE(stamp, captured_at) OPERATOR(pg_catalog.>=) $2";
	Oid types[] = {INT4OID, TIMESTAMPTZOID};
	Datum values[] = {Int32GetDatum(worker_id), TimestampTzGetDatum(time)};
	int64 number = pythia_journal_last_number();
	bool isnull;
	Datum first;

	SPI_connect();
	pythia_catalog_execute(sql, 2, types, values, NULL);
	first = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (!isnull)
		number = DatumGetInt64(first) - 1;
	SPI_finish();
	return number;
}

static void say_position(void *arg)
{
	errcontext("position of a consumer: now, beginning, a change_id or a timestamp");
}

/*
 * A place in the journal: now, beginning, after a number, or from a time on.  After
 * a number means a window over everything so far that begins behind it.
 */
static void place(pythia_consumer *consumer, const char *where)
{
	int64_t number;

	consumer->reading = (pythia_mark){0};
	consumer->ceiling = 0;
	consumer->position = 0;
	consumer->segment = InvalidFullTransactionId;
	consumer->lost = false;
	if (strcmp(where, "now") == 0)
	{
		consumer->done = pythia_mark_now();
		return;
	}
	consumer->done = pythia_mark_beginning(0);
	if (strcmp(where, "beginning") == 0)
		return;
	if (!pythia_whole_number(where, LAST_NUMBER, &number))
	{
		ErrorContextCallback callback = {.callback = say_position, .previous = error_context_stack};
		Datum time;

		error_context_stack = &callback;
		time = DirectFunctionCall3(timestamptz_in, CStringGetDatum(where), ObjectIdGetDatum(InvalidOid),
								   Int32GetDatum(-1));
		error_context_stack = callback.previous;
		number = number_before(consumer->worker_id, DatumGetTimestampTz(time));
	}
	else if (number > pythia_journal_last_number())
		/* what is not there yet would be passed over when it comes */
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("there is no change " INT64_FORMAT " yet", (int64) number),
						errhint("The last one is " INT64_FORMAT ".", pythia_journal_last_number())));
	consumer->reading = pythia_mark_now();
	consumer->ceiling = pythia_journal_last_number();
	consumer->position = number;
}

PYTHIA_VERB(pythia_create_consumer)
{
	pythia_cdc_worker *worker = worker_of(pythia_argument_text(fcinfo, 0));
	char *name = pythia_argument_text(fcinfo, 1);
	pythia_consumer consumer = {.worker_id = worker->worker_id, .name = name};

	pythia_cdc_refuse_standby();
	pythia_argument_name(name, "consumer");
	place(&consumer, pythia_argument_text(fcinfo, 2));
	if (!pythia_consumer_add(worker->worker_id, name, &consumer.done, consumer.position))
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT),
						errmsg("consumer \"%s\" of CDC worker \"%s\" already exists", name, worker->name),
						errhint("Move it with pythia.seek, or choose another name.")));
	pythia_consumer_save(&consumer);
	PG_RETURN_VOID();
}

PYTHIA_VERB(pythia_seek)
{
	pythia_cdc_worker *worker = worker_of(pythia_argument_text(fcinfo, 0));
	char *name = pythia_argument_text(fcinfo, 1);
	pythia_consumer consumer;

	pythia_cdc_refuse_standby();
	lock_consumer(worker, name, &consumer);
	place(&consumer, pythia_argument_text(fcinfo, 2));
	pythia_consumer_save(&consumer);
	PG_RETURN_VOID();
}

PYTHIA_VERB(pythia_drop_consumer)
{
	static const char sql[] = "DELETE FROM pythia.consumer WHERE worker_id OPERATOR(pg_catalog.=) $1 "
							  "AND name OPERATOR(pg_catalog.=) $2";
	pythia_cdc_worker *worker = worker_of(pythia_argument_text(fcinfo, 0));
	char *name = pythia_argument_text(fcinfo, 1);
	Oid types[] = {INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(worker->worker_id), CStringGetTextDatum(name)};

	if (worker->handler && strcmp(name, PYTHIA_HANDLER_CONSUMER) == 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("consumer \"%s\" belongs to the handler of CDC worker \"%s\"", name, worker->name),
						errhint("Drop the worker, or create it without a handler.")));
	if (pythia_catalog_run(sql, 2, types, values, NULL) == 0)
		unknown_consumer(worker, name);
	PG_RETURN_VOID();
}
