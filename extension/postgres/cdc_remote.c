/*
 * A poll of another database has two halves.  First everything is fetched: clock
 * and open transactions, then each table's rows at or after low, and, when it is
 * time, its keys; into tuplestores, which go to disk when they grow.  Then, with
 * the connection closed, sets are compared here and the journal is written.
 */
#include "cdc_remote.h"

#include "access/xact.h"
#include "bridge.h"
#include "capture/capture.h"
#include "catalog.h"
#include "catalog/pg_type.h"
#include "cdc_define.h"
#include "cdc_image.h"
#include "cdc_journal.h"
#include "cdc_poll.h"
#include "cdc_table_writer.h"
#include "connection.h"
#include "core/memory.h"
#include "dialect/dialect.h"
#include "executor/spi.h"
#include "local.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

enum
{
	STAGE_NUMBER,
	STAGE_KEY,
	STAGE_VERSION,
	STAGE_STAMP,
	STAGE_IMAGE,
	STAGE_TRANSACTION,
	STAGE_AGED,
	STAGE_KNOWN,
	STAGE_COLUMNS
};

/* What one table's scan brought. */
typedef struct fetched
{
	pythia_cdc_table *table;
	bool starting;
	bool failed;
	char *reason;
	Tuplestorestate *rows;
	Tuplestorestate *keys; /* NULL: no sweep is due */
	Tuplestorestate *into; /* one of both */
	TupleDesc desc;
	int64 count;
	int64 key_count;
	int64 nulls;
	bool counting_keys;
	char *low;
	char *mark;
	int64 mark_time;
} fetched;

static TupleDesc stage_desc(void)
{
	static const Oid types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, BOOLOID, BOOLOID};
	static const char *const names[] = {"n", "key", "version", "stamp", "image", "transaction_id", "aged", "known"};
	TupleDesc desc = CreateTemplateTupleDesc(STAGE_COLUMNS);

	for (int i = 0; i < STAGE_COLUMNS; i++)
		TupleDescInitEntry(desc, i + 1, names[i], types[i], -1, 0);
	return desc;
}

/* ---- fetching: callbacks below the engine, which must not be jumped over ---- */

static Datum text_or_null(const char *text, bool *isnull)
{
	*isnull = text == NULL;
	return text ? CStringGetTextDatum(pythia_from_utf8(text)) : (Datum) 0;
}

static bool take_row(void *context, const pythia_capture_row *row, pythia_error *error)
{
	fetched *f = context;
	MemoryContext before = CurrentMemoryContext;
	volatile bool ok = true;

	PG_TRY();
	{
		MemoryContext scratch = AllocSetContextCreate(before, "pythia_db fetched row", ALLOCSET_SMALL_SIZES);
		Datum values[STAGE_COLUMNS];
		bool nulls[STAGE_COLUMNS] = {false};

		MemoryContextSwitchTo(scratch);
		values[STAGE_NUMBER] = Int64GetDatum(f->count + f->key_count);
		values[STAGE_KEY] = text_or_null(row->key, &nulls[STAGE_KEY]);
		values[STAGE_VERSION] = text_or_null(row->version, &nulls[STAGE_VERSION]);
		values[STAGE_STAMP] = text_or_null(row->stamp, &nulls[STAGE_STAMP]);
		values[STAGE_IMAGE] = text_or_null(row->image, &nulls[STAGE_IMAGE]);
		values[STAGE_TRANSACTION] = text_or_null(row->transaction_id, &nulls[STAGE_TRANSACTION]);
		values[STAGE_AGED] = BoolGetDatum(row->aged);
		values[STAGE_KNOWN] = BoolGetDatum(row->known);
		tuplestore_putvalues(f->into, f->desc, values, nulls);
		*(f->counting_keys ? &f->key_count : &f->count) += 1;
		MemoryContextSwitchTo(before);
		MemoryContextDelete(scratch);
	}
	PG_CATCH();
	{
		ok = pythia_error_catch(error, before);
	}
	PG_END_TRY();
	return ok;
}

static char *keep(const char *text, MemoryContext cxt)
{
	return text ? MemoryContextStrdup(cxt, text) : NULL;
}

