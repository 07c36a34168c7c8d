/* Writing: chunks go straight into the heap where the table allows it, else to COPY, a few MiB at a time. */
#include "postgres/local/internal.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/copy.h"
#include "core/buffer.h"
#include "core/memory.h"
#include "executor/executor.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "postgres/base/bridge.h"
#include "postgres/base/inheritors.h"
#include "postgres/base/pg_compat.h"
#include "postgres/local/heap.h"
#include "postgres/local/stand_in.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

/* Enough that setting up COPY costs nothing beside it. */
#define FLUSH_BYTES (4 * 1024 * 1024)
/* Likewise without COPY; the rows are still in the processor's cache. */
#define HEAP_FLUSH_BYTES (64 * 1024)

typedef struct local_load
{
	char *schema; /* NULL: temporary */
	char *table;
	int ncolumns;
	char **columns;
	local_heap *heap; /* NULL: by COPY */
	Oid relid;
	Oid evaluator; /* as whom it is written; InvalidOid: the session's role */
	uint64 seen;   /* the moment when that was found */
	bool defers;   /* a trigger or key may wait for the end of the transaction */
	pythia_buffer buffer;
	pythia_rows rows; /* what flush stores: the buffer, or a large chunk as it came */
	uint64_t given;
	uint64_t stored;
} local_load;

/* It itself, or where its rows go. */
static bool has_deferrable_trigger(Relation relation)
{
	ListCell *cell;
	bool result = false;

	foreach (cell, pythia_all_inheritors(RelationGetRelid(relation), AccessShareLock))
	{
		Relation one = relation_open(lfirst_oid(cell), NoLock);

		for (int i = 0; one->trigdesc && i < one->trigdesc->numtriggers; i++)
			result = result || one->trigdesc->triggers[i].tgdeferrable;
		relation_close(one, NoLock);
	}
	return result;
}

/* COPY's callback has no argument of its own. */
static const char *copy_cursor = NULL;
static const char *copy_end = NULL;

static int copy_from_memory(void *out, int minimum, int maximum)
{
	int length = (int) Min((int64) (copy_end - copy_cursor), maximum);

	memcpy(out, copy_cursor, length);
	copy_cursor += length;
	return length;
}

/* What COPY FROM checks before it gets to the rows. */
static void check_allowed(Relation relation, ParseState *state, ParseNamespaceItem *item, const AttrNumber *numbers,
						  int count)
{
	Bitmapset *columns = NULL;

	for (int i = 0; i < count; i++)
		columns = bms_add_member(columns, numbers[i] - FirstLowInvalidHeapAttributeNumber);
	if (XactReadOnly && !relation->rd_islocaltemp)
		PreventCommandIfReadOnly("COPY FROM");
	pythia_check_insert(state, item, columns);
	if (check_enable_rls(RelationGetRelid(relation), InvalidOid, false) == RLS_ENABLED)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("row-level security of table \"%s\" hides rows from this role",
							   RelationGetRelationName(relation)),
						errhint("Use a role with BYPASSRLS, or the table's owner.")));
}

static Relation open_target(local_load *load)
{
	RangeVar *name =
		makeRangeVar(pythia_from_utf8(load->schema ? load->schema : "pg_temp"), pythia_from_utf8(load->table), -1);

	return table_openrv(name, RowExclusiveLock);
}

static void begin(pythia_local *local, void *arg)
{
	local_load *load = arg;
	ParseState *state = make_parsestate(NULL);
	Relation relation = open_target(load);
	ParseNamespaceItem *item = addRangeTableEntryForRelation(state, relation, RowExclusiveLock, NULL, false, false);
	AttrNumber *numbers = palloc(sizeof(AttrNumber) * Max(load->ncolumns, 1));

	for (int i = 0; i < load->ncolumns; i++)
	{
		numbers[i] = get_attnum(RelationGetRelid(relation), pythia_from_utf8(load->columns[i]));
		if (numbers[i] <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("column \"%s\" of relation \"%s\" does not exist",
															   load->columns[i], RelationGetRelationName(relation))));
	}
	check_allowed(relation, state, item, numbers, load->ncolumns);
	load->relid = RelationGetRelid(relation);
	load->evaluator = local_stand_in_at(relation);
	load->defers = OidIsValid(load->evaluator) && has_deferrable_trigger(relation);
	if (OidIsValid(load->evaluator))
		local->session->writer = load->evaluator;
	load->heap = local_heap_begin(relation, numbers, load->ncolumns, local->session->memory);
	free_parsestate(state);
	table_close(relation, NoLock);
}

static void copy_rows(local_load *load)
{
	ParseState *state = make_parsestate(NULL);
	Relation relation = table_open(load->relid, RowExclusiveLock);
	List *attributes = NIL;
	List *options = NIL;
	const char *outer_cursor = copy_cursor;
	const char *outer_end = copy_end;
	CopyFromState copy;

	for (int i = 0; i < load->ncolumns; i++)
		attributes = lappend(attributes, makeString(pythia_from_utf8(load->columns[i])));
	if (GetDatabaseEncoding() != PG_UTF8)
		options = list_make1(makeDefElem("encoding", (Node *) makeString("UTF8"), -1));
	(void) addRangeTableEntryForRelation(state, relation, RowExclusiveLock, NULL, false, false);
	copy_cursor = load->rows.data;
	copy_end = load->rows.data + load->rows.length;
	PG_TRY();
	{
		copy = BeginCopyFrom(state, relation, NULL, NULL, false, copy_from_memory, attributes, options);
		load->stored += CopyFrom(copy);
		EndCopyFrom(copy);
	}
	PG_FINALLY();
	{
		/* a trigger may have loaded something itself */
		copy_cursor = outer_cursor;
		copy_end = outer_end;
	}
	PG_END_TRY();
	free_parsestate(state);
	table_close(relation, NoLock);
	CommandCounterIncrement();
}

