/* Reading another database: no jump may cross the engine's frames, so what is raised here is caught here. */
#include "postgres/remote/internal.h"

#include "capture/fault.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/text.h"
#include "miscadmin.h"
#include "postgres/base/bridge.h"
#include "postgres/base/pg_compat.h"
#include "postgres/capture/low_water.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Rows of a log that a background worker reads at once, besides those it has delivered already: it keeps their numbers. */
#define LOG_BATCH      200000
#define LOG_BATCH_MOST 1000000000

static TupleDesc stage_desc(void)
{
	static const struct
	{
		const char *name;
		Oid type;
	} columns[] = {{"n", INT8OID},     {"key", TEXTOID},   {"version", TEXTOID},
				   {"stamp", TEXTOID}, {"image", TEXTOID}, {"transaction_id", TEXTOID},
				   {"aged", BOOLOID},  {"known", BOOLOID}, {"kind", CHAROID},
				   {"old", TEXTOID}};
	TupleDesc desc = CreateTemplateTupleDesc(STAGE_COLUMNS);

	StaticAssertStmt(lengthof(columns) == STAGE_COLUMNS, "a column of the stage has no name");
	for (int i = 0; i < STAGE_COLUMNS; i++)
		TupleDescInitEntry(desc, i + 1, columns[i].name, columns[i].type, -1, 0);
	TupleDescFinalize(desc);
	return desc;
}

pythia_fetched *pythia_fetched_make(pythia_cdc_table *table, bool lasting)
{
	pythia_fetched *fetched = palloc0(sizeof(pythia_fetched));

	fetched->table = table;
	fetched->lasting = lasting;
	fetched->name = pythia_to_utf8(table->name);
	fetched->schema = pythia_to_utf8(table->schema_name);
	fetched->log_name = pythia_to_utf8(table->log_name);
	fetched->known_columns = pythia_to_utf8(table->log_columns);
	fetched->key_form = pythia_to_utf8(table->key_form);
	fetched->starting = !table->started;
	fetched->again = table->started && table->start_as;
	fetched->desc = stage_desc();
	fetched->rows = tuplestore_begin_heap(true, lasting, work_mem);
	return fetched;
}

void pythia_fetched_free(pythia_fetched *fetched)
{
	if (fetched->rows)
		tuplestore_end(fetched->rows);
	if (fetched->keys)
		tuplestore_end(fetched->keys);
	fetched->rows = fetched->keys = NULL;
	pythia_free(fetched->not_logged);
	fetched->not_logged = NULL;
	pythia_log_numbers_free(&fetched->delivered);
	pythia_log_numbers_free(&fetched->own);
	pythia_log_numbers_free(&fetched->fresh);
}

bool pythia_fetched_idle(const pythia_fetched *fetched)
{
	if (fetched->failed || fetched->away || fetched->table->reason || fetched->starting || fetched->again ||
		fetched->count > 0 || fetched->keys)
		return false;
	if (fetched->table->config.capture == PYTHIA_CAPTURE_TRIGGER)
		return fetched->fresh.count == 0 && !fetched->log_columns &&
			   !(fetched->deleted && fetched->delivered.count > 0);
	/* a low that stays behind costs nothing while no row is there */
	return fetched->table->remote_low && pythia_same_text(fetched->mark, fetched->table->remote_mark);
}

/* ---- callbacks ---- */

static Datum text_or_null(const char *text, bool *isnull)
{
	*isnull = text == NULL;
	return text ? CStringGetTextDatum(text) : (Datum) 0;
}

/* Texts as they came, in UTF-8: they are converted within a transaction. */
static bool put(pythia_fetched *f, Datum (*fill)(Datum *values, bool *nulls, const void *from), const void *from,
				pythia_error *error)
{
	MemoryContext before = CurrentMemoryContext;
	volatile bool ok = true;

	PG_TRY();
	{
		Datum values[STAGE_COLUMNS];
		bool nulls[STAGE_COLUMNS];

		memset(values, 0, sizeof(values));
		memset(nulls, true, sizeof(nulls));
		if (!f->scratch)
			f->scratch = AllocSetContextCreate(GetMemoryChunkContext(f), "pythia_db fetched row", ALLOCSET_SMALL_SIZES);
		MemoryContextSwitchTo(f->scratch);
		values[STAGE_NUMBER] = Int64GetDatum(f->count + f->key_count);
		nulls[STAGE_NUMBER] = false;
		fill(values, nulls, from);
		tuplestore_putvalues(f->into, f->desc, values, nulls);
		*(f->counting_keys ? &f->key_count : &f->count) += 1;
		MemoryContextSwitchTo(before);
		MemoryContextReset(f->scratch);
	}
	PG_CATCH();
	{
		ok = pythia_error_catch(error, before);
	}
	PG_END_TRY();
	return ok;
}