/* One table, from its position on. */
static bool fetch_table(pythia_cdc_worker *worker, pythia_db *db, const pythia_capture_clock *clock, fetched *f,
						MemoryContext cxt, pythia_error *error)
{
	pythia_cdc_table *table = f->table;
	pythia_capture_table source = {0};
	pythia_capture_window window = {0};
	pythia_capture_position position = {
		.low = table->remote_low, .mark = table->remote_mark, .mark_time = table->remote_mark_time};
	TimestampTz now = GetCurrentTimestamp();
	bool tracked = table->config.track != PYTHIA_TRACK_NONE;
	bool sweep = tracked && now - table->swept_at >= (int64) (table->config.delete_interval * USECS_PER_SEC);
	bool ok;

	f->starting = !table->has_state;
	ok = pythia_capture_table_open(db, table->name, pythia_to_utf8(worker->timestamp_column), &table->config, &source,
								   error) &&
		 (f->starting ? pythia_capture_window_start(&source, clock, &window, error)
					  : pythia_capture_window_make(&source, clock, &position, &window, error));
	f->into = f->rows;
	/* where a worker starts, what is known are all rows before that */
	if (ok && f->starting && tracked && table->config.start != PYTHIA_START_BEGINNING)
		ok = pythia_capture_keys(&source, true, table->config.start == PYTHIA_START_AT ? table->config.start_at : NULL,
								 take_row, f, error);
	else if (ok && !(f->starting && table->config.start != PYTHIA_START_NOW))
		ok = pythia_capture_scan(&source, &window, take_row, f, error);
	if (ok && sweep && !f->starting)
	{
		f->keys = tuplestore_begin_heap(false, false, work_mem);
		f->into = f->keys;
		f->counting_keys = true;
		ok = pythia_capture_keys(&source, false, NULL, take_row, f, error) &&
			 pythia_capture_nulls(&source, &f->nulls, error);
	}
	if (ok)
	{
		f->low = keep(window.next.low, cxt);
		f->mark = keep(window.next.mark, cxt);
		f->mark_time = window.next.mark_time;
	}
	pythia_capture_window_free(&window);
	pythia_capture_table_close(&source);
	return ok;
}

static bool fetch_all(pythia_cdc_worker *worker, pythia_db *db, List *all, bool isolate, MemoryContext cxt,
					  pythia_error *error)
{
	pythia_capture_clock clock;
	ListCell *cell;

	if (!pythia_capture_clock_read(db, &clock, error))
		return false;
	foreach (cell, all)
	{
		fetched *f = lfirst(cell);

		if (fetch_table(worker, db, &clock, f, cxt, error))
			continue;
		if (!isolate || db->broken ||
			(error->error_class != PYTHIA_E_USAGE && error->error_class != PYTHIA_E_DATABASE &&
			 error->error_class != PYTHIA_E_DATA))
			return false;
		f->failed = true;
		f->reason = MemoryContextStrdup(cxt, pythia_from_utf8(error->message));
		pythia_error_reset(error);
	}
	return true;
}

/* ---- comparing ---- */

typedef struct remote_receiver
{
	DestReceiver base;
	pythia_cdc_worker *worker;
	pythia_cdc_table *table;
	MemoryContext memory;
	pythia_journal *journal;
	pythia_table_writer *known;
	bool silent;
	int64 captured;
} remote_receiver;

/* Columns after the stage's own. */
enum
{
	KNOWN_PLACE = STAGE_COLUMNS,
	KNOWN_VERSION,
	KNOWN_IMAGE
};

static void ignore(DestReceiver *self)
{
}

static void ignore_start(DestReceiver *self, int operation, TupleDesc desc)
{
}

static Jsonb *jsonb_of(Datum value)
{
	char *json = TextDatumGetCString(value);

	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
}

/* The stamp's instant where its text says one: zones are UTC by the engine's pinning. */
static bool instant_of(const char *text, TimestampTz *instant)
{
	if (strlen(text) < 10 || strncmp(text, "0000", 4) == 0 || text[4] != '-')
		return false;
	*instant = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(psprintf("%s UTC", text)),
													   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	return true;
}

