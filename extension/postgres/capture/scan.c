#include "postgres/capture/scan_plan.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "core/suggest.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/table_writer.h"
#include "postgres/capture/columns.h"
#include "postgres/capture/define.h"
#include "postgres/capture/identity.h"
#include "postgres/capture/image.h"
#include "postgres/capture/known.h"
#include "postgres/capture/low_water.h"
#include "postgres/capture/poll.h"
#include "postgres/journal/journal.h"
#include "storage/bufmgr.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* A DestReceiver that captures. */
typedef struct scan_receiver
{
	DestReceiver base;
	pythia_scan *scan;
	Relation relation;
	FullTransactionId next;
	bool tracked;
	bool rows;   /* with images */
	bool hashed; /* with a hash of each row */
	int first;   /* position of the row's first own column */
	int ncolumns;
	int *key;               /* positions in the result */
	int stamp;              /* likewise */
	pythia_keeper *keepers; /* of the key */
	Oid stamp_type;
	pythia_image *key_image;
	pythia_image *row_image;
	pythia_journal *journal;
	MemoryContext scratch; /* of one row */
	pythia_table_writer *known;
	HTAB *young;
	Buffer buffer; /* of the last tuple header looked at */
	Relation buffer_relation;
} scan_receiver;

/* ---- one row ---- */

static bool in_list(const FullTransactionId *list, int count, FullTransactionId xid)
{
	int low = 0;
	int high = count - 1;

	while (low <= high)
	{
		int middle = (low + high) / 2;

		if (FullTransactionIdEquals(list[middle], xid))
			return true;
		if (FullTransactionIdPrecedes(list[middle], xid))
			low = middle + 1;
		else
			high = middle - 1;
	}
	return false;
}

