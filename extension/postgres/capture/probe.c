/*
 * An idle poll: one look into the index on the stamp, without a statement.  Only
 * where the answer is what the scan's statement would find; in doubt that one runs.
 */
#include "postgres/capture/poll.h"

#include "access/genam.h"
#include "access/nbtree.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "miscadmin.h"
#include "postgres/base/pg_compat.h"
#include "postgres/capture/columns.h"
#include "postgres/capture/identity.h"
#include "postgres/capture/low_water.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* A plain table whose every row the current role may read. */
static bool is_simple(Relation relation)
{
	Oid oid = RelationGetRelid(relation);
	char kind = relation->rd_rel->relkind;

	return (kind == RELKIND_RELATION || kind == RELKIND_MATVIEW) && !relation->rd_rel->relhassubclass &&
		   pg_class_aclcheck(oid, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		   check_enable_rls(oid, InvalidOid, true) != RLS_ENABLED;
}

/* An index that begins with the column, holds all rows and may be used by any snapshot; InvalidOid: none. */
static Oid index_on(Relation relation, AttrNumber column)
{
	List *indexes = RelationGetIndexList(relation);
	ListCell *cell;
	Oid result = InvalidOid;

	foreach (cell, indexes)
	{
		HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
		Form_pg_index form;

		if (!HeapTupleIsValid(tuple))
			continue;
		form = (Form_pg_index) GETSTRUCT(tuple);
		if (form->indisvalid && !form->indcheckxmin && form->indkey.values[0] == column &&
			heap_attisnull(tuple, Anum_pg_index_indpred, NULL))
			result = form->indexrelid;
		ReleaseSysCache(tuple);
		if (OidIsValid(result))
			break;
	}
	list_free(indexes);
	return result;
}

static pythia_probe look(Relation relation, Relation index, AttrNumber column, Oid type, Datum low, int64 *least)
{
	Oid ge = InvalidOid;
	TupleTableSlot *slot;
	IndexScanDesc scan;
	ScanKeyData key;
	bool found;

	if (index->rd_rel->relam == BTREE_AM_OID && index->rd_opcintype[0] == type)
		ge = get_opfamily_member(index->rd_opfamily[0], type, type, BTGreaterEqualStrategyNumber);
	if (!OidIsValid(ge))
		return PYTHIA_PROBE_UNSURE;
	ScanKeyEntryInitialize(&key, 0, 1, BTGreaterEqualStrategyNumber, InvalidOid, InvalidOid, get_opcode(ge), low);
	slot = table_slot_create(relation, NULL);
	scan = pythia_index_beginscan(relation, index, GetActiveSnapshot(), 1);
	index_rescan(scan, &key, 1, NULL, 0);
	/* backwards in an index that descends */
	found = index_getnext_slot(
		scan, index->rd_indoption[0] & INDOPTION_DESC ? BackwardScanDirection : ForwardScanDirection, slot);
	if (found)
	{
		bool isnull;
		Datum value = slot_getattr(slot, column, &isnull);

		*least = pythia_stamp_number(pythia_stamp_kind_of(type), type, value);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return found ? PYTHIA_PROBE_ROWS : PYTHIA_PROBE_NOTHING;
}

pythia_probe pythia_probe_table(const pythia_cdc_table *table, int64 *least)
{
	pythia_probe result = PYTHIA_PROBE_UNSURE;
	Relation relation;
	int position;
	Oid type;
	Oid index;

	if (table->low == PYTHIA_LOW_WATER_MINIMUM || table->stamp_kind == PYTHIA_STAMP_NONE)
		return result;
	relation = pythia_cdc_relation(table);
	position = pythia_column_position(relation, table->timestamp_column);
	type = getBaseType(TupleDescAttr(RelationGetDescr(relation), position)->atttypid);
	/* a type that changed is the scan's to complain of */
	if (pythia_stamp_kind_of(type) == table->stamp_kind && is_simple(relation) &&
		OidIsValid(index = index_on(relation, position + 1)))
	{
		Relation opened = index_open(index, AccessShareLock);

		result =
			look(relation, opened, position + 1, type, pythia_stamp_datum(table->stamp_kind, type, table->low), least);
		index_close(opened, NoLock);
	}
	table_close(relation, NoLock);
	return result;
}