static Datum fill_row(Datum *values, bool *nulls, const void *from)
{
	const pythia_capture_row *row = from;

	values[STAGE_KEY] = text_or_null(row->key, &nulls[STAGE_KEY]);
	values[STAGE_VERSION] = text_or_null(row->version, &nulls[STAGE_VERSION]);
	values[STAGE_STAMP] = text_or_null(row->stamp, &nulls[STAGE_STAMP]);
	values[STAGE_IMAGE] = text_or_null(row->image, &nulls[STAGE_IMAGE]);
	values[STAGE_TRANSACTION] = text_or_null(row->transaction_id, &nulls[STAGE_TRANSACTION]);
	values[STAGE_AGED] = BoolGetDatum(row->aged);
	values[STAGE_KNOWN] = BoolGetDatum(row->known);
	nulls[STAGE_AGED] = nulls[STAGE_KNOWN] = false;
	return (Datum) 0;
}

static bool take_row(void *context, const pythia_capture_row *row, pythia_error *error)
{
	return put(context, fill_row, row, error);
}

static Datum fill_change(Datum *values, bool *nulls, const void *from)
{
	const pythia_capture_change *change = from;

	values[STAGE_KEY] = text_or_null(change->primary_key, &nulls[STAGE_KEY]);
	values[STAGE_STAMP] = text_or_null(change->timestamp, &nulls[STAGE_STAMP]);
	values[STAGE_IMAGE] = text_or_null(change->new_data, &nulls[STAGE_IMAGE]);
	values[STAGE_OLD] = text_or_null(change->old_data, &nulls[STAGE_OLD]);
	values[STAGE_TRANSACTION] = text_or_null(change->transaction_id, &nulls[STAGE_TRANSACTION]);
	/* the journal's letters are those that the words begin with */
	values[STAGE_KIND] = CharGetDatum(change->change_type[0]);
	nulls[STAGE_KIND] = false;
	return (Datum) 0;
}

static bool take_change(void *context, const pythia_capture_change *change, pythia_error *error)
{
	pythia_fetched *f = context;

	if (strcmp(change->change_type, PYTHIA_NOT_LOGGED) == 0)
	{
		if (!f->not_logged)
			f->not_logged = pythia_strdup(change->new_data);
		return true;
	}
	return put(context, fill_change, change, error);
}

/* What is there when triggers start from the beginning. */
static bool take_first(void *context, const pythia_capture_row *row, pythia_error *error)
{
	pythia_capture_change change = {.change_type = "INSERT", .primary_key = row->key, .new_data = row->image};

	return take_change(context, &change, error);
}

/* ---- polling ---- */

static char *keep(const char *text)
{
	return text ? pstrdup(text) : NULL;
}

static bool fetch_rows(pythia_capture_table *source, const pythia_clock *clock, pythia_fetched *f, pythia_error *error)
{
	pythia_cdc_table *table = f->table;
	pythia_capture_window window = {0};
	pythia_capture_position position = {
		.low = table->remote_low, .mark = table->remote_mark, .mark_time = table->remote_mark_time};
	TimestampTz now = GetCurrentTimestamp();
	bool tracked = table->config.track != PYTHIA_TRACK_NONE;
	bool sweep = tracked && now - table->swept_at >= (int64) (table->config.delete_interval * USECS_PER_SEC);
	bool ok;

	position.age = table->polled_at == 0 ? -1 : now - table->polled_at;
	ok = f->starting ? pythia_capture_window_start(source, clock, &window, error)
					 : pythia_capture_window_make(source, clock, &position, &window, error);
	f->into = f->rows;
	/* where a worker starts, what is known are all rows before that */
	if (ok && f->starting && tracked && table->config.start != PYTHIA_START_BEGINNING)
		ok = pythia_capture_keys(source, true, table->config.start == PYTHIA_START_AT ? window.from : NULL, take_row, f,
								 error);
	else if (ok && !(f->starting && table->config.start != PYTHIA_START_NOW))
		ok = pythia_capture_scan(source, &window, take_row, f, error);
	if (ok && sweep && !f->starting)
	{
		f->keys = tuplestore_begin_heap(false, f->lasting, work_mem);
		f->into = f->keys;
		f->counting_keys = true;
		ok = pythia_capture_keys(source, false, NULL, take_row, f, error) &&
			 pythia_capture_nulls(source, &f->nulls, error);
	}
	if (ok)
	{
		f->low = keep(window.next.low);
		f->mark = keep(window.next.mark);
		f->mark_time = window.next.mark_time;
	}
	pythia_capture_window_free(&window);
	return ok;
}