static void note_young(scan_receiver *receiver, FullTransactionId xid)
{
	if (FullTransactionIdPrecedes(xid, receiver->scan->snapshot->xmin))
		return;
	if (!receiver->young)
	{
		HASHCTL control = {.keysize = sizeof(FullTransactionId),
						   .entrysize = sizeof(FullTransactionId),
						   .hcxt = receiver->scan->memory};

		receiver->young =
			hash_create("pythia_db young transactions", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	(void) hash_search(receiver->young, &xid, HASH_ENTER, NULL);
}

/* Whether the tuple at ctid came from an UPDATE: its header knows. It is visible to us, so it stays. */
static bool came_from_update(scan_receiver *receiver, Oid relation, ItemPointer place)
{
	Page page;
	ItemId item;
	bool result = false;

	if (!receiver->buffer_relation || RelationGetRelid(receiver->buffer_relation) != relation)
	{
		if (BufferIsValid(receiver->buffer))
			ReleaseBuffer(receiver->buffer);
		receiver->buffer = InvalidBuffer;
		if (receiver->buffer_relation)
			table_close(receiver->buffer_relation, NoLock);
		receiver->buffer_relation = table_open(relation, AccessShareLock);
	}
	if (receiver->buffer_relation->rd_rel->relam != HEAP_TABLE_AM_OID)
		return true;
	receiver->buffer =
		ReleaseAndReadBuffer(receiver->buffer, receiver->buffer_relation, ItemPointerGetBlockNumber(place));
	LockBuffer(receiver->buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(receiver->buffer);
	item = PageGetItemId(page, ItemPointerGetOffsetNumber(place));
	if (ItemIdIsNormal(item))
		result = (((HeapTupleHeader) PageGetItem(page, item))->t_infomask & HEAP_UPDATED) != 0;
	LockBuffer(receiver->buffer, BUFFER_LOCK_UNLOCK);
	return result;
}

static void open_writers(scan_receiver *receiver)
{
	MemoryContext before = MemoryContextSwitchTo(receiver->scan->memory);

	receiver->scratch = AllocSetContextCreate(CurrentMemoryContext, "pythia_db row", ALLOCSET_DEFAULT_SIZES);
	receiver->journal = pythia_journal_open(receiver->scan->worker->worker_id);
	if (receiver->tracked)
		receiver->known = pythia_table_writer_open(pythia_tracked_relation(receiver->scan->table->table_id),
												   receiver->scan->table->nkey + 2);
	MemoryContextSwitchTo(before);
}

/* What is known of a row; of its image `old_image`, NULL where there is none. */
static pythia_verdict classify(scan_receiver *receiver, const Datum *result, const bool *nulls, Jsonb *image,
							   Jsonb *old_image)
{
	pythia_situation situation = {.track = receiver->scan->table->config.track};
	bool same_hash;

	if (!receiver->tracked)
	{
		situation.aged = came_from_update(receiver, DatumGetObjectId(result[SCAN_TABLEOID]),
										  (ItemPointer) DatumGetPointer(result[SCAN_CTID]));
		return pythia_classify(&situation);
	}
	situation.tracked = !nulls[SCAN_KNOWN];
	if (!situation.tracked)
		return pythia_classify(&situation);
	same_hash = receiver->hashed && DatumGetInt64(result[SCAN_KNOWN_HASH]) == pythia_image_hash(receiver->row_image);
	/* the hash of a row without its stamp is no version of it */
	situation.version = same_hash && !receiver->rows ? PYTHIA_VERSION_SAME : PYTHIA_VERSION_OTHER;
	if (pythia_classify_compares(&situation))
		situation.image = !same_hash ? PYTHIA_IMAGE_DIFFERENT
									 : pythia_jsonb_likeness(old_image, image, receiver->scan->table->timestamp_column);
	return pythia_classify(&situation);
}

/* Brings the known rows up to date with one that is delivered. */
static void track(scan_receiver *receiver, const Datum *result, const bool *nulls, Jsonb *image)
{
	int nkey = receiver->scan->table->nkey;
	bool is_new = nulls[SCAN_KNOWN];
	Datum *values;
	bool *isnull;
	MemoryContext before;

	if (!receiver->hashed && !is_new)
		return;
	before = MemoryContextSwitchTo(pythia_table_writer_memory(receiver->known));
	values = palloc(sizeof(Datum) * (nkey + 2));
	isnull = palloc0(sizeof(bool) * (nkey + 2));
	for (int i = 0; i < nkey; i++)
		values[i] = pythia_keep(&receiver->keepers[i], result[receiver->key[i]], nulls[receiver->key[i]]);
	if (receiver->hashed)
	{
		values[nkey] = Int64GetDatum(pythia_image_hash(receiver->row_image));
		if (receiver->rows)
			values[nkey + 1] = datumCopy(JsonbPGetDatum(image), false, -1);
	}
	if (is_new)
		pythia_table_writer_insert(receiver->known, values, isnull);
	else
		pythia_table_writer_update(receiver->known, (ItemPointer) DatumGetPointer(result[SCAN_KNOWN]), values, isnull);
	MemoryContextSwitchTo(before);
}

static Jsonb *kept(Jsonb *image)
{
	return image ? DatumGetJsonbPCopy(JsonbPGetDatum(image)) : NULL;
}

static void capture(scan_receiver *receiver, const Datum *values, const bool *nulls, FullTransactionId xid)
{
	pythia_journal_entry entry = {.table_id = receiver->scan->table->table_id, .source_xid = xid};
	pythia_verdict verdict;
	MemoryContext before;

	if (!receiver->journal)
		open_writers(receiver);
	before = MemoryContextSwitchTo(receiver->scratch);
	entry.key = pythia_image_of(receiver->key_image, values, nulls);
	entry.new_data = pythia_image_of(receiver->row_image, values, nulls);
	if (receiver->stamp >= 0 && !nulls[receiver->stamp])
		entry.has_stamp = pythia_stamp_instant(receiver->scan->table, values[receiver->stamp], &entry.stamp);
	if (receiver->rows && !nulls[SCAN_KNOWN])
		entry.old_data = DatumGetJsonbP(values[SCAN_KNOWN_IMAGE]);
	verdict = classify(receiver, values, nulls, entry.new_data, entry.old_data);
	if (verdict == PYTHIA_ROW_INSERT || verdict == PYTHIA_ROW_UPDATE)
	{
		entry.kind = verdict == PYTHIA_ROW_INSERT ? PYTHIA_CHANGE_INSERT : PYTHIA_CHANGE_UPDATE;
		if (receiver->tracked)
			track(receiver, values, nulls, entry.new_data);
		/* the journal gathers, and what is delivered of no row is gone with it */
		MemoryContextSwitchTo(pythia_journal_memory(receiver->journal));
		entry.key = kept(entry.key);
		entry.new_data = kept(entry.new_data);
		entry.old_data = kept(entry.old_data);
		pythia_journal_put(receiver->journal, &entry);
		receiver->scan->captured++;
	}
	MemoryContextSwitchTo(before);
	MemoryContextReset(receiver->scratch);
}

static bool receive(TupleTableSlot *slot, DestReceiver *self)
{
	scan_receiver *receiver = (scan_receiver *) self;
	pythia_scan *scan = receiver->scan;
	pythia_snapshot *seen_until = scan->table->seen_until;
	TransactionId xmin;
	FullTransactionId xid;

	slot_getallattrs(slot);
	if (scan->table->by_hash)
	{
		/* what we know of the row tells whether it is new; of our own rows the journal's entry stands or falls with us */
		xid = InvalidFullTransactionId;
		seen_until = NULL;
	}
	else
	{
		xmin = DatumGetTransactionId(slot->tts_values[SCAN_XMIN]);
		/* our own rows are captured when they are committed */
		if (TransactionIdIsCurrentTransactionId(xmin))
			return true;
		xid = pythia_full_xid(xmin, receiver->next);
		note_young(receiver, xid);
	}
	scan->candidates++;
	if (scan->table->stamp_kind == PYTHIA_STAMP_INTEGER)
		scan->greatest = Max(scan->greatest, pythia_stamp_number(PYTHIA_STAMP_INTEGER, receiver->stamp_type,
																 slot->tts_values[receiver->stamp]));
	if (scan->discard)
		return true;
	if (scan->captured == 0 && receiver->stamp >= 0)
		scan->least = Min(scan->least, pythia_stamp_number(scan->table->stamp_kind, receiver->stamp_type,
														   slot->tts_values[receiver->stamp]));
	if (seen_until)
	{
		if (FullTransactionIdPrecedes(xid, seen_until->xmin))
			return true;
		if (FullTransactionIdPrecedes(xid, seen_until->xmax) && in_list(scan->seen, scan->nseen, xid))
			return true;
	}
	capture(receiver, slot->tts_values, slot->tts_isnull, xid);
	return true;
}

/* ---- the scan ---- */

static void startup(DestReceiver *self, int operation, TupleDesc desc)
{
	scan_receiver *receiver = (scan_receiver *) self;
	const pythia_cdc_table *table = receiver->scan->table;
	MemoryContext before = MemoryContextSwitchTo(receiver->scan->memory);
	int *needed;
	int count = pythia_scan_columns(receiver->relation, table, &needed);
	int *image;
	int nimage = pythia_image_columns(receiver->relation, &table->config, &image);
	int *positions = palloc(sizeof(int) * Max(count, 1));
	int stamp = table->stamp_kind == PYTHIA_STAMP_NONE
					? -1
					: pythia_column_position(receiver->relation, table->timestamp_column);

	if (desc->natts < receiver->first + count)
		elog(ERROR, "a poll of table \"%s\" reads %d columns where %d are needed", table->name, desc->natts,
			 receiver->first + count);
	receiver->key = palloc(sizeof(int) * table->nkey);
	for (int i = 0; i < count; i++)
	{
		int place = receiver->first + i;

		for (int j = 0; j < nimage; j++)
			if (image[j] == needed[i])
				positions[j] = place;
		for (int j = 0; j < table->nkey; j++)
			if (pythia_column_position(receiver->relation, table->key[j]) == needed[i])
				receiver->key[j] = place;
		if (needed[i] == stamp)
			receiver->stamp = place;
	}
	receiver->key_image = pythia_image_make(desc, table->nkey, receiver->key, NULL);
	pythia_image_flatten(receiver->key_image);
	receiver->keepers = pythia_keepers_make(table, desc, receiver->key);
	receiver->row_image = pythia_image_make(desc, nimage, positions, NULL);
	if (receiver->hashed)
		pythia_image_skip(receiver->row_image, receiver->rows ? receiver->stamp : -1);
	MemoryContextSwitchTo(before);
}

static void ignore(DestReceiver *self)
{
}

static int compare_xids(const void *a, const void *b)
{
	uint64 x = U64FromFullTransactionId(*(const FullTransactionId *) a);
	uint64 y = U64FromFullTransactionId(*(const FullTransactionId *) b);

	return x < y ? -1 : x > y;
}

static void finish(scan_receiver *receiver)
{
	pythia_scan *scan = receiver->scan;

	if (receiver->journal)
		(void) pythia_journal_close(receiver->journal);
	if (receiver->known)
		pythia_table_writer_close(receiver->known);
	if (BufferIsValid(receiver->buffer))
		ReleaseBuffer(receiver->buffer);
	if (receiver->buffer_relation)
		table_close(receiver->buffer_relation, NoLock);
	if (receiver->young)
	{
		HASH_SEQ_STATUS status;
		FullTransactionId *xid;

		scan->young = palloc(sizeof(FullTransactionId) * hash_get_num_entries(receiver->young));
		hash_seq_init(&status, receiver->young);
		while ((xid = hash_seq_search(&status)) != NULL)
			scan->young[scan->nyoung++] = *xid;
		qsort(scan->young, scan->nyoung, sizeof(FullTransactionId), compare_xids);
	}
}

/* The index on the stamp is the way to read a few late rows of a big table; what the planner
 * would guess of a comparison with a parameter is worse. */
static void prefer_index(void)
{
	static const char *const off[] = {"enable_seqscan", "enable_bitmapscan", "enable_sort", "enable_hashjoin",
									  "enable_mergejoin"};

	for (int i = 0; i < lengthof(off); i++)
		(void) set_config_option(off[i], "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("plan_cache_mode", "force_generic_plan", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
							 0, false);
}

void pythia_scan_run(pythia_scan *scan)
{
	pythia_cdc_table *table = scan->table;
	Relation relation = pythia_cdc_relation(table);
	scan_receiver receiver = {.scan = scan, .relation = relation, .buffer = InvalidBuffer, .stamp = -1};
	SPIExecuteOptions options = {.read_only = true, .dest = &receiver.base};
	bool bounded = table->low != PYTHIA_LOW_WATER_MINIMUM;
	SPIPlanPtr plan;
	Datum low;
	int code;

	pythia_cdc_refuse_foreign_partition(relation);
	scan->greatest = PYTHIA_LOW_WATER_MINIMUM;
	scan->least = PG_INT64_MAX;
	if (table->stamp_kind != PYTHIA_STAMP_NONE)
		receiver.stamp_type = getBaseType(
			TupleDescAttr(RelationGetDescr(relation), pythia_column_position(relation, table->timestamp_column))
				->atttypid);
	if (pythia_stamp_kind_of(receiver.stamp_type) != table->stamp_kind)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("column \"%s\" of table \"%s\" changed its type", table->timestamp_column,
							   RelationGetRelationName(relation)),
						errdetail("It held a stamp of kind %s.", pythia_stamp_kind_name(table->stamp_kind)),
						errhint("Name the table again with pythia.alter_cdc_worker, or drop and create the worker.")));
	receiver.base.receiveSlot = receive;
	receiver.base.rStartup = startup;
	receiver.base.rShutdown = ignore;
	receiver.base.rDestroy = ignore;
	receiver.base.mydest = DestNone;
	receiver.next = ReadNextFullTransactionId();
	receiver.tracked = pythia_tracks(table);
	receiver.rows = receiver.tracked && table->config.track == PYTHIA_TRACK_ROWS;
	receiver.hashed = pythia_keeps_hash(table);
	receiver.first = receiver.tracked ? SCAN_TRACKED : SCAN_PLAIN;

	low = pythia_stamp_datum(table->stamp_kind, receiver.stamp_type, table->low);
	if (bounded)
	{
		prefer_index();
		plan = pythia_scan_plan(relation, scan->worker, table, receiver.stamp_type);
	}
	else
		plan = pythia_scan_prepare(relation, table, false, receiver.stamp_type);
	{
		ParamListInfo parameters = makeParamList(bounded ? 1 : 0);

		if (bounded)
			parameters->params[0] =
				(ParamExternData){.value = low, .pflags = PARAM_FLAG_CONST, .ptype = receiver.stamp_type};
		options.params = parameters;
		code = SPI_execute_plan_extended(plan, &options);
	}
	if (code < 0)
		elog(ERROR, "could not scan \"%s\": %s", table->name, SPI_result_code_string(code));
	finish(&receiver);
	if (!bounded)
		SPI_freeplan(plan);
	table_close(relation, NoLock);
}