static void remember(remote_receiver *receiver, const Datum *values, const bool *nulls, Jsonb *image)
{
	bool rows = receiver->table->config.track == PYTHIA_TRACK_ROWS;
	MemoryContext before = MemoryContextSwitchTo(pythia_table_writer_memory(receiver->known));
	Datum row[4];
	bool isnull[4] = {false};

	/* copies: the writer gathers rows, and what we were given goes before that */
	row[0] = Int32GetDatum(receiver->table->table_id);
	row[1] = datumCopy(values[STAGE_KEY], false, -1);
	isnull[2] = nulls[STAGE_VERSION];
	row[2] = isnull[2] ? (Datum) 0 : datumCopy(values[STAGE_VERSION], false, -1);
	isnull[3] = !rows || !image;
	row[3] = isnull[3] ? (Datum) 0 : datumCopy(JsonbPGetDatum(image), false, -1);
	if (nulls[KNOWN_PLACE])
		pythia_table_writer_insert(receiver->known, row, isnull);
	else
		pythia_table_writer_update(receiver->known, (ItemPointer) DatumGetPointer(values[KNOWN_PLACE]), row, isnull);
	MemoryContextSwitchTo(before);
}

static void tell(remote_receiver *receiver, pythia_change_kind kind, const Datum *values, const bool *nulls,
				 Jsonb *image)
{
	pythia_journal_entry entry = {.table_id = receiver->table->table_id, .kind = kind, .new_data = image};
	MemoryContext before = MemoryContextSwitchTo(pythia_journal_memory(receiver->journal));

	entry.key = jsonb_of(values[STAGE_KEY]);
	if (!nulls[KNOWN_IMAGE])
		entry.old_data = DatumGetJsonbPCopy(values[KNOWN_IMAGE]);
	if (!nulls[STAGE_STAMP])
		entry.has_stamp = instant_of(TextDatumGetCString(values[STAGE_STAMP]), &entry.stamp);
	if (!nulls[STAGE_TRANSACTION])
		entry.source_xid = FullTransactionIdFromU64(strtou64(TextDatumGetCString(values[STAGE_TRANSACTION]), NULL, 10));
	pythia_journal_put(receiver->journal, &entry);
	receiver->captured++;
	MemoryContextSwitchTo(before);
}

static bool judge(TupleTableSlot *slot, DestReceiver *self)
{
	remote_receiver *receiver = (remote_receiver *) self;
	pythia_track track = receiver->table->config.track;
	const Datum *values;
	const bool *nulls;
	MemoryContext before;
	pythia_change_kind kind;
	Jsonb *image = NULL;

	slot_getallattrs(slot);
	values = slot->tts_values;
	nulls = slot->tts_isnull;
	if (!nulls[KNOWN_PLACE] && !nulls[KNOWN_VERSION] && !nulls[STAGE_VERSION] &&
		strcmp(TextDatumGetCString(values[KNOWN_VERSION]), TextDatumGetCString(values[STAGE_VERSION])) == 0)
		return true;
	/* made in the journal's memory, which its writer empties after the row is written */
	before = MemoryContextSwitchTo(pythia_journal_memory(receiver->journal));
	if (!nulls[STAGE_IMAGE])
		image = jsonb_of(values[STAGE_IMAGE]);
	if (receiver->silent || DatumGetBool(values[STAGE_KNOWN]))
		remember(receiver, values, nulls, image);
	else
	{
		if (track == PYTHIA_TRACK_NONE)
			kind =
				!nulls[KNOWN_PLACE] || DatumGetBool(values[STAGE_AGED]) ? PYTHIA_CHANGE_UPDATE : PYTHIA_CHANGE_INSERT;
		else
			kind = nulls[KNOWN_PLACE] ? PYTHIA_CHANGE_INSERT : PYTHIA_CHANGE_UPDATE;
		remember(receiver, values, nulls, image);
		if (track != PYTHIA_TRACK_ROWS || nulls[KNOWN_IMAGE] ||
			!pythia_image_same(DatumGetJsonbP(values[KNOWN_IMAGE]), image, receiver->table->timestamp_column))
			tell(receiver, kind, values, nulls, image);
	}
	MemoryContextSwitchTo(before);
	return true;
}

static bool gone(TupleTableSlot *slot, DestReceiver *self)
{
	remote_receiver *receiver = (remote_receiver *) self;
	pythia_journal_entry entry = {.table_id = receiver->table->table_id, .kind = PYTHIA_CHANGE_DELETE};
	MemoryContext before = MemoryContextSwitchTo(pythia_journal_memory(receiver->journal));

	slot_getallattrs(slot);
	entry.key = jsonb_of(slot->tts_values[1]);
	if (!slot->tts_isnull[2])
		entry.old_data = DatumGetJsonbPCopy(slot->tts_values[2]);
	pythia_journal_put(receiver->journal, &entry);
	pythia_table_writer_delete(receiver->known, (ItemPointer) DatumGetPointer(slot->tts_values[0]));
	receiver->captured++;
	MemoryContextSwitchTo(before);
	return true;
}

