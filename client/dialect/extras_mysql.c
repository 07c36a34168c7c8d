/* What else a table of MySQL or MariaDB has, as far as the user may see it: triggers take a right of their own. */
#include "dialect/dialect_internal.h"

/* A kind, name, detail and column: the catalogue's texts have collations of many kinds, which no UNION takes together. */
static void put_texts(pythia_buffer *out, const char *name, const char *detail, const char *column)
{
	const char *texts[] = {name, detail, column};
	static const char *const names[] = {"name", "detail", "of_column"};

	for (int i = 0; i < 3; i++)
		pythia_buffer_printf(out, ", CONVERT(%s USING utf8mb4) COLLATE utf8mb4_bin AS %s", texts[i], names[i]);
}

static void part(pythia_buffer *out, pythia_extra_kind kind, const char *name, const char *detail, const char *column)
{
	pythia_buffer_printf(out, " UNION ALL SELECT DISTINCT %d", kind);
	put_texts(out, name, detail, column);
}

/* FROM a table of the catalogue, `s`, the rows of `table`. */
static void from(const pythia_dialect *own, pythia_buffer *out, const pythia_table *table, const char *source,
				 const char *schema_column, const char *table_column)
{
	pythia_buffer_printf(out, " FROM information_schema.%s s WHERE ", source);
	pythia_dialect_named(own, out, schema_column, table_column, table);
}

/* Those that keys_query leaves out, and what it leaves out of the others. */
static void indexes(const pythia_dialect *own, pythia_buffer *out, const pythia_table *table)
{
	pythia_buffer_printf(out,
						 "SELECT CASE WHEN MAX(s.INDEX_TYPE NOT IN ('BTREE', 'HASH')) THEN %d"
						 " WHEN MAX(s.COLUMN_NAME IS NULL) THEN %d WHEN MAX(s.SUB_PART IS NOT NULL) THEN %d"
						 " WHEN MAX(s.COLLATION = 'D') THEN %d END AS kind",
						 PYTHIA_EXTRA_OTHER_INDEX, PYTHIA_EXTRA_EXPRESSION_INDEX, PYTHIA_EXTRA_PREFIX_INDEX,
						 PYTHIA_EXTRA_INDEX_OPTION);
	put_texts(out, "s.INDEX_NAME",
			  "CASE WHEN MAX(s.INDEX_TYPE NOT IN ('BTREE', 'HASH')) THEN MAX(s.INDEX_TYPE)"
			  " WHEN MAX(s.COLUMN_NAME IS NULL OR s.SUB_PART IS NOT NULL) = 0 THEN 'order'"
			  " WHEN MAX(s.NON_UNIQUE) = 0 THEN 'unique' END",
			  "NULL");
	from(own, out, table, "STATISTICS", "s.TABLE_SCHEMA", "s.TABLE_NAME");
	pythia_buffer_puts(out, " GROUP BY s.INDEX_NAME");
}

static void constraints(const pythia_dialect *own, const pythia_db *db, pythia_buffer *out, const pythia_table *table)
{
	part(out, PYTHIA_EXTRA_CHECK, "s.CONSTRAINT_NAME", "NULL", "NULL");
	if (db->is_mariadb)
	{
		/* who may only read sees them here alone; that of a JSON is its type's */
		from(own, out, table, "CHECK_CONSTRAINTS", "s.CONSTRAINT_SCHEMA", "s.TABLE_NAME");
		pythia_buffer_puts(out, " AND NOT (s.CHECK_CLAUSE = CONCAT('json_valid(`', s.CONSTRAINT_NAME, '`)') AND EXISTS"
								" (SELECT 1 FROM information_schema.COLUMNS c WHERE c.TABLE_SCHEMA ="
								" s.CONSTRAINT_SCHEMA AND c.TABLE_NAME = s.TABLE_NAME AND c.COLUMN_NAME ="
								" s.CONSTRAINT_NAME AND c.DATA_TYPE = 'longtext'))");
	}
	else
	{
		from(own, out, table, "TABLE_CONSTRAINTS", "s.TABLE_SCHEMA", "s.TABLE_NAME");
		pythia_buffer_puts(out, " AND s.CONSTRAINT_TYPE = 'CHECK'");
	}
	part(out, PYTHIA_EXTRA_FOREIGN_KEY, "s.CONSTRAINT_NAME", "s.REFERENCED_TABLE_NAME", "NULL");
	from(own, out, table, "KEY_COLUMN_USAGE", "s.TABLE_SCHEMA", "s.TABLE_NAME");
	pythia_buffer_puts(out, " AND s.REFERENCED_TABLE_NAME IS NOT NULL");
}

