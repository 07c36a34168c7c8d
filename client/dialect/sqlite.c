/* SQLite's SQL. */
#include "dialect/dialect_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/classed.h"
#include "core/memory.h"
#include "core/number.h"

static void identifier(pythia_buffer *out, const char *name)
{
	pythia_put_quoted(out, name, strlen(name), '"');
}

static void literal(pythia_buffer *out, const char *value, size_t length)
{
	if (memchr(value, '\0', length) != NULL)
	{
		pythia_buffer_puts(out, "CAST(x'");
		pythia_buffer_hex(out, value, length);
		pythia_buffer_puts(out, "' AS TEXT)");
		return;
	}
	pythia_put_quoted(out, value, length, '\'');
}

static void text_literal(pythia_buffer *out, const char *text)
{
	literal(out, text, strlen(text));
}

static const char *schema_of(const pythia_db *db, const char *schema)
{
	return schema != NULL ? schema : db->default_schema != NULL ? db->default_schema : "main";
}

/* By pragma_table_list, not sqlite_master: a schema that is not there has no tables and is no error. */
static void table_query(const pythia_db *db, pythia_buffer *out, const pythia_asked *asked, int count)
{
	(void) count;
	pythia_buffer_puts(out, "SELECT 0, CASE type WHEN 'view' THEN 'view' ELSE 'table' END, NULL, NULL, schema, name"
							" FROM pragma_table_list(");
	text_literal(out, asked->name);
	pythia_buffer_puts(out, ") WHERE schema = ");
	text_literal(out, schema_of(db, asked->schema));
	/* SQLite's own, sqlite_master among them, are nobody's */
	pythia_buffer_puts(out, " COLLATE NOCASE AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'");
}

static void pragma_arguments(pythia_buffer *out, const char *schema, const char *table)
{
	pythia_buffer_putc(out, '(');
	text_literal(out, table);
	pythia_buffer_puts(out, ", ");
	text_literal(out, schema);
	pythia_buffer_putc(out, ')');
}

static void columns_query(const pythia_db *db, pythia_buffer *out, const pythia_asked *asked, int count)
{
	const char *where = schema_of(db, asked->schema);

	(void) count;
	/* ANY is no word to a table that is not strict, where it would be a number's.
	 * INTEGER PRIMARY KEY is the rowid, where no index stands for it: it numbers itself. Any other key may hold anything. */
	pythia_buffer_puts(out, "SELECT 0, name, CASE WHEN upper(type) <> 'ANY' OR NOT (SELECT strict FROM"
							" pragma_table_list(");
	text_literal(out, asked->name);
	pythia_buffer_puts(out, ") WHERE schema = ");
	text_literal(out, where);
	pythia_buffer_puts(
		out,
		" COLLATE NOCASE) THEN type ELSE '' END, \"notnull\" = 0 AND NOT rid, hidden IN (2, 3), rid, dflt_value, NULL,"
		" NULL, NULL, 0 FROM (SELECT *, pk = 1 AND upper(type) = 'INTEGER' AND (SELECT count(*)"
		" FROM pragma_table_info");
	pragma_arguments(out, where, asked->name);
	pythia_buffer_puts(out, " WHERE pk > 0) = 1 AND NOT EXISTS (SELECT 1 FROM pragma_index_list");
	pragma_arguments(out, where, asked->name);
	pythia_buffer_puts(out, " WHERE origin = 'pk') AS rid FROM pragma_table_xinfo");
	pragma_arguments(out, where, asked->name);
	pythia_buffer_puts(out, ") WHERE hidden <> 1 ORDER BY cid");
}

static void keys_query(const pythia_db *db, pythia_buffer *out, const pythia_asked *asked, int count)
{
	const char *where = schema_of(db, asked->schema);

	(void) count;
	pythia_buffer_puts(out, "SELECT 0, i, p, u, c, d FROM (SELECT '' AS i, 1 AS p, 1 AS u, name AS c, pk AS n, 0 AS d"
							" FROM pragma_table_xinfo");
	pragma_arguments(out, where, asked->name);
	pythia_buffer_puts(out, " WHERE pk > 0 UNION ALL SELECT l.name, 0, l.\"unique\","
							" CASE WHEN l.partial = 0 THEN x.name END, x.seqno, x.\"desc\" FROM pragma_index_list");
	pragma_arguments(out, where, asked->name);
	pythia_buffer_puts(out, " AS l JOIN pragma_index_xinfo(l.name, ");
	text_literal(out, where);
	pythia_buffer_puts(out, ") AS x WHERE x.key AND l.origin <> 'pk') ORDER BY i, n");
}

