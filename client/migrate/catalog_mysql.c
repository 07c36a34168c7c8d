/* MySQL's and MariaDB's information_schema, of one database. */
#include <string.h>
#include <strings.h>

#include "migrate/catalog.h"

/* MySQL writes an expression with its quotes and backslashes escaped once more. */
#define UNESCAPED(text) "REPLACE(REPLACE(" text ", x'5c27', x'27'), x'5c5c', x'5c')"

typedef struct reading
{
	pythia_catalog_query query;
	const char *schema;
	const char *literal; /* the same, quoted */
} reading;

static char *text(reading *r, int64_t row, int column)
{
	return pythia_catalog_text(&r->query, row, column);
}

static bool is(const reading *r, int64_t row, int column)
{
	return pythia_result_true(&r->query.result, row, column);
}

/* The rows of `select`, in which ? stands for the schema. */
static bool ask(reading *r, const char *select, const char *shape)
{
	return pythia_catalog_ask(&r->query, select, "?", r->literal, shape);
}

static pythia_catalog_table *whose(reading *r, int64_t row)
{
	return pythia_catalog_whose(&r->query, r->schema, pythia_result_text(&r->query.result, row, 0));
}

static bool read_indexes(reading *r)
{
	bool expressions = !r->query.db->is_mariadb && r->query.db->version >= 80013;
	pythia_catalog_index *index = NULL;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_printf(&sql,
						 "SELECT s.TABLE_NAME, s.INDEX_NAME, s.NON_UNIQUE = 0, s.INDEX_TYPE, s.COLUMN_NAME, %s,"
						 " IFNULL(s.COLLATION = 'D', 0), s.SUB_PART, s.INDEX_COMMENT, %s"
						 " FROM information_schema.STATISTICS s WHERE s.TABLE_SCHEMA = ?"
						 " ORDER BY s.TABLE_NAME, s.INDEX_NAME, s.SEQ_IN_INDEX",
						 expressions ? UNESCAPED("s.EXPRESSION") : "NULL",
						 r->query.db->is_mariadb         ? r->query.db->version >= 100600 ? "s.IGNORED = 'YES'" : "0"
						 : r->query.db->version >= 80000 ? "s.IS_VISIBLE = 'NO'"
														 : "0");
	ok = ask(r, sql.data, "ttbtTTbNTb");
	pythia_buffer_free(&sql);
	for (int64_t i = 0; ok && i < r->query.result.nrows; i++)
	{
		pythia_catalog_table *table = whose(r, i);
		const char *type = pythia_result_text(&r->query.result, i, 3);
		pythia_catalog_part *part;

		if (table == NULL)
			continue;
		if (!pythia_catalog_goes_on(&r->query, i, 2))
		{
			index = pythia_catalog_add_index(table);
			index->name = text(r, i, 1);
			index->primary = strcmp(index->name, "PRIMARY") == 0;
			index->unique = is(r, i, 2);
			index->constraint = index->primary;
			index->method = pythia_texts_keep(&r->query.catalog->texts, strcasecmp(type, "FULLTEXT") == 0  ? "fulltext"
																		: strcasecmp(type, "SPATIAL") == 0 ? "spatial"
																		: strcasecmp(type, "RTREE") == 0   ? "spatial"
																										   : "btree");
			index->comment = text(r, i, 8);
			if (is(r, i, 9))
				index->odd = pythia_texts_keep(&r->query.catalog->texts, "the mark of one that is not used");
		}
		if (index == NULL)
			continue;
		part = pythia_catalog_add_part(index);
		part->column = text(r, i, 4);
		part->expression = text(r, i, 5);
		part->descending = is(r, i, 6);
		part->prefix = pythia_result_number_or(&r->query.result, i, 7, 0);
		/* of a geometry it says nothing */
		if (strcmp(index->method, "btree") != 0)
			part->prefix = 0;
	}
	return ok;
}

static bool read_foreigns(reading *r)
{
	pythia_catalog_foreign *foreign = NULL;
	bool ok = ask(r,
				  "SELECT k.TABLE_NAME, k.CONSTRAINT_NAME, k.REFERENCED_TABLE_SCHEMA, k.REFERENCED_TABLE_NAME,"
				  " f.UPDATE_RULE, f.DELETE_RULE, k.COLUMN_NAME, k.REFERENCED_COLUMN_NAME"
				  " FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS f"
				  " ON f.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND f.CONSTRAINT_NAME = k.CONSTRAINT_NAME"
				  " AND f.TABLE_NAME = k.TABLE_NAME WHERE k.TABLE_SCHEMA = ? AND f.CONSTRAINT_SCHEMA = ?"
				  " AND k.REFERENCED_TABLE_NAME IS NOT NULL"
				  " ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION",
				  "tttttttt");

	for (int64_t i = 0; ok && i < r->query.result.nrows; i++)
	{
		pythia_catalog_table *table = whose(r, i);

		if (table == NULL)
			continue;
		if (!pythia_catalog_goes_on(&r->query, i, 2))
		{
			foreign = pythia_catalog_add_foreign(table);
			foreign->name = text(r, i, 1);
			foreign->to_schema = text(r, i, 2);
			foreign->to_table = text(r, i, 3);
			foreign->on_update = text(r, i, 4);
			foreign->on_delete = text(r, i, 5);
		}
		if (foreign != NULL)
			pythia_catalog_add_pair(foreign, text(r, i, 6), text(r, i, 7));
	}
	return ok;
}

