/*
 * Reading a table's description through the catalog queries of its dialect.
 *
 * table_query:   relation ('table', 'partitioned', 'view', 'foreign'), estimated rows or NULL,
 *                comment, schema, name; no row where there is no such table
 * columns_query: name, native type, nullable, generated, identity (1 or 0), default, collation,
 *                comment, enum labels as a comma list of quoted literals
 * keys_query:    index name, primary, unique (1 or 0), column name or NULL for an expression;
 *                ordered by index, then position
 */
#include "dialect/dialect_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

const pythia_dialect *pythia_dialect_for(pythia_engine engine)
{
	switch (engine)
	{
		case PYTHIA_POSTGRESQL:
			return &pythia_dialect_postgres;
		case PYTHIA_MYSQL:
			return &pythia_dialect_mysql;
		case PYTHIA_SQLITE:
			return &pythia_dialect_sqlite;
	}
	return &pythia_dialect_postgres;
}

const pythia_dialect *pythia_dialect_of(const pythia_db *db)
{
	return pythia_dialect_for(db->engine);
}

bool pythia_open_boundary(pythia_db *db, char **text, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(db);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	if (dialect->boundary_query)
	{
		dialect->boundary_query(db, &sql);
		ok = pythia_db_text(db, sql.data, text, error);
		pythia_buffer_free(&sql);
		return ok;
	}
	if (pythia_mysql_boundary(db, text, error))
		return true;
	/* without PROCESS the transactions of others are hidden */
	if (db->broken || error->error_class != PYTHIA_E_DATABASE || strcmp(error->sqlstate, "42501") != 0)
		return false;
	pythia_error_reset(error);
	*text = NULL;
	return true;
}

/* --- names ---------------------------------------------------------------- */

typedef struct name_part
{
	char *text;
	bool quoted;
} name_part;

static bool bad_name(const char *text, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "42602", "invalid table name \"%s\"", text);
	return pythia_error_hint(error, "Write table or schema.table; quote parts with odd characters as \"…\".");
}

/* Reads one part at *cursor, leaving the cursor after it. */
static bool read_part(const char **cursor, name_part *part)
{
	const char *at = *cursor;
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	char close = 0;

	while (isspace((unsigned char) *at))
		at++;
	if (*at == '"' || *at == '`')
		close = *at;
	else if (*at == '[')
		close = ']';
	part->quoted = close != 0;
	if (close != 0)
	{
		for (at++; *at != '\0'; at++)
		{
			if (*at == close)
			{
				if (at[1] != close || close == ']')
					break;
				at++;
			}
			pythia_buffer_putc(&text, *at);
		}
		if (*at != close)
		{
			pythia_buffer_free(&text);
			return false;
		}
		at++;
	}
	else
	{
		while (*at != '\0' && *at != '.')
			pythia_buffer_putc(&text, *at++);
		while (text.length > 0 && isspace((unsigned char) text.data[text.length - 1]))
			text.data[--text.length] = '\0';
	}
	while (isspace((unsigned char) *at))
		at++;
	*cursor = at;
	if (text.length == 0)
	{
		pythia_buffer_free(&text);
		return false;
	}
	part->text = pythia_buffer_take(&text);
	return true;
}

static bool split_name(const char *text, name_part *schema, name_part *table, pythia_error *error)
{
	const char *cursor = text;

	memset(schema, 0, sizeof(*schema));
	memset(table, 0, sizeof(*table));
	if (!read_part(&cursor, table))
		return bad_name(text, error);
	if (*cursor == '.')
	{
		cursor++;
		*schema = *table;
		table->text = NULL;
		if (!read_part(&cursor, table))
		{
			pythia_free(schema->text);
			return bad_name(text, error);
		}
	}
	if (*cursor != '\0')
	{
		pythia_free(schema->text);
		pythia_free(table->text);
		return bad_name(text, error);
	}
	return true;
}

bool pythia_name_parse(const char *text, char **schema, char **table, pythia_error *error)
{
	name_part s;
	name_part t;

	*schema = NULL;
	*table = NULL;
	if (!split_name(text, &s, &t, error))
		return false;
	*schema = s.text;
	*table = t.text;
	return true;
}

/* --- describing a table --------------------------------------------------- */

static char *copy_text(const pythia_result *result, int64_t row, int column)
{
	const char *text = pythia_result_optional(result, row, column);

	return text != NULL && text[0] != '\0' ? pythia_strdup(text) : NULL;
}

