#include "postgres/local/heap.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "postgres/base/pg_compat.h"
#include "postgres/local/values.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Rows stored at once, and the memory that their values may take before. */
#define BATCH_ROWS  1000
#define BATCH_BYTES (256 * 1024)

struct local_heap
{
	Oid relation;
	List *indexes;  /* its indexes */
	TupleDesc desc; /* a copy that needs no pin */
	int ncolumns;
	AttrNumber *columns; /* of the rows' fields */
	local_value_reader *readers;
	bool indexed;      /* there are some, and they get entries with the rows */
	bool indexes_wait; /* or in the end */
	bool stored;       /* rows that have none */
	uint64 row;        /* in hand, from 1: for errors */
	int column;        /* likewise, or -1 */
	MemoryContext own;
	MemoryContext values; /* of a batch */
	TupleTableSlot *slots[BATCH_ROWS];
	int count; /* of slots filled */
	pythia_rows_reader reader;
};

/* --- what can be done here ------------------------------------------------------ */

static bool may_be_left_out(Form_pg_attribute attribute)
{
	return attribute->attisdropped || (!attribute->atthasdef && attribute->attidentity == '\0' &&
									   get_typtype(attribute->atttypid) != TYPTYPE_DOMAIN);
}

/* Columns left out are NULL here, so they must have nothing else to be. */
static bool columns_are_plain(TupleDesc desc, const AttrNumber *columns, int ncolumns)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		bool given = false;

		for (int j = 0; j < ncolumns && !given; j++)
			given = columns[j] == attribute->attnum;
		if (attribute->attgenerated != '\0' || (!given && !may_be_left_out(attribute)))
			return false;
	}
	return true;
}

static bool is_plain(Relation relation)
{
	TriggerDesc *triggers = relation->trigdesc;
	TupleConstr *constraints = RelationGetDescr(relation)->constr;

	return relation->rd_rel->relkind == RELKIND_RELATION && !relation->rd_rel->relispartition &&
		   relation->rd_tableam == GetHeapamTableAmRoutine() && !IsCatalogRelation(relation) &&
		   GetDatabaseEncoding() == PG_UTF8 && (constraints == NULL || constraints->num_check == 0) &&
		   (triggers == NULL || !(triggers->trig_insert_before_row || triggers->trig_insert_after_row ||
								  triggers->trig_insert_before_statement || triggers->trig_insert_after_statement ||
								  triggers->trig_insert_new_table));
}

/* Whether the indexes are ordinary ones that nobody in this session has open. */
static bool indexes_are_plain(List *indexes)
{
	ListCell *cell;

	foreach (cell, indexes)
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);
		bool plain = index->rd_index->indisvalid && index->rd_index->indisready && index->rd_index->indimmediate &&
					 !index->rd_index->indisexclusion && index->rd_refcnt == 1;

		index_close(index, AccessShareLock);
		if (!plain)
			return false;
	}
	return true;
}

/* A table without a page holds nobody's row, and gets none from others once they are locked out. */
static bool alone_and_empty(Relation relation)
{
	if (!pythia_relation_owned(RelationGetRelid(relation), GetUserId()) || relation->rd_refcnt != 1 ||
		RelationGetNumberOfBlocks(relation) > 0 || !ConditionalLockRelation(relation, ShareRowExclusiveLock))
		return false;
	if (RelationGetNumberOfBlocks(relation) == 0)
		return true;
	UnlockRelation(relation, ShareRowExclusiveLock);
	return false;
}

/* --- rows -------------------------------------------------------------------------- */

local_heap *local_heap_begin(Relation relation, const AttrNumber *columns, int ncolumns, MemoryContext parent)
{
	List *indexes = RelationGetIndexList(relation);
	MemoryContext before;
	MemoryContext own;
	local_heap *heap;

	if (!is_plain(relation) || !columns_are_plain(RelationGetDescr(relation), columns, ncolumns) ||
		!indexes_are_plain(indexes))
		return NULL;
	own = AllocSetContextCreate(parent, "pythia_db rows into a heap", ALLOCSET_DEFAULT_SIZES);
	before = MemoryContextSwitchTo(own);
	heap = palloc0(sizeof(local_heap));
	heap->own = own;
	heap->values = AllocSetContextCreate(own, "pythia_db values", ALLOCSET_DEFAULT_SIZES);
	heap->relation = RelationGetRelid(relation);
	heap->desc = CreateTupleDescCopyConstr(RelationGetDescr(relation));
	heap->indexes = list_copy(indexes);
	heap->indexes_wait = indexes != NIL && alone_and_empty(relation);
	heap->indexed = indexes != NIL && !heap->indexes_wait;
	heap->ncolumns = ncolumns;
	heap->columns = palloc(sizeof(AttrNumber) * Max(ncolumns, 1));
	heap->readers = palloc0(sizeof(local_value_reader) * Max(ncolumns, 1));
	for (int i = 0; i < ncolumns; i++)
	{
		heap->columns[i] = columns[i];
		local_value_reader_init(&heap->readers[i], TupleDescAttr(heap->desc, columns[i] - 1), own);
	}
	MemoryContextSwitchTo(before);
	return heap;
}

