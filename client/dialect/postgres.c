/* PostgreSQL's SQL. */
#include "dialect/dialect_internal.h"

#include <string.h>

#include "core/number.h"
#include "core/stamp.h"

static void identifier(pythia_buffer *out, const char *name)
{
	pythia_put_quoted(out, name, strlen(name), '"');
}

/* E'' wherever there is a backslash, so that standard_conforming_strings does not matter.  A NUL would end the
 * statement: the server is to refuse it. */
static void literal(pythia_buffer *out, const char *value, size_t length)
{
	if (memchr(value, '\0', length) != NULL)
	{
		pythia_buffer_puts(out, "pg_catalog.convert_from(pg_catalog.decode('");
		pythia_buffer_hex(out, value, length);
		pythia_buffer_puts(out, "', 'hex'), 'UTF8')");
		return;
	}
	if (memchr(value, '\\', length) != NULL)
		pythia_buffer_putc(out, 'E');
	pythia_buffer_putc(out, '\'');
	for (size_t i = 0; i < length; i++)
	{
		if (value[i] == '\'' || value[i] == '\\')
			pythia_buffer_putc(out, value[i]);
		pythia_buffer_putc(out, value[i]);
	}
	pythia_buffer_putc(out, '\'');
}

static void text_literal(pythia_buffer *out, const char *text)
{
	literal(out, text, strlen(text));
}

static const char *schema_of(const pythia_db *db, const char *schema)
{
	return schema != NULL ? schema : db->default_schema != NULL ? db->default_schema : "public";
}

/* The relations `c` of namespaces `n` that are asked for, each with its number `w.i`. */
static void from_asked(const pythia_db *db, pythia_buffer *out, const pythia_asked *asked, int count)
{
	const char *between = " FROM (VALUES ";

	for (int i = 0; i < count; i++)
	{
		const char *schema;

		if (!asked[i].name)
			continue;
		schema = schema_of(db, asked[i].schema);
		pythia_buffer_printf(out, "%s(%d, ", between, i);
		if (strcmp(schema, "pg_temp") == 0)
			pythia_buffer_puts(out, "(SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE n.oid ="
									" pg_catalog.pg_my_temp_schema()), ");
		else
		{
			text_literal(out, schema);
			pythia_buffer_puts(out, "::pg_catalog.name, ");
		}
		text_literal(out, asked[i].name);
		pythia_buffer_puts(out, "::pg_catalog.name)");
		between = ", ";
	}
	if (between[0] != ',')
		pythia_buffer_puts(out, " FROM (SELECT 0, ''::pg_catalog.name, ''::pg_catalog.name WHERE false");
	pythia_buffer_puts(out, ") AS w(i, schema, name) JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema"
							" JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name");
}

static void table_query(const pythia_db *db, pythia_buffer *out, const pythia_asked *asked, int count)
{
	pythia_buffer_puts(
		out, "SELECT w.i, CASE c.relkind WHEN 'p' THEN 'partitioned' WHEN 'v' THEN 'view' WHEN 'm' THEN 'view'"
			 " WHEN 'f' THEN 'foreign' ELSE 'table' END,"
			 " CASE WHEN c.reltuples < 0 THEN NULL ELSE c.reltuples::bigint END,"
			 " pg_catalog.obj_description(c.oid, 'pg_class'), n.nspname, c.relname");
	from_asked(db, out, asked, count);
	pythia_buffer_puts(out, " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY w.i");
}