static void tables_query(const pythia_db *db, pythia_buffer *out, const char *schema)
{
	pythia_buffer_puts(out, "SELECT schema, name FROM pragma_table_list() WHERE schema = ");
	text_literal(out, schema_of(db, schema));
	pythia_buffer_puts(out, " COLLATE NOCASE AND type NOT IN ('view', 'shadow', 'virtual')"
							" AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 2");
}

static void references_query(const pythia_db *db, pythia_buffer *out, const char *schema)
{
	const char *where = schema_of(db, schema);

	pythia_buffer_puts(out, "SELECT m.name, f.\"table\" FROM pragma_table_list() AS m"
							" JOIN pragma_foreign_key_list(m.name, ");
	text_literal(out, where);
	pythia_buffer_puts(out, ") AS f WHERE m.type = 'table' AND m.schema = ");
	text_literal(out, where);
	pythia_buffer_puts(out, " COLLATE NOCASE");
}

/* An integer's bits: its octal digits, each replaced by three bits. 0 and 1 go by letters, because they
 * are what the replacements are made of. */
static void bits_expression(pythia_buffer *out, const char *column, int64_t length)
{
	static const char *const steps[][2] = {{"0", "a"},   {"1", "b"},   {"2", "010"}, {"3", "011"}, {"4", "100"},
										   {"5", "101"}, {"6", "110"}, {"7", "111"}, {"a", "000"}, {"b", "001"}};

	/* what is no such number stays as it is, to be seen: with a sign, since 10 would be read as two bits */
	pythia_buffer_printf(out, "CASE WHEN typeof(%s) <> 'integer' THEN %s", column, column);
	if (length < 64)
		pythia_buffer_printf(out, " WHEN %s >> %lld <> 0 THEN printf('%%+d', %s)", column, (long long) length, column);
	pythia_buffer_printf(out, " ELSE substr(printf('%%0%lldd', 0) || ", (long long) length);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		pythia_buffer_puts(out, "replace(");
	pythia_buffer_printf(out, "printf('%%o', %s)", column);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		pythia_buffer_printf(out, ", '%s', '%s')", steps[i][0], steps[i][1]);
	pythia_buffer_printf(out, ", -%lld) END", (long long) length);
}

/*
 * A decimal kept as a number: with its scale where it has no further digits, else the shortest text of the double, which
 * the target rounds as validation does.  SQLite's own rounding is another one in each version: 1.005 is 1.01 or 1.00.
 */
static void decimal_expression(pythia_buffer *out, const char *column, const pythia_type *type)
{
	pythia_buffer_printf(out, "CASE typeof(%s) WHEN 'real' THEN CASE ", column);
	if (type->precision > 0)
		pythia_buffer_printf(out, "WHEN CAST(printf('%%.%df', %s) AS REAL) = %s THEN printf('%%.%df', %s) ",
							 type->scale, column, column, type->scale, column);
	pythia_buffer_printf(out,
						 "WHEN CAST(printf('%%!.15g', %s) AS REAL) = %s THEN printf('%%!.15g', %s)"
						 " ELSE printf('%%!.17g', %s) END ELSE %s END",
						 column, column, column, column, column);
}

static void time_expression(pythia_buffer *out, const char *column)
{
	/* abs() raises an error for the least integer, which is no time */
	pythia_buffer_printf(out,
						 "CASE typeof(%s) WHEN 'integer' THEN CASE WHEN %s < 0 THEN '-' ELSE '' END ||"
						 " printf('%%02d:%%02d:%%02d.%%06d', abs(max(%s, -9223372036854775807)) / 3600000000,"
						 " abs(max(%s, -9223372036854775807)) / 60000000 %% 60,"
						 " abs(max(%s, -9223372036854775807)) / 1000000 %% 60,"
						 " abs(max(%s, -9223372036854775807)) %% 1000000) ELSE %s END",
						 column, column, column, column, column, column, column);
}

