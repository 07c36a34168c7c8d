/*
 * What an engine's catalog says of the tables: their columns, and what else tells that rows changed, or may change, without a
 * trigger (another table under the name, triggers that are gone; in MySQL the time of creation, which TRUNCATE and
 * rewrites set anew, too).  The triggers of a cutover's fence (pythia_fence_…) change no row.
 */
#include <string.h>

#include "core/memory.h"
#include "live/internal.h"

static void put_postgres(const pythia_live_table *table, int i, pythia_buffer *sql, const pythia_dialect *dialect)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;

	pythia_dialect_table(dialect, &name, table->schema, table->stored);
	pythia_buffer_printf(
		sql,
		"SELECT %d, (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', a.attnum, a.attname,"
		" a.atttypid, a.atttypmod, a.attnotnull), ',' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a"
		" WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),"
		" pg_catalog.concat_ws('/', c.oid, c.relkind, c.relpersistence,"
		" (SELECT pg_catalog.string_agg(pg_catalog.concat(g.oid, g.tgenabled), ',' ORDER BY g.oid)"
		" FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgname !~ "
		"'^pythia_fence_'),"
		" (SELECT pg_catalog.string_agg(h.inhrelid::pg_catalog.text, ',' ORDER BY h.inhrelid)"
		" FROM pg_catalog.pg_inherits h WHERE h.inhparent = c.oid)), 0"
		" FROM (SELECT pg_catalog.to_regclass(",
		i);
	dialect->literal(sql, name.data, name.length);
	pythia_buffer_puts(sql, ") AS oid) r LEFT JOIN pg_catalog.pg_class c ON c.oid = r.oid");
	pythia_buffer_free(&name);
}

static void put_mysql(const pythia_live_table *table, int i, pythia_buffer *sql, const pythia_dialect *dialect)
{
	pythia_table named = {.schema = table->schema, .name = table->stored};

	/* within its second a table may be made once more, and nothing tells */
	pythia_buffer_printf(sql,
						 "SELECT %d, (SELECT CONCAT_WS(' ', COUNT(*), SUM(CRC32(CONCAT_WS(' ', ORDINAL_POSITION,"
						 " COLUMN_NAME, COLUMN_TYPE, COALESCE(COLLATION_NAME, ''))))) FROM information_schema.COLUMNS"
						 " WHERE ",
						 i);
	pythia_dialect_named(dialect, sql, "TABLE_SCHEMA", "TABLE_NAME", &named);
	pythia_buffer_puts(sql, "), CONCAT_WS('/', (SELECT CONCAT_WS(' ', CREATE_TIME,"
							" ENGINE) FROM information_schema.TABLES WHERE ");
	pythia_dialect_named(dialect, sql, "TABLE_SCHEMA", "TABLE_NAME", &named);
	pythia_buffer_puts(sql, "), (SELECT CONCAT_WS(' ', COUNT(*), SUM(CRC32(CONCAT_WS(' ', TRIGGER_NAME, CREATED))))"
							" FROM information_schema.TRIGGERS WHERE ");
	pythia_dialect_named(dialect, sql, "EVENT_OBJECT_SCHEMA", "EVENT_OBJECT_TABLE", &named);
	pythia_buffer_puts(sql,
					   " AND LEFT(TRIGGER_NAME, 13) <> 'pythia_fence_'"
					   ")), (SELECT CREATE_TIME > NOW() - INTERVAL 2 SECOND FROM information_schema.TABLES WHERE ");
	pythia_dialect_named(dialect, sql, "TABLE_SCHEMA", "TABLE_NAME", &named);
	pythia_buffer_puts(sql, ")");
}

static void put_sqlite(const pythia_live_table *table, int i, pythia_buffer *sql, const pythia_dialect *dialect)
{
	pythia_buffer master = PYTHIA_BUFFER_INIT;

	dialect->identifier(&master, table->schema);
	pythia_buffer_printf(sql, "SELECT %d, (SELECT sql FROM %s.sqlite_master WHERE type = 'table' AND name = ", i,
						 master.data);
	dialect->literal(sql, table->stored, strlen(table->stored));
	pythia_buffer_printf(sql,
						 " COLLATE NOCASE), (SELECT group_concat(name || ' ' || rootpage || ' ' || COALESCE(sql, ''))"
						 " FROM (SELECT * FROM %s.sqlite_master WHERE tbl_name = ",
						 master.data);
	dialect->literal(sql, table->stored, strlen(table->stored));
	pythia_buffer_puts(sql, " COLLATE NOCASE AND name NOT GLOB 'pythia_fence_*' ORDER BY name)), 0");
	pythia_buffer_free(&master);
}

bool pythia_live_catalog_read(pythia_live *live, pythia_result *result, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(live->job.source);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	for (int i = 0; i < live->ntables; i++)
	{
		pythia_buffer_puts(&sql, i > 0 ? " UNION ALL " : "");
		switch (live->job.source->engine)
		{
			case PYTHIA_POSTGRESQL:
				put_postgres(&live->tables[i], i, &sql, dialect);
				break;
			case PYTHIA_MYSQL:
				put_mysql(&live->tables[i], i, &sql, dialect);
				break;
			case PYTHIA_SQLITE:
				put_sqlite(&live->tables[i], i, &sql, dialect);
				break;
		}
	}
	pythia_buffer_puts(&sql, " ORDER BY 1");
	ok = pythia_db_query(live->job.source, sql.data, "nVVB", result, error);
	pythia_buffer_free(&sql);
	if (ok && result->nrows != live->ntables)
		ok = pythia_db_bad_answer(live->job.source, error, "%lld tables instead of %d", (long long) result->nrows,
								  live->ntables);
	return ok;
}

bool pythia_live_catalog_keep(pythia_live *live, const bool *followed, pythia_error *error)
{
	pythia_result result = {0};
	bool ok = pythia_live_catalog_read(live, &result, error);

	for (int i = 0; ok && i < live->ntables; i++)
	{
		pythia_live_table *table = &live->tables[i];
		bool first = table->columns == NULL && table->rest == NULL;

		if (!first && (followed == NULL || !followed[i]))
			continue;
		if (first)
			table->columns = pythia_strdup(pythia_result_optional(&result, i, 1));
		pythia_free(table->rest);
		table->rest = pythia_strdup(pythia_result_optional(&result, i, 2));
		ok = pythia_live_table_save(live, table, error);
	}
	pythia_result_free(&result);
	return ok;
}