static void columns_query(const pythia_db *db, pythia_buffer *out, const pythia_asked *asked, int count)
{
	pythia_buffer_puts(
		out,
		"SELECT w.i, a.attname,"
		/* a user's enum or row type may have the name of an extension's: only a superuser makes base types */
		" CASE WHEN b.typtype <> 'b' AND b.typname IN ('citext', 'geometry', 'geography')"
		" THEN pg_catalog.regexp_replace(pg_catalog.format_type(b.oid, -1), '([^.]*)$', '\"\\1\"')"
		" ELSE pg_catalog.format_type(b.oid, b.typmod) END,"
		" (NOT a.attnotnull)::int, (a.attgenerated <> '')::int,"
		" (a.attidentity <> '' OR COALESCE(pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', false))::int,"
		" CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,"
		/* of a domain the type beneath counts: its collation may be another one */
		" CASE WHEN a.attcollation <> b.typcollation THEN l.collname END,"
		" pg_catalog.col_description(a.attrelid, a.attnum),"
		" (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder)"
		" FROM pg_catalog.pg_enum e WHERE e.enumtypid = b.oid), 0");
	from_asked(db, out, asked, count);
	pythia_buffer_puts(
		out, " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
			 " JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
			 " CROSS JOIN LATERAL (WITH RECURSIVE r(oid, typmod, typtype, typname, typcollation) AS ("
			 "SELECT t.oid, a.atttypmod, t.typtype, t.typname, t.typcollation UNION ALL"
			 " SELECT u.oid, CASE WHEN v.typtypmod <> -1 THEN v.typtypmod ELSE r.typmod END, u.typtype, u.typname, "
			 "u.typcollation"
			 " FROM r JOIN pg_catalog.pg_type v ON v.oid = r.oid JOIN pg_catalog.pg_type u ON u.oid = v.typbasetype"
			 " WHERE r.typtype = 'd') SELECT r.oid, r.typmod, r.typtype, r.typname, r.typcollation FROM r WHERE "
			 "r.typtype <> 'd') b"
			 " LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
			 " LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation"
			 " ORDER BY w.i, a.attnum");
}

static void keys_query(const pythia_db *db, pythia_buffer *out, const pythia_asked *asked, int count)
{
	/* Partial indexes and other access methods mean something else elsewhere, and one of another collation tells other texts
	 * apart than the column does, where either takes different texts for one: a column of NULL leaves them out. */
	pythia_buffer_puts(out, "SELECT w.i, x.relname, i.indisprimary::int, i.indisunique::int,"
							" CASE WHEN i.indpred IS NULL AND m.amname = 'btree'"
							" AND (i.indcollation[k.position - 1] = a.attcollation OR NOT EXISTS (SELECT FROM"
							" pg_catalog.pg_collation o WHERE o.oid IN (i.indcollation[k.position - 1], a.attcollation)"
							" AND NOT o.collisdeterministic)) THEN a.attname END,"
							/* DESC, and NULLS FIRST, which it is by itself */
							" (i.indoption[k.position - 1] = 3)::int");
	from_asked(db, out, asked, count);
	pythia_buffer_puts(
		out, " JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisvalid"
			 " JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid"
			 " JOIN pg_catalog.pg_am m ON m.oid = x.relam"
			 " CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, position)"
			 " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum AND k.attnum > 0"
			 " WHERE k.position <= i.indnkeyatts"
			 " ORDER BY w.i, i.indisprimary DESC, x.relname, k.position");
}

static void tables_query(const pythia_db *db, pythia_buffer *out, const char *schema)
{
	const char *where = schema_of(db, schema);

	pythia_buffer_puts(out, "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c"
							" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
							" WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = ");
	text_literal(out, where);
	pythia_buffer_puts(out, " AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid ="
							" 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')"
							" ORDER BY 2");
}

static void references_query(const pythia_db *db, pythia_buffer *out, const char *schema)
{
	pythia_buffer_puts(out, "SELECT c.relname, p.relname FROM pg_catalog.pg_constraint f"
							" JOIN pg_catalog.pg_class c ON c.oid = f.conrelid"
							" JOIN pg_catalog.pg_class p ON p.oid = f.confrelid"
							" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.oid = p.relnamespace"
							" WHERE f.contype = 'f' AND n.nspname = ");
	text_literal(out, schema_of(db, schema));
}

/* A function of PostGIS lies where its types do; in another schema anybody may have put one of that name. */
static void st_schema(pythia_buffer *out, const char *native)
{
	const char *dot = native != NULL ? strrchr(native, '.') : NULL;

	if (dot != NULL)
		pythia_buffer_append(out, native, (size_t) (dot + 1 - native));
	else
		pythia_buffer_puts(out, "public.");
}