static void read_expression(const pythia_db *db, pythia_buffer *out, const char *alias, const pythia_column *column)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;

	(void) db;
	pythia_column_reference(&pythia_dialect_sqlite, &name, alias, column);
	switch (column->type.kind)
	{
		case PYTHIA_KIND_BIT:
			bits_expression(out, name.data, column->type.length);
			break;
		case PYTHIA_KIND_DECIMAL:
			decimal_expression(out, name.data, &column->type);
			break;
		case PYTHIA_KIND_TIME:
			time_expression(out, name.data);
			break;
		case PYTHIA_KIND_TIMESTAMP:
		case PYTHIA_KIND_TIMESTAMPTZ:
			/* any other text keeps its letters */
			pythia_buffer_printf(out,
								 "CASE WHEN %s GLOB '[0-9][0-9][0-9][0-9]*' AND %s NOT GLOB '*[^-0-9TZ:. +]*'"
								 " THEN replace(rtrim(%s, 'Z'), 'T', ' ') ELSE %s END",
								 name.data, name.data, name.data, name.data);
			break;
		default:
			pythia_buffer_puts(out, name.data);
			break;
	}
	pythia_buffer_free(&name);
}

/* Microseconds of the text [-]HH:MM:SS[.ffffff] in parameter ?n. */
static void time_parameter(pythia_buffer *out, int n)
{
	pythia_buffer_printf(
		out,
		"CASE WHEN ?%d GLOB '*:[0-9][0-9]:[0-9][0-9]*' THEN"
		" (CASE WHEN substr(?%d, 1, 1) = '-' THEN -1 ELSE 1 END) *"
		" (abs(max(CAST(substr(?%d, 1, instr(?%d, ':') - 1) AS INTEGER), -9223372036854775807)) * 3600000000"
		" + CAST(substr(?%d, instr(?%d, ':') + 1, 2) AS INTEGER) * 60000000"
		" + CAST(substr(?%d, instr(?%d, ':') + 4, 2) AS INTEGER) * 1000000"
		" + CAST(substr(substr(?%d, instr(?%d, ':') + 7) || '000000', 1, 6) AS INTEGER)) ELSE ?%d END",
		n, n, n, n, n, n, n, n, n, n, n);
}

static void load_statement(const pythia_db *db, pythia_buffer *out, const char *schema, const char *table, int ncolumns,
						   const char *const *columns, const pythia_type *const *types)
{
	(void) db;
	pythia_buffer_puts(out, "INSERT INTO ");
	pythia_dialect_table(&pythia_dialect_sqlite, out, schema, table);
	pythia_buffer_putc(out, ' ');
	pythia_column_list(&pythia_dialect_sqlite, out, ncolumns, columns);
	pythia_buffer_puts(out, " VALUES (");
	for (int i = 0; i < ncolumns; i++)
	{
		if (i > 0)
			pythia_buffer_puts(out, ", ");
		if (types[i]->kind == PYTHIA_KIND_TIME)
			time_parameter(out, i + 1);
		else if (types[i]->kind == PYTHIA_KIND_TIMESTAMPTZ)
			pythia_buffer_printf(out,
								 "CASE WHEN ?%d GLOB '[0-9][0-9][0-9][0-9]*[0-9]' AND ?%d NOT GLOB '*[^-0-9T:. ]*'"
								 " THEN ?%d || 'Z' ELSE ?%d END",
								 i + 1, i + 1, i + 1, i + 1);
		else
			pythia_buffer_printf(out, "?%d", i + 1);
	}
	pythia_buffer_putc(out, ')');
}

static int64_t time_microseconds(const char *value)
{
	bool negative = value[0] == '-';
	const char *at = negative ? value + 1 : value;
	char *next;
	int64_t total;
	int64_t unit = 100000;

	total = strtoll(at, &next, 10) * 3600000000LL;
	if (*next == ':')
		total += strtoll(next + 1, &next, 10) * 60000000LL;
	if (*next == ':')
		total += strtoll(next + 1, &next, 10) * 1000000LL;
	if (*next == '.')
	{
		for (next++; *next >= '0' && *next <= '9'; next++, unit /= 10)
			total += (*next - '0') * unit;
	}
	return negative ? -total : total;
}

