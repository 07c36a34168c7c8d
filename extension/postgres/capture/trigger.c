/* The function of the triggers that append to the journal. */
#include "postgres/capture/trigger.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "postgres/base/catalog.h"
#include "postgres/base/object_owner.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/subtransaction.h"
#include "postgres/capture/columns.h"
#include "postgres/capture/condition.h"
#include "postgres/capture/define.h"
#include "postgres/capture/gather.h"
#include "postgres/capture/identity.h"
#include "postgres/capture/image.h"
#include "postgres/capture/low_water.h"
#include "postgres/capture/outcome.h"
#include "postgres/journal/journal.h"
#include "postgres/worker/worker.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* What the trigger knows of one relation it fires on (a table or a partition of it). */
typedef struct trigger_key
{
	Oid relation;
	int32 table_id;
} trigger_key;

/* When a TRUNCATE of the table was delivered: while nothing more is delivered in that subtransaction, no row is left. */
typedef struct emptied
{
	FullTransactionId transaction;
	SubTransactionId subtransaction;
	uint64 rows_delivered;
} emptied;

typedef struct trigger_target
{
	trigger_key key;
	bool valid;
	MemoryContext memory;
	pythia_cdc_worker *worker;
	pythia_cdc_table *table;
	pythia_image *key_image;
	pythia_image *row_image;
	Oid sequence; /* of the journal's numbers */
	int *key_attributes;
	int stamp;             /* attribute, or -1 */
	pythia_filter *filter; /* NULL: all rows */
	char *row_trigger;     /* the names of ours */
	char *truncate_trigger;
	emptied emptied; /* of the table itself */
} trigger_target;

static HTAB *targets = NULL;
static uint64 rows_delivered = 0; /* by this session */

/* ---- what the trigger knows ---- */

static void forget_relation(Datum arg, Oid relation)
{
	HASH_SEQ_STATUS status;
	trigger_target *target;

	hash_seq_init(&status, targets);
	while ((target = hash_seq_search(&status)) != NULL)
		if (!OidIsValid(relation) || target->key.relation == relation)
			target->valid = false;
}

static void forget_all(Datum arg, int cache, uint32 hash)
{
	forget_relation(arg, InvalidOid);
}

static void set_up(void)
{
	HASHCTL control = {.keysize = sizeof(trigger_key), .entrysize = sizeof(trigger_target)};

	if (targets)
		return;
	targets = hash_create("pythia_db trigger targets", 64, &control, HASH_ELEM | HASH_BLOBS);
	CacheRegisterRelcacheCallback(forget_relation, (Datum) 0);
	/* what the worker's owner may also hangs on what he is a member of */
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, forget_all, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, forget_all, (Datum) 0);
	pythia_gather_set_up();
}

static int32 worker_of_table(int32 table_id)
{
	static const char sql[] = "SELECT worker_id FROM pythia.cdc_table WHERE table_id OPERATOR(pg_catalog.=) $1";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(table_id)};
	int32 worker_id = 0;
	bool isnull;

	SPI_connect();
	pythia_catalog_execute(sql, 1, types, values, NULL);
	if (SPI_processed == 1)
		worker_id = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	return worker_id;
}

/* The attribute that stamps a row, where it still is there and still is a stamp; or -1. */
static int stamp_of(const pythia_cdc_table *table, TupleDesc desc)
{
	if (table->stamp_kind == PYTHIA_STAMP_NONE)
		return -1;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), table->timestamp_column) == 0)
			return pythia_stamp_kind_of(getBaseType(attribute->atttypid)) == table->stamp_kind ? i : -1;
	}
	return -1;
}

/* What was noted, whatever its name is by now; or what has the name, if it is its owner's still. */
static bool is_the_table(Oid relid, const pythia_cdc_table *table)
{
	if (relid == table->relid)
		return true;
	return relid == get_relname_relid(table->table_name, get_namespace_oid(table->schema_name, true)) &&
		   !table->owner_gone && (!OidIsValid(table->owner) || pythia_relation_owner(relid) == table->owner);
}

/*
 * Anybody may name our function for a trigger of his own: it then has to do with no table that is captured.  (Whoever
 * adds a partition makes our trigger there himself, so the function cannot be kept from him.)
 */
