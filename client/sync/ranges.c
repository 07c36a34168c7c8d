/*
 * Several streams over one table.  Its rows are cut by ranges of the key's first column into parts, a few for
 * each stream, so that none waits long for another in the end.  The run's own stream and others, each over
 * connections of its own, take one part after another; each part has its checkpoint.  What comes before and
 * after the rows (making the table, what is gone, indexes, the watermark) is the run's own.
 */
#include <stdlib.h>
#include <string.h>

#include "core/list.h"
#include "core/memory.h"
#include "core/number.h"
#include "sync/run.h"

/* A table of fewer rows is not worth further streams. */
#define LEAST_ROWS     50000
#define PARTS_A_STREAM 4
#define MOST_PARTS     256
/* Between two looks whether what others have in hand is done. */
#define LOOK_MS 50
/* Between two looks whether all read, and how long they are waited for. */
#define READY_MS    10
#define SNAPSHOT_MS 2000

/* --- where to cut ------------------------------------------------------------ */

static bool may_be_cut(const pythia_run *run)
{
	const pythia_sync_config *config = run->job->config;
	const pythia_sync_streams *streams = run->job->streams;
	int64_t rows = run->plan.source.estimated_rows;

	/* SQLite has one writer; what is one transaction is one connection's; a row and the one of another part that it
	 * refers to have to come together, as have rows that may have one key */
	return streams != NULL && streams->most > 1 && !config->dry_run && !run->way.single && run->way.ordered &&
		   !run->state.resumed && !run->target->nested && run->target->engine != PYTHIA_SQLITE &&
		   !run->way.refers_to_itself && !run->plan.null_keys && !run->way.keys_may_meet &&
		   (config->mode == PYTHIA_SYNC_FULL || run->mark.low == NULL) && (rows < 0 || rows >= LEAST_ROWS);
}

/* SELECT … FROM (SELECT f(key's first column) AS k FROM table, still open; `function` may be NULL. */
static void key_query(const pythia_run *run, const char *function, pythia_buffer *sql)
{
	const pythia_dialect *dialect = pythia_dialect_of(run->source);

	pythia_buffer_puts(sql, "SELECT ");
	pythia_place_read(run, 0, "d", "k", sql);
	pythia_buffer_puts(sql, " FROM (SELECT ");
	if (function != NULL)
		pythia_buffer_printf(sql, "%s(", function);
	dialect->identifier(sql, pythia_pair_source(&run->plan, run->plan.key[0])->name);
	pythia_buffer_puts(sql, function != NULL ? ") AS k FROM " : " AS k FROM ");
	pythia_dialect_table(dialect, sql, run->plan.source.schema, run->plan.source.name);
}

/* The place that a query tells, the caller's to free; NULL where it tells none. */
static bool ask_place(const pythia_run *run, const char *sql, char **place, pythia_error *error)
{
	const pythia_driver *driver = run->source->driver;
	pythia_stream *stream = NULL;
	pythia_rows_reader reader;
	pythia_rows rows;
	bool ok;

	/* only a stream tells SQLite's classes */
	if (run->source->engine != PYTHIA_SQLITE)
		return pythia_db_text(run->source, sql, place, error);
	*place = NULL;
	memset(&reader, 0, sizeof(reader));
	ok = driver->stream_open(run->source, sql, 1, &pythia_place_type(run, 0)->kind, &stream, error) &&
		 driver->stream_next(stream, &rows, error);
	if (ok && rows.count > 0)
	{
		pythia_rows_open(&reader, &rows);
		if (pythia_rows_next(&reader) && reader.fields[0].value != NULL)
			*place = pythia_strdup(reader.fields[0].value);
		pythia_rows_close(&reader);
	}
	driver->stream_close(stream);
	return ok;
}

/* Places of integers of SQLite begin with their class. */
static const char *integer_mark(const pythia_run *run)
{
	return pythia_place_type(run, 0)->kind == PYTHIA_KIND_STORED ? "i" : "";
}