static bool read_table(pythia_db *db, const char *schema, const char *name, bool *found, pythia_table *table,
					   pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	const char *relation;
	bool ok;

	memset(&result, 0, sizeof(result));
	pythia_dialect_of(db)->table_query(db, &sql, schema, name);
	ok = pythia_db_query(db, sql.data, "tCTtt", &result, error);
	pythia_buffer_free(&sql);
	if (!ok)
		return false;
	*found = result.nrows > 0;
	if (*found)
	{
		relation = pythia_result_text(&result, 0, 0);
		table->relation = strcmp(relation, "partitioned") == 0 ? PYTHIA_RELATION_PARTITIONED
						  : strcmp(relation, "view") == 0      ? PYTHIA_RELATION_VIEW
						  : strcmp(relation, "foreign") == 0   ? PYTHIA_RELATION_FOREIGN
															   : PYTHIA_RELATION_TABLE;
		table->estimated_rows = pythia_result_number_or(&result, 0, 1, -1);
		if (table->estimated_rows < 0)
			table->estimated_rows = -1;
		table->comment = copy_text(&result, 0, 2);
		table->schema = pythia_strdup(pythia_result_text(&result, 0, 3));
		table->name = pythia_strdup(pythia_result_text(&result, 0, 4));
	}
	pythia_result_free(&result);
	return true;
}

/* PostgreSQL tells an enumeration by its labels. */
static void read_enum_labels(const char *labels, pythia_type *type)
{
	if (labels != NULL && type->kind == PYTHIA_KIND_OTHER && type->labels == NULL &&
		pythia_read_labels(PYTHIA_POSTGRESQL, labels, type))
		type->kind = PYTHIA_KIND_ENUM;
}

static bool read_columns(pythia_db *db, pythia_table *table, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(db);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool ok;

	memset(&result, 0, sizeof(result));
	dialect->columns_query(db, &sql, table->schema, table->name);
	ok = pythia_db_query(db, sql.data, "ttbbbTTTT", &result, error);
	pythia_buffer_free(&sql);
	if (!ok)
		return false;
	table->columns = pythia_calloc((size_t) result.nrows + 1, sizeof(pythia_column));
	table->ncolumns = (int) result.nrows;
	for (int i = 0; i < table->ncolumns; i++)
	{
		pythia_column *column = &table->columns[i];

		column->name = pythia_strdup(pythia_result_text(&result, i, 0));
		dialect->parse_type(pythia_result_text(&result, i, 1), &column->type);
		column->nullable = pythia_result_true(&result, i, 2);
		column->generated = pythia_result_true(&result, i, 3);
		column->identity = pythia_result_true(&result, i, 4);
		pythia_default_read(db->engine, pythia_result_optional(&result, i, 5), &column->value);
		column->collation = copy_text(&result, i, 6);
		column->comment = copy_text(&result, i, 7);
		read_enum_labels(pythia_result_optional(&result, i, 8), &column->type);
	}
	pythia_result_free(&result);
	return true;
}

static void add_index(pythia_table *table, const char *name, bool unique, const int *columns, int ncolumns)
{
	pythia_index *index;

	table->indexes = pythia_realloc(table->indexes, sizeof(pythia_index) * (size_t) (table->nindexes + 1));
	index = &table->indexes[table->nindexes++];
	index->name = pythia_strdup(name);
	index->unique = unique;
	index->ncolumns = ncolumns;
	index->columns = pythia_malloc(sizeof(int) * (size_t) ncolumns);
	memcpy(index->columns, columns, sizeof(int) * (size_t) ncolumns);
}

static int exact_column(const pythia_table *table, const char *name)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (strcmp(table->columns[i].name, name) == 0)
			return i;
	}
	return pythia_table_column(table, name);
}

static bool read_keys(pythia_db *db, pythia_table *table, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	int64_t row = 0;
	int *columns;
	bool ok;

	memset(&result, 0, sizeof(result));
	pythia_dialect_of(db)->keys_query(db, &sql, table->schema, table->name);
	ok = pythia_db_query(db, sql.data, "tbbT", &result, error);
	pythia_buffer_free(&sql);
	if (!ok)
		return false;
	columns = pythia_malloc(sizeof(int) * ((size_t) result.nrows + 1));
	while (row < result.nrows)
	{
		const char *name = pythia_result_text(&result, row, 0);
		bool primary = pythia_result_true(&result, row, 1);
		bool unique = pythia_result_true(&result, row, 2);
		bool usable = true;
		int n = 0;

		for (; row < result.nrows && strcmp(pythia_result_text(&result, row, 0), name) == 0; row++)
		{
			const char *column = pythia_result_optional(&result, row, 3);
			int position = column != NULL ? exact_column(table, column) : -1;

			if (position < 0)
				usable = false;
			else
				columns[n++] = position;
		}
		table->other_unique = table->other_unique || (unique && !usable);
		if (!usable || n == 0)
			continue;
		if (primary)
		{
			pythia_free(table->key); /* a catalog that tells two is believed the last one */
			table->key = pythia_malloc(sizeof(int) * (size_t) n);
			memcpy(table->key, columns, sizeof(int) * (size_t) n);
			table->nkey = n;
		}
		else
			add_index(table, name, unique, columns, n);
	}
	pythia_free(columns);
	pythia_result_free(&result);
	return true;
}