static bool is_part_of(Relation relation, const pythia_cdc_table *table)
{
	ListCell *cell;

	if (is_the_table(RelationGetRelid(relation), table))
		return true;
	if (!relation->rd_rel->relispartition)
		return false;
	foreach (cell, get_partition_ancestors(RelationGetRelid(relation)))
		if (is_the_table(lfirst_oid(cell), table))
			return true;
	return false;
}

/* What stays with the session is of the table alone, however long its worker's options are. */
static void keep(trigger_target *target, const pythia_cdc_worker *worker, const pythia_cdc_table *table)
{
	target->worker = palloc0(sizeof(pythia_cdc_worker));
	target->worker->worker_id = worker->worker_id;
	target->worker->name = pstrdup(worker->name);
	target->worker->owner = worker->owner;
	target->table = palloc0(sizeof(pythia_cdc_table));
	target->table->table_id = table->table_id;
	target->table->name = pstrdup(table->name);
	target->table->relid = table->relid;
	target->table->schema_name = pstrdup(table->schema_name);
	target->table->table_name = pstrdup(table->table_name);
	target->table->owner = table->owner;
	target->table->owner_gone = table->owner_gone;
	target->table->timestamp_column = pstrdup(table->timestamp_column);
	target->table->stamp_kind = table->stamp_kind;
	target->table->nkey = table->nkey;
	target->table->config.capture = table->config.capture;
	target->table->config.track = table->config.track;
	target->table->config.time_zone = table->config.time_zone ? pstrdup(table->config.time_zone) : NULL;
	target->row_trigger = pythia_row_trigger(table);
	target->truncate_trigger = pythia_truncate_trigger(table);
}

/* Fills in the target; returns why the table cannot be captured, or NULL. */
static const char *fill_in_from(trigger_target *target, Relation relation, pythia_cdc_worker *worker)
{
	TupleDesc desc = RelationGetDescr(relation);
	pythia_cdc_table *table = worker && worker->ntables > 0 ? &worker->tables[0] : NULL;
	const char *fault;
	int *positions;
	int *key;
	int count;

	/* gone: a trigger that a restore brought back, say */
	if (!table || !table->active || !is_part_of(relation, table))
		return NULL;
	keep(target, worker, table);
	fault = pythia_cdc_closed_to(RelationGetRelid(relation), worker->owner);
	if (fault)
		return fault;
	(void) pythia_cdc_follow_key(relation, table);
	count = pythia_image_columns(relation, &table->config, &positions);
	key = palloc(sizeof(int) * table->nkey);
	for (int i = 0; i < table->nkey; i++)
		key[i] = pythia_column_position(relation, table->key[i]);
	target->key_attributes = key;
	target->sequence = pythia_relation("journal_change_id_seq");
	target->key_image = pythia_image_make(desc, table->nkey, key, NULL);
	pythia_image_flatten(target->key_image);
	target->row_image = pythia_image_make(desc, count, positions, NULL);
	target->stamp = stamp_of(table, desc);
	if (table->condition)
		target->filter = pythia_filter_make(worker, relation, table->condition);
	return NULL;
}

