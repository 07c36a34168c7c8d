/* What was fetched from another database against what is known of it: changes go to the journal. */
#include "postgres/remote/internal.h"

#include "access/detoast.h"
#include "access/xact.h"
#include "capture/classify.h"
#include "catalog/pg_type.h"
#include "core/stamp.h"
#include "dialect/short_name.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "postgres/base/bridge.h"
#include "postgres/base/catalog.h"
#include "postgres/base/table_writer.h"
#include "postgres/base/unix_time.h"
#include "postgres/capture/image.h"
#include "postgres/capture/nested.h"
#include "postgres/journal/journal.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

typedef struct remote_receiver
{
	DestReceiver base;
	const pythia_cdc_table *table;
	pythia_journal *journal;
	pythia_table_writer *known;
	MemoryContext scratch; /* of one row */
	bool silent;
	int64 captured;
	int odd; /* values of which a warning was given */
} remote_receiver;

/* Warnings in one poll about values that jsonb does not take. */
#define MOST_WARNINGS 10

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

/* `key` is the row's, as text. */
static Jsonb *jsonb_of(remote_receiver *receiver, Datum value, Datum key)
{
	char *odd;
	Jsonb *result;

	if (toast_raw_datum_size(value) - VARHDRSZ > JENTRY_OFFLENMASK)
		pythia_image_too_big();
	result = pythia_nested_image(value, &odd);
	if (odd && receiver->odd++ < MOST_WARNINGS)
		ereport(WARNING, (errmsg("a value of table \"%s\" is captured as its JSON text, for jsonb does not take it",
								 pythia_name_shown(receiver->table->name, (char[PYTHIA_NAME_ROOM]){0})),
						  errdetail("It is column \"%s\" of the row %s.", odd, TextDatumGetCString(key))));
	return result;
}