/* Where in the rows an error is. */
static void say_where(void *arg)
{
	local_heap *heap = arg;

	if (heap->column < 0)
		errcontext("loading table \"%s\"", get_rel_name(heap->relation));
	else
	{
		const pythia_field *field = &heap->reader.fields[heap->column];
		int length = field->value ? pg_mbcliplen(field->value, field->length, 100) : 0;

		errcontext("loading table \"%s\", row " UINT64_FORMAT ", column \"%s\": \"%.*s%s\"",
				   get_rel_name(heap->relation), heap->row,
				   NameStr(TupleDescAttr(heap->desc, heap->columns[heap->column] - 1)->attname), length,
				   field->value ? field->value : "", (size_t) length < field->length ? "..." : "");
	}
}

static void check_not_null(local_heap *heap, Relation relation, TupleTableSlot *slot)
{
	for (int i = 0; i < heap->desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(heap->desc, i);

		if (attribute->attnotnull && slot->tts_isnull[i])
			ereport(ERROR, (errcode(ERRCODE_NOT_NULL_VIOLATION),
							errmsg("null value in column \"%s\" of relation \"%s\" violates not-null constraint",
								   NameStr(attribute->attname), RelationGetRelationName(relation)),
							errtablecol(relation, attribute->attnum)));
	}
}

static TupleTableSlot *free_slot(local_heap *heap)
{
	if (heap->slots[heap->count] == NULL)
	{
		MemoryContext before = MemoryContextSwitchTo(heap->own);

		heap->slots[heap->count] = MakeSingleTupleTableSlot(heap->desc, &TTSOpsVirtual);
		MemoryContextSwitchTo(before);
	}
	return ExecClearTuple(heap->slots[heap->count]);
}

/* Between two chunks code of users runs, that of a view which is read, say: the table may have been altered by it. */
static void check_unchanged(const local_heap *heap, Relation relation)
{
	List *indexes = RelationGetIndexList(relation);

	if (!local_same_types(RelationGetDescr(relation), heap->desc) || !is_plain(relation) ||
		!columns_are_plain(RelationGetDescr(relation), heap->columns, heap->ncolumns) || !equal(indexes, heap->indexes))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("table \"%s\" was altered while it was loaded", RelationGetRelationName(relation)),
						errhint("Alter it when nothing is written to it by this session.")));
	list_free(indexes);
}

/* Makes a row's values of the fields just read. */
static void fill_slot(local_heap *heap, Relation relation)
{
	TupleTableSlot *slot = free_slot(heap);

	if (heap->reader.nfields != heap->ncolumns)
		ereport(ERROR, (errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
						errmsg("a row of %d values for %d columns", heap->reader.nfields, heap->ncolumns)));
	memset(slot->tts_isnull, true, sizeof(bool) * heap->desc->natts);
	for (int i = 0; i < heap->ncolumns; i++)
	{
		int at = heap->columns[i] - 1;

		heap->column = i;
		slot->tts_isnull[at] = heap->reader.fields[i].value == NULL;
		slot->tts_values[at] = local_value_read(&heap->readers[i], &heap->reader.fields[i]);
	}
	heap->column = -1;
	check_not_null(heap, relation, slot);
	ExecStoreVirtualTuple(slot);
	heap->count++;
}

/* For entries in the relation's indexes; to be closed by close_indexes. */
static ResultRelInfo *open_indexes(Relation relation, EState **estate)
{
	MemoryContext before;
	ResultRelInfo *info;

	*estate = CreateExecutorState();
	before = MemoryContextSwitchTo((*estate)->es_query_cxt);
	info = makeNode(ResultRelInfo);
	InitResultRelInfo(info, relation, 1, NULL, 0);
	ExecOpenIndices(info, false);
	MemoryContextSwitchTo(before);
	return info;
}