/* ---- what triggers logged ---- */

static bool read_log(pythia_capture_table *source, const pythia_log *log, pythia_fetched *f, pythia_error *error)
{
	const pythia_driver *driver = source->db->driver;
	pythia_log_numbers done = {0};
	pythia_log_numbers read = {0};
	int64_t at = 0;
	bool more;
	bool ok;

	for (int64_t i = 0; i < f->delivered.count; i++)
		pythia_log_numbers_add(&done, f->delivered.numbers[i]);
	for (int64_t i = 0; i < f->own.count; i++)
		pythia_log_numbers_add(&done, f->own.numbers[i]);
	pythia_log_numbers_sort(&done);
	f->into = f->rows;
	ok = driver->begin(source->db, PYTHIA_BEGIN_SNAPSHOT, error);
	if (ok && f->starting)
	{
		/* what the log shows in the same snapshot is in the table already, or went before the start */
		ok = pythia_log_all(source, log, &read, error) &&
			 (f->table->config.start != PYTHIA_START_BEGINNING ||
			  pythia_capture_keys(source, true, NULL, take_first, f, error));
	}
	else if (ok)
		/* in a session all at once: it may not delete yet what it has delivered */
		ok = pythia_log_read(source, log, f->lasting ? LOG_BATCH + (int) Min(done.count, LOG_BATCH_MOST) : 0, 0, &done,
							 &read, &more, take_change, f, error);
	if (ok)
		ok = driver->commit(source->db, error);
	else if (!source->db->broken)
		driver->rollback(source->db, NULL);
	/* both in order */
	for (int64_t i = 0; ok && i < read.count; i++)
	{
		while (at < done.count && done.numbers[at] < read.numbers[i])
			at++;
		if (at == done.count || done.numbers[at] != read.numbers[i])
			pythia_log_numbers_add(&f->fresh, read.numbers[i]);
	}
	pythia_log_numbers_free(&done);
	pythia_log_numbers_free(&read);
	return ok;
}

/* Makes the triggers; what an earlier attempt left behind goes first. */
static bool install(pythia_capture_table *source, pythia_log *log, pythia_error *error)
{
	return pythia_log_remove(source->db, source->table.schema, source->table.name, log->name, error) &&
		   pythia_log_install(source, log, error);
}

/* `fresh`: the table was described just now, which is the time to look at log and triggers, too. */
static bool fetch_log(pythia_capture_table *source, pythia_fetched *f, bool fresh, pythia_error *error)
{
	pythia_log log = {.name = pythia_strdup(f->log_name), .columns = pythia_strdup(f->known_columns)};
	pythia_error why = PYTHIA_ERROR_INIT;
	bool changed = f->starting;
	bool ok =
		f->starting ? install(source, &log, &why) : !fresh || pythia_log_fit(source, &log, f->again, &changed, &why);

	/* locks are in the way of the table's new columns: all stays in the log for another time */
	if (!ok && why.error_class == PYTHIA_E_TRANSIENT && !f->starting && !source->db->broken)
	{
		pythia_host_log(source->db->host, PYTHIA_LOG_NOTICE, "capture of table %s waits for a lock: %s", f->name,
						why.message);
		pythia_error_reset(&why);
		pythia_log_free(&log);
		return true;
	}
	if (!ok)
		pythia_error_move(error, &why);
	if (ok && changed)
		f->log_columns = keep(log.columns);
	if (ok && f->delivered.count > 0)
		ok = pythia_log_delete(source->db, source->table.schema, log.name, &f->delivered, &f->deleted, error);
	ok = ok && (f->empty || read_log(source, &log, f, error));
	pythia_log_free(&log);
	return ok;
}

/* ---- all tables ---- */

TimestampTz pythia_remote_boundary(const pythia_source_status *status)
{
	const pythia_clock *clock = &status->clock;

	if (clock->boundary == PYTHIA_OPEN_UNKNOWN || clock->boundary == PYTHIA_OPEN_HELD)
		return 0;
	/* its clock says what it likes */
	return pythia_time_within(pythia_subtract(status->at, pythia_subtract(clock->now, clock->boundary)));
}

static bool look(pythia_db *db, pythia_source_status *status, pythia_error *error)
{
	status->at = GetCurrentTimestamp();
	return pythia_clock_read(db, false, &status->clock, error) &&
		   pythia_holder_read(db, &status->clock, &status->holder, error);
}

/* Between reading and deleting the log is brought in line with the table as it is. */
static bool wants_description(const pythia_fetched *f)
{
	return f->starting || f->again || f->delivered.count > 0;
}

