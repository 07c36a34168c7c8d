#include "postgres/base/catalog_read.h"

#include "access/nbtree.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "postgres/base/catalog.h"
#include "postgres/base/pg_compat.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

static void begin(pythia_reading *reading, const char *table, const char *index, int count, const Datum *values,
				  Snapshot (*snapshot)(void))
{
	ScanKeyData keys[INDEX_MAX_KEYS];

	reading->relation = table_open(pythia_relation(table), AccessShareLock);
	reading->index = index_open(pythia_relation(index), AccessShareLock);
	for (int i = 0; i < count; i++)
		ScanKeyEntryInitialize(&keys[i], 0, i + 1, BTEqualStrategyNumber, InvalidOid,
							   reading->index->rd_indcollation[i],
							   reading->index->rd_opcintype[i] == INT4OID ? F_INT4EQ : F_TEXTEQ, values[i]);
	CommandCounterIncrement();
	reading->snapshot = RegisterSnapshot(snapshot());
	reading->slot = table_slot_create(reading->relation, NULL);
	reading->scan = pythia_index_beginscan(reading->relation, reading->index, reading->snapshot, count);
	index_rescan(reading->scan, keys, count, NULL, 0);
}

void pythia_reading_begin(pythia_reading *reading, const char *table, const char *index, int count, const Datum *values)
{
	begin(reading, table, index, count, values, GetTransactionSnapshot);
}

void pythia_reading_begin_now(pythia_reading *reading, const char *table, const char *index, int count,
							  const Datum *values)
{
	begin(reading, table, index, count, values, GetLatestSnapshot);
}

bool pythia_reading_next(pythia_reading *reading)
{
	if (!index_getnext_slot(reading->scan, ForwardScanDirection, reading->slot))
		return false;
	slot_getallattrs(reading->slot);
	return true;
}

Datum pythia_reading_value(pythia_reading *reading, const char *column, bool *isnull)
{
	TupleDesc desc = RelationGetDescr(reading->relation);

	for (int i = 0; i < desc->natts; i++)
	{
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), column) != 0)
			continue;
		*isnull = reading->slot->tts_isnull[i];
		return reading->slot->tts_values[i];
	}
	elog(ERROR, "relation \"pythia.%s\" has no column \"%s\"", RelationGetRelationName(reading->relation), column);
	return (Datum) 0;
}

void pythia_reading_end(pythia_reading *reading)
{
	index_endscan(reading->scan);
	ExecDropSingleTupleTableSlot(reading->slot);
	UnregisterSnapshot(reading->snapshot);
	index_close(reading->index, NoLock);
	table_close(reading->relation, NoLock);
}
