/*
 * Reading descriptions of tables through the catalog queries of their dialect.  Each query asks for one table, in
 * PostgreSQL for many at once; the first column of its result is a table's number among those asked for, by which it is
 * ordered.
 *
 * table_query:   number, relation ('table', 'partitioned', 'view', 'foreign'), estimated rows or NULL,
 *                comment, schema, name; no row where there is no such table
 * columns_query: number, name, native type, nullable, generated, identity (1 or 0), default, collation,
 *                comment, enum labels as a comma list of quoted literals, invisible (1 or 0)
 * keys_query:    number, index name, primary, unique (1 or 0), column name or NULL for an expression,
 *                descending (1 or 0); ordered by index, then position
 */
#include "dialect/dialect_internal.h"

#include <ctype.h>
#include <string.h>

#include "core/memory.h"

/* Tables that one query asks for. */
#define ASKED_AT_ONCE 256

/* What no honest table has more of, so that what goes over columns and keys of one is bounded. */
#define MOST_COLUMNS        4096
#define MOST_COLUMNS_SQLITE 32767
#define MOST_KEY_ROWS       65536
/* Columns of keys between two looks whether to go on. */
#define CANCEL_ROWS 64

/* Some tables that are described together: what was asked for, and what was found of it. */
typedef struct tables
{
	pythia_asked *asked;
	pythia_table *found; /* as many; one that was not found has no name */
	int count;
} tables;

static char *copy_text(const pythia_result *result, int64_t row, int column)
{
	const char *text = pythia_result_optional(result, row, column);

	return text != NULL && text[0] != '\0' ? pythia_strdup(text) : NULL;
}

typedef void (*catalog_query)(const pythia_db *db, pythia_buffer *out, const pythia_asked *asked, int count);

/* The result, to be freed on failure as well, is of that shape (pythia_db_query). */
static bool ask(pythia_db *db, catalog_query query, const tables *t, const char *shape, pythia_result *result,
				pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	memset(result, 0, sizeof(*result));
	query(db, &sql, t->asked, t->count);
	ok = pythia_db_query(db, sql.data, shape, result, error);
	pythia_buffer_free(&sql);
	return ok;
}

/* Whose row it is: rows of what was not asked for, or out of order, are a server's that lies. */
static bool whose(const pythia_db *db, const tables *t, const pythia_result *result, int64_t row, int *last,
				  pythia_error *error)
{
	int64_t number = pythia_result_number(result, row, 0);

	if (number < *last || number >= t->count)
		return pythia_db_bad_answer(db, error, "a table that the catalog was not asked for");
	*last = (int) number;
	return true;
}

static bool read_tables(pythia_db *db, tables *t, pythia_error *error)
{
	pythia_result result;
	const char *relation;
	int last = 0;
	bool ok = ask(db, pythia_dialect_of(db)->table_query, t, "ntCTtt", &result, error);

	for (int64_t i = 0; ok && i < result.nrows; i++)
	{
		pythia_table *table;

		ok = whose(db, t, &result, i, &last, error);
		table = &t->found[last];
		if (!ok || table->name)
			continue;
		relation = pythia_result_text(&result, i, 1);
		table->relation = strcmp(relation, "partitioned") == 0 ? PYTHIA_RELATION_PARTITIONED
						  : strcmp(relation, "view") == 0      ? PYTHIA_RELATION_VIEW
						  : strcmp(relation, "foreign") == 0   ? PYTHIA_RELATION_FOREIGN
															   : PYTHIA_RELATION_TABLE;
		table->estimated_rows = pythia_result_number_or(&result, i, 2, -1);
		if (table->estimated_rows < 0)
			table->estimated_rows = -1;
		table->comment = copy_text(&result, i, 3);
		table->schema = pythia_strdup(pythia_result_text(&result, i, 4));
		table->name = pythia_strdup(pythia_result_text(&result, i, 5));
	}
	pythia_result_free(&result);
	return ok;
}

/* PostgreSQL tells an enumeration by its labels. */
static void read_enum_labels(const char *labels, pythia_type *type)
{
	if (labels != NULL && type->kind == PYTHIA_KIND_OTHER && type->labels == NULL &&
		pythia_read_labels(PYTHIA_POSTGRESQL, labels, type))
		type->kind = PYTHIA_KIND_ENUM;
}

