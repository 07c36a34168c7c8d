/*
 * Polls of another database: in a session all in its transaction; in a background
 * worker reading is done outside, and each table is written down in a transaction
 * of its own, unless its state has changed since (cdc_state.round).
 */
#include "postgres/remote/poll.h"

#include "access/xact.h"
#include "core/text.h"
#include "dialect/short_name.h"
#include "miscadmin.h"
#include "postgres/base/bridge.h"
#include "postgres/base/subtransaction.h"
#include "postgres/capture/outcome.h"
#include "postgres/remote/internal.h"
#include "postgres/worker/transaction.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* How often a background worker looks for tables that have come under a pattern. */
#define LOOK_INTERVAL (5 * USECS_PER_SEC)

/* ---- both ways ---- */

/* What a dump brought has settings, but no position; nor has a table that was just found. */
static void start_missing(pythia_cdc_worker *worker)
{
	for (int i = 0; i < worker->ntables; i++)
	{
		if (worker->tables[i].has_state)
			continue;
		ereport(WARNING, (errmsg("capture of table \"%s\" of CDC worker \"%s\" starts anew",
								 pythia_name_shown(worker->tables[i].name, (char[PYTHIA_NAME_ROOM]){0}), worker->name),
						  errdetail("Its position is not known here, as after a restore from a dump.")));
		pythia_remote_prepare(&worker->tables[i], "now");
	}
}

/* In a transaction: what fetching will need of the catalogue. */
static List *make_ready(pythia_cdc_worker *worker, bool lasting)
{
	List *all = NIL;

	worker->timestamp_column = pythia_to_utf8(worker->timestamp_column);
	for (int i = 0; i < worker->ntables; i++)
	{
		pythia_cdc_table *table = &worker->tables[i];
		pythia_fetched *fetched;

		if (!table->active)
			continue;
		if (table->start_as)
			table->config.start = strcmp(table->start_as, "now") == 0 ? PYTHIA_START_NOW : PYTHIA_START_BEGINNING;
		fetched = pythia_fetched_make(table, lasting);
		all = lappend(all, fetched);
		if (table->config.capture == PYTHIA_CAPTURE_TRIGGER)
			pythia_remote_delivered_load(fetched);
	}
	return all;
}

static void free_all(List *all)
{
	ListCell *cell;

	foreach (cell, all)
		pythia_fetched_free(lfirst(cell));
}

typedef struct table_digest
{
	const pythia_cdc_worker *worker;
	pythia_fetched *fetched;
	int64 captured;
} table_digest;

static void try_to_digest(void *argument)
{
	table_digest *digest = argument;

	digest->captured = pythia_digest_fetched(digest->worker, digest->fetched);
}

/* What this database cannot hold (a NUL character, a row too big) stops the table, not the worker. */
static int64 digest_isolated(const pythia_cdc_worker *worker, pythia_fetched *fetched)
{
	table_digest digest = {worker, fetched, 0};
	ErrorData *error = pythia_isolated(try_to_digest, pythia_cdc_table_is_to_blame, &digest);

	if (!error)
		return digest.captured;
	pythia_cdc_give_up(worker, fetched->table, error->message);
	FreeErrorData(error);
	return 0;
}

static int64 digest(const pythia_cdc_worker *worker, pythia_fetched *fetched, bool isolate)
{
	int64 captured;

	if (fetched->failed)
	{
		pythia_cdc_give_up(worker, fetched->table, pythia_message_from_utf8(fetched->reason));
		return 0;
	}
	if (fetched->away || fetched->table->reason)
		pythia_cdc_note_reason(fetched->table, fetched->away ? pythia_message_from_utf8(fetched->reason) : NULL);
	if (fetched->away)
		return 0;
	captured = isolate ? digest_isolated(worker, fetched) : pythia_digest_fetched(worker, fetched);
	/* the rest was delivered: started again it goes on from here */
	if (fetched->not_logged)
		pythia_cdc_give_up(worker, fetched->table,
						   psprintf("a change could not be logged: %s", pythia_message_from_utf8(fetched->not_logged)));
	return captured;
}

/* ---- in a session ---- */