/* One of at most 18 characters: their differences do not overflow. */
static bool whole_number(const pythia_run *run, const char *place, int64_t *number)
{
	size_t mark = strlen(integer_mark(run));

	if (place == NULL || strncmp(place, integer_mark(run), mark) != 0)
		return false;
	place += mark;
	return strlen(place) <= 18 && pythia_int64_read(place, strlen(place), number);
}

static void add_bound(pythia_run *run, char *bound)
{
	if (run->bounds == NULL)
		run->bounds = pythia_calloc(MOST_PARTS, sizeof(char *));
	run->bounds[run->nparts > 0 ? run->nparts - 1 : 0] = bound;
	run->nparts = run->nparts > 0 ? run->nparts + 1 : 2;
}

/* Even steps between the least and the greatest, where numbers lie close together. */
static bool cut_evenly(pythia_run *run, int parts, bool *done, pythia_error *error)
{
	const pythia_column *column = pythia_pair_source(&run->plan, run->plan.key[0]);
	static const char *const ends[] = {"min", "max"};
	int64_t rows = run->plan.source.estimated_rows;
	int64_t numbers[2] = {0, 0};
	bool known = column->type.kind == PYTHIA_KIND_INT || column->type.kind == PYTHIA_KIND_UINT;
	int64_t span;

	*done = false;
	for (int i = 0; known && i < 2; i++)
	{
		pythia_buffer sql = PYTHIA_BUFFER_INIT;
		char *text = NULL;
		bool ok;

		key_query(run, ends[i], &sql);
		pythia_buffer_puts(&sql, ") d");
		ok = ask_place(run, sql.data, &text, error);
		known = ok && whole_number(run, text, &numbers[i]);
		pythia_free(text);
		pythia_buffer_free(&sql);
		if (!ok)
			return false;
	}
	span = numbers[1] - numbers[0];
	/* with great gaps most rows might be in one part; an unknown number of rows is believed to be great */
	if (!known || span < parts || (rows >= 0 && span / 4 > rows))
		return true;
	for (int i = 1; i < parts; i++)
	{
		pythia_buffer bound = PYTHIA_BUFFER_INIT;

		pythia_buffer_printf(&bound, "%s%lld", integer_mark(run), (long long) (numbers[0] + span / parts * i));
		add_bound(run, pythia_buffer_take(&bound));
	}
	*done = true;
	return true;
}

/* The value `offset` rows after the last bound, or the next one where that is the same. */
static bool next_bound(pythia_run *run, const char *last, int64_t offset, char **bound, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok = true;

	key_query(run, NULL, &sql);
	if (last != NULL)
	{
		pythia_buffer_puts(&sql, " WHERE ");
		pythia_place_order(run, 0, &sql);
		pythia_buffer_puts(&sql, offset > 0 ? " >= " : " > ");
		ok = pythia_place_literal(run, 0, last, &sql, error);
	}
	pythia_buffer_puts(&sql, " ORDER BY ");
	pythia_place_order(run, 0, &sql);
	pythia_buffer_printf(&sql, " LIMIT 1 OFFSET %lld) d", (long long) offset);
	ok = ok && ask_place(run, sql.data, bound, error);
	pythia_buffer_free(&sql);
	if (!ok || *bound == NULL || last == NULL || offset == 0 || strcmp(*bound, last) != 0)
		return ok;
	pythia_free(*bound);
	return next_bound(run, last, 0, bound, error);
}

/* By counting along the key. */
static bool cut_by_count(pythia_run *run, int parts, pythia_error *error)
{
	int64_t rows = run->plan.source.estimated_rows;
	int64_t step = (rows >= 0 ? rows : (int64_t) LEAST_ROWS * parts) / parts;

	for (int i = 1; i < parts; i++)
	{
		const char *last = run->nparts > 0 ? run->bounds[run->nparts - 2] : NULL;
		char *bound = NULL;

		if (!next_bound(run, last, step, &bound, error))
			return false;
		if (bound == NULL)
			break;
		add_bound(run, bound);
	}
	return true;
}