static void columns(const pythia_dialect *own, pythia_buffer *out, const pythia_table *table, pythia_extra_kind kind,
					const char *extra)
{
	part(out, kind, "s.COLUMN_NAME", "NULL", "s.COLUMN_NAME");
	from(own, out, table, "COLUMNS", "s.TABLE_SCHEMA", "s.TABLE_NAME");
	pythia_buffer_printf(out, " AND s.EXTRA LIKE '%%%s%%'", extra);
}

/* Every text has a collation: it matters where it is the column's own choice, or says which values are unique. */
static void collations(const pythia_dialect *own, pythia_buffer *out, const pythia_table *table)
{
	part(out, PYTHIA_EXTRA_COLLATION, "s.COLUMN_NAME", "s.COLLATION_NAME", "s.COLUMN_NAME");
	from(own, out, table, "COLUMNS", "s.TABLE_SCHEMA", "s.TABLE_NAME");
	pythia_buffer_puts(out, " AND s.DATA_TYPE NOT IN ('enum', 'set') AND s.COLLATION_NAME <> 'binary'"
							" AND RIGHT(s.COLLATION_NAME, 4) <> '_bin' AND (NOT EXISTS (SELECT 1"
							" FROM information_schema.TABLES t WHERE t.TABLE_SCHEMA = s.TABLE_SCHEMA"
							" AND t.TABLE_NAME = s.TABLE_NAME AND t.TABLE_COLLATION = s.COLLATION_NAME) OR EXISTS"
							" (SELECT 1 FROM information_schema.STATISTICS i WHERE i.TABLE_SCHEMA = s.TABLE_SCHEMA"
							" AND i.TABLE_NAME = s.TABLE_NAME AND i.NON_UNIQUE = 0 AND i.COLUMN_NAME ="
							" s.COLUMN_NAME))");
}

void pythia_mysql_extras_query(const pythia_dialect *own, const pythia_db *db, pythia_buffer *out,
							   const pythia_table *table)
{
	pythia_buffer_puts(out, "SELECT e.kind, e.name, e.detail, e.of_column FROM (");
	indexes(own, out, table);
	constraints(own, db, out, table);
	columns(own, out, table, PYTHIA_EXTRA_ON_UPDATE, "on update");
	columns(own, out, table, PYTHIA_EXTRA_INVISIBLE, "INVISIBLE");
	collations(own, out, table);
	part(out, PYTHIA_EXTRA_TRIGGER, "s.TRIGGER_NAME", "NULL", "NULL");
	from(own, out, table, "TRIGGERS", "s.EVENT_OBJECT_SCHEMA", "s.EVENT_OBJECT_TABLE");
	part(out, PYTHIA_EXTRA_PARTITIONING, "CONCAT(s.PARTITION_METHOD, ' (', IFNULL(s.PARTITION_EXPRESSION, ''), ')')",
		 "NULL", "NULL");
	from(own, out, table, "PARTITIONS", "s.TABLE_SCHEMA", "s.TABLE_NAME");
	pythia_buffer_puts(out, " AND s.PARTITION_NAME IS NOT NULL");
	part(out, PYTHIA_EXTRA_VERSIONING, "NULL", "NULL", "NULL");
	from(own, out, table, "TABLES", "s.TABLE_SCHEMA", "s.TABLE_NAME");
	pythia_buffer_puts(out, " AND s.TABLE_TYPE = 'SYSTEM VERSIONED') e WHERE e.kind IS NOT NULL"
							" ORDER BY e.kind, e.name");
}