static void read_column(const pythia_db *db, const pythia_result *result, int64_t row, pythia_column *column)
{
	column->name = pythia_strdup(pythia_result_text(result, row, 1));
	pythia_dialect_of(db)->parse_type(pythia_result_text(result, row, 2), &column->type);
	column->nullable = pythia_result_true(result, row, 3);
	column->generated = pythia_result_true(result, row, 4);
	column->identity = pythia_result_true(result, row, 5);
	pythia_default_read(db->engine, pythia_result_optional(result, row, 6), &column->value);
	column->collation = copy_text(result, row, 7);
	column->comment = copy_text(result, row, 8);
	read_enum_labels(pythia_result_optional(result, row, 9), &column->type);
	column->invisible = pythia_result_true(result, row, 10);
}

static bool read_columns(pythia_db *db, tables *t, pythia_error *error)
{
	pythia_result result;
	int64_t row = 0;
	int last = 0;
	int most = db->engine == PYTHIA_SQLITE ? MOST_COLUMNS_SQLITE : MOST_COLUMNS;
	bool ok = ask(db, pythia_dialect_of(db)->columns_query, t, "nttbbbTTTTb", &result, error);

	for (int i = 0; ok && i < t->count; i++)
	{
		pythia_table *table = &t->found[i];
		int64_t end = row;

		while (ok && end < result.nrows && pythia_result_number(&result, end, 0) <= i)
			ok = whose(db, t, &result, end++, &last, error);
		if (ok && end - row > most)
			ok = pythia_db_bad_answer(db, error, "a table with more columns than %d", most);
		table->columns = pythia_calloc((size_t) (end - row) + 1, sizeof(pythia_column));
		for (; ok && row < end; row++)
			read_column(db, &result, row, &table->columns[table->ncolumns++]);
	}
	if (ok && row < result.nrows)
		ok = whose(db, t, &result, row, &last, error);
	pythia_result_free(&result);
	return ok;
}

/* The columns of a key or an index while they are read. */
typedef struct key_columns
{
	int *columns;
	bool *descending;
	int count;
} key_columns;

static void copy_columns(const key_columns *k, int **columns, bool **descending)
{
	*columns = pythia_malloc(sizeof(int) * (size_t) k->count);
	memcpy(*columns, k->columns, sizeof(int) * (size_t) k->count);
	*descending = pythia_malloc(sizeof(bool) * (size_t) k->count);
	memcpy(*descending, k->descending, sizeof(bool) * (size_t) k->count);
}

static void add_index(pythia_table *table, const char *name, bool unique, const key_columns *k)
{
	pythia_index *index;

	table->indexes = pythia_realloc(table->indexes, sizeof(pythia_index) * (size_t) (table->nindexes + 1));
	index = &table->indexes[table->nindexes++];
	index->name = pythia_strdup(name);
	index->unique = unique;
	index->ncolumns = k->count;
	copy_columns(k, &index->columns, &index->descending);
}

static bool holds(const int *numbers, int count, int number)
{
	for (int i = 0; i < count; i++)
		if (numbers[i] == number)
			return true;
	return false;
}

/* An index: the rows from `row` up to `end`. `k` has room for them. */
static bool read_key(const pythia_db *db, pythia_table *table, const pythia_result *result, int64_t row, int64_t end,
					 key_columns *k, pythia_error *error)
{
	const char *name = pythia_result_text(result, row, 1);
	bool primary = pythia_result_true(result, row, 2);
	bool unique = pythia_result_true(result, row, 3);
	bool usable = true;

	for (k->count = 0; usable && row < end; row++)
	{
		const char *column = pythia_result_optional(result, row, 4);
		int position;

		if (row % CANCEL_ROWS == 0 && pythia_host_cancelled(db->host))
			return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "reading the keys of a table was cancelled");
		position = column != NULL ? pythia_table_column(table, column) : -1;

		/* one that is named again adds nothing: a key has no more columns than its table */
		if (position < 0)
			usable = false;
		else if (!holds(k->columns, k->count, position))
		{
			k->columns[k->count] = position;
			k->descending[k->count++] = pythia_result_true(result, row, 5);
		}
	}
	table->other_unique = table->other_unique || (unique && !usable);
	if (!usable || k->count == 0)
		return true;
	if (primary)
	{
		/* a catalog that tells two is believed the last one */
		pythia_free(table->key);
		pythia_free(table->key_descending);
		copy_columns(k, &table->key, &table->key_descending);
		table->nkey = k->count;
	}
	else
		add_index(table, name, unique, k);
	return true;
}