/* The check of a JSON in MariaDB is its type's. */
static bool is_of_json(const pythia_catalog_table *table, const pythia_catalog_check *check)
{
	int column = check->name != NULL ? pythia_table_column(&table->table, check->name) : -1;

	return column >= 0 && table->table.columns[column].type.kind == PYTHIA_KIND_JSON &&
		   strncasecmp(check->expression != NULL ? check->expression : "", "json_valid(", 11) == 0;
}

static bool read_checks(reading *r)
{
	bool ok;

	if (!r->query.db->is_mariadb && r->query.db->version < 80016)
		return true;
	ok = ask(
		r,
		r->query.db->is_mariadb
			? "SELECT k.TABLE_NAME, k.CONSTRAINT_NAME, k.CHECK_CLAUSE, 0 FROM information_schema.CHECK_CONSTRAINTS k"
			  " WHERE k.CONSTRAINT_SCHEMA = ? ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME"
			: "SELECT t.TABLE_NAME, t.CONSTRAINT_NAME, " UNESCAPED(
				  "k.CHECK_CLAUSE") ", t.ENFORCED = 'NO'"
									" FROM information_schema.TABLE_CONSTRAINTS t"
									" JOIN information_schema.CHECK_CONSTRAINTS k ON k.CONSTRAINT_SCHEMA ="
									" t.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME = t.CONSTRAINT_NAME"
									" WHERE t.CONSTRAINT_TYPE = 'CHECK' AND t.TABLE_SCHEMA = ?"
									" ORDER BY t.TABLE_NAME, t.CONSTRAINT_NAME",
		"tttb");
	for (int64_t i = 0; ok && i < r->query.result.nrows; i++)
	{
		pythia_catalog_table *table = whose(r, i);
		pythia_catalog_check *check = table != NULL ? pythia_catalog_add_check(table) : NULL;

		if (check == NULL)
			continue;
		check->name = text(r, i, 1);
		check->expression = text(r, i, 2);
		check->not_enforced = is(r, i, 3);
		if (is_of_json(table, check))
			table->nchecks--;
	}
	return ok;
}

static bool read_columns(reading *r)
{
	bool ok = ask(
		r,
		r->query.db->is_mariadb
			? "SELECT c.TABLE_NAME, c.COLUMN_NAME, c.GENERATION_EXPRESSION, c.EXTRA LIKE '%STORED%' OR c.EXTRA"
			  " LIKE '%PERSISTENT%', c.EXTRA LIKE '%on update current_timestamp%'"
			  " FROM information_schema.COLUMNS c WHERE c.TABLE_SCHEMA = ? AND (c.GENERATION_EXPRESSION <> ''"
			  " OR c.EXTRA LIKE '%on update%') ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION"
			: "SELECT c.TABLE_NAME, c.COLUMN_NAME, " UNESCAPED(
				  "c.GENERATION_EXPRESSION") ", c.EXTRA LIKE '%STORED%', c.EXTRA LIKE '%on update CURRENT_TIMESTAMP%'"
											 " FROM information_schema.COLUMNS c WHERE c.TABLE_SCHEMA = ?"
											 " AND (c.GENERATION_EXPRESSION <> '' OR c.EXTRA LIKE"
											 " '%on update%') ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION",
		"ttTbb");

	for (int64_t i = 0; ok && i < r->query.result.nrows; i++)
	{
		pythia_catalog_table *table = whose(r, i);
		pythia_catalog_column *column =
			table != NULL ? pythia_catalog_column_of(table, pythia_result_text(&r->query.result, i, 1)) : NULL;

		if (column == NULL)
			continue;
		column->generated = text(r, i, 2);
		column->stored = is(r, i, 3);
		if (is(r, i, 4))
			column->on_update = pythia_texts_keep(&r->query.catalog->texts, "CURRENT_TIMESTAMP");
	}
	return ok;
}

static const char *counting_column(const pythia_table *table)
{
	for (int i = 0; i < table->ncolumns; i++)
		if (table->columns[i].identity)
			return table->columns[i].name;
	return NULL;
}