bool pythia_ranges_cut(pythia_run *run, pythia_error *error)
{
	int64_t rows = run->plan.source.estimated_rows;
	int parts;
	bool done = false;

	/* another table now than when it was cut */
	if (run->way.single && run->nparts > 0)
	{
		pythia_list_free(run->bounds, run->nparts - 1);
		run->bounds = NULL;
		run->nparts = 0;
	}
	if (run->plan.nkey == 0 || !may_be_cut(run))
		return true;
	parts = run->job->streams->most * PARTS_A_STREAM;
	if (parts > MOST_PARTS)
		parts = MOST_PARTS;
	/* each at least half a chunk, but for every stream one */
	if (rows >= 0 && rows / LEAST_ROWS < parts)
		parts = rows / LEAST_ROWS > run->job->streams->most ? (int) (rows / LEAST_ROWS) : run->job->streams->most;
	return cut_evenly(run, parts, &done, error) && (done || cut_by_count(run, parts, error));
}

/* --- a stream ------------------------------------------------------------------ */

static bool copy_part(pythia_run *run, bool begun, const char *checkpoint, pythia_error *error)
{
	pythia_run_forget_place(run);
	run->from = run->part > 0 ? run->bounds[run->part - 1] : NULL;
	run->until = run->part < run->nparts - 1 ? run->bounds[run->part] : NULL;
	/* rows may have been stored that nobody told of */
	run->way.staged = run->way.staged || begun;
	if (checkpoint != NULL && !pythia_checkpoint_read_key(run, checkpoint))
	{
		pythia_fail(error, PYTHIA_E_DATA, "22P02", "the checkpoint of a part of table \"%s\" cannot be read",
					run->plan.source.name);
		return pythia_error_hint(error, "What keeps it was damaged: begin anew, with another state.");
	}
	/* the host's own database is read and written for its notes, too: not within a transaction of ours */
	return pythia_copy_rows(run, error) && (!run->source->local || pythia_run_end_read(run, error)) &&
		   pythia_ranges_save(run, true, error);
}

bool pythia_ranges_take(pythia_run *run, pythia_error *error)
{
	const pythia_sync_streams *streams = run->job->streams;
	bool ok = true;

	run->part = 0;
	run->counted = run->committed = *run->result;
	while (ok && run->part >= 0)
	{
		char *checkpoint = NULL;
		bool begun = false;

		ok = streams->take(streams->context, &run->part, &begun, &checkpoint, error);
		if (ok && run->part >= run->nparts)
			ok = pythia_fail(error, PYTHIA_E_INTERNAL, "XX001", "part %d of table \"%s\" is none of %d", run->part,
							 run->plan.source.name, run->nparts);
		ok = ok && (run->part < 0 || copy_part(run, begun, checkpoint, error));
		pythia_free(checkpoint);
	}
	run->from = run->until = NULL;
	return ok;
}

/* --- the run's own stream --------------------------------------------------------- */

static bool cancelled(const pythia_run *run, pythia_error *error)
{
	return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "cancelled while copying table \"%s\"",
					   run->plan.source.name);
}

/* One snapshot for all streams, where the engine can hand it on. */
static bool open_snapshot(pythia_run *run, pythia_error *error)
{
	/* read in pieces, each in a transaction of its own */
	if (run->source->local)
		return true;
	return pythia_run_begin_read(run, error) &&
		   (run->source->engine != PYTHIA_POSTGRESQL ||
			pythia_db_text(run->source, "SELECT pg_catalog.pg_export_snapshot()", &run->snapshot, error));
}

/* While nobody writes, all snapshots that are opened are one: in MySQL the table's lock, in SQLite the file's. */
static bool keep_writers_out(const pythia_run *run, pythia_db *guard, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	if (guard->engine == PYTHIA_SQLITE)
		return guard->driver->begin(guard, PYTHIA_BEGIN_IMMEDIATE, error);
	pythia_buffer_puts(&sql, "LOCK TABLES ");
	pythia_dialect_table(pythia_dialect_of(guard), &sql, run->plan.source.schema, run->plan.source.name);
	pythia_buffer_puts(&sql, " READ");
	/* who writes for long is not waited for: others would wait behind us */
	ok = pythia_db_exec(guard, "SET SESSION lock_wait_timeout = 1", NULL, error) &&
		 pythia_db_exec(guard, sql.data, NULL, error);
	pythia_buffer_free(&sql);
	return ok;
}