/* The engine writes what it reads in UTF-8, which may not be the encoding here. */
static void recode(Tuplestorestate **store, const pythia_fetched *f)
{
	TupleDesc desc = f->desc;
	Tuplestorestate *recoded;
	TupleTableSlot *slot;
	MemoryContext before;

	if (!*store || GetDatabaseEncoding() == PG_UTF8)
		return;
	/* it lives as long as the one it replaces */
	before = MemoryContextSwitchTo(GetMemoryChunkContext(unconstify(pythia_fetched *, f)));
	recoded = tuplestore_begin_heap(true, f->lasting, work_mem);
	MemoryContextSwitchTo(before);
	slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	while (tuplestore_gettupleslot(*store, true, false, slot))
	{
		Datum values[STAGE_COLUMNS];

		slot_getallattrs(slot);
		for (int i = 0; i < STAGE_COLUMNS; i++)
		{
			values[i] = slot->tts_values[i];
			if (!slot->tts_isnull[i] && TupleDescAttr(desc, i)->atttypid == TEXTOID)
				values[i] = CStringGetTextDatum(pythia_from_utf8(TextDatumGetCString(values[i])));
		}
		tuplestore_putvalues(recoded, desc, values, slot->tts_isnull);
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_end(*store);
	*store = recoded;
}

/* The stamp's instant where its text says one: zones are UTC by the engine's pinning. */
static void set_stamp(pythia_journal_entry *entry, Datum value)
{
	int64 instant;

	if (!pythia_instant_read(TextDatumGetCString(value), &instant))
		return;
	entry->stamp = pythia_from_unix(instant);
	entry->has_stamp = IS_VALID_TIMESTAMP(entry->stamp);
}

static void journal(remote_receiver *receiver, pythia_journal_entry *entry, const Datum *values, const bool *nulls)
{
	if (!nulls[STAGE_STAMP])
		set_stamp(entry, values[STAGE_STAMP]);
	if (!nulls[STAGE_TRANSACTION])
		entry->source_xid =
			FullTransactionIdFromU64(strtoull(TextDatumGetCString(values[STAGE_TRANSACTION]), NULL, 10));
	pythia_journal_put(receiver->journal, entry);
	receiver->captured++;
}

/* ---- polled rows ---- */

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

static void deliver(remote_receiver *receiver, pythia_change_kind kind, const Datum *values, const bool *nulls,
					Jsonb *image)
{
	pythia_journal_entry entry = {.table_id = receiver->table->table_id, .kind = kind};
	MemoryContext before = MemoryContextSwitchTo(pythia_journal_memory(receiver->journal));

	entry.key = jsonb_of(receiver, values[STAGE_KEY], values[STAGE_KEY]);
	if (image)
		entry.new_data = DatumGetJsonbPCopy(JsonbPGetDatum(image));
	if (!nulls[KNOWN_IMAGE])
		entry.old_data = DatumGetJsonbPCopy(values[KNOWN_IMAGE]);
	journal(receiver, &entry, values, nulls);
	MemoryContextSwitchTo(before);
}

static pythia_version_seen version_seen(const Datum *values, const bool *nulls)
{
	if (nulls[KNOWN_PLACE])
		return PYTHIA_VERSION_UNKNOWN;
	if (nulls[KNOWN_VERSION] || nulls[STAGE_VERSION] ||
		strcmp(TextDatumGetCString(values[KNOWN_VERSION]), TextDatumGetCString(values[STAGE_VERSION])) != 0)
		return PYTHIA_VERSION_OTHER;
	return PYTHIA_VERSION_SAME;
}

static bool classify_slot(TupleTableSlot *slot, DestReceiver *self)
{
	remote_receiver *receiver = (remote_receiver *) self;
	pythia_situation situation = {.track = receiver->table->config.track, .starting = receiver->silent};
	pythia_verdict verdict;
	const Datum *values;
	const bool *nulls;
	MemoryContext before;
	Jsonb *image = NULL;

	slot_getallattrs(slot);
	values = slot->tts_values;
	nulls = slot->tts_isnull;
	situation.tracked = !nulls[KNOWN_PLACE];
	situation.version = version_seen(values, nulls);
	situation.known = DatumGetBool(values[STAGE_KNOWN]);
	situation.aged = DatumGetBool(values[STAGE_AGED]);
	if (situation.version == PYTHIA_VERSION_SAME)
		return true;
	/* not in the journal's memory, which is emptied only when rows are delivered */
	before = MemoryContextSwitchTo(receiver->scratch);
	if (!nulls[STAGE_IMAGE])
		image = jsonb_of(receiver, values[STAGE_IMAGE], values[STAGE_KEY]);
	if (pythia_classify_compares(&situation) && !nulls[KNOWN_IMAGE] && image)
		situation.image =
			pythia_jsonb_likeness(DatumGetJsonbP(values[KNOWN_IMAGE]), image, receiver->table->timestamp_column);
	verdict = pythia_classify(&situation);
	/* the image delivered last stays the one with which the next change is delivered */
	remember(receiver, values, nulls,
			 verdict == PYTHIA_ROW_REMEMBER && !nulls[KNOWN_IMAGE] ? DatumGetJsonbP(values[KNOWN_IMAGE]) : image);
	if (verdict != PYTHIA_ROW_REMEMBER)
		deliver(receiver, verdict == PYTHIA_ROW_UPDATE ? PYTHIA_CHANGE_UPDATE : PYTHIA_CHANGE_INSERT, values, nulls,
				image);
	MemoryContextSwitchTo(before);
	MemoryContextReset(receiver->scratch);
	return true;
}

static bool gone(TupleTableSlot *slot, DestReceiver *self)
{
	remote_receiver *receiver = (remote_receiver *) self;
	pythia_journal_entry entry = {.table_id = receiver->table->table_id, .kind = PYTHIA_CHANGE_DELETE};
	MemoryContext before = MemoryContextSwitchTo(pythia_journal_memory(receiver->journal));

	slot_getallattrs(slot);
	entry.key = jsonb_of(receiver, slot->tts_values[1], slot->tts_values[1]);
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

static uint64 run_for_table(const char *sql, int32 table_id)
{
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(table_id)};

	return pythia_catalog_run(sql, 1, types, values, NULL);
}

/* As the index has it. */
#define SAME_KEY                                                                                                       \
	"pg_catalog.hashtextextended(k.key, 0) OPERATOR(pg_catalog.=) pg_catalog.hashtextextended(s.key COLLATE \"C\", "   \
	"0) "                                                                                                              \
	"AND k.key OPERATOR(pg_catalog.=) s.key"

static void sweep(remote_receiver *receiver, pythia_fetched *f)
{
	static const char any_sql[] = "SELECT FROM pythia.remote_row WHERE table_id OPERATOR(pg_catalog.=) $1 LIMIT 1";
	static const char all_sql[] = "DELETE FROM pythia.remote_row WHERE table_id OPERATOR(pg_catalog.=) $1";

	pythia_journal_entry truncate = {.table_id = f->table->table_id, .kind = PYTHIA_CHANGE_TRUNCATE};

	switch (pythia_classify_sweep(f->key_count, run_for_table(any_sql, f->table->table_id) > 0,
								  f->table->config.where != NULL))
	{
		case PYTHIA_SWEEP_NOTHING:
			return;
		case PYTHIA_SWEEP_TRUNCATE:
			pythia_journal_put(receiver->journal, &truncate);
			receiver->captured++;
			(void) run_for_table(all_sql, f->table->table_id);
			return;
		case PYTHIA_SWEEP_DELETES:
			break;
	}
	receiver->base.receiveSlot = gone;
	compare(receiver,
			"SELECT k.ctid, k.key, k.image FROM pythia.remote_row k WHERE k.table_id OPERATOR(pg_catalog.=) $1 "
			"AND NOT EXISTS (SELECT FROM stage s WHERE " SAME_KEY ") ORDER BY k.key",
			f->keys, f->desc);
}

static void digest_rows(remote_receiver *receiver, pythia_fetched *f)
{
	static const char prune_sql[] =
		"SELECT k.ctid, k.key, k.image FROM pythia.remote_row k WHERE k.table_id OPERATOR(pg_catalog.=) $1 "
		"AND NOT EXISTS (SELECT FROM stage s WHERE " SAME_KEY ")";

	receiver->known = pythia_table_writer_open(pythia_relation("remote_row"), 4);
	receiver->scratch = AllocSetContextCreate(CurrentMemoryContext, "pythia_db row", ALLOCSET_DEFAULT_SIZES);
	receiver->silent = f->starting;
	receiver->base.receiveSlot = classify_slot;
	PushActiveSnapshot(GetTransactionSnapshot());
	compare(receiver,
			"SELECT s.n, s.key, s.version, s.stamp, s.image, s.transaction_id, s.aged, s.known, s.kind, s.old, k.ctid, "
			"k.version, k.image FROM stage s LEFT JOIN pythia.remote_row k ON k.table_id OPERATOR(pg_catalog.=) $1 "
			"AND " SAME_KEY " ORDER BY s.n",
			f->rows, f->desc);
	PopActiveSnapshot();
	pythia_table_writer_close(receiver->known);
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	receiver->known = pythia_table_writer_open(pythia_relation("remote_row"), 4);
	/* without tracking only what may be read again is kept */
	if (f->table->config.track == PYTHIA_TRACK_NONE)
	{
		receiver->base.receiveSlot = forget_row;
		compare(receiver, prune_sql, f->rows, f->desc);
	}
	if (f->keys)
		sweep(receiver, f);
	PopActiveSnapshot();
	pythia_table_writer_close(receiver->known);
}

/* ---- logged changes ---- */

static void journal_change(remote_receiver *receiver, const Datum *values, const bool *nulls)
{
	pythia_journal_entry entry = {.table_id = receiver->table->table_id,
								  .kind = (pythia_change_kind) DatumGetChar(values[STAGE_KIND])};

	if (!nulls[STAGE_KEY])
		entry.key = jsonb_of(receiver, values[STAGE_KEY], values[STAGE_KEY]);
	if (!nulls[STAGE_OLD])
		entry.old_data = jsonb_of(receiver, values[STAGE_OLD], values[STAGE_KEY]);
	if (!nulls[STAGE_IMAGE])
		entry.new_data = jsonb_of(receiver, values[STAGE_IMAGE], values[STAGE_KEY]);
	if (entry.kind == PYTHIA_CHANGE_UPDATE && receiver->table->config.track == PYTHIA_TRACK_ROWS &&
		!pythia_classify_logged(PYTHIA_TRACK_ROWS, pythia_jsonb_likeness(entry.old_data, entry.new_data,
																		 receiver->table->timestamp_column)))
		return;
	journal(receiver, &entry, values, nulls);
}

static void digest_log(remote_receiver *receiver, pythia_fetched *f)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(f->desc, &TTSOpsMinimalTuple);

	while (tuplestore_gettupleslot(f->rows, true, false, slot))
	{
		MemoryContext before = MemoryContextSwitchTo(pythia_journal_memory(receiver->journal));

		slot_getallattrs(slot);
		journal_change(receiver, slot->tts_values, slot->tts_isnull);
		MemoryContextSwitchTo(before);
	}
	ExecDropSingleTupleTableSlot(slot);
	pythia_remote_delivered_save(f);
}