/* Reads what all tables need; ereports. Frees them where it fails. */
static void fetch(pythia_cdc_worker *worker, const pythia_endpoint *target, List *all, bool isolate,
				  const pythia_remote_known *known, List **found, pythia_source_status *status)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_remote_source *source = pythia_remote_source_open(worker, target, &error);
	bool ok = source && pythia_fetch_all(worker, source, all, isolate, status, &error) &&
			  pythia_remote_find(worker, source, known, found, &error);

	pythia_remote_source_done(source, ok);
	if (ok)
		return;
	free_all(all);
	pythia_raise(&error);
}

static int64 poll(pythia_cdc_worker *worker, const pythia_endpoint *target, bool isolate, List **found)
{
	pythia_remote_known known;
	pythia_source_status status;
	List *all;
	ListCell *cell;
	int64 captured = 0;

	start_missing(worker);
	pythia_remote_note_known(worker, &known);
	for (int i = 0; i < worker->ntables; i++)
		if (worker->tables[i].active && !worker->tables[i].started && worker->tables[i].log_name)
			pythia_remote_triggers_come(worker, &worker->tables[i]);
	all = make_ready(worker, false);
	fetch(worker, target, all, isolate, &known, found, &status);
	foreach (cell, all)
		captured += digest(worker, lfirst(cell), isolate);
	if (pythia_remote_hold_changed(worker, &status))
		pythia_remote_hold_save(worker, &status);
	free_all(all);
	return captured;
}

int64 pythia_remote_poll(pythia_cdc_worker *worker, bool isolate)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "pythia_db remote poll", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(cxt);
	pythia_endpoint *target = pythia_remote_target(worker, worker->config.capture == PYTHIA_CAPTURE_TRIGGER);
	List *found;
	int64 captured = poll(worker, target, isolate, &found);

	if (found != NIL)
	{
		pythia_remote_add_discovered(worker, found);
		captured += poll(pythia_cdc_reload(worker->worker_id, worker->name), target, isolate, &found);
		/* where they start is what the next poll reads on from: all of them is new */
		captured += poll(pythia_cdc_reload(worker->worker_id, worker->name), target, isolate, &found);
	}
	MemoryContextSwitchTo(before);
	MemoryContextDelete(cxt);
	return captured;
}

/* ---- in the background ---- */

/* One turn; in the turn's memory. */
typedef struct remote_turn
{
	pythia_cdc_worker *worker;
	pythia_endpoint *target; /* NULL: nothing to do */
	List *all;
	pythia_remote_known known;
	List *found; /* tables that are new */
	pythia_source_status status;
	bool ok;      /* the source answered */
	bool written; /* false: another session was faster */
	bool again;
	pythia_error error;
	TimestampTz *next_look; /* for tables that have come under a pattern */
} remote_turn;

/* Loads the worker and what fetching needs. */
static void begin_turn(int32 worker_id, remote_turn *turn)
{
	MemoryContext cxt = CurrentMemoryContext;
	pythia_cdc_worker *worker;

	pythia_job_begin();
	MemoryContextSwitchTo(cxt);
	worker = turn->worker = pythia_cdc_load(worker_id);
	if (worker && worker->enabled && worker->connection)
	{
		/* written down first, so that a start that is cut off knows what to remove */
		start_missing(worker);
		turn->target = pythia_remote_target(worker, worker->config.capture == PYTHIA_CAPTURE_TRIGGER);
		turn->all = make_ready(worker, true);
		if (GetCurrentTimestamp() >= *turn->next_look)
			pythia_remote_note_known(worker, &turn->known);
	}
	pythia_job_commit();
	MemoryContextSwitchTo(cxt);
}

/* Whether nobody has captured this table, or altered the worker, since we loaded it. */
static bool still_holds(const pythia_cdc_worker *before, const pythia_cdc_table *table)
{
	pythia_cdc_worker *now = pythia_cdc_load_table(before->worker_id, table->table_id);

	if (!now || !pythia_same_text(now->connection, before->connection) ||
		compareJsonbContainers(&now->options->root, &before->options->root) != 0)
		return false;
	return now->ntables == 1 && now->tables[0].has_state && now->tables[0].active &&
		   now->tables[0].round == table->round && now->tables[0].started == table->started &&
		   pythia_same_text(now->tables[0].log_name, table->log_name) &&
		   pythia_same_text(now->tables[0].timestamp_column, table->timestamp_column);
}