static int edit_distance(const char *a, const char *b)
{
	int n = (int) strlen(b);
	int *row;
	int result;

	if (strlen(a) > 200 || n > 200)
		return 1000;
	row = pythia_malloc(sizeof(int) * (size_t) (n + 1));
	for (int j = 0; j <= n; j++)
		row[j] = j;
	for (int i = 1; a[i - 1] != '\0'; i++)
	{
		int diagonal = row[0];

		row[0] = i;
		for (int j = 1; j <= n; j++)
		{
			int cost = diagonal + (tolower((unsigned char) a[i - 1]) != tolower((unsigned char) b[j - 1]));
			int least = row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;

			diagonal = row[j];
			row[j] = cost < least ? cost : least;
		}
	}
	result = row[n];
	pythia_free(row);
	return result;
}

static bool unknown_table(pythia_db *db, const char *schema, const char *name, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	pythia_error ignored = PYTHIA_ERROR_INIT;
	int best = 1000;
	int64_t best_row = -1;

	memset(&result, 0, sizeof(result));
	pythia_fail(error, PYTHIA_E_USAGE, "42P01", "table \"%s%s%s\" does not exist", schema != NULL ? schema : "",
				schema != NULL ? "." : "", name);
	pythia_error_detail(error, "It was looked for in %s.", db->display != NULL ? db->display : "this database");
	pythia_dialect_of(db)->tables_query(db, &sql, schema);
	if (pythia_db_query(db, sql.data, "tt", &result, &ignored))
	{
		for (int64_t i = 0; i < result.nrows; i++)
		{
			int distance = edit_distance(name, pythia_result_text(&result, i, 1));

			if (distance < best)
			{
				best = distance;
				best_row = i;
			}
		}
	}
	if (db->broken)
		pythia_error_move(error, &ignored); /* nobody knows whether it exists */
	else if (best_row >= 0 && best <= 2 + (int) strlen(name) / 4)
		pythia_error_hint(error, "Perhaps you meant \"%s.%s\".", pythia_result_text(&result, best_row, 0),
						  pythia_result_text(&result, best_row, 1));
	else if (schema == NULL)
		pythia_error_hint(error, "Name its schema too where it is not in \"%s\".",
						  db->default_schema != NULL ? db->default_schema : "public");
	else
		pythia_error_hint(error, "Check the schema's name and the right to see its tables.");
	pythia_result_free(&result);
	pythia_buffer_free(&sql);
	pythia_error_reset(&ignored);
	return false;
}

static char *folded(const name_part *part)
{
	char *text = pythia_strdup(part->text);

	if (text != NULL && !part->quoted)
	{
		for (char *c = text; *c != '\0'; c++)
			*c = (char) tolower((unsigned char) *c);
	}
	return text;
}

/* PostgreSQL's own rule first (unquoted names are lower case), then as written. */
static bool find_table(pythia_db *db, const name_part *schema, const name_part *name, bool *found, pythia_table *table,
					   pythia_error *error)
{
	*found = false;
	if (db->engine == PYTHIA_POSTGRESQL)
	{
		char *lower_schema = folded(schema);
		char *lower_name = folded(name);
		bool ok = read_table(db, lower_schema, lower_name, found, table, error);

		pythia_free(lower_schema);
		pythia_free(lower_name);
		if (!ok || *found)
			return ok;
	}
	return read_table(db, schema->text, name->text, found, table, error);
}

bool pythia_describe(pythia_db *db, const char *name, pythia_table *table, pythia_error *error)
{
	name_part schema;
	name_part part;
	bool found = false;
	bool ok;

	memset(table, 0, sizeof(*table));
	if (!split_name(name, &schema, &part, error))
		return false;
	ok = find_table(db, &schema, &part, &found, table, error);
	if (ok && !found)
		ok = unknown_table(db, schema.text, part.text, error);
	/* whoever describes a view is about to read it */
	if (ok && table->relation != PYTHIA_RELATION_TABLE && table->relation != PYTHIA_RELATION_PARTITIONED)
		db->others_ran = true;
	ok = ok && read_columns(db, table, error) && read_keys(db, table, error) &&
		 (db->driver->described == NULL || db->driver->described(db, table->schema, table->name, error));
	pythia_free(schema.text);
	pythia_free(part.text);
	if (!ok)
		pythia_table_free(table);
	return ok;
}

bool pythia_all_columns_seen(pythia_db *db, const pythia_table *table, bool *all, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_error denied = PYTHIA_ERROR_INIT;
	bool any;

	*all = true;
	if (db->engine != PYTHIA_MYSQL)
		return true;
	pythia_buffer_puts(&sql, "SELECT * FROM ");
	pythia_dialect_table(pythia_dialect_of(db), &sql, table->schema, table->name);
	pythia_buffer_puts(&sql, " LIMIT 0");
	if (!pythia_db_any(db, sql.data, &any, &denied))
		*all = false;
	pythia_buffer_free(&sql);
	if (*all || strcmp(denied.sqlstate, "42501") != 0)
		return *all || pythia_error_move(error, &denied);
	pythia_error_reset(&denied);
	return true;
}