static void close_indexes(ResultRelInfo *info, EState *estate)
{
	ExecCloseIndices(info);
	FreeExecutorState(estate);
}

static void insert_entries(ResultRelInfo *info, TupleTableSlot *slot, EState *estate)
{
	pythia_insert_index_tuples(info, slot, estate);
	ResetPerTupleExprContext(estate);
}

/* `indexes` is NULL where they get nothing now. */
static void store_batch(local_heap *heap, Relation relation, BulkInsertState bulk, ResultRelInfo *indexes,
						EState *estate)
{
	if (heap->count == 0)
		return;
	heap->stored = true;
	heap_multi_insert(relation, heap->slots, heap->count, GetCurrentCommandId(true),
					  heap->indexes_wait ? HEAP_INSERT_SKIP_FSM : 0, bulk);
	for (int i = 0; indexes != NULL && i < heap->count; i++)
		insert_entries(indexes, heap->slots[i], estate);
	heap->count = 0;
	MemoryContextReset(heap->values);
}

uint64 local_heap_put(local_heap *heap, const pythia_rows *rows)
{
	Relation relation = table_open(heap->relation, NoLock);
	BulkInsertState bulk = GetBulkInsertState();
	ErrorContextCallback where = {.callback = say_where, .arg = heap, .previous = error_context_stack};
	EState *estate = NULL;
	ResultRelInfo *indexes;
	MemoryContext before;
	uint64 stored = 0;

	check_unchanged(heap, relation);
	indexes = heap->indexed ? open_indexes(relation, &estate) : NULL;
	before = MemoryContextSwitchTo(heap->values);
	heap->column = -1;
	heap->count = 0;
	error_context_stack = &where;
	pg_verify_mbstr(PG_UTF8, rows->data, rows->length, false);
	heap->reader.in_place = true;
	pythia_rows_open(&heap->reader, rows);
	while (pythia_rows_next(&heap->reader))
	{
		heap->row++;
		fill_slot(heap, relation);
		stored++;
		if (heap->count == BATCH_ROWS || MemoryContextMemAllocated(heap->values, false) > BATCH_BYTES)
		{
			CHECK_FOR_INTERRUPTS();
			store_batch(heap, relation, bulk, indexes, estate);
		}
	}
	store_batch(heap, relation, bulk, indexes, estate);
	error_context_stack = where.previous;
	MemoryContextSwitchTo(before);
	FreeBulkInsertState(bulk);
	if (indexes != NULL)
		close_indexes(indexes, estate);
	table_close(relation, NoLock);
	return stored;
}

/* --- indexes ------------------------------------------------------------------------ */

/* Without waiting: who waits here for a reader that then wants to write is in a deadlock. */
static bool lock_indexes(List *indexes)
{
	ListCell *cell;
	ListCell *locked;

	foreach (cell, indexes)
	{
		if (ConditionalLockRelationOid(lfirst_oid(cell), AccessExclusiveLock))
			continue;
		foreach (locked, indexes)
		{
			if (locked == cell)
				break;
			UnlockRelationOid(lfirst_oid(locked), AccessExclusiveLock);
		}
		return false;
	}
	return true;
}

static void insert_all_entries(Relation relation)
{
	EState *estate;
	ResultRelInfo *indexes = open_indexes(relation, &estate);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	TableScanDesc scan = pythia_table_beginscan(relation, GetActiveSnapshot());

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		insert_entries(indexes, slot, estate);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	close_indexes(indexes, estate);
}

void local_heap_end(local_heap *heap)
{
	Relation relation;
	List *indexes;

	if (!local_heap_unfinished(heap))
		return;
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	relation = table_open(heap->relation, NoLock);
	indexes = RelationGetIndexList(relation);
	if (lock_indexes(indexes))
	{
		ReindexParams params = {0};

		table_close(relation, NoLock);
		(void) pythia_reindex(heap->relation, REINDEX_REL_CHECK_CONSTRAINTS, &params);
	}
	else
	{
		insert_all_entries(relation);
		table_close(relation, NoLock);
	}
	PopActiveSnapshot();
	CommandCounterIncrement();
	heap->stored = false;
}

bool local_heap_unfinished(const local_heap *heap)
{
	return heap->indexes_wait && heap->stored;
}

void local_heap_free(local_heap *heap)
{
	pythia_rows_close(&heap->reader);
	MemoryContextDelete(heap->own);
}