static const char *fill_in(trigger_target *target, Relation relation)
{
	MemoryContext scratch =
		AllocSetContextCreate(CurTransactionContext, "pythia_db trigger look-up", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(scratch);
	int32 worker_id = worker_of_table(target->key.table_id);
	pythia_cdc_worker *worker = worker_id ? pythia_cdc_load_table(worker_id, target->key.table_id) : NULL;
	const char *fault;

	MemoryContextSwitchTo(before);
	fault = fill_in_from(target, relation, worker);
	MemoryContextDelete(scratch);
	return fault;
}

typedef struct look_up
{
	trigger_target *target;
	Relation relation;
	const char *fault;
} look_up;

static void try_to_look_up(void *argument)
{
	look_up *look = argument;

	/* what is said of the table meanwhile counts */
	look->target->valid = true;
	look->fault = fill_in(look->target, look->relation);
}

/* A target that was not filled in is looked up again, unless its table is given up. */
static bool is_fault(void *argument, const ErrorData *error)
{
	const look_up *look = argument;

	/* before the table is known there is nobody to report to; and how deep a writer calls is his own affair */
	look->target->valid = look->target->table != NULL && error->sqlerrcode != ERRCODE_STATEMENT_TOO_COMPLEX &&
						  pythia_cdc_table_is_to_blame(NULL, error);
	return look->target->valid;
}

/*
 * Where the table was altered so that it cannot be captured any more, its capture
 * stops, and the writer, who cannot help it, goes on.
 */
static void prepare_target(trigger_target *target, Relation relation)
{
	look_up look = {target, relation, NULL};
	MemoryContext before;
	ErrorData *error;

	if (target->memory)
		MemoryContextDelete(target->memory);
	target->memory = NULL;
	/* whatever fails from here on, nobody takes it for one that was looked up */
	target->valid = false;
	target->worker = NULL;
	target->table = NULL;
	target->key_image = target->row_image = NULL;
	target->key_attributes = NULL;
	target->filter = NULL;
	target->row_trigger = target->truncate_trigger = NULL;
	target->memory = AllocSetContextCreate(TopMemoryContext, "pythia_db trigger target", ALLOCSET_DEFAULT_SIZES);
	before = MemoryContextSwitchTo(target->memory);
	error = pythia_isolated(try_to_look_up, is_fault, &look);
	if (error)
	{
		/* the undoing may have said that it is not */
		target->valid = true;
		look.fault = error->message;
	}
	if (look.fault)
	{
		const pythia_cdc_table *table = target->table;

		target->table = NULL;
		target->valid = false;
		pythia_cdc_give_up(target->worker, table, look.fault);
		target->valid = true;
	}
	MemoryContextSwitchTo(before);
}

static trigger_target *target_of(Relation relation, int32 table_id)
{
	trigger_key key = {.relation = RelationGetRelid(relation), .table_id = table_id};
	trigger_target *target;
	bool found;

	set_up();
	target = hash_search(targets, &key, HASH_ENTER, &found);
	if (!found)
	{
		target->memory = NULL;
		target->valid = false;
		target->emptied = (emptied){0};
	}
	if (!target->valid)
		prepare_target(target, relation);
	return target;
}

/* ---- one event ---- */

/* Conditions and images do not depend on the writer's session. */
static bool pin_session(const trigger_target *target, pythia_cdc_identity *before)
{
	if (!(target->filter && pythia_filter_is_bent(target->filter)) && !pythia_image_is_bent(target->row_image) &&
		!pythia_image_is_bent(target->key_image))
		return false;
	pythia_cdc_enter(target->worker, NULL, before);
	return true;
}

static bool wanted(trigger_target *target, HeapTuple tuple)
{
	return tuple && (!target->filter || pythia_filter_passes(target->filter, tuple));
}

static pythia_journal_entry *new_entry(trigger_target *target, pythia_gathered *part)
{
	pythia_journal_entry *entry = pythia_gather_add(part);

	/* the id first, the number after it: consumers rely on that */
	(void) GetTopFullTransactionId();
	entry->worker_id = target->worker->worker_id;
	entry->table_id = target->table->table_id;
	entry->change_id = pythia_journal_next_number(target->sequence);
	entry->captured_at = GetCurrentTimestamp();
	return entry;
}

/* Bit by bit; where that differs, the images will tell. */
static bool same_key(const trigger_target *target, TupleDesc desc, const Datum *a, const bool *a_nulls, const Datum *b,
					 const bool *b_nulls)
{
	for (int i = 0; i < target->table->nkey; i++)
	{
		int at = target->key_attributes[i];
		Form_pg_attribute attribute = TupleDescAttr(desc, at);

		if (a_nulls[at] || b_nulls[at] || !datumIsEqual(a[at], b[at], attribute->attbyval, attribute->attlen))
			return false;
	}
	return true;
}

static void take_row(trigger_target *target, pythia_gathered *part, TupleDesc desc, HeapTuple old_row,
					 HeapTuple new_row)
{
	int natts = desc->natts;
	Datum *values = palloc(sizeof(Datum) * natts);
	bool *nulls = palloc(sizeof(bool) * natts);
	Datum *old_values = palloc(sizeof(Datum) * natts);
	bool *old_nulls = palloc(sizeof(bool) * natts);
	MemoryContext before = MemoryContextSwitchTo(pythia_gather_memory(part));
	pythia_journal_entry *entry;
	Jsonb *old_data = NULL;
	Jsonb *new_data = NULL;
	Jsonb *old_key = NULL;
	Jsonb *new_key = NULL;
	bool has_stamp = false;
	TimestampTz stamp = 0;

	if (old_row)
	{
		heap_deform_tuple(old_row, desc, old_values, old_nulls);
		old_data = pythia_image_of(target->row_image, old_values, old_nulls);
	}
	if (new_row)
	{
		heap_deform_tuple(new_row, desc, values, nulls);
		new_key = pythia_image_of(target->key_image, values, nulls);
		new_data = pythia_image_of(target->row_image, values, nulls);
		if (target->stamp >= 0 && !nulls[target->stamp])
			has_stamp = pythia_stamp_instant(target->table, values[target->stamp], &stamp);
	}
	if (old_row)
		old_key = new_row && same_key(target, desc, old_values, old_nulls, values, nulls)
					  ? new_key
					  : pythia_image_of(target->key_image, old_values, old_nulls);
	/* a key that changed is delivered, though the images may be without it */
	if (old_row && new_row && old_key == new_key &&
		!pythia_classify_logged(target->table->config.track,
								pythia_jsonb_likeness(old_data, new_data, target->table->timestamp_column)))
	{
		MemoryContextSwitchTo(before);
		return;
	}
	/* a key that changed is another row to whoever follows: the old one goes, the new one comes */
	if (old_row && new_row && old_key != new_key && compareJsonbContainers(&old_key->root, &new_key->root) != 0)
	{
		entry = new_entry(target, part);
		entry->kind = PYTHIA_CHANGE_DELETE;
		entry->key = old_key;
		entry->old_data = old_data;
		old_row = NULL;
		old_data = NULL;
	}
	entry = new_entry(target, part);
	entry->kind = !old_row ? PYTHIA_CHANGE_INSERT : !new_row ? PYTHIA_CHANGE_DELETE : PYTHIA_CHANGE_UPDATE;
	entry->key = new_row ? new_key : old_key;
	entry->old_data = old_data;
	entry->new_data = new_data;
	entry->has_stamp = has_stamp;
	entry->stamp = stamp;
	rows_delivered++;
	MemoryContextSwitchTo(before);
}

/* A row that was written, and what is to be delivered of it. */
typedef struct written_row
{
	trigger_target *target;
	pythia_gathered *part;
	Relation relation;
	HeapTuple old_row;
	HeapTuple new_row;
} written_row;

static void log_row(void *argument)
{
	written_row *row = argument;
	HeapTuple old_row = wanted(row->target, row->old_row) ? row->old_row : NULL;
	HeapTuple new_row = wanted(row->target, row->new_row) ? row->new_row : NULL;

	if (old_row || new_row)
		take_row(row->target, row->part, RelationGetDescr(row->relation), old_row, new_row);
}

/* What concerns the row alone; a cancel, a full disk, a deadlock or calls that are too deep are the writer's. */
static bool is_of_the_row(void *argument, const ErrorData *error)
{
	int category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return category != ERRCODE_OPERATOR_INTERVENTION && category != ERRCODE_TRANSACTION_ROLLBACK &&
		   category != ERRCODE_SYSTEM_ERROR && error->sqlerrcode != ERRCODE_STATEMENT_TOO_COMPLEX &&
		   (category != ERRCODE_INSUFFICIENT_RESOURCES || error->sqlerrcode == ERRCODE_OUT_OF_MEMORY);
}

/* Conditions may fail, as may what is made of others' types and of values that are large. */
static bool may_fail(const written_row *row)
{
	return row->target->filter || pythia_image_may_fail(row->target->row_image) ||
		   pythia_image_may_fail(row->target->key_image) || (row->old_row && HeapTupleHasExternal(row->old_row)) ||
		   (row->new_row && HeapTupleHasExternal(row->new_row));
}

/* No writer fails for a row that cannot be captured: the capture of its table stops (false). */
static bool log_safely(written_row *row)
{
	ErrorData *error = NULL;

	if (may_fail(row))
		error = pythia_isolated(log_row, is_of_the_row, row);
	else
		log_row(row);
	if (error)
		pythia_cdc_give_up(row->target->worker, row->target->table,
						   psprintf("a change could not be captured: %s", error->message));
	return !error;
}

/* ---- TRUNCATE ---- */

static emptied emptied_now(void)
{
	emptied now = {GetTopFullTransactionId(), GetCurrentSubTransactionId(), rows_delivered};

	return now;
}

/* Is the partition emptied with its whole table, which has delivered that already? */
static bool is_delivered(const trigger_target *partition)
{
	emptied now = emptied_now();
	ListCell *cell;

	foreach (cell, get_partition_ancestors(partition->key.relation))
	{
		trigger_key key = {.relation = lfirst_oid(cell), .table_id = partition->key.table_id};
		const trigger_target *whole = hash_search(targets, &key, HASH_FIND, NULL);

		if (whole && FullTransactionIdEquals(whole->emptied.transaction, now.transaction) &&
			whole->emptied.subtransaction == now.subtransaction && whole->emptied.rows_delivered == now.rows_delivered)
			return true;
	}
	return false;
}

/* A partition's rows, before it is emptied.  Those that came after the transaction's snapshot go as well. */
static void take_partition(written_row *row)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "pythia_db row", ALLOCSET_DEFAULT_SIZES);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(row->relation, NULL);
	TableScanDesc scan = pythia_table_beginscan(row->relation, snapshot);
	MemoryContext before = MemoryContextSwitchTo(scratch);
	bool ok = true;

	while (ok && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		row->old_row = ExecFetchSlotHeapTuple(slot, false, NULL);
		ok = log_safely(row);
		pythia_gather_bound();
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(before);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	MemoryContextDelete(scratch);
}

