/* The function of the triggers that append to the journal. */
#include "postgres/capture/trigger.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/subtransaction.h"
#include "postgres/capture/condition.h"
#include "postgres/capture/gather.h"
#include "postgres/capture/identity.h"
#include "postgres/capture/image.h"
#include "postgres/capture/low_water.h"
#include "postgres/capture/outcome.h"
#include "postgres/capture/trigger_target.h"
#include "postgres/journal/journal.h"
#include "postgres/worker/worker.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

static uint64 rows_delivered = 0; /* by this session */

/* ---- one event ---- */

/* Conditions and images do not depend on the writer's session. */
static bool pin_session(const pythia_trigger_target *target, pythia_cdc_identity *before)
{
	if (!(target->filter && pythia_filter_is_bent(target->filter)) && !pythia_image_is_bent(target->row_image) &&
		!pythia_image_is_bent(target->key_image))
		return false;
	pythia_cdc_enter(target->worker, NULL, before);
	return true;
}

static bool wanted(pythia_trigger_target *target, HeapTuple tuple)
{
	return tuple && (!target->filter || pythia_filter_passes(target->filter, tuple));
}

static pythia_journal_entry *new_entry(pythia_trigger_target *target, pythia_gathered *part)
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
static bool same_key(const pythia_trigger_target *target, TupleDesc desc, const Datum *a, const bool *a_nulls,
					 const Datum *b, const bool *b_nulls)
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

static void take_row(pythia_trigger_target *target, pythia_gathered *part, TupleDesc desc, HeapTuple old_row,
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
	pythia_trigger_target *target;
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

static pythia_emptied emptied_now(void)
{
	pythia_emptied now = {GetTopFullTransactionId(), GetCurrentSubTransactionId(), rows_delivered};

	return now;
}

/* Is the partition emptied with its whole table, which has delivered that already? */
static bool is_delivered(const pythia_trigger_target *partition)
{
	pythia_emptied now = emptied_now();
	ListCell *cell;

	foreach (cell, get_partition_ancestors(partition->key.relation))
	{
		const pythia_trigger_target *whole = pythia_trigger_known(lfirst_oid(cell), partition->key.table_id);

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
	pythia_trigger_target *target = row->target;

	if (!pythia_trigger_is_the_table(RelationGetRelid(row->relation), target->table))
	{
		if (!is_delivered(target))
			take_partition(row);
		return;
	}
	new_entry(target, row->part)->kind = PYTHIA_CHANGE_TRUNCATE;
	target->emptied = emptied_now();
}

/* A second trigger beside ours would deliver everything twice. */
static bool is_ours(const pythia_trigger_target *target, const TriggerData *data)
{
	const char *name = TRIGGER_FIRED_BY_TRUNCATE(data->tg_event) ? target->truncate_trigger : target->row_trigger;

	return strcmp(data->tg_trigger->tgname, name) == 0;
}

PYTHIA_FUNCTION(pythia_write_row);

Datum pythia_write_row(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	pythia_trigger_target *target;
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
	target = pythia_trigger_target_of(data->tg_relation, pg_strtoint32(data->tg_trigger->tgargs[0]));
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
