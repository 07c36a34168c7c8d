/* MySQL's and MariaDB's SQL. */
#include "dialect/dialect_internal.h"

#include <string.h>

#include "core/utf8.h"

static void identifier(pythia_buffer *out, const char *name)
{
	pythia_put_quoted(out, name, strlen(name), '`');
}

/* Backslashes mean different things with and without NO_BACKSLASH_ESCAPES, and a byte that begins a character may take
 * the quote behind it along, so a value that holds one (or a NUL) is written in hex; what is no UTF-8 the server then
 * refuses. */
static void literal(pythia_buffer *out, const char *value, size_t length)
{
	if (memchr(value, '\\', length) != NULL || memchr(value, '\0', length) != NULL || !pythia_utf8_valid(value, length))
	{
		pythia_buffer_puts(out, "_utf8mb4 x'");
		pythia_buffer_hex(out, value, length);
		pythia_buffer_putc(out, '\'');
		return;
	}
	pythia_put_quoted(out, value, length, '\'');
}

static void text_literal(pythia_buffer *out, const char *text)
{
	literal(out, text, strlen(text));
}

static void where_schema(pythia_buffer *out, const char *column, const char *schema)
{
	pythia_buffer_printf(out, "%s = ", column);
	if (schema != NULL)
		text_literal(out, schema);
	else
		pythia_buffer_puts(out, "DATABASE()");
}

static void where_table(pythia_buffer *out, const char *alias, const pythia_asked *asked)
{
	pythia_buffer_printf(out, " WHERE %s.", alias);
	where_schema(out, "TABLE_SCHEMA", asked->schema);
	pythia_buffer_printf(out, " AND %s.TABLE_NAME = ", alias);
	text_literal(out, asked->name);
}

static void table_query(const pythia_db *db, pythia_buffer *out, const pythia_asked *asked, int count)
{
	(void) db;
	(void) count;
	pythia_buffer_puts(out, "SELECT 0, CASE WHEN t.TABLE_TYPE LIKE '%VIEW' THEN 'view' ELSE 'table' END, t.TABLE_ROWS,"
							" CASE WHEN t.TABLE_TYPE LIKE '%VIEW' THEN NULL ELSE t.TABLE_COMMENT END,"
							" t.TABLE_SCHEMA, t.TABLE_NAME FROM information_schema.TABLES t");
	where_table(out, "t", asked);
}

static void columns_query(const pythia_db *db, pythia_buffer *out, const pythia_asked *asked, int count)
{
	(void) count;
	pythia_buffer_puts(out, "SELECT 0, c.COLUMN_NAME, ");
	/* MariaDB's JSON is a LONGTEXT with a check. */
	if (db->is_mariadb)
		pythia_buffer_puts(out, "CASE WHEN c.DATA_TYPE = 'longtext' AND EXISTS (SELECT 1 FROM"
								" information_schema.CHECK_CONSTRAINTS k WHERE k.CONSTRAINT_SCHEMA = c.TABLE_SCHEMA"
								" AND k.TABLE_NAME = c.TABLE_NAME AND k.CONSTRAINT_NAME = c.COLUMN_NAME"
								" AND k.CHECK_CLAUSE LIKE 'json_valid(%') THEN 'json' ELSE c.COLUMN_TYPE END,");
	else
		pythia_buffer_puts(out, "c.COLUMN_TYPE,");
	pythia_buffer_puts(out, " c.IS_NULLABLE = 'YES',"
							" c.EXTRA LIKE '%VIRTUAL%' OR c.EXTRA LIKE '%STORED%' OR c.EXTRA LIKE '%PERSISTENT%',"
							" c.EXTRA LIKE '%auto_increment%',");
	if (db->is_mariadb)
		pythia_buffer_puts(out, " NULLIF(c.COLUMN_DEFAULT, 'NULL'),");
	else
		/* an expression with its quotes and backslashes escaped once more; b'101' and 0xff as they are, other values
		 * without their quotes */
		pythia_buffer_puts(out, " CASE WHEN c.EXTRA LIKE '%DEFAULT_GENERATED%' THEN REPLACE(REPLACE(c.COLUMN_DEFAULT,"
								" x'5c27', x'27'), x'5c5c', x'5c') WHEN c.DATA_TYPE = 'bit'"
								" THEN c.COLUMN_DEFAULT"
								" WHEN c.DATA_TYPE IN ('binary', 'varbinary') AND c.COLUMN_DEFAULT LIKE '0x%'"
								" THEN CONCAT('x', QUOTE(SUBSTR(c.COLUMN_DEFAULT, 3)))"
								" WHEN c.COLUMN_DEFAULT IS NOT NULL THEN QUOTE(c.COLUMN_DEFAULT) END,");
	pythia_buffer_puts(out, " c.COLLATION_NAME, c.COLUMN_COMMENT, NULL, c.EXTRA LIKE '%INVISIBLE%'"
							" FROM information_schema.COLUMNS c");
	where_table(out, "c", asked);
	pythia_buffer_puts(out, " ORDER BY c.ORDINAL_POSITION");
}

