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

/* Tables that are looked up by themselves; the next one brings them all. */
#define FEW_TABLES 4

typedef struct named_table
{
	int32 table_id;
	Datum schema;
	Datum table;
	bool by_hash; /* see pythia_cdc_table */
} named_table;

struct pythia_change_maker
{
	int32 worker_id;
	bool elsewhere; /* the worker's tables are another database's */
	TupleDesc desc;
	Datum kinds[4];
	int last; /* table of the last change */
	int ntables;
	named_table *tables;
	int looked_up; /* tables that were not among them */
	List *gone;    /* ids of tables that the worker has no longer */
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
	int room = maker->ntables + worker->ntables;

	if (worker->ntables == 0)
		return;
	maker->tables =
		maker->tables ? repalloc(maker->tables, sizeof(named_table) * room) : palloc(sizeof(named_table) * room);
	for (int i = 0; i < worker->ntables; i++)
	{
		const pythia_cdc_table *table = &worker->tables[i];

		maker->tables[maker->ntables++] = (named_table){table->table_id, CStringGetTextDatum(table->schema_name),
														CStringGetTextDatum(table->table_name), table->by_hash};
	}
}

pythia_change_maker *pythia_change_maker_make(const pythia_cdc_worker *worker)
{
	pythia_change_maker *maker = palloc0(sizeof(pythia_change_maker));
	Oid schema = get_namespace_oid("pythia", false);
	Oid row_type =
		GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("database_change"), ObjectIdGetDatum(schema));
	Oid kind = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("change_type"), ObjectIdGetDatum(schema));

	maker->worker_id = worker->worker_id;
	maker->elsewhere = worker->connection != NULL;
	maker->memory = CurrentMemoryContext;
	maker->desc = lookup_rowtype_tupdesc_copy(row_type, -1);
	maker->kinds[0] = enum_label(kind, "INSERT");
	maker->kinds[1] = enum_label(kind, "UPDATE");
	maker->kinds[2] = enum_label(kind, "DELETE");
	maker->kinds[3] = enum_label(kind, "TRUNCATE");
	name_tables(maker, worker);
	return maker;
}

static bool find_table(pythia_change_maker *maker, int32 table_id)
{
	if (maker->last < maker->ntables && maker->tables[maker->last].table_id == table_id)
		return true;
	for (maker->last = 0; maker->last < maker->ntables; maker->last++)
		if (maker->tables[maker->last].table_id == table_id)
			return true;
	return false;
}

/* The worker may have been loaded without its tables, or the table discovered since. */
static bool look_up_table(pythia_change_maker *maker, int32 table_id)
{
	MemoryContext before = MemoryContextSwitchTo(maker->memory);
	bool all = maker->looked_up++ >= FEW_TABLES;
	const pythia_cdc_worker *worker =
		all ? pythia_cdc_load(maker->worker_id) : pythia_cdc_load_table(maker->worker_id, table_id);

	if (worker && all)
		maker->ntables = 0;
	if (worker)
		name_tables(maker, worker);
	if (!find_table(maker, table_id))
		maker->gone = lappend_int(maker->gone, table_id);
	MemoryContextSwitchTo(before);
	return maker->last < maker->ntables;
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
	FullTransactionId xid = FullTransactionIdIsValid(entry->source_xid) ? entry->source_xid : entry->xid;
	char text[32];
	bool found = find_table(maker, entry->table_id) ||
				 (!list_member_int(maker->gone, entry->table_id) && look_up_table(maker, entry->table_id));

	values[0] = Int64GetDatum(entry->change_id);
	nulls[0] = false;
	/* a table taken off the worker leaves entries without a name */
	nulls[1] = nulls[2] = !found;
	if (found)
	{
		values[1] = maker->tables[maker->last].schema;
		values[2] = maker->tables[maker->last].table;
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
	nulls[8] = (maker->elsewhere || (found && maker->tables[maker->last].by_hash)) &&
			   !FullTransactionIdIsValid(entry->source_xid);
	text[pg_ulltoa_n(U64FromFullTransactionId(xid), text)] = '\0';
	values[8] = CStringGetTextDatum(text);
	values[9] = TimestampTzGetDatum(entry->captured_at);
	nulls[9] = false;
}
