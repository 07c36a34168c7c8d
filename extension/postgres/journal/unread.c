#include "postgres/journal/unread.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "postgres/base/catalog.h"
#include "postgres/base/pg_compat.h"
#include "postgres/journal/consume.h"
#include "postgres/journal/journal.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

static pythia_part_worker *worker_of(HTAB *workers, int32 worker_id)
{
	bool found;
	pythia_part_worker *worker = hash_search(workers, &worker_id, HASH_ENTER, &found);
	ListCell *cell;

	if (found)
		return worker;
	*worker = (pythia_part_worker){.worker_id = worker_id, .newest = DT_NOBEGIN};
	worker->readers = pythia_consumers_look(worker_id);
	foreach (cell, worker->readers)
		if (((pythia_consumer *) lfirst(cell))->lost)
			worker->readers = foreach_delete_current(worker->readers, cell);
	return worker;
}

/* Whoever has not read this entry is looked at no more: a part costs its entries, times those who have read them. */
static void see(pythia_part_worker *worker, FullTransactionId xid, int64 change_id)
{
	ListCell *cell;

	foreach (cell, worker->readers)
	{
		pythia_consumer *consumer = lfirst(cell);

		if (pythia_consumer_has(consumer, xid, change_id))
			continue;
		worker->behind = lappend(worker->behind, consumer);
		worker->readers = foreach_delete_current(worker->readers, cell);
	}
}

HTAB *pythia_part_look(int slot)
{
	HASHCTL control = {.keysize = sizeof(int32), .entrysize = sizeof(pythia_part_worker), .hcxt = CurrentMemoryContext};
	HTAB *workers = hash_create("pythia_db workers of a part", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	char name[NAMEDATALEN];
	Relation part;
	Snapshot snapshot;
	TableScanDesc scan;
	TupleTableSlot *row;

	snprintf(name, sizeof(name), "journal_%d", slot);
	part = table_open(pythia_relation(name), AccessShareLock);
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	row = table_slot_create(part, NULL);
	scan = pythia_table_beginscan(part, snapshot);
	while (table_scan_getnextslot(scan, ForwardScanDirection, row))
	{
		pythia_part_worker *worker;

		CHECK_FOR_INTERRUPTS();
		slot_getsomeattrs(row, JOURNAL_CAPTURED_AT + 1);
		worker = worker_of(workers, DatumGetInt32(row->tts_values[JOURNAL_WORKER_ID]));
		worker->newest = Max(worker->newest, DatumGetTimestampTz(row->tts_values[JOURNAL_CAPTURED_AT]));
		see(worker, DatumGetFullTransactionId(row->tts_values[JOURNAL_XID]),
			DatumGetInt64(row->tts_values[JOURNAL_CHANGE_ID]));
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(row);
	UnregisterSnapshot(snapshot);
	table_close(part, NoLock);
	return workers;
}