/* Code of users runs between two flushes: whose the table is and what he has put into it may have changed. */
static void look_at_target(local_load *load)
{
	uint64 now = local_stand_in_moment();
	Relation relation;

	if (now == load->seen)
		return;
	relation = table_open(load->relid, NoLock);
	if (local_stand_in_at(relation) != load->evaluator)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("table \"%s\" was altered while it was loaded", RelationGetRelationName(relation)),
						errhint("Alter it when nothing is written to it by this session.")));
	table_close(relation, NoLock);
	load->seen = now;
}

static void flush(pythia_local *local, void *arg)
{
	local_load *load = arg;
	local_stand_in in;

	look_at_target(load);
	PushActiveSnapshot(GetTransactionSnapshot());
	/* COPY fires triggers, and in a security-restricted operation none can be deferred */
	local_stand_in_begin(&in, load->evaluator, load->heap || !load->defers);
	if (load->heap)
		load->stored += local_heap_put(load->heap, &load->rows);
	else
		copy_rows(load);
	local_stand_in_end(&in);
	if (OidIsValid(load->evaluator))
		local_stand_in_look_again(load->relid);
	PopActiveSnapshot();
}

static bool flush_buffer(pythia_local *local, local_load *load, pythia_error *error)
{
	bool ok;

	if (load->buffer.length == 0)
		return true;
	load->rows.data = load->buffer.data;
	load->rows.length = load->buffer.length;
	ok = local_run(local, flush, load, error);
	pythia_buffer_clear(&load->buffer);
	return ok;
}

static void free_load(pythia_local *local)
{
	local_load *load = local->load;

	if (load->heap)
		local_heap_free(load->heap);
	pythia_free(load->schema);
	pythia_free(load->table);
	for (int i = 0; i < load->ncolumns; i++)
		pythia_free(load->columns[i]);
	pythia_free(load->columns);
	pythia_buffer_free(&load->buffer);
	pythia_free(load);
	local->load = NULL;
}

bool local_load_begin(pythia_db *db, const pythia_load *wanted, pythia_error *error)
{
	pythia_local *local = (pythia_local *) db;
	local_load *load;

	if (local->load)
		return pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "a load is already under way");
	load = pythia_calloc(1, sizeof(local_load));
	load->schema = pythia_strdup(wanted->schema);
	load->table = pythia_strdup(wanted->table);
	load->ncolumns = wanted->ncolumns;
	load->columns = pythia_calloc(Max(wanted->ncolumns, 1), sizeof(char *));
	for (int i = 0; i < wanted->ncolumns; i++)
		load->columns[i] = pythia_strdup(wanted->columns[i]);
	local->load = load;
	local_hold(local);
	if (local_run(local, begin, load, error))
		return true;
	free_load(local);
	local_unhold(local);
	return false;
}

bool local_load_put(pythia_db *db, const pythia_rows *chunk, pythia_error *error)
{
	pythia_local *local = (pythia_local *) db;
	local_load *load = local->load;

	if (!load)
		return pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "no load is under way");
	load->given += chunk->count;
	if (chunk->length >= (load->heap ? HEAP_FLUSH_BYTES : FLUSH_BYTES))
	{
		/* a copy of it would be one more of a large row in memory */
		if (!flush_buffer(local, load, error))
			return false;
		load->rows = *chunk;
		return local_run(local, flush, load, error);
	}
	pythia_buffer_append(&load->buffer, chunk->data, chunk->length);
	return load->buffer.length < (load->heap ? HEAP_FLUSH_BYTES : FLUSH_BYTES) || flush_buffer(local, load, error);
}

static void finish(pythia_local *local, void *arg)
{
	local_load *load = arg;
	local_stand_in in;

	local_stand_in_begin(&in, load->evaluator, true);
	local_heap_end(load->heap);
	local_stand_in_end(&in);
}

/* Rows without index entries must not stay: what fails here is rolled back. */
static void leave_nothing(pythia_local *local, void *arg)
{
	ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED), errmsg("the load was abandoned")));
}

bool local_load_end(pythia_db *db, uint64_t *rows, pythia_error *error)
{
	pythia_local *local = (pythia_local *) db;
	local_load *load = local->load;
	bool ok;

	if (!load)
		return pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "no load is under way");
	ok = flush_buffer(local, load, error) && (!load->heap || local_run(local, finish, load, error));
	if (ok && load->stored != load->given)
	{
		ok = pythia_fail(error, PYTHIA_E_DATA, "P0001", "%llu of %llu rows were not stored in table \"%s\"",
						 (unsigned long long) (load->given - load->stored), (unsigned long long) load->given,
						 load->table);
		pythia_error_hint(error, "A trigger of that table drops rows: let it keep them, or disable it.");
	}
	if (rows)
		*rows = load->stored;
	free_load(local);
	local_unhold(local);
	return ok;
}

void local_load_abandon(pythia_db *db)
{
	pythia_local *local = (pythia_local *) db;

	pythia_error ignored = PYTHIA_ERROR_INIT;

	if (!local->load)
		return;
	if (local->load->heap && local_heap_unfinished(local->load->heap))
		(void) local_run(local, leave_nothing, NULL, &ignored);
	pythia_error_reset(&ignored);
	free_load(local);
	local_unhold(local);
}