static void read_expression(const pythia_db *db, pythia_buffer *out, const char *alias, const pythia_column *column)
{
	const char *before = "";
	const char *after = "";

	(void) db;
	switch (column->type.kind)
	{
		case PYTHIA_KIND_BOOL:
			after = "::int";
			break;
		case PYTHIA_KIND_TIMESTAMPTZ:
			/* the session is in UTC, so this is its UTC time without the zone's suffix */
			after = "::timestamp";
			break;
		case PYTHIA_KIND_DECIMAL:
			if (column->type.native != NULL && strcmp(column->type.native, "money") == 0)
				after = "::numeric";
			break;
		case PYTHIA_KIND_GEOMETRY:
			/* with its SRID; a geography has but one */
			st_schema(out, column->type.native);
			before = column->type.native != NULL && strstr(column->type.native, "geography") != NULL ? "ST_AsBinary("
																									 : "ST_AsEWKB(";
			after = ", 'NDR')";
			break;
		default:
			break;
	}
	pythia_buffer_puts(out, before);
	pythia_column_reference(&pythia_dialect_postgres, out, alias, column);
	pythia_buffer_puts(out, after);
}

static void load_statement(const pythia_db *db, pythia_buffer *out, const char *schema, const char *table, int ncolumns,
						   const char *const *columns, const pythia_type *const *types)
{
	(void) db;
	(void) types;
	pythia_buffer_puts(out, "COPY ");
	pythia_dialect_table(&pythia_dialect_postgres, out, schema, table);
	pythia_buffer_putc(out, ' ');
	pythia_column_list(&pythia_dialect_postgres, out, ncolumns, columns);
	pythia_buffer_puts(out, " FROM STDIN");
}

/* Types whose binary form is known: by their own names, so that neither a domain nor another type of the kind slips in. */
static bool binary_type(const pythia_type *type)
{
	static const char *const names[] = {"boolean",
										"smallint",
										"integer",
										"bigint",
										"numeric",
										"double precision",
										"text",
										"character varying",
										"character",
										"bytea",
										"date",
										"time without time zone",
										"uuid",
										"json",
										"jsonb",
										"timestamp without time zone",
										"timestamp with time zone"};
	const char *open = type->native != NULL ? strchr(type->native, '(') : NULL;
	const char *close = open != NULL ? strchr(open, ')') : NULL;
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	bool known = false;

	if (type->native == NULL || (open != NULL && close == NULL))
		return false;
	/* numeric(12,2), timestamp(3) without time zone */
	pythia_buffer_append(&name, type->native, open != NULL ? (size_t) (open - type->native) : strlen(type->native));
	if (close != NULL)
		pythia_buffer_puts(&name, close + 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !known; i++)
		known = strcmp(pythia_buffer_text(&name), names[i]) == 0;
	pythia_buffer_free(&name);
	return known;
}

static void binary_statement(const pythia_db *db, pythia_buffer *out, const char *schema, const char *table,
							 int ncolumns, const char *const *columns, const pythia_type *const *types)
{
	/* the database's own connection reads text by itself */
	if (db->local)
		return;
	for (int i = 0; i < ncolumns; i++)
		if (!binary_type(types[i]))
			return;
	load_statement(db, out, schema, table, ncolumns, columns, types);
	pythia_buffer_puts(out, " (FORMAT binary)");
}

/* An integer as the type's own input takes it (5.00 is 5); false for one with a fraction, and beyond its size. */
static bool integer_literal(pythia_buffer *out, const pythia_type *type, const char *value, size_t length)
{
	pythia_buffer plain = PYTHIA_BUFFER_INIT;
	bool whole = type->kind == PYTHIA_KIND_UINT; /* without a sign's bit */
	int64_t beyond = type->size > 0 && type->size < 8 ? INT64_C(1) << (type->size * 8 - !whole) : INT64_MAX;
	int64_t number;
	bool held = pythia_decimal_text(&plain, value, length, -1) &&
				pythia_int64_read(plain.data, plain.length, &number) &&
				(beyond == INT64_MAX || (number < beyond && number >= (whole ? 0 : -beyond)));

	if (held)
		literal(out, plain.data, plain.length);
	pythia_buffer_free(&plain);
	return held;
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
	/* what is no date may be a word for the day on which it is read */
	if (!pythia_value_has_form(PYTHIA_POSTGRESQL, type, value, length))
		return false;
	if (type->kind == PYTHIA_KIND_INT || type->kind == PYTHIA_KIND_UINT)
		return integer_literal(out, type, value, length);
	literal(out, value, length);
	switch (type->kind)
	{
		case PYTHIA_KIND_TIMESTAMPTZ:
			pythia_buffer_puts(out, "::timestamp AT TIME ZONE 'UTC'");
			break;
		case PYTHIA_KIND_TIMESTAMP:
			pythia_buffer_puts(out, "::timestamp");
			break;
		case PYTHIA_KIND_DATE:
			pythia_buffer_puts(out, "::date");
			break;
		case PYTHIA_KIND_BYTES:
			pythia_buffer_puts(out, "::bytea");
			break;
		case PYTHIA_KIND_DECIMAL:
			/* its own text is a locale's; what it cannot hold is no value of it */
			if (type->native != NULL && strcmp(type->native, "money") == 0)
				pythia_buffer_puts(out, "::numeric::money");
			break;
		default:
			/* of unknown type: it takes the column's */
			break;
	}
	return true;
}

