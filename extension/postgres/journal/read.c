/*
 * Reading the journal in the order of its numbers: its parts by their indexes,
 * merged, without a statement.
 */
#include "postgres/journal/journal.h"

#include "access/genam.h"
#include "access/nbtree.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "postgres/base/catalog.h"
#include "postgres/base/pg_compat.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#define PARTS 4

typedef struct part
{
	Relation relation;
	Relation index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	bool has_row;
	int64 number;
} part;

struct pythia_journal_reader
{
	Snapshot snapshot;
	int32 worker_id;
	part parts[PARTS];
	part *current; /* whose row was returned last */
};

/* Goes on to the next row of the worker's. */
static void advance(pythia_journal_reader *reader, part *p)
{
	while ((p->has_row = index_getnext_slot(p->scan, ForwardScanDirection, p->slot)))
	{
		bool isnull;

		CHECK_FOR_INTERRUPTS();
		if (DatumGetInt32(slot_getattr(p->slot, JOURNAL_WORKER_ID + 1, &isnull)) != reader->worker_id)
			continue;
		p->number = DatumGetInt64(slot_getattr(p->slot, JOURNAL_CHANGE_ID + 1, &isnull));
		return;
	}
}

static void open_part(pythia_journal_reader *reader, part *p, const char *table, const char *index, int64 after,
					  int64 upto)
{
	ScanKeyData keys[2];

	p->relation = table_open(pythia_relation(table), AccessShareLock);
	p->index = index_open(pythia_relation(index), AccessShareLock);
	ScanKeyInit(&keys[0], 1, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(after));
	ScanKeyInit(&keys[1], 1, BTLessEqualStrategyNumber, F_INT8LE, Int64GetDatum(upto));
	p->slot = table_slot_create(p->relation, NULL);
	p->scan = pythia_index_beginscan(p->relation, p->index, reader->snapshot, lengthof(keys));
	index_rescan(p->scan, keys, lengthof(keys), NULL, 0);
	advance(reader, p);
}

pythia_journal_reader *pythia_journal_reader_open(int32 worker_id, int64 after, int64 upto)
{
	static const char *const names[PARTS][2] = {{"journal", "journal_order"},
												{"journal_0", "journal_0_order"},
												{"journal_1", "journal_1_order"},
												{"journal_2", "journal_2_order"}};
	pythia_journal_reader *reader = palloc0(sizeof(pythia_journal_reader));

	reader->worker_id = worker_id;
	CommandCounterIncrement();
	reader->snapshot = RegisterSnapshot(GetTransactionSnapshot());
	for (int i = 0; i < PARTS; i++)
		open_part(reader, &reader->parts[i], names[i][0], names[i][1], after, upto);
	return reader;
}

TupleTableSlot *pythia_journal_reader_next(pythia_journal_reader *reader)
{
	if (reader->current)
		advance(reader, reader->current);
	reader->current = NULL;
	for (int i = 0; i < PARTS; i++)
	{
		part *p = &reader->parts[i];

		if (p->has_row && (!reader->current || p->number < reader->current->number))
			reader->current = p;
	}
	if (!reader->current)
		return NULL;
	slot_getallattrs(reader->current->slot);
	return reader->current->slot;
}

void pythia_journal_reader_close(pythia_journal_reader *reader)
{
	for (int i = 0; i < PARTS; i++)
	{
		part *p = &reader->parts[i];

		index_endscan(p->scan);
		ExecDropSingleTupleTableSlot(p->slot);
		index_close(p->index, NoLock);
		/* the lock stays: what the rows hold out of line is fetched later */
		table_close(p->relation, NoLock);
	}
	UnregisterSnapshot(reader->snapshot);
	pfree(reader);
}