static bool forget_row(TupleTableSlot *slot, DestReceiver *self)
{
	remote_receiver *receiver = (remote_receiver *) self;

	slot_getallattrs(slot);
	pythia_table_writer_delete(receiver->known, (ItemPointer) DatumGetPointer(slot->tts_values[0]));
	return true;
}

/* Runs a query of ours over `stage` with a receiver; $1 is the table. */
static void compare(remote_receiver *receiver, const char *sql, Tuplestorestate *store, TupleDesc desc)
{
	EphemeralNamedRelation stage = palloc0(sizeof(EphemeralNamedRelationData));
	SPIExecuteOptions options = {.read_only = true, .dest = receiver ? &receiver->base : NULL};
	pythia_identity before;
	ParamListInfo parameters = makeParamList(1);
	Oid types[] = {INT4OID};
	SPIPlanPtr plan;

	SPI_connect();
	stage->md.name = "stage";
	stage->md.tupdesc = desc;
	stage->md.enrtype = ENR_NAMED_TUPLESTORE;
	stage->md.enrtuples = tuplestore_tuple_count(store);
	stage->reldata = store;
	if (SPI_register_relation(stage) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the fetched rows");
	receiver->base.rStartup = ignore_start;
	receiver->base.rShutdown = ignore;
	receiver->base.rDestroy = ignore;
	receiver->base.mydest = DestNone;
	parameters->params[0] = (ParamExternData){
		.value = Int32GetDatum(receiver->table->table_id), .pflags = PARAM_FLAG_CONST, .ptype = INT4OID};
	options.params = parameters;
	pythia_catalog_enter(&before);
	plan = SPI_prepare(sql, 1, types);
	if (!plan || SPI_execute_plan_extended(plan, &options) < 0)
		elog(ERROR, "\"%s\" failed", sql);
	pythia_catalog_leave(&before);
	SPI_finish();
}

static void forget(const char *sql, int32 table_id)
{
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(table_id)};

	SPI_connect();
	pythia_catalog_execute(sql, 1, types, values, NULL);
	SPI_finish();
}

static void sweep(remote_receiver *receiver, fetched *f)
{
	static const char any_sql[] = "SELECT FROM pythia.remote_row WHERE table_id OPERATOR(pg_catalog.=) $1 LIMIT 1";
	static const char all_sql[] = "DELETE FROM pythia.remote_row WHERE table_id OPERATOR(pg_catalog.=) $1";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(f->table->table_id)};
	bool any;

	if (f->key_count == 0 && !f->table->config.where)
	{
		SPI_connect();
		pythia_catalog_execute(any_sql, 1, types, values, NULL);
		any = SPI_processed > 0;
		SPI_finish();
		if (any)
		{
			pythia_journal_entry entry = {.table_id = f->table->table_id, .kind = PYTHIA_CHANGE_TRUNCATE};

			pythia_journal_put(receiver->journal, &entry);
			receiver->captured++;
			forget(all_sql, f->table->table_id);
		}
		return;
	}
	receiver->base.receiveSlot = gone;
	compare(receiver,
			"SELECT k.ctid, k.key, k.image FROM pythia.remote_row k WHERE k.table_id OPERATOR(pg_catalog.=) $1 "
			"AND NOT EXISTS (SELECT FROM stage s WHERE s.key OPERATOR(pg_catalog.=) k.key) ORDER BY k.key",
			f->keys, f->desc);
}