/*
 * The least start of an open transaction of this database, the clock where there is none.
 * A prepared transaction's start is not known, so while there is one the boundary is in the
 * far past (the caller keeps the mark it had).  NULL where other sessions cannot be seen.
 */
static void boundary_query(bool own, pythia_buffer *out)
{
	/* the functions below pg_stat_activity and pg_prepared_xacts: the views' joins take longer than all the rest */
	/* a standby does not tell what is open at its primary; until it has replayed something, nor how far it is */
	pythia_buffer_puts(out, "SELECT CASE WHEN pg_catalog.pg_is_in_recovery()"
							" THEN CASE WHEN pg_catalog.pg_last_xact_replay_timestamp() IS NULL"
							" THEN '0001-01-01 00:00:00.000000' END"
							" WHEN bool_or(a.query = '<insufficient privilege>' OR a.state = 'disabled') THEN NULL"
							" WHEN EXISTS (SELECT FROM pg_catalog.pg_prepared_xact() p WHERE p.dbid = max(d.oid))"
							" THEN '0001-01-01 00:00:00.000000'"
							" ELSE pg_catalog.to_char(LEAST(pg_catalog.clock_timestamp(), min(a.xact_start))"
							" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') END"
							" FROM pg_catalog.pg_database d"
							" JOIN pg_catalog.pg_stat_get_activity(NULL) a ON a.datid = d.oid"
							" WHERE d.datname = pg_catalog.current_database()"
							/* nor does it tell a role without the right what another's session is */
							" AND COALESCE(a.backend_type NOT IN ('autovacuum worker', 'walsender'), true)");
	if (!own)
		pythia_buffer_puts(out, " AND a.pid <> pg_catalog.pg_backend_pid()");
}

static void holder_query(const pythia_db *db, pythia_buffer *out)
{
	(void) db;
	pythia_buffer_puts(out, "SELECT h.pid, h.what FROM pg_catalog.pg_database d CROSS JOIN LATERAL"
							" (SELECT 0 AS pid, 'prepared transaction ' || pg_catalog.quote_literal(p.gid) AS what,"
							" 0 AS rank, p.prepared AS began FROM pg_catalog.pg_prepared_xact() p WHERE p.dbid = d.oid"
							" UNION ALL SELECT a.pid, 'an open transaction', 1, a.xact_start"
							" FROM pg_catalog.pg_stat_get_activity(NULL) a WHERE a.datid = d.oid"
							" AND a.xact_start IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid()"
							" AND a.backend_type NOT IN ('autovacuum worker', 'walsender')) h"
							" WHERE d.datname = pg_catalog.current_database() ORDER BY h.rank, h.began LIMIT 1");
}

const pythia_dialect pythia_dialect_postgres = {
	.engine = PYTHIA_POSTGRESQL,
	.name = "postgresql",
	.identifier = identifier,
	.literal = literal,
	.plain_string = text_literal,
	.table_query = table_query,
	.columns_query = columns_query,
	.keys_query = keys_query,
	.extras_query = pythia_postgres_extras_query,
	.tables_query = tables_query,
	.references_query = references_query,
	.parse_type = pythia_postgres_parse_type,
	.type_ddl = pythia_postgres_type_ddl,
	.read_expression = read_expression,
	.load_statement = load_statement,
	.binary_statement = binary_statement,
	.value_literal = value_literal,
	.boundary_query = boundary_query,
	.holder_query = holder_query,
};
