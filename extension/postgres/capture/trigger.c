/*
 * A row trigger that appends to the journal.
 *
 * Entries are numbered when the trigger fires and gathered in memory; they are
 * written before the transaction commits or is prepared, or when there are
 * many.  An entry belongs to the subtransaction it was made in: what that one
 * has gathered goes with it when it is rolled back, and is only ever written
 * within it.  Numbers, not places, make the order.
 */
#include "postgres/capture/trigger.h"

#include "access/htup_details.h"
#include "access/table.h"
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
#include "postgres/capture/identity.h"
#include "postgres/capture/image.h"
#include "postgres/capture/low.h"
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

#define MAX_BYTES (256 * 1024)

/* What the trigger knows of one relation it fires on (a table or a partition of it). */
typedef struct trigger_key
{
	Oid relation;
	int32 table_id;
} trigger_key;

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
} trigger_target;

/* Entries gathered by one subtransaction. */
typedef struct gathered
{
	SubTransactionId owner;
	MemoryContext memory;
	List *entries;               /* of pythia_journal_entry */
	SubTransactionId written_in; /* written within this inner one, so not for certain; 0: not written */
	struct gathered *outer;
} gathered;

static HTAB *targets = NULL;
static gathered *innermost = NULL; /* in TopTransactionContext */

/* ---- writing ---- */

static void write_out(gathered *part)
{
	pythia_journal *journal = NULL;
	MemoryContext before;
	ListCell *cell;
	bool pushed = false;

	if (part->entries == NIL)
		return;
	/* at a commit there is none */
	if (!ActiveSnapshotSet())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		pushed = true;
	}
	before = MemoryContextSwitchTo(part->memory);
	foreach (cell, part->entries)
	{
		pythia_journal_entry *entry = lfirst(cell);

		if (!journal)
			journal = pythia_journal_open(entry->worker_id);
		pythia_journal_put(journal, entry);
	}
	pythia_journal_close(journal);
	MemoryContextSwitchTo(before);
	if (pushed)
		PopActiveSnapshot();
}

static void forget_entries(gathered *part)
{
	part->entries = NIL;
	part->written_in = InvalidSubTransactionId;
	MemoryContextReset(part->memory);
}

static void flush_part(gathered *part, SubTransactionId current)
{
	if (part->written_in != InvalidSubTransactionId)
		return;
	write_out(part);
	/* a rollback to a savepoint would take along what we wrote for an outer one: kept until that is settled */
	if (part->owner == current)
		forget_entries(part);
	else if (part->entries != NIL)
		part->written_in = current;
}

void pythia_trigger_flush(void)
{
	SubTransactionId current = GetCurrentSubTransactionId();

	for (gathered *part = innermost; part; part = part->outer)
		flush_part(part, current);
}

static gathered *current_part(void)
{
	SubTransactionId id = GetCurrentSubTransactionId();
	gathered *part;

	if (innermost && innermost->owner == id)
		return innermost;
	part = MemoryContextAllocZero(TopTransactionContext, sizeof(gathered));
	part->owner = id;
	part->memory = AllocSetContextCreate(TopTransactionContext, "pythia_db captured rows", ALLOCSET_START_SMALL_SIZES);
	part->outer = innermost;
	innermost = part;
	return part;
}

static void on_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			pythia_trigger_flush();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			innermost = NULL;
			break;
		default:
			break;
	}
}

static bool is_full(const gathered *part)
{
	return MemoryContextMemAllocated(part->memory, true) > MAX_BYTES;
}

static void drop_innermost(void)
{
	gathered *part = innermost;

	innermost = part->outer;
	pfree(part);
}

/* A savepoint a row is common: its few entries go to the parent's, and are not worth a write of their own. */
static void hand_over_innermost(SubTransactionId parent)
{
	gathered *outer = innermost->outer;
	MemoryContext before;

	if (!outer || outer->owner != parent)
	{
		innermost->owner = parent;
		return;
	}
	before = MemoryContextSwitchTo(outer->memory);
	outer->entries = list_concat(outer->entries, innermost->entries);
	MemoryContextSwitchTo(before);
	MemoryContextSetParent(innermost->memory, outer->memory);
	drop_innermost();
}

static void settle(SubTransactionId mine, SubTransactionId parent, bool committed)
{
	for (gathered *part = innermost; part; part = part->outer)
	{
		if (part->written_in != mine)
			continue;
		if (!committed)
			part->written_in = InvalidSubTransactionId;
		else if (parent == part->owner)
			forget_entries(part);
		else
			part->written_in = parent;
	}
	if (!innermost || innermost->owner != mine)
		return;
	if (committed)
		hand_over_innermost(parent);
	else
	{
		MemoryContextDelete(innermost->memory);
		drop_innermost();
	}
}

static void on_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	switch (event)
	{
		case SUBXACT_EVENT_PRE_COMMIT_SUB:
			/* what many of them hand over is written from time to time */
			if (innermost && innermost->owner == mine && innermost->outer && is_full(innermost->outer))
				flush_part(innermost->outer, mine);
			break;
		case SUBXACT_EVENT_COMMIT_SUB:
			settle(mine, parent, true);
			break;
		case SUBXACT_EVENT_ABORT_SUB:
			settle(mine, parent, false);
			break;
		default:
			break;
	}
}

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
	RegisterXactCallback(on_transaction, NULL);
	RegisterSubXactCallback(on_subtransaction, NULL);
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