static void save(const fetched *f, int64 captured, bool swept)
{
	static const char sql[] =
		"INSERT INTO pythia.cdc_state AS s (table_id, remote_low, remote_mark, remote_mark_time, captured, polled_at, "
		"swept_at, null_stamps) "
		"VALUES ($1, $2, $3, $4, $5, pg_catalog.clock_timestamp(), CASE WHEN $6 THEN pg_catalog.clock_timestamp() END, "
		"$7) "
		"ON CONFLICT (table_id) DO UPDATE SET remote_low = EXCLUDED.remote_low, remote_mark = EXCLUDED.remote_mark, "
		"remote_mark_time = EXCLUDED.remote_mark_time, captured = s.captured OPERATOR(pg_catalog.+) EXCLUDED.captured, "
		"polled_at = EXCLUDED.polled_at, swept_at = COALESCE(EXCLUDED.swept_at, s.swept_at), "
		"null_stamps = CASE WHEN $6 THEN EXCLUDED.null_stamps ELSE s.null_stamps END";
	Oid types[] = {INT4OID, TEXTOID, TEXTOID, INT8OID, INT8OID, BOOLOID, INT8OID};
	Datum values[7];
	char nulls[] = "       ";
	bool isnull;

	values[0] = Int32GetDatum(f->table->table_id);
	values[1] = text_or_null(f->low, &isnull);
	nulls[1] = isnull ? 'n' : ' ';
	values[2] = text_or_null(f->mark, &isnull);
	nulls[2] = isnull ? 'n' : ' ';
	values[3] = Int64GetDatum(f->mark_time);
	values[4] = Int64GetDatum(captured);
	values[5] = BoolGetDatum(swept);
	values[6] = Int64GetDatum(f->nulls);
	SPI_connect();
	pythia_catalog_execute(sql, 7, types, values, nulls);
	SPI_finish();
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static int64 digest(pythia_cdc_worker *worker, fetched *f)
{
	static const char prune_sql[] =
		"SELECT k.ctid, k.key, k.image FROM pythia.remote_row k WHERE k.table_id OPERATOR(pg_catalog.=) $1 "
		"AND NOT EXISTS (SELECT FROM stage s WHERE s.key OPERATOR(pg_catalog.=) k.key)";
	pythia_cdc_table *table = f->table;
	remote_receiver receiver = {.worker = worker, .table = table, .memory = CurrentMemoryContext};

	/* an idle poll writes nothing: a low that stays behind costs nothing while no row is there */
	if (f->count == 0 && !f->starting && !f->keys && table->remote_low && same_text(f->mark, table->remote_mark))
		return 0;
	receiver.journal = pythia_journal_open(worker->worker_id);
	receiver.known = pythia_table_writer_open(pythia_relation("remote_row"));
	receiver.silent = f->starting;
	receiver.base.receiveSlot = judge;
	PushActiveSnapshot(GetTransactionSnapshot());
	compare(
		&receiver,
		"SELECT s.n, s.key, s.version, s.stamp, s.image, s.transaction_id, s.aged, s.known, k.ctid, k.version, k.image "
		"FROM stage s LEFT JOIN pythia.remote_row k ON k.table_id OPERATOR(pg_catalog.=) $1 "
		"AND k.key OPERATOR(pg_catalog.=) s.key ORDER BY s.n",
		f->rows, f->desc);
	PopActiveSnapshot();
	pythia_table_writer_close(receiver.known);
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	receiver.known = pythia_table_writer_open(pythia_relation("remote_row"));
	/* without tracking only what may be read again is kept */
	if (table->config.track == PYTHIA_TRACK_NONE)
	{
		receiver.base.receiveSlot = forget_row;
		compare(&receiver, prune_sql, f->rows, f->desc);
	}
	if (f->keys)
		sweep(&receiver, f);
	PopActiveSnapshot();
	pythia_table_writer_close(receiver.known);
	(void) pythia_journal_close(receiver.journal);
	save(f, receiver.captured, f->keys != NULL);
	return receiver.captured;
}

int64 pythia_remote_poll(pythia_cdc_worker *worker, bool isolate)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "pythia_db remote poll", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(cxt);
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_identity identity;
	pythia_session *session;
	pythia_target *target;
	pythia_db *db = NULL;
	List *all = NIL;
	ListCell *cell;
	int64 captured = 0;
	bool ok;

	for (int i = 0; i < worker->ntables; i++)
	{
		fetched *f;

		if (!worker->tables[i].active)
			continue;
		f = palloc0(sizeof(fetched));
		f->table = &worker->tables[i];
		f->desc = stage_desc();
		f->rows = tuplestore_begin_heap(true, false, work_mem);
		all = lappend(all, f);
	}
	GetUserIdAndSecContext(&identity.role, &identity.context);
	SetUserIdAndSecContext(worker->owner, identity.context | SECURITY_LOCAL_USERID_CHANGE);
	target = pythia_target_resolve(worker->connection, false);
	session = pythia_session_begin();
	ok = pythia_connection_open(session, target, &db, &error) && fetch_all(worker, db, all, isolate, cxt, &error);
	pythia_db_close(db);
	pythia_session_end(session, ok);
	SetUserIdAndSecContext(identity.role, identity.context);
	if (!ok)
		pythia_raise(&error);
	foreach (cell, all)
	{
		fetched *f = lfirst(cell);

		if (f->failed)
		{
			pythia_cdc_stop_table(f->table->table_id, f->reason);
			ereport(WARNING, (errmsg("capture of table \"%s\" of CDC worker \"%s\" stopped: %s", f->table->name,
									 worker->name, f->reason),
							  errhint("Mend the cause, then call pythia.start_cdc.")));
		}
		else
			captured += digest(worker, f);
		tuplestore_end(f->rows);
		if (f->keys)
			tuplestore_end(f->keys);
	}
	MemoryContextSwitchTo(before);
	MemoryContextDelete(cxt);
	return captured;
}