static bool fetch_table(const pythia_cdc_worker *worker, pythia_remote_source *source, pythia_source_status *status,
						pythia_fetched *f, pythia_error *error)
{
	bool fresh = wants_description(f);
	pythia_capture_table *described;
	bool ok;

	if (!pythia_db_fresh(pythia_remote_source_db(source), error) ||
		!pythia_db_wait_briefly(pythia_remote_source_db(source), error))
		return false;
	described = pythia_remote_source_table(source, worker, f, &fresh, error);
	if (!described)
		return false;
	if (!f->starting && !pythia_capture_key_fits(described, f->key_form, error))
		ok = false;
	else if (f->table->config.capture == PYTHIA_CAPTURE_TRIGGER)
		ok = fetch_log(described, f, fresh, error);
	else
	{
		ok = (status->clock.now != 0 || look(described->db, status, error)) &&
			 fetch_rows(described, &status->clock, f, error);
		f->low_at = pythia_remote_boundary(status);
		f->held = status->clock.boundary == PYTHIA_OPEN_HELD;
	}
	if (described->table.relation == PYTHIA_RELATION_VIEW)
		described->db->others_ran = true;
	if (!ok)
		pythia_remote_source_forget(source, f);
	else if (f->starting || !f->key_form)
	{
		char *form = pythia_capture_key_form(described);

		f->key_form = keep(form);
		pythia_free(form);
	}
	return ok;
}

/* Most logs are empty most of the time: those need not be read one by one. */
static bool look_into_logs(pythia_db *db, List *all, pythia_error *error)
{
	int most = Max(list_length(all), 1);
	pythia_fetched **logged = palloc(sizeof(pythia_fetched *) * most);
	pythia_log_place *logs = palloc(sizeof(pythia_log_place) * most);
	bool *empty = palloc(sizeof(bool) * most);
	int count = 0;
	ListCell *cell;

	foreach (cell, all)
	{
		pythia_fetched *f = lfirst(cell);

		if (f->table->config.capture != PYTHIA_CAPTURE_TRIGGER || f->starting)
			continue;
		logs[count] = (pythia_log_place){.schema = f->schema, .name = f->log_name};
		logged[count++] = f;
	}
	if (!pythia_logs_empty(db, logs, count, empty, error))
		return false;
	for (int i = 0; i < count; i++)
		logged[i]->empty = empty[i];
	return true;
}

static bool is_due(const pythia_fetched *f)
{
	TimestampTz now = GetCurrentTimestamp();

	return f->starting || f->again || f->table->reason || f->delivered.count > 0 ||
		   (f->table->config.capture == PYTHIA_CAPTURE_POLL && f->table->config.track != PYTHIA_TRACK_NONE &&
			now - f->table->swept_at >= (int64) (f->table->config.delete_interval * USECS_PER_SEC));
}

bool pythia_fetch_all(const pythia_cdc_worker *worker, pythia_remote_source *source, List *all, bool isolate,
					  pythia_source_status *status, pythia_error *error)
{
	pythia_db *db = pythia_remote_source_db(source);
	pythia_error first = PYTHIA_ERROR_INIT;
	pythia_fault fault;
	bool any = false;
	bool idle;
	ListCell *cell;

	memset(status, 0, sizeof(*status));
	if (!pythia_remote_source_idle(source, &idle, error))
		return false;
	if (!idle &&
		(!pythia_db_fresh(db, error) || !pythia_db_wait_briefly(db, error) ||
		 !pythia_remote_source_describe(source, all, wants_description, error) || !look_into_logs(db, all, error)))
		return false;
	foreach (cell, all)
	{
		pythia_fetched *f = lfirst(cell);

		if (idle && !is_due(f))
		{
			f->low = f->table->remote_low;
			f->mark = f->table->remote_mark;
			continue;
		}
		if (fetch_table(worker, source, status, f, error))
		{
			any = true;
			continue;
		}
		fault = pythia_fault_among_tables(error, db->broken);
		if (!isolate || (fault != PYTHIA_FAULT_TABLE && fault != PYTHIA_FAULT_SOURCE))
			return false;
		f->failed = fault == PYTHIA_FAULT_TABLE;
		f->away = !f->failed;
		f->reason = pstrdup(error->message);
		any = any || f->failed;
		if (f->away && !first.message)
			pythia_error_move(&first, error);
		pythia_error_reset(error);
	}
	if (first.message && !any)
		return pythia_error_move(error, &first);
	pythia_error_reset(&first);
	if (status->clock.now != 0 && status->clock.boundary == PYTHIA_OPEN_UNKNOWN)
		pythia_remote_source_blind(source);
	return true;
}