static bool read_keys(pythia_db *db, tables *t, pythia_error *error)
{
	pythia_result result;
	int64_t row = 0;
	int64_t first = 0; /* of the table's */
	int64_t end;
	int last = 0;
	bool ok = ask(db, pythia_dialect_of(db)->keys_query, t, "ntbbTb", &result, error);
	size_t room = (size_t) (ok ? result.nrows : 0) + 1;
	key_columns k = {pythia_malloc(sizeof(int) * room), pythia_malloc(sizeof(bool) * room), 0};

	for (; ok && row < result.nrows; row = end)
	{
		int before = last;

		ok = whose(db, t, &result, row, &last, error);
		first = last == before ? first : row;
		for (end = row; end < result.nrows && pythia_result_number(&result, end, 0) == last &&
						strcmp(pythia_result_text(&result, end, 1), pythia_result_text(&result, row, 1)) == 0;
			 end++)
			;
		if (ok && end - first > MOST_KEY_ROWS)
			ok = pythia_db_bad_answer(db, error, "a table with more columns in indexes than %d", MOST_KEY_ROWS);
		ok = ok && read_key(db, &t->found[last], &result, row, end, &k, error);
	}
	pythia_free(k.columns);
	pythia_free(k.descending);
	pythia_result_free(&result);
	return ok;
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

static char *folded(const pythia_name_part *part)
{
	char *text = pythia_strdup(part->text);

	if (text != NULL && !part->quoted)
	{
		for (char *c = text; *c != '\0'; c++)
			*c = (char) tolower((unsigned char) *c);
	}
	return text;
}

/* PostgreSQL's own rule first (unquoted names are lower case), then as written.  A table that is not found has no name. */
static bool find_table(pythia_db *db, const pythia_name_part *schema, const pythia_name_part *name, pythia_table *table,
					   pythia_error *error)
{
	pythia_asked asked = {.schema = schema->text, .name = name->text};
	tables t = {.asked = &asked, .found = table, .count = 1};
	bool ok = true;

	if (db->engine == PYTHIA_POSTGRESQL)
	{
		char *lower_schema = folded(schema);
		char *lower_name = folded(name);

		asked.schema = lower_schema;
		asked.name = lower_name;
		ok = read_tables(db, &t, error);
		asked.schema = schema->text;
		asked.name = name->text;
		pythia_free(lower_schema);
		pythia_free(lower_name);
	}
	return ok && (table->name || read_tables(db, &t, error));
}

/* What is left to do with a table before it is used. */
static bool use(pythia_db *db, const pythia_table *table, pythia_error *error)
{
	/* whoever describes a view is about to read it */
	if (table->relation != PYTHIA_RELATION_TABLE && table->relation != PYTHIA_RELATION_PARTITIONED)
		db->others_ran = true;
	return db->driver->described == NULL || db->driver->described(db, table->schema, table->name, error);
}

static bool read_parts(pythia_db *db, pythia_table *table, pythia_error *error)
{
	pythia_asked asked = {.schema = table->schema, .name = table->name};
	tables t = {.asked = &asked, .found = table, .count = 1};

	return read_columns(db, &t, error) && read_keys(db, &t, error);
}

/* MySQL and MariaDB show a table, and none of its columns, to whom they refuse something in it. */
static bool columns_are_shown(const pythia_db *db, const pythia_table *table, pythia_error *error)
{
	if (db->engine != PYTHIA_MYSQL || table->ncolumns > 0)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "42501", "the server shows no column of \"%s\" to this account", table->name);
	pythia_error_detail(error, "It does so where a privilege is missing, and where what a view reads is gone.");
	pythia_error_hint(
		error, "%s",
		table->relation == PYTHIA_RELATION_TABLE
			? "Grant the account SELECT on the table."
			: "Try SHOW COLUMNS as this account: it may need EXECUTE on the functions that the view calls.");
	return false;
}

bool pythia_describe(pythia_db *db, const char *name, pythia_table *table, pythia_error *error)
{
	pythia_name_part schema;
	pythia_name_part part;
	bool ok;

	memset(table, 0, sizeof(*table));
	if (!pythia_name_split(name, &schema, &part, error))
		return false;
	ok = find_table(db, &schema, &part, table, error);
	if (ok && !table->name)
		ok = unknown_table(db, schema.text, part.text, error);
	ok = ok && read_parts(db, table, error) && columns_are_shown(db, table, error) && use(db, table, error);
	pythia_free(schema.text);
	pythia_free(part.text);
	if (!ok)
		pythia_table_free(table);
	return ok;
}