/* ---- definitions ---- */

static char *words(const char *text)
{
	return pstrdup(pythia_from_utf8(text));
}

static bool define(const pythia_cdc_worker *worker, pythia_db *db, const char *name, MemoryContext cxt, List **result,
				   pythia_error *error)
{
	MemoryContext before = MemoryContextSwitchTo(cxt);
	pythia_cdc_definition *definition = palloc0(sizeof(pythia_cdc_definition));
	pythia_capture_config config;
	pythia_capture_table source = {0};

	if (!pythia_capture_config_read(worker->option_tree, name, &config, error) ||
		!pythia_capture_table_open(db, name, pythia_to_utf8(worker->timestamp_column), &config, &source, error))
	{
		MemoryContextSwitchTo(before);
		return false;
	}
	definition->name = words(name);
	definition->schema_name = words(source.table.schema);
	definition->table_name = words(source.table.name);
	definition->timestamp_column = words(source.table.columns[source.columns[source.timestamp].position].name);
	definition->stamp_kind = PYTHIA_STAMP_NONE;
	definition->key = palloc(sizeof(char *) * Max(source.nkey, 1));
	for (int i = 0; i < source.nkey; i++)
		definition->key[definition->nkey++] = words(source.table.columns[source.columns[source.key[i]].position].name);
	if (!source.indexed)
		ereport(WARNING, (errmsg("column \"%s\" of table \"%s\" has no index: every poll will read the whole table",
								 definition->timestamp_column, definition->name)));
	*result = lappend(*result, definition);
	pythia_capture_table_close(&source);
	MemoryContextSwitchTo(before);
	return true;
}

static bool define_all(const pythia_cdc_worker *worker, pythia_db *db, MemoryContext cxt, List **result,
					   pythia_error *error)
{
	ListCell *cell;

	foreach (cell, worker->patterns)
	{
		const char *pattern = pythia_to_utf8(lfirst(cell));
		size_t length = strlen(pattern);
		char **names;
		int count;
		bool ok = true;

		if (length < 3 || strcmp(pattern + length - 2, ".*") != 0)
		{
			if (!define(worker, db, pattern, cxt, result, error))
				return false;
			continue;
		}
		if (!pythia_list_tables(db, pnstrdup(pattern, length - 2), &names, &count, error))
			return false;
		for (int i = 0; i < count; i++)
		{
			ok = ok && define(worker, db, names[i], cxt, result, error);
			pythia_free(names[i]);
		}
		pythia_free(names);
		if (!ok)
			return false;
	}
	return true;
}

List *pythia_remote_resolve(const pythia_cdc_worker *worker)
{
	MemoryContext cxt = CurrentMemoryContext;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_target *target = pythia_target_resolve(worker->connection, false);
	pythia_session *session;
	pythia_db *db = NULL;
	List *result = NIL;
	bool ok;

	if (worker->config.capture == PYTHIA_CAPTURE_TRIGGER)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("triggers cannot be put on tables of another database from here"),
						errhint("Capture them by polling, or run the command pythia cdc beside that database.")));
	session = pythia_session_begin();
	ok = pythia_connection_open(session, target, &db, &error) && define_all(worker, db, cxt, &result, &error);
	pythia_db_close(db);
	pythia_session_end(session, ok);
	if (!ok)
		pythia_raise(&error);
	if (result == NIL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a CDC worker needs at least one table"),
						errhint("For example tables => '{orders}'.")));
	return result;
}