/* The table's own trigger, or a partition's: the rows of one that is emptied alone go one by one. */
static void take_truncate(written_row *row)
{
	trigger_target *target = row->target;

	if (!is_the_table(RelationGetRelid(row->relation), target->table))
	{
		if (!is_delivered(target))
			take_partition(row);
		return;
	}
	new_entry(target, row->part)->kind = PYTHIA_CHANGE_TRUNCATE;
	target->emptied = emptied_now();
}

/* A second trigger beside ours would deliver everything twice. */
static bool is_ours(const trigger_target *target, const TriggerData *data)
{
	const char *name = TRIGGER_FIRED_BY_TRUNCATE(data->tg_event) ? target->truncate_trigger : target->row_trigger;

	return strcmp(data->tg_trigger->tgname, name) == 0;
}

PYTHIA_FUNCTION(pythia_write_row);

Datum pythia_write_row(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	trigger_target *target;
	written_row row = {0};
	pythia_cdc_identity before_pin;
	bool pinned;

	if (!CALLED_AS_TRIGGER(fcinfo) || data->tg_trigger->tgnargs != 1 ||
		!(TRIGGER_FIRED_AFTER(data->tg_event) ||
		  (TRIGGER_FIRED_BEFORE(data->tg_event) && TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("pythia._capture is the function of capture triggers"),
				 errhint("They are made by pythia.create_cdc_worker with the option \"capture\": \"trigger\".")));
	target = target_of(data->tg_relation, pg_strtoint32(data->tg_trigger->tgargs[0]));
	if (!target->table || !is_ours(target, data))
		return PointerGetDatum(NULL);
	row.target = target;
	row.relation = data->tg_relation;
	row.part = pythia_gather_here();
	pinned = pin_session(target, &before_pin);
	if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
		take_truncate(&row);
	else
	{
		if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
			row.new_row = data->tg_trigtuple;
		else
			row.old_row = data->tg_trigtuple;
		if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
			row.new_row = data->tg_newtuple;
		(void) log_safely(&row);
	}
	if (pinned)
		pythia_cdc_leave(&before_pin);
	pythia_gather_bound();
	pythia_wake_at_commit(target->worker->worker_id);
	return PointerGetDatum(NULL);
}
