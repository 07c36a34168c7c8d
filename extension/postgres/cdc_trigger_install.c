/* Putting capture triggers on tables, and taking them off again. */
#include "cdc_trigger.h"

#include "catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/regproc.h"

static void run(const char *sql)
{
	int code = SPI_execute(sql, false, 0);

	if (code < 0)
		elog(ERROR, "\"%s\" failed: %s", sql, SPI_result_code_string(code));
}

/* Relations (quoted names) of a table and its partitions that lack the trigger (or have it). */
static List *relations_with(const char *relation, const char *trigger, bool present)
{
	static const char sql[] =
		"SELECT pg_catalog.quote_ident(n.nspname) OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) "
		"pg_catalog.quote_ident(c.relname) "
		"FROM (SELECT relid FROM pg_catalog.pg_partition_tree($1::pg_catalog.regclass) "
		"UNION SELECT pg_catalog.to_regclass($1)) t "
		"JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.relid "
		"JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace "
		"WHERE EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid OPERATOR(pg_catalog.=) c.oid "
		"AND g.tgname OPERATOR(pg_catalog.=) $2::pg_catalog.name) OPERATOR(pg_catalog.=) $3";
	Oid types[] = {TEXTOID, TEXTOID, BOOLOID};
	Datum values[] = {CStringGetTextDatum(relation), CStringGetTextDatum(trigger), BoolGetDatum(present)};
	List *result = NIL;

	pythia_catalog_execute(sql, 3, types, values, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
		result = lappend(result, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
	return result;
}

static bool table_exists(const char *relation)
{
	return OidIsValid(RangeVarGetRelid(makeRangeVarFromNameList(stringToQualifiedNameList(relation)), NoLock, true));
}

void pythia_trigger_install(pythia_cdc_table *table)
{
	char *row_name = psprintf("pythia_capture_%d", table->table_id);
	char *truncate_name = psprintf("pythia_truncate_%d", table->table_id);
	List *missing;
	ListCell *cell;
	pythia_identity before;

	if (!table_exists(table->relation))
		return;
	SPI_connect();
	/* on the table alone: its partitions, those to come too, have it from there */
	missing = relations_with(table->relation, row_name, false);
	foreach (cell, missing)
	{
		if (strcmp(lfirst(cell), table->relation) != 0)
			continue;
		pythia_catalog_enter(&before);
		run(psprintf("CREATE TRIGGER %s AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW "
					 "EXECUTE FUNCTION pythia._capture(%d)",
					 row_name, table->relation, table->table_id));
		/* what replication applies is captured too */
		run(psprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s", table->relation, row_name));
		pythia_catalog_leave(&before);
	}
	/* a statement's trigger does not come down to partitions */
	missing = relations_with(table->relation, truncate_name, false);
	foreach (cell, missing)
	{
		pythia_catalog_enter(&before);
		run(psprintf("CREATE TRIGGER %s AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION pythia._capture(%d)",
					 truncate_name, (char *) lfirst(cell), table->table_id));
		run(psprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s", (char *) lfirst(cell), truncate_name));
		pythia_catalog_leave(&before);
	}
	SPI_finish();
}

void pythia_trigger_remove(const pythia_cdc_table *table)
{
	char *row_name = psprintf("pythia_capture_%d", table->table_id);
	char *truncate_name = psprintf("pythia_truncate_%d", table->table_id);
	List *present;
	ListCell *cell;
	pythia_identity before;

	if (!table->relation)
		return;
	SPI_connect();
	if (!table_exists(table->relation))
	{
		SPI_finish();
		return;
	}
	present = relations_with(table->relation, row_name, true);
	foreach (cell, present)
	{
		if (strcmp(lfirst(cell), table->relation) != 0)
			continue;
		pythia_catalog_enter(&before);
		run(psprintf("DROP TRIGGER %s ON %s", row_name, table->relation));
		pythia_catalog_leave(&before);
	}
	present = relations_with(table->relation, truncate_name, true);
	foreach (cell, present)
	{
		pythia_catalog_enter(&before);
		run(psprintf("DROP TRIGGER %s ON %s", truncate_name, (char *) lfirst(cell)));
		pythia_catalog_leave(&before);
	}
	SPI_finish();
}