static void keys_query(const pythia_db *db, pythia_buffer *out, const pythia_asked *asked, int count)
{
	(void) db;
	(void) count;
	/* An index over a column's prefix, or a FULLTEXT or SPATIAL one, means something else elsewhere. */
	pythia_buffer_puts(out,
					   "SELECT 0, s.INDEX_NAME, s.INDEX_NAME = 'PRIMARY', s.NON_UNIQUE = 0,"
					   " CASE WHEN s.SUB_PART IS NULL AND s.INDEX_TYPE IN ('BTREE', 'HASH') THEN s.COLUMN_NAME END,"
					   " IFNULL(s.COLLATION = 'D', 0) FROM information_schema.STATISTICS s");
	where_table(out, "s", asked);
	pythia_buffer_puts(out, " ORDER BY s.INDEX_NAME = 'PRIMARY' DESC, s.INDEX_NAME, s.SEQ_IN_INDEX");
}

static void tables_query(const pythia_db *db, pythia_buffer *out, const char *schema)
{
	(void) db;
	pythia_buffer_puts(out, "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES"
							" WHERE TABLE_TYPE NOT LIKE '%VIEW' AND TABLE_TYPE NOT LIKE '%SEQUENCE%'"
							" AND ");
	where_schema(out, "TABLE_SCHEMA", schema);
	pythia_buffer_puts(out, " ORDER BY 2");
}

static void references_query(const pythia_db *db, pythia_buffer *out, const char *schema)
{
	(void) db;
	pythia_buffer_puts(out, "SELECT TABLE_NAME, REFERENCED_TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS"
							" WHERE ");
	where_schema(out, "CONSTRAINT_SCHEMA", schema);
}

/* A geometry is stored as its SRID, four bytes, and its WKB, x before y in every system; ST_AsWKB would leave out
 * the one and turn the other round in some.  PostGIS's extended WKB has the SRID behind the type, which it marks. */
void pythia_mysql_geometry(pythia_buffer *out, const char *reference)
{
	pythia_buffer_printf(out,
						 "IF(ST_SRID(%s) = 0, ST_AsWKB(%s), CONCAT(SUBSTR(%s, 5, 4), x'20', SUBSTR(%s, 1, 4),"
						 " SUBSTR(%s, 10)))",
						 reference, reference, reference, reference, reference);
}

bool pythia_mysql_is_padded(const pythia_type *type)
{
	return type->native != NULL && strstr(type->native, "zerofill") != NULL;
}

static void read_expression(const pythia_db *db, pythia_buffer *out, const char *alias, const pythia_column *column)
{
	const char *before = "";
	const char *after = "";

	(void) db;
	switch (column->type.kind)
	{
		case PYTHIA_KIND_FLOAT:
			/* a FLOAT's own text has six digits; as a double it reads back to the same float */
			after = " + 0E0";
			break;
		case PYTHIA_KIND_GEOMETRY:
		{
			pythia_buffer reference = PYTHIA_BUFFER_INIT;

			pythia_column_reference(&pythia_dialect_mysql, &reference, alias, column);
			pythia_mysql_geometry(out, reference.data);
			pythia_buffer_free(&reference);
			return;
		}
		case PYTHIA_KIND_YEAR:
			after = " + 0";
			break;
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_DECIMAL:
		case PYTHIA_KIND_DOUBLE:
			after = pythia_mysql_is_padded(&column->type) ? " + 0" : "";
			break;
		case PYTHIA_KIND_BIT:
			pythia_buffer_puts(out, "LPAD(BIN(");
			pythia_column_reference(&pythia_dialect_mysql, out, alias, column);
			pythia_buffer_printf(out, " + 0), %lld, '0')", (long long) column->type.length);
			return;
		default:
			break;
	}
	pythia_buffer_puts(out, before);
	pythia_column_reference(&pythia_dialect_mysql, out, alias, column);
	pythia_buffer_puts(out, after);
}