static bool stored_literal(pythia_buffer *out, const char *value, size_t length)
{
	pythia_buffer scratch = PYTHIA_BUFFER_INIT;
	char storage = pythia_classed_read(value, length, &scratch, &value, &length);

	switch (storage)
	{
		case 'i':
			pythia_buffer_append(out, value, length);
			break;
		case 'r':
			/* which SQLite cannot store */
			if (length == 3 && strncasecmp(value, "nan", 3) == 0)
				pythia_buffer_puts(out, "NULL");
			/* without a point it would be an integer */
			else if (memchr(value, 'n', length) != NULL)
				pythia_buffer_puts(out, value[0] == '-' ? "-9e999" : "9e999");
			else
			{
				pythia_buffer_append(out, value, length);
				if (memchr(value, '.', length) == NULL && memchr(value, 'e', length) == NULL &&
					memchr(value, 'E', length) == NULL)
					pythia_buffer_puts(out, ".0");
			}
			break;
		case 't':
			literal(out, value, length);
			break;
		case 'b':
			pythia_buffer_puts(out, "x'");
			pythia_buffer_hex(out, value, length);
			pythia_buffer_putc(out, '\'');
			break;
		default:
			break;
	}
	pythia_buffer_free(&scratch);
	return storage != '\0';
}

static bool value_literal(const pythia_db *db, pythia_buffer *out, const pythia_type *type, const char *value,
						  size_t length)
{
	uint64_t bits = 0;
	int64_t integer;

	(void) db;
	if (value == NULL)
	{
		pythia_buffer_puts(out, "NULL");
		return true;
	}
	if (type->kind == PYTHIA_KIND_STORED)
		return stored_literal(out, value, length);
	/* what has another form is a text, whatever the column says */
	switch (pythia_value_has_form(PYTHIA_SQLITE, type, value, length) ? type->kind : PYTHIA_KIND_TEXT)
	{
		case PYTHIA_KIND_BYTES:
		case PYTHIA_KIND_GEOMETRY:
			pythia_buffer_puts(out, "x'");
			pythia_buffer_append(out, value + 2, length - 2);
			pythia_buffer_putc(out, '\'');
			return true;
		case PYTHIA_KIND_BIT:
			if (length > 63)
				break;
			for (size_t i = 0; i < length; i++)
				bits = bits << 1 | (value[i] == '1');
			pythia_buffer_printf(out, "%llu", (unsigned long long) bits);
			return true;
		case PYTHIA_KIND_TIME:
			pythia_buffer_printf(out, "%lld", (long long) time_microseconds(value));
			return true;
		case PYTHIA_KIND_TIMESTAMPTZ:
			pythia_buffer_putc(out, '\'');
			pythia_buffer_append(out, value, length);
			pythia_buffer_puts(out, "Z'");
			return true;
		case PYTHIA_KIND_BOOL:
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_YEAR:
		case PYTHIA_KIND_DOUBLE:
		case PYTHIA_KIND_FLOAT:
			/* an integer that does not fit is kept as text */
			if (pythia_integer_text(value, length) && !pythia_int64_read(value, length, &integer))
				break;
			pythia_buffer_append(out, value, length);
			return true;
		default:
			break;
	}
	literal(out, value, length);
	return true;
}

/* By the statement: for the function of that name the file may have a table or a view, which names any file. */
bool pythia_sqlite_file(pythia_db *db, char **path, pythia_error *error)
{
	pythia_result databases;

	*path = NULL;
	if (!pythia_db_query(db, "PRAGMA database_list", "ntT", &databases, error))
		return false;
	for (int64_t i = 0; i < databases.nrows; i++)
		if (strcmp(pythia_result_text(&databases, i, 1), "main") == 0)
		{
			const char *file = pythia_result_optional(&databases, i, 2);

			*path = file && file[0] ? pythia_strdup(file) : NULL;
			break;
		}
	pythia_result_free(&databases);
	return true;
}

const pythia_dialect pythia_dialect_sqlite = {
	.engine = PYTHIA_SQLITE,
	.name = "sqlite",
	.identifier = identifier,
	.literal = literal,
	.plain_string = text_literal,
	.table_query = table_query,
	.columns_query = columns_query,
	.keys_query = keys_query,
	.extras_query = pythia_sqlite_extras_query,
	.tables_query = tables_query,
	.references_query = references_query,
	.parse_type = pythia_sqlite_parse_type,
	.type_ddl = pythia_sqlite_type_ddl,
	.read_expression = read_expression,
	.load_statement = load_statement,
	.value_literal = value_literal,
};