/* --- many at once --------------------------------------------------------- */

struct pythia_descriptions
{
	char **names;         /* as they were given */
	pythia_table *tables; /* without a name: not known */
	int count;
	int next; /* they are asked for in the order in which they were given */
};

/* Asks for some; what is not found is left out, and so is all where the server refuses. */
static bool describe_some(pythia_db *db, char *const *names, pythia_table *found, int count, pythia_error *error)
{
	/* as PostgreSQL reads it, and as it is written */
	pythia_asked *asked = pythia_calloc((size_t) count * 2, sizeof(pythia_asked));
	pythia_table *both = pythia_calloc((size_t) count * 2, sizeof(pythia_table));
	tables t = {.asked = asked, .found = both, .count = count * 2};
	bool ok;

	for (int i = 0; i < count; i++)
	{
		pythia_name_part schema;
		pythia_name_part part;
		pythia_error ignored = PYTHIA_ERROR_INIT;

		if (pythia_name_split(names[i], &schema, &part, &ignored))
		{
			asked[2 * i] = (pythia_asked){.schema = folded(&schema), .name = folded(&part)};
			asked[2 * i + 1] = (pythia_asked){.schema = schema.text, .name = part.text};
		}
		pythia_error_reset(&ignored);
	}
	ok = read_tables(db, &t, error);
	/* of a name that stands for two tables it is the first: the second is not asked for */
	for (int i = 0; ok && i < t.count; i++)
	{
		bool wanted = both[i].name && (i % 2 == 0 || !both[i - 1].name);

		pythia_free((char *) asked[i].schema);
		pythia_free((char *) asked[i].name);
		asked[i].schema = wanted ? pythia_strdup(both[i].schema) : NULL;
		asked[i].name = wanted ? pythia_strdup(both[i].name) : NULL;
	}
	ok = ok && read_columns(db, &t, error) && read_keys(db, &t, error);
	for (int i = 0; i < t.count; i++)
	{
		if (ok && asked[i].name)
			found[i / 2] = both[i];
		else
			pythia_table_free(&both[i]);
		pythia_free((char *) asked[i].schema);
		pythia_free((char *) asked[i].name);
	}
	pythia_free(asked);
	pythia_free(both);
	return ok;
}

bool pythia_describe_many(pythia_db *db, const char *const *names, int count, pythia_descriptions **many,
						  pythia_error *error)
{
	pythia_descriptions *d;

	*many = NULL;
	if (db->engine != PYTHIA_POSTGRESQL || count < 2)
		return true;
	d = *many = pythia_calloc(1, sizeof(*d));
	d->names = pythia_calloc((size_t) count, sizeof(char *));
	d->tables = pythia_calloc((size_t) count, sizeof(pythia_table));
	for (; d->count < count; d->count++)
		d->names[d->count] = pythia_strdup(names[d->count]);
	for (int i = 0; i < count; i += ASKED_AT_ONCE)
	{
		int some = count - i < ASKED_AT_ONCE ? count - i : ASKED_AT_ONCE;

		if (describe_some(db, d->names + i, d->tables + i, some, error))
			continue;
		/* asked for one by one they tell whose fault it is */
		if (db->broken || error->error_class == PYTHIA_E_CANCELLED)
			return false;
		pythia_error_reset(error);
	}
	return true;
}

bool pythia_describe_next(pythia_db *db, pythia_descriptions *many, const char *name, pythia_table *table,
						  pythia_error *error)
{
	for (int i = 0; many && i < many->count; i++)
	{
		int at = (many->next + i) % many->count;

		if (strcmp(many->names[at], name) != 0)
			continue;
		if (!many->tables[at].name)
			break;
		many->next = at + 1;
		*table = many->tables[at];
		memset(&many->tables[at], 0, sizeof(pythia_table));
		if (use(db, table, error))
			return true;
		pythia_table_free(table);
		return false;
	}
	return pythia_describe(db, name, table, error);
}

void pythia_descriptions_free(pythia_descriptions *many)
{
	if (!many)
		return;
	for (int i = 0; i < many->count; i++)
	{
		pythia_free(many->names[i]);
		pythia_table_free(&many->tables[i]);
	}
	pythia_free(many->names);
	pythia_free(many->tables);
	pythia_free(many);
}