/* Kinds whose text must be turned into the value by an expression over a user variable. */
static bool through_variable(const pythia_type *type)
{
	return type->kind == PYTHIA_KIND_BYTES || type->kind == PYTHIA_KIND_GEOMETRY || type->kind == PYTHIA_KIND_BIT ||
		   type->kind == PYTHIA_KIND_YEAR;
}

/* Where one column is SET, MariaDB forgets that a 0 was given for the column that counts itself, and
 * counts on, in spite of NO_AUTO_VALUE_ON_ZERO: a number that is SET too is taken as it is. */
static bool is_set(const pythia_type *type, bool others)
{
	return through_variable(type) || (others && (type->kind == PYTHIA_KIND_INT || type->kind == PYTHIA_KIND_UINT));
}

/* Extended WKB, least significant byte first, into what the server stores; any other has no SRID. */
static void load_geometry(pythia_buffer *out, int n)
{
	pythia_buffer_printf(out,
						 "IF(SUBSTR(@p%d, 11, 2) = '20', UNHEX(CONCAT(SUBSTR(@p%d, 13, 8), SUBSTR(@p%d, 3, 8), '00',"
						 " SUBSTR(@p%d, 21))), ST_GeomFromWKB(UNHEX(SUBSTR(@p%d, 3))))",
						 n, n, n, n, n);
}

static void insert_geometry(pythia_buffer *out, const char *value, size_t length)
{
	bool extended = length > 20 && memcmp(value + 10, "20", 2) == 0;

	pythia_buffer_puts(out, extended ? "x'" : "ST_GeomFromWKB(x'");
	if (extended)
	{
		pythia_buffer_append(out, value + 12, 8);
		pythia_buffer_append(out, value + 2, 8);
		pythia_buffer_puts(out, "00");
		pythia_buffer_append(out, value + 20, length - 20);
		pythia_buffer_putc(out, '\'');
		return;
	}
	pythia_buffer_append(out, value + 2, length - 2);
	pythia_buffer_puts(out, "')");
}

static void load_statement(const pythia_db *db, pythia_buffer *out, const char *schema, const char *table, int ncolumns,
						   const char *const *columns, const pythia_type *const *types)
{
	const char *separator = " SET ";
	bool any = false;

	(void) db;
	for (int i = 0; i < ncolumns; i++)
		any = any || through_variable(types[i]);
	pythia_buffer_puts(out, "LOAD DATA LOCAL INFILE 'pythia' INTO TABLE ");
	pythia_dialect_table(&pythia_dialect_mysql, out, schema, table);
	pythia_buffer_puts(out, " CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\'"
							" LINES TERMINATED BY '\\n' (");
	for (int i = 0; i < ncolumns; i++)
	{
		if (i > 0)
			pythia_buffer_puts(out, ", ");
		if (is_set(types[i], any))
			pythia_buffer_printf(out, "@p%d", i + 1);
		else
			identifier(out, columns[i]);
	}
	pythia_buffer_putc(out, ')');
	for (int i = 0; i < ncolumns; i++)
	{
		if (!is_set(types[i], any))
			continue;
		pythia_buffer_puts(out, separator);
		identifier(out, columns[i]);
		pythia_buffer_puts(out, " = ");
		switch (types[i]->kind)
		{
			case PYTHIA_KIND_BYTES:
				pythia_buffer_printf(out, "UNHEX(SUBSTR(@p%d, 3))", i + 1);
				break;
			case PYTHIA_KIND_GEOMETRY:
				load_geometry(out, i + 1);
				break;
			case PYTHIA_KIND_INT:
			case PYTHIA_KIND_UINT:
				pythia_buffer_printf(out, "@p%d", i + 1);
				break;
			case PYTHIA_KIND_YEAR:
				/* the text 0 is the year 2000, the number 0 is the year 0000 */
				pythia_buffer_printf(out, "@p%d + 0", i + 1);
				break;
			default:
				pythia_buffer_printf(out, "CAST(CONV(@p%d, 2, 10) AS UNSIGNED)", i + 1);
				break;
		}
		separator = ", ";
	}
}

static void insert_statement(const pythia_db *db, pythia_buffer *out, const char *schema, const char *table,
							 int ncolumns, const char *const *columns)
{
	(void) db;
	pythia_buffer_puts(out, "INSERT INTO ");
	pythia_dialect_table(&pythia_dialect_mysql, out, schema, table);
	pythia_buffer_putc(out, ' ');
	pythia_column_list(&pythia_dialect_mysql, out, ncolumns, columns);
	pythia_buffer_puts(out, " VALUES ");
}