/* ---- both ---- */

static void save(const pythia_fetched *f, int64 captured)
{
	static const char sql[] =
		"UPDATE pythia.cdc_state s SET remote_low = $2, remote_mark = $3, remote_mark_time = $4, "
		"captured = s.captured OPERATOR(pg_catalog.+) $5, polled_at = pg_catalog.clock_timestamp(), "
		"swept_at = CASE WHEN $6 THEN pg_catalog.clock_timestamp() ELSE s.swept_at END, "
		"null_stamps = CASE WHEN $6 THEN $7 ELSE s.null_stamps END, log_columns = COALESCE($8, s.log_columns), "
		"low_at = CASE WHEN $9 THEN s.low_at ELSE $10 END, key_form = $11, started = true, start_as = NULL, round = "
		"s.round "
		"OPERATOR(pg_catalog.+) 1 "
		"WHERE s.table_id OPERATOR(pg_catalog.=) $1";
	Oid types[] = {INT4OID, TEXTOID, TEXTOID, INT8OID,        INT8OID, BOOLOID,
				   INT8OID, TEXTOID, BOOLOID, TIMESTAMPTZOID, TEXTOID};
	Datum values[11];
	char nulls[] = "           ";

	values[0] = Int32GetDatum(f->table->table_id);
	values[1] = pythia_text_or_null(pythia_from_utf8(f->low), &nulls[1]);
	values[2] = pythia_text_or_null(pythia_from_utf8(f->mark), &nulls[2]);
	values[3] = Int64GetDatum(f->mark_time);
	values[4] = Int64GetDatum(captured);
	values[5] = BoolGetDatum(f->keys != NULL);
	values[6] = Int64GetDatum(f->nulls);
	values[7] = pythia_text_or_null(pythia_from_utf8(f->log_columns), &nulls[7]);
	values[8] = BoolGetDatum(f->held);
	values[9] = TimestampTzGetDatum(f->low_at);
	if (f->low_at == 0)
		nulls[9] = 'n';
	values[10] = pythia_text_or_null(pythia_from_utf8(f->key_form), &nulls[10]);
	if (pythia_catalog_run(sql, 11, types, values, nulls) != 1)
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("capture of table \"%s\" was changed by another session",
							   pythia_name_shown(f->table->name, (char[PYTHIA_NAME_ROOM]){0})),
						errhint("Poll again.")));
}

int64 pythia_digest_fetched(const pythia_cdc_worker *worker, pythia_fetched *f)
{
	remote_receiver receiver = {.table = f->table};

	if (pythia_fetched_idle(f))
		return 0;
	recode(&f->rows, f);
	recode(&f->keys, f);
	receiver.journal = pythia_journal_open(worker->worker_id);
	if (f->table->config.capture == PYTHIA_CAPTURE_TRIGGER)
		digest_log(&receiver, f);
	else
		digest_rows(&receiver, f);
	(void) pythia_journal_close(receiver.journal);
	save(f, receiver.captured);
	return receiver.captured;
}