/* What a table counts on from, and its collation. */
static bool read_tables(reading *r)
{
	bool ok = ask(r,
				  "SELECT t.TABLE_NAME, t.AUTO_INCREMENT, t.TABLE_COLLATION, CASE WHEN t.ENGINE <> 'InnoDB' THEN"
				  " CONCAT('ENGINE=', t.ENGINE) END FROM information_schema.TABLES t"
				  " WHERE t.TABLE_SCHEMA = ? AND t.TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')",
				  "tDTT");

	for (int64_t i = 0; ok && i < r->query.result.nrows; i++)
	{
		pythia_catalog_table *table = whose(r, i);
		const char *column = table != NULL ? counting_column(&table->table) : NULL;
		pythia_catalog_sequence *sequence;

		if (table == NULL)
			continue;
		table->collation = text(r, i, 2);
		table->storage = text(r, i, 3);
		if (column == NULL)
			continue;
		sequence = pythia_catalog_add_sequence(r->query.catalog);
		sequence->table_schema = table->table.schema;
		sequence->table = table->table.name;
		sequence->column = (char *) column;
		/* the next one, which has not been given */
		sequence->last = text(r, i, 1);
	}
	return ok;
}

static bool read_views(reading *r)
{
	bool ok = ask(r,
				  "SELECT v.TABLE_NAME, v.VIEW_DEFINITION, v.SECURITY_TYPE = 'INVOKER', v.CHECK_OPTION <> 'NONE'"
				  " FROM information_schema.VIEWS v WHERE v.TABLE_SCHEMA = ? ORDER BY v.TABLE_NAME",
				  "tTbb");

	for (int64_t i = 0; ok && i < r->query.result.nrows; i++)
	{
		pythia_catalog_view *view;

		if (pythia_own_table(pythia_result_text(&r->query.result, i, 0)))
			continue;
		view = pythia_catalog_add_view(r->query.catalog);
		view->schema = pythia_texts_keep(&r->query.catalog->texts, r->schema);
		view->name = text(r, i, 0);
		view->definition = text(r, i, 1);
		view->invoker = is(r, i, 2);
		if (is(r, i, 3))
			view->odd = pythia_texts_keep(&r->query.catalog->texts, "it has a CHECK OPTION");
	}
	return ok;
}

static bool read_others(reading *r)
{
	bool ok = ask(r,
				  "SELECT LOWER(CONVERT(s.ROUTINE_TYPE USING utf8mb4)), CONVERT(s.ROUTINE_NAME USING utf8mb4)"
				  " FROM information_schema.ROUTINES s WHERE s.ROUTINE_SCHEMA = ?"
				  " UNION ALL SELECT 'event', CONVERT(s.EVENT_NAME USING utf8mb4) FROM information_schema.EVENTS s"
				  " WHERE s.EVENT_SCHEMA = ?"
				  " UNION ALL SELECT 'sequence', CONVERT(s.TABLE_NAME USING utf8mb4) FROM information_schema.TABLES s"
				  " WHERE s.TABLE_SCHEMA = ? AND s.TABLE_TYPE LIKE '%SEQUENCE%'"
				  " UNION ALL SELECT DISTINCT 'grants', CONVERT(CONCAT(s.TABLE_NAME, ' to ', s.GRANTEE) USING utf8mb4)"
				  " FROM information_schema.TABLE_PRIVILEGES s WHERE s.TABLE_SCHEMA = ? ORDER BY 1, 2",
				  "tt");

	for (int64_t i = 0; ok && i < r->query.result.nrows; i++)
	{
		pythia_catalog_other *other = pythia_catalog_add_other(r->query.catalog);

		other->what = text(r, i, 0);
		other->name = text(r, i, 1);
	}
	return ok;
}

bool pythia_catalog_mysql(pythia_db *db, pythia_catalog *catalog, pythia_error *error)
{
	/* it remembers counters for a day, else */
	bool ok = db->is_mariadb || db->version < 80000 ||
			  pythia_db_exec(db, "SET SESSION information_schema_stats_expiry = 0", NULL, error);

	for (int i = 0; ok && i < catalog->nschemas; i++)
	{
		const char *schema = catalog->schemas[i];
		pythia_buffer literal = PYTHIA_BUFFER_INIT;
		reading r = {.query = {.db = db, .catalog = catalog, .error = error}, .schema = schema};

		pythia_dialect_of(db)->literal(&literal, schema, strlen(schema));
		r.literal = literal.data;

		ok = read_indexes(&r) && read_foreigns(&r) && read_checks(&r) && read_columns(&r) && read_tables(&r) &&
			 read_views(&r) && read_others(&r);
		pythia_result_free(&r.query.result);
		pythia_buffer_free(&literal);
	}
	return ok;
}