/* Of engines that hand no snapshot on.  *guard is NULL where the table cannot be locked. */
static bool lock_source(const pythia_run *run, pythia_db **guard, pythia_error *error)
{
	bool ok;

	*guard = NULL;
	if (run->source->engine == PYTHIA_POSTGRESQL || run->source->local || run->job->connect == NULL)
		return true;
	if (!run->job->connect(run->job->connect_context, false, NULL, guard, error))
		return false;
	ok = keep_writers_out(run, *guard, error);
	if (ok)
		return true;
	pythia_db_close(*guard);
	*guard = NULL;
	if (error->error_class == PYTHIA_E_CANCELLED)
		return false;
	pythia_host_log(
		run->source->host, PYTHIA_LOG_NOTICE,
		"table \"%s\" cannot be locked for a moment (%s): each of its streams reads as of its own beginning",
		run->plan.source.name, error->message);
	pythia_error_reset(error);
	return true;
}

/* Those who are to read in the same snapshot; not for ever, for writers wait meanwhile. */
static bool wait_for_streams(const pythia_run *run, pythia_error *error)
{
	const pythia_sync_streams *streams = run->job->streams;
	int64_t until = pythia_monotonic_ms() + SNAPSHOT_MS;
	int awaited = 1;

	while (awaited > 0 && pythia_monotonic_ms() < until)
	{
		if (!streams->awaited(streams->context, &awaited, error))
			return false;
		if (awaited > 0 && pythia_host_wait(run->source->host, -1, 0, READY_MS) == PYTHIA_WAIT_CANCELLED)
			return cancelled(run, error);
	}
	if (awaited > 0)
		pythia_host_log(run->source->host, PYTHIA_LOG_NOTICE,
						"table \"%s\": %d of its streams came late and read as of their own beginning",
						run->plan.source.name, awaited);
	return true;
}

static bool open_streams(pythia_run *run, pythia_error *error)
{
	const pythia_sync_streams *streams = run->job->streams;
	pythia_db *guard = NULL;
	char *ticket;
	bool ok;

	if (!lock_source(run, &guard, error))
		return false;
	/* one that was begun before the lock is another */
	if ((guard != NULL && !pythia_run_end_read(run, error)) || !open_snapshot(run, error))
	{
		pythia_db_close(guard);
		return false;
	}
	ticket = pythia_ticket_write(run);
	ok = streams->open(streams->context, ticket, run->nparts, run->state.resumed, error) &&
		 (guard == NULL || wait_for_streams(run, error));
	pythia_db_close(guard);
	pythia_free(ticket);
	return ok;
}

bool pythia_ranges_copy(pythia_run *run, pythia_error *error)
{
	const pythia_sync_streams *streams = run->job->streams;
	pythia_sync_result before;
	pythia_sync_result counted;
	int left = 1;

	run->way.connections = 1;
	if (run->way.sweep_first && !run->state.swept &&
		(!pythia_run_begin_read(run, error) || !pythia_sweep_now(run, error) ||
		 (run->source->local && !pythia_run_end_read(run, error))))
		return false;
	before = *run->result;
	if (!open_streams(run, error))
		return false;
	while (left > 0)
	{
		memset(&counted, 0, sizeof(counted));
		if (!pythia_ranges_take(run, error) || !streams->look(streams->context, &left, &counted, error))
			return false;
		/* others are at work on what is left, or it comes back to be taken */
		if (left > 0 && pythia_host_wait(run->source->host, -1, 0, LOOK_MS) == PYTHIA_WAIT_CANCELLED)
			return cancelled(run, error);
	}
	*run->result = before;
	pythia_sync_result_add(run->result, &counted);
	run->committed = *run->result;
	/* the sweep and the watermark read, too */
	return pythia_run_begin_read(run, error);
}
