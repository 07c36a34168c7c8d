#include "postgres/capture/change.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

struct pythia_change_maker
{
	const pythia_cdc_worker *worker;
	TupleDesc desc;
	Datum kinds[4];
	int last; /* table of the last change */
	Datum *schemas;
	Datum *tables;
	List *gone; /* ids of tables that the worker has no longer */
	MemoryContext memory;
};

TupleDesc pythia_change_desc(pythia_change_maker *maker)
{
	return maker->desc;
}

static Datum enum_label(Oid type, const char *label)
{
	return OidFunctionCall3(F_ENUM_IN, CStringGetDatum(label), ObjectIdGetDatum(type), Int32GetDatum(-1));
}

static void name_tables(pythia_change_maker *maker, const pythia_cdc_worker *worker)
{
	maker->worker = worker;
	maker->schemas = palloc0(sizeof(Datum) * Max(worker->ntables, 1));
	maker->tables = palloc0(sizeof(Datum) * Max(worker->ntables, 1));
	for (int i = 0; i < worker->ntables; i++)
	{
		maker->schemas[i] = CStringGetTextDatum(worker->tables[i].schema_name);
		maker->tables[i] = CStringGetTextDatum(worker->tables[i].table_name);
	}
}

pythia_change_maker *pythia_change_maker_make(const pythia_cdc_worker *worker)
{
	pythia_change_maker *maker = palloc0(sizeof(pythia_change_maker));
	Oid schema = get_namespace_oid("pythia", false);
	Oid row_type =
		GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("database_change"), ObjectIdGetDatum(schema));
	Oid kind = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("change_type"), ObjectIdGetDatum(schema));

	maker->memory = CurrentMemoryContext;
	maker->desc = lookup_rowtype_tupdesc_copy(row_type, -1);
	maker->kinds[0] = enum_label(kind, "INSERT");
	maker->kinds[1] = enum_label(kind, "UPDATE");
	maker->kinds[2] = enum_label(kind, "DELETE");
	maker->kinds[3] = enum_label(kind, "TRUNCATE");
	name_tables(maker, worker);
	return maker;
}

static void find_table(pythia_change_maker *maker, int32 table_id)
{
	const pythia_cdc_worker *worker = maker->worker;

	if (maker->last < worker->ntables && worker->tables[maker->last].table_id == table_id)
		return;
	for (maker->last = 0; maker->last < worker->ntables; maker->last++)
		if (worker->tables[maker->last].table_id == table_id)
			return;
}

/* The table may have been discovered, and its first change written, after the worker was loaded. */
static void find_newer_table(pythia_change_maker *maker, int32 table_id)
{
	MemoryContext before = MemoryContextSwitchTo(maker->memory);
	const pythia_cdc_worker *worker = pythia_cdc_load(maker->worker->worker_id);

	if (worker)
		name_tables(maker, worker);
	find_table(maker, table_id);
	if (maker->last == maker->worker->ntables)
		maker->gone = lappend_int(maker->gone, table_id);
	MemoryContextSwitchTo(before);
}

static int kind_number(char kind)
{
	switch (kind)
	{
		case 'I':
			return 0;
		case 'U':
			return 1;
		case 'D':
			return 2;
		default:
			return 3;
	}
}

void pythia_change_values(pythia_change_maker *maker, const pythia_entry *entry, Datum *values, bool *nulls)
{
	const pythia_cdc_worker *worker;
	FullTransactionId xid = FullTransactionIdIsValid(entry->source_xid) ? entry->source_xid : entry->xid;
	char text[32];

	find_table(maker, entry->table_id);
	if (maker->last == maker->worker->ntables && !list_member_int(maker->gone, entry->table_id))
		find_newer_table(maker, entry->table_id);
	worker = maker->worker;
	values[0] = Int64GetDatum(entry->change_id);
	nulls[0] = false;
	/* a table taken off the worker leaves entries without a name */
	nulls[1] = nulls[2] = maker->last >= worker->ntables;
	if (!nulls[1])
	{
		values[1] = maker->schemas[maker->last];
		values[2] = maker->tables[maker->last];
	}
	values[3] = maker->kinds[kind_number(entry->kind)];
	nulls[3] = false;
	values[4] = entry->key;
	nulls[4] = !entry->key;
	values[5] = entry->old_data;
	nulls[5] = !entry->old_data;
	values[6] = entry->new_data;
	nulls[6] = !entry->new_data;
	values[7] = TimestampTzGetDatum(entry->stamp);
	nulls[7] = false;
	/* the transaction that wrote the entry is the row's own with triggers alone */
	nulls[8] = (worker->connection || (maker->last < worker->ntables && worker->tables[maker->last].by_hash)) &&
			   !FullTransactionIdIsValid(entry->source_xid);
	text[pg_ulltoa_n(U64FromFullTransactionId(xid), text)] = '\0';
	values[8] = CStringGetTextDatum(text);
	values[9] = TimestampTzGetDatum(entry->captured_at);
	nulls[9] = false;
}
