/*
 * Triggers in another database follow the transaction here that makes or drops
 * them: what was made goes when that is rolled back, what was dropped goes just
 * before it commits.  A server that dies in between leaves them behind; their
 * table is named pythia_log_….
 */
#include "postgres/remote/poll.h"

#include "access/xact.h"
#include "core/memory.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "postgres/base/bridge.h"
#include "postgres/base/catalog.h"
#include "postgres/base/host.h"
#include "postgres/base/subtransaction.h"
#include "postgres/remote/internal.h"
#include "postgres/worker/home.h"
#include "storage/fd.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* How long all servers together may be silent at a command's end; the first of several that are has half of it. */
#define MOST_MS 10000

typedef struct log_entry
{
	enum
	{
		LOG_MADE,    /* goes if this is rolled back */
		LOG_DROPPED, /* goes if this commits */
		LOG_GARBAGE  /* goes in any case, when the transaction ends */
	} kind;
	int depth; /* nesting level of the (sub)transaction */
	int32 worker_id;
	pythia_endpoint *target; /* shared by the tables of a worker */
	char *schema;            /* UTF-8, as the next two */
	char *table;
	char *log;
} log_entry;

static List *entries = NIL; /* in TopTransactionContext */
static bool callbacks_registered = false;

/* No statement_timeout runs any more while a transaction ends: it holds for all of the removals. */
static TimestampTz last_moment(void)
{
	return StatementTimeout > 0 ? TimestampTzPlusMilliseconds(GetCurrentTimestamp(), StatementTimeout) : DT_NOEND;
}

static const char *by_hand(pythia_engine engine, const char *schema, const char *table, const char *log)
{
	char *statements = pythia_log_removal(engine, schema, table, log);
	const char *result = pythia_message_from_utf8(statements);

	pythia_free(statements);
	return result;
}

/* The connection for the next removal: many tables of one database take one. */
typedef struct removal
{
	const pythia_endpoint *target;
	pythia_db *db;
} removal;

static bool reach(removal *r, const log_entry *entry, TimestampTz deadline, pythia_error *error)
{
	pythia_open_options options = pythia_endpoint_options(entry->target);
	/* what is open has its deadline moved by this, too */
	const pythia_host *host = pythia_backend_host_until(deadline);

	if (r->db && r->target == entry->target && !r->db->broken)
		return true;
	pythia_db_close(r->db);
	r->db = NULL;
	r->target = entry->target;
	return pythia_db_open(&entry->target->url, host, &options, &r->db, error);
}

/* True where it is done. Raises nothing by itself: it also runs while a transaction aborts. */
static bool remove_now(removal *r, const log_entry *entry, TimestampTz deadline)
{
	const pythia_endpoint *target = entry->target;
	pythia_error error = PYTHIA_ERROR_INIT;
	bool ok =
		reach(r, entry, deadline, &error) && pythia_log_remove(r->db, entry->schema, entry->table, entry->log, &error);
	bool late = !ok && error.error_class == PYTHIA_E_CANCELLED && GetCurrentTimestamp() >= deadline;
	char *message = pstrdup(late            ? "It did not answer in time."
							: error.message ? pythia_message_from_utf8(error.message)
											: "unknown error");

	pythia_error_reset(&error);
	if (ok)
		return true;
	/* nobody knows its state */
	pythia_db_close(r->db);
	r->db = NULL;
	/* who cancels the command wants it rolled back */
	if (entry->kind == LOG_DROPPED)
		CHECK_FOR_INTERRUPTS();
	ereport(WARNING, (errmsg("the triggers on table \"%s.%s\" of %s stay", pythia_message_from_utf8(entry->schema),
							 pythia_message_from_utf8(entry->table), target->display),
					  errdetail_internal("%s", message),
					  errhint("Run there: %s", by_hand(target->url.engine, entry->schema, entry->table, entry->log))));
	return false;
}

static void remove_kinds(removal *r, int kind)
{
	TimestampTz last = last_moment();
	TimestampTz silence = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), MOST_MS);
	const pythia_endpoint *silent = NULL;
	ListCell *cell;

	foreach (cell, entries)
	{
		log_entry *entry = lfirst(cell);
		TimestampTz now;

		if ((int) entry->kind != kind && entry->kind != LOG_GARBAGE)
			continue;
		entries = foreach_delete_current(entries, cell);
		now = GetCurrentTimestamp();
		/* one that does not answer leaves time for the others, and is not asked again */
		if (silent && strcmp(silent->display, entry->target->display) == 0)
			(void) remove_now(r, entry, now);
		else if (!remove_now(r, entry, Min(last, now + Max(silence - now, 0) / 2)))
			silent = entry->target;
		else
			/* many tables take their time where each answers */
			silence += GetCurrentTimestamp() - now;
	}
}

/* While a transaction aborts, an error would begin that anew: it is reported, and the next one's turn comes. */
static void remove_unraised(removal *r, int kind)
{
	MemoryContext cxt = CurrentMemoryContext;
	volatile bool done = false;

	while (!done)
	{
		PG_TRY();
		{
			remove_kinds(r, kind);
			done = true;
		}
		PG_CATCH();
		{
			MemoryContextSwitchTo(cxt);
			EmitErrorReport();
			FlushErrorState();
		}
		PG_END_TRY();
	}
}