static void binary_statement(const pythia_db *db, pythia_buffer *out, const char *schema, const char *table,
							 int ncolumns, const char *const *columns, const pythia_type *const *types)
{
	/* MySQL has no arrays of values; bytes come as they are, other values by an expression do not */
	if (!db->is_mariadb)
		return;
	for (int i = 0; i < ncolumns; i++)
		if (through_variable(types[i]) && types[i]->kind != PYTHIA_KIND_BYTES)
			return;
	insert_statement(db, out, schema, table, ncolumns, columns);
	for (int i = 0; i < ncolumns; i++)
		pythia_buffer_puts(out, i > 0 ? ", ?" : "(?");
	pythia_buffer_putc(out, ')');
}

static bool is_integer(const char *value, size_t length)
{
	size_t i = length > 1 && value[0] == '-' ? 1 : 0;

	if (i == length)
		return false;
	for (; i < length; i++)
		if (value[i] < '0' || value[i] > '9')
			return false;
	return true;
}

/* Numbers stand as texts, but for those that mean another thing then: the server reads them as LOAD DATA would. */
static void insert_value(const pythia_db *db, pythia_buffer *out, const pythia_type *type, const char *value,
						 size_t length)
{
	bool formed = value != NULL && pythia_value_has_form(PYTHIA_MYSQL, type, value, length);

	(void) db;
	if (value == NULL)
		pythia_buffer_puts(out, "NULL");
	else if (type->kind == PYTHIA_KIND_GEOMETRY && formed)
		insert_geometry(out, value, length);
	else if (type->kind == PYTHIA_KIND_BYTES && formed)
	{
		pythia_buffer_puts(out, "x'");
		pythia_buffer_append(out, value + 2, length - 2);
		pythia_buffer_putc(out, '\'');
	}
	else if (type->kind == PYTHIA_KIND_BIT && formed)
	{
		pythia_buffer_puts(out, "b'");
		pythia_buffer_append(out, value, length);
		pythia_buffer_putc(out, '\'');
	}
	else if ((type->kind == PYTHIA_KIND_INT || type->kind == PYTHIA_KIND_UINT || type->kind == PYTHIA_KIND_YEAR) &&
			 is_integer(value, length))
		pythia_buffer_append(out, value, length);
	else
		literal(out, value, length);
}

static bool value_literal(const pythia_db *db, pythia_buffer *out, const pythia_type *type, const char *value,
						  size_t length)
{
	(void) db;
	if (value == NULL)
	{
		pythia_buffer_puts(out, "NULL");
		return true;
	}
	/* beside a number MySQL reads any text as one, as far as its digits go */
	if (!pythia_value_has_form(PYTHIA_MYSQL, type, value, length))
		return false;
	switch (type->kind)
	{
		case PYTHIA_KIND_BYTES:
			pythia_buffer_puts(out, "x'");
			pythia_buffer_append(out, value + 2, length - 2);
			pythia_buffer_putc(out, '\'');
			return true;
		case PYTHIA_KIND_BIT:
			pythia_buffer_puts(out, "b'");
			pythia_buffer_append(out, value, length);
			pythia_buffer_putc(out, '\'');
			return true;
		case PYTHIA_KIND_BOOL:
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_DECIMAL:
		case PYTHIA_KIND_YEAR:
			pythia_buffer_append(out, value, length);
			return true;
		case PYTHIA_KIND_FLOAT:
		case PYTHIA_KIND_DOUBLE:
			pythia_buffer_append(out, value, length);
			if (memchr(value, 'e', length) == NULL && memchr(value, 'E', length) == NULL)
				pythia_buffer_puts(out, "E0");
			return true;
		case PYTHIA_KIND_CHAR:
			/* it holds none at the end, and not every collation compares as if it did */
			while (length > 0 && value[length - 1] == ' ')
				length--;
			literal(out, value, length);
			return true;
		default:
			literal(out, value, length);
			return true;
	}
}

const pythia_dialect pythia_dialect_mysql = {
	.engine = PYTHIA_MYSQL,
	.name = "mysql",
	.identifier = identifier,
	.literal = literal,
	.plain_string = pythia_mysql_string,
	.table_query = table_query,
	.columns_query = columns_query,
	.keys_query = keys_query,
	.extras_query = pythia_mysql_extras_query,
	.tables_query = tables_query,
	.references_query = references_query,
	.parse_type = pythia_mysql_parse_type,
	.type_ddl = pythia_mysql_type_ddl,
	.read_expression = read_expression,
	.load_statement = load_statement,
	.binary_statement = binary_statement,
	.insert_statement = insert_statement,
	.insert_value = insert_value,
	.value_literal = value_literal,
	.holder_query = pythia_mysql_holder_query,
};