/* In a transaction of its own; false where another session was faster. */
static bool write_down(const pythia_cdc_worker *worker, pythia_fetched *fetched)
{
	bool ok = true;

	if (pythia_fetched_idle(fetched))
		return true;
	pythia_job_begin();
	/* a session that polls in a transaction it leaves open shall not stall us */
	ok = pythia_cdc_try_lock(worker->worker_id) && still_holds(worker, fetched->table);
	if (ok && digest(worker, fetched, true) > 0)
		pythia_cdc_tell(worker->worker_id);
	pythia_job_commit();
	return ok;
}

static bool write_all(const pythia_cdc_worker *worker, pythia_remote_source *source, List *all, bool *again)
{
	/* a table that is stopped now will have missed what is there when it starts again */
	bool whole = list_length(all) == worker->ntables;
	bool ok = true;
	ListCell *cell;

	foreach (cell, all)
	{
		pythia_fetched *fetched = lfirst(cell);

		CHECK_FOR_INTERRUPTS();
		ok = write_down(worker, fetched) && ok;
		whole = whole && !fetched->failed && !fetched->away;
		/* once more also to delete what was delivered */
		*again = *again || fetched->fresh.count > 0;
	}
	if (ok && whole)
		pythia_remote_source_polled(source);
	return ok;
}

/* In a transaction of its own; not while a session polls, which sees it too. */
static void note_hold(const pythia_cdc_worker *worker, const pythia_source_status *status)
{
	if (!pythia_remote_hold_changed(worker, status))
		return;
	pythia_job_begin();
	if (pythia_cdc_try_lock(worker->worker_id))
		pythia_remote_hold_save(worker, status);
	pythia_job_commit();
}

/* Tables that have come under a pattern are read by the next turn, at once. */
static void adopt(remote_turn *turn)
{
	if (turn->known.patterns != NIL)
		*turn->next_look = GetCurrentTimestamp() + LOOK_INTERVAL;
	if (turn->found == NIL)
		return;
	pythia_job_begin();
	if (pythia_cdc_try_lock(turn->worker->worker_id) && pythia_cdc_load_head(turn->worker->worker_id))
	{
		pythia_remote_add_discovered(turn->worker, turn->found);
		turn->again = true;
	}
	pythia_job_commit();
}

/* Reads it all, writes it down. */
static void work(remote_turn *turn)
{
	MemoryContext cxt = CurrentMemoryContext;
	pythia_remote_source *source = pythia_remote_source_open(turn->worker, turn->target, &turn->error);

	turn->ok = source && pythia_fetch_all(turn->worker, source, turn->all, true, &turn->status, &turn->error) &&
			   pythia_remote_find(turn->worker, source, &turn->known, &turn->found, &turn->error);
	MemoryContextSwitchTo(cxt);
	if (turn->ok)
	{
		turn->written = write_all(turn->worker, source, turn->all, &turn->again);
		note_hold(turn->worker, &turn->status);
	}
	pythia_remote_source_done(source, turn->ok);
	if (turn->ok)
		adopt(turn);
}

bool pythia_remote_turn(int32 worker_id, bool *again, TimestampTz *next_look)
{
	remote_turn *turn = palloc0(sizeof(remote_turn));

	turn->written = true;
	turn->next_look = next_look;
	begin_turn(worker_id, turn);
	if (turn->target)
	{
		/* tuplestores that outlive transactions are nobody else's to close */
		PG_TRY();
		{
			work(turn);
		}
		PG_FINALLY();
		{
			free_all(turn->all);
		}
		PG_END_TRY();
		if (!turn->ok)
		{
			/* texts are converted within a transaction; it ends with the error */
			pythia_job_begin();
			pythia_raise(&turn->error);
		}
	}
	*again = turn->again;
	return turn->written;
}