static void at_transaction_end(XactEvent event, void *arg)
{
	removal r = {0};

	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			remove_kinds(&r, LOG_DROPPED);
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (entries != NIL)
				ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
								errmsg("cannot PREPARE a transaction that has made or dropped triggers elsewhere"),
								errhint("Commit it directly.")));
			break;
		case XACT_EVENT_ABORT:
			remove_unraised(&r, LOG_MADE);
			entries = NIL;
			break;
		case XACT_EVENT_COMMIT:
			entries = NIL;
			break;
		default:
			break;
	}
	pythia_db_close(r.db);
}

static void at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	int depth = GetCurrentTransactionNestLevel();
	ListCell *cell;

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	foreach (cell, entries)
	{
		log_entry *entry = lfirst(cell);

		if (entry->depth < depth)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			entry->depth = depth - 1;
		else if (entry->kind == LOG_MADE)
			entry->kind = LOG_GARBAGE;
		else if (entry->kind == LOG_DROPPED)
			entries = foreach_delete_current(entries, cell);
	}
}

/* What will not pass is no reason to keep here what is dropped; a cancel or a lock that took too long is. */
static bool is_lasting(void *unused, const ErrorData *error)
{
	int category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return category != ERRCODE_OPERATOR_INTERVENTION && category != ERRCODE_TRANSACTION_ROLLBACK &&
		   error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE;
}

typedef struct target_search
{
	const pythia_cdc_worker *worker;
	pythia_endpoint *target;
} target_search;

static void find_target(void *argument)
{
	target_search *search = argument;

	search->target = pythia_remote_target(search->worker, true);
}

/* The database, or NULL where it is not to be had any more: then a warning has said so. */
static pythia_endpoint *target_of(const pythia_cdc_worker *worker, const pythia_cdc_table *table)
{
	target_search search = {worker, NULL};
	ErrorData *error = pythia_isolated(find_target, is_lasting, &search);

	if (!error)
		return search.target;
	ereport(WARNING, (errmsg("the triggers on table \"%s.%s\" of \"%s\" stay", table->schema_name, table->table_name,
							 worker->connection),
					  errdetail_internal("%s", error->message),
					  errhint("Drop what is named %s there: triggers, in PostgreSQL their function, and the table.",
							  table->log_name)));
	return NULL;
}

/* The one that an earlier table of the same worker has. */
static pythia_endpoint *known_target(const pythia_cdc_worker *worker)
{
	const log_entry *last = entries != NIL ? llast(entries) : NULL;

	return last && last->worker_id == worker->worker_id ? last->target : NULL;
}

static void note(const pythia_cdc_worker *worker, const pythia_cdc_table *table, int kind)
{
	MemoryContext before = MemoryContextSwitchTo(TopTransactionContext);
	log_entry *entry = palloc0(sizeof(log_entry));

	if (!callbacks_registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		RegisterSubXactCallback(at_subtransaction_end, NULL);
		callbacks_registered = true;
	}
	entry->kind = kind;
	entry->depth = GetCurrentTransactionNestLevel();
	entry->worker_id = worker->worker_id;
	entry->target = known_target(worker);
	if (!entry->target)
		entry->target = kind == LOG_MADE ? pythia_remote_target(worker, true) : target_of(worker, table);
	entry->schema = pythia_to_utf8(table->schema_name);
	entry->table = pythia_to_utf8(table->table_name);
	entry->log = pythia_to_utf8(table->log_name);
	if (entry->target)
		entries = lappend(entries, entry);
	MemoryContextSwitchTo(before);
}

void pythia_remote_triggers_come(const pythia_cdc_worker *worker, const pythia_cdc_table *table)
{
	note(worker, table, LOG_MADE);
}

void pythia_remote_triggers_go(const pythia_cdc_worker *worker, const pythia_cdc_table *table)
{
	/* they are those of the database that this is a copy of */
	if (pythia_home_abroad(worker->worker_id))
	{
		ereport(NOTICE, (errmsg("the triggers on table \"%s.%s\" of \"%s\" stay", table->schema_name, table->table_name,
								worker->connection),
						 errdetail("Worker \"%s\" is held: the triggers belong to the original.", worker->name)));
		return;
	}
	note(worker, table, LOG_DROPPED);
}

static void all_triggers_go(void *unused)
{
	static const char sql[] = "SELECT DISTINCT t.worker_id FROM pythia.cdc_state s JOIN pythia.cdc_table t "
							  "ON t.table_id OPERATOR(pg_catalog.=) s.table_id WHERE s.log_name IS NOT NULL";
	List *ids = NIL;
	MemoryContext cxt = CurrentMemoryContext;
	ListCell *cell;

	SPI_connect();
	pythia_catalog_execute(sql, 0, NULL, NULL, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext before = MemoryContextSwitchTo(cxt);
		bool isnull;

		ids = lappend_int(ids, DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull)));
		MemoryContextSwitchTo(before);
	}
	SPI_finish();
	foreach (cell, ids)
	{
		pythia_cdc_worker *worker = pythia_cdc_load(lfirst_int(cell));

		for (int i = 0; worker && i < worker->ntables; i++)
			if (worker->tables[i].log_name)
				pythia_remote_triggers_go(worker, &worker->tables[i]);
	}
}

void pythia_remote_all_triggers_go(void)
{
	if (pythia_isolated(all_triggers_go, is_lasting, NULL))
		ereport(WARNING, (errmsg("triggers that pythia_db made in other databases may stay there"),
						  errhint("Drop what is named pythia_log_… in them.")));
}
