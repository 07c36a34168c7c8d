#include "postgres/base/table_writer.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "postgres/base/pg_compat.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#define MAX_ROWS  1000
#define MAX_BYTES (256 * 1024)

struct pythia_table_writer
{
	Relation relation;
	EState *estate;
	ResultRelInfo *info;
	BulkInsertState bulk;
	TupleTableSlot *slots[MAX_ROWS];
	TupleTableSlot *single;
	int count;
	MemoryContext own;
	MemoryContext rows; /* values of the rows gathered */
};

pythia_table_writer *pythia_table_writer_open(Oid relation, int most)
{
	pythia_table_writer *writer = palloc0(sizeof(pythia_table_writer));

	writer->own = CurrentMemoryContext;
	writer->relation = table_open(relation, RowExclusiveLock);
	if (RelationGetNumberOfAttributes(writer->relation) > most)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("table \"%s\" of pythia_db has columns that are not its own",
							   RelationGetRelationName(writer->relation)),
						errhint("It was altered: drop the worker and create it anew.")));
	writer->estate = CreateExecutorState();
	writer->info = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->info, writer->relation, 1, NULL, 0);
	ExecOpenIndices(writer->info, false);
	writer->rows = AllocSetContextCreate(CurrentMemoryContext, "pythia_db rows to write", ALLOCSET_DEFAULT_SIZES);
	return writer;
}

void pythia_table_writer_load(pythia_table_writer *writer)
{
	MemoryContext before = MemoryContextSwitchTo(writer->own);

	writer->bulk = GetBulkInsertState();
	MemoryContextSwitchTo(before);
}

MemoryContext pythia_table_writer_memory(pythia_table_writer *writer)
{
	return writer->rows;
}

Relation pythia_table_writer_relation(pythia_table_writer *writer)
{
	return writer->relation;
}

static void write_indexes(pythia_table_writer *writer, TupleTableSlot *slot)
{
	if (writer->info->ri_NumIndices > 0)
	{
		pythia_insert_index_tuples(writer->info, slot, writer->estate);
		ResetPerTupleExprContext(writer->estate);
	}
}

static void flush(pythia_table_writer *writer)
{
	MemoryContext before;

	if (writer->count == 0)
		return;
	before = MemoryContextSwitchTo(writer->rows);
	table_multi_insert(writer->relation, writer->slots, writer->count, GetCurrentCommandId(true), 0, writer->bulk);
	MemoryContextSwitchTo(before);
	for (int i = 0; i < writer->count; i++)
	{
		write_indexes(writer, writer->slots[i]);
		ExecClearTuple(writer->slots[i]);
	}
	writer->count = 0;
	MemoryContextReset(writer->rows);
}

static void fill(TupleTableSlot *slot, const Datum *values, const bool *nulls)
{
	int natts = slot->tts_tupleDescriptor->natts;

	ExecClearTuple(slot);
	memcpy(slot->tts_values, values, sizeof(Datum) * natts);
	memcpy(slot->tts_isnull, nulls, sizeof(bool) * natts);
	ExecStoreVirtualTuple(slot);
}

void pythia_table_writer_insert(pythia_table_writer *writer, const Datum *values, const bool *nulls)
{
	if (!writer->slots[writer->count])
	{
		MemoryContext before = MemoryContextSwitchTo(writer->own);

		writer->slots[writer->count] = table_slot_create(writer->relation, NULL);
		MemoryContextSwitchTo(before);
	}
	fill(writer->slots[writer->count++], values, nulls);
	if (writer->count == MAX_ROWS || MemoryContextMemAllocated(writer->rows, true) > MAX_BYTES)
		flush(writer);
}

void pythia_table_writer_update(pythia_table_writer *writer, ItemPointer row, const Datum *values, const bool *nulls)
{
	PYTHIA_UPDATE_INDEXES indexes;

	if (!writer->single)
	{
		MemoryContext before = MemoryContextSwitchTo(writer->own);

		writer->single = table_slot_create(writer->relation, NULL);
		MemoryContextSwitchTo(before);
	}
	fill(writer->single, values, nulls);
	pythia_table_update(writer->relation, row, writer->single, InvalidSnapshot, &indexes);
	if (pythia_indexes_wanted(indexes))
		write_indexes(writer, writer->single);
	ExecClearTuple(writer->single);
	if (writer->count == 0 && MemoryContextMemAllocated(writer->rows, true) > MAX_BYTES)
		MemoryContextReset(writer->rows);
	else if (MemoryContextMemAllocated(writer->rows, true) > MAX_BYTES)
		flush(writer);
}

void pythia_table_writer_delete(pythia_table_writer *writer, ItemPointer row)
{
	simple_table_tuple_delete(writer->relation, row, InvalidSnapshot);
}

void pythia_table_writer_close(pythia_table_writer *writer)
{
	flush(writer);
	if (writer->bulk)
	{
		FreeBulkInsertState(writer->bulk);
		table_finish_bulk_insert(writer->relation, 0);
	}
	for (int i = 0; i < MAX_ROWS && writer->slots[i]; i++)
		ExecDropSingleTupleTableSlot(writer->slots[i]);
	if (writer->single)
		ExecDropSingleTupleTableSlot(writer->single);
	ExecCloseIndices(writer->info);
	table_close(writer->relation, NoLock);
	FreeExecutorState(writer->estate);
	MemoryContextDelete(writer->rows);
	pfree(writer);
}