/* Fills in the target; returns why the table cannot be captured, or NULL. */
static const char *fill_in(trigger_target *target, Relation relation)
{
	TupleDesc desc = RelationGetDescr(relation);
	int32 worker_id = worker_of_table(target->key.table_id);
	pythia_cdc_worker *worker = worker_id ? pythia_cdc_load(worker_id) : NULL;
	pythia_cdc_table *table = NULL;
	const char *fault;
	int *positions;
	int *key;
	int count;

	for (int i = 0; worker && i < worker->ntables; i++)
		if (worker->tables[i].table_id == target->key.table_id)
			table = &worker->tables[i];
	/* gone: a trigger that a restore brought back, say */
	if (!table || !table->active || !is_part_of(relation, table))
		return NULL;
	target->worker = worker;
	target->table = table;
	target->row_trigger = pythia_row_trigger(table);
	target->truncate_trigger = pythia_truncate_trigger(table);
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

typedef struct look_up
{
	trigger_target *target;
	Relation relation;
	const char *fault;
} look_up;

static void try_to_look_up(void *argument)
{
	look_up *look = argument;

	look->fault = fill_in(look->target, look->relation);
}

/* A target that was not filled in is looked up again, unless its table is given up. */
static bool is_fault(void *argument, const ErrorData *error)
{
	const look_up *look = argument;

	/* before the table is known nobody can be told; and how deep a writer calls is his own affair */
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
	target->memory = AllocSetContextCreate(TopMemoryContext, "pythia_db trigger target", ALLOCSET_DEFAULT_SIZES);
	target->worker = NULL;
	target->table = NULL;
	target->filter = NULL;
	before = MemoryContextSwitchTo(target->memory);
	target->valid = true;
	error = pythia_isolated(try_to_look_up, is_fault, &look);
	if (error)
	{
		/* the undoing may have said that it is not */
		target->valid = true;
		look.fault = error->message;
	}
	if (look.fault)
	{
		pythia_cdc_give_up(target->worker, target->table, look.fault);
		target->table = NULL;
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

static pythia_journal_entry *new_entry(trigger_target *target, gathered *part)
{
	pythia_journal_entry *entry = palloc0(sizeof(pythia_journal_entry));

	/* the id first, the number after it: consumers rely on that */
	(void) GetTopFullTransactionId();
	entry->worker_id = target->worker->worker_id;
	entry->table_id = target->table->table_id;
	entry->change_id = pythia_journal_next_number(target->sequence);
	entry->captured_at = GetCurrentTimestamp();
	part->entries = lappend(part->entries, entry);
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

static void take_row(trigger_target *target, gathered *part, TupleDesc desc, HeapTuple old_row, HeapTuple new_row)
{
	int natts = desc->natts;
	Datum *values = palloc(sizeof(Datum) * natts);
	bool *nulls = palloc(sizeof(bool) * natts);
	Datum *old_values = palloc(sizeof(Datum) * natts);
	bool *old_nulls = palloc(sizeof(bool) * natts);
	MemoryContext before = MemoryContextSwitchTo(part->memory);
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
	/* a key that changed is told, though the images may be without it */
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
	MemoryContextSwitchTo(before);
}

/* A row that was written, and what is to be told of it. */
typedef struct written_row
{
	trigger_target *target;
	gathered *part;
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

/* No writer fails for a row that cannot be captured: the capture of its table stops. */
static void log_safely(written_row *row)
{
	ErrorData *error = NULL;

	if (may_fail(row))
		error = pythia_isolated(log_row, is_of_the_row, row);
	else
		log_row(row);
	if (error)
		pythia_cdc_give_up(row->target->worker, row->target->table,
						   psprintf("a change could not be captured: %s", error->message));
}

/* A second trigger beside ours would tell everything twice. */
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
	Relation relation;
	written_row row = {0};
	pythia_cdc_identity before_pin;
	bool pinned;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(data->tg_event) || data->tg_trigger->tgnargs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("pythia._capture is the function of capture triggers"),
				 errhint("They are made by pythia.create_cdc_worker with the option \"capture\": \"trigger\".")));
	relation = data->tg_relation;
	target = target_of(relation, pg_strtoint32(data->tg_trigger->tgargs[0]));
	if (!target->table || !is_ours(target, data))
		return PointerGetDatum(NULL);
	if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
	{
		gathered *part = current_part();
		MemoryContext before = MemoryContextSwitchTo(part->memory);

		new_entry(target, part)->kind = PYTHIA_CHANGE_TRUNCATE;
		MemoryContextSwitchTo(before);
	}
	else
	{
		row.target = target;
		row.relation = relation;
		row.part = current_part();
		if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
			row.new_row = data->tg_trigtuple;
		else
			row.old_row = data->tg_trigtuple;
		if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
			row.new_row = data->tg_newtuple;
		pinned = pin_session(target, &before_pin);
		log_safely(&row);
		if (pinned)
			pythia_cdc_leave(&before_pin);
	}
	if (innermost && innermost->owner == GetCurrentSubTransactionId() && is_full(innermost))
		flush_part(innermost, innermost->owner);
	pythia_wake_at_commit(target->worker->worker_id);
	return PointerGetDatum(NULL);
}
