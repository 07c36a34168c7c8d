/*
 * Canonical text in PostgreSQL.  Types are left to concat_ws's own output
 * functions where they already say the right thing: a cast costs a call a row.
 */
#include "dialect/canonical.h"

#include "dialect/dialect.h"

#include <stdio.h>

/* Wraps the column in prefix and suffix. */
static void around(const pythia_db *db, pythia_buffer *out, const char *prefix, const char *alias,
				   const pythia_column *column, const char *suffix)
{
	pythia_buffer_puts(out, prefix);
	pythia_canonical_reference(db, out, alias, column);
	pythia_buffer_puts(out, suffix);
}

static bool is_stringy(pythia_kind kind)
{
	switch (kind)
	{
		case PYTHIA_KIND_TEXT:
		case PYTHIA_KIND_CHAR:
		case PYTHIA_KIND_ENUM:
		case PYTHIA_KIND_SET:
		case PYTHIA_KIND_JSON:
		case PYTHIA_KIND_ARRAY:
		case PYTHIA_KIND_OTHER:
			return true;
		default:
			return false;
	}
}

static void decimal(const pythia_db *db, pythia_buffer *out, const char *alias, const pythia_column *column,
					const pythia_type *agreed)
{
	const pythia_type *own = &column->type;
	char suffix[32];

	if (own->kind != PYTHIA_KIND_DECIMAL)
		around(db, out, "(", alias, column, ")::text");
	else if (agreed->precision <= 0)
		around(db, out, "pg_catalog.trim_scale(", alias, column, ")::text");
	else if (own->precision > 0 && own->scale == agreed->scale)
		around(db, out, "(", alias, column, ")::text");
	else
	{
		snprintf(suffix, sizeof(suffix), ", %d)::text", agreed->scale);
		around(db, out, "pg_catalog.round(", alias, column, suffix);
	}
}

static void ieee(const pythia_db *db, pythia_buffer *out, const char *alias, const pythia_column *column,
				 const pythia_type *agreed)
{
	bool single = agreed->kind == PYTHIA_KIND_FLOAT && column->type.kind != PYTHIA_KIND_FLOAT;

	/* Adding 0 takes the sign off a zero, for engines that cannot keep it. */
	pythia_buffer_puts(out, "pg_catalog.encode(pg_catalog.float8send(");
	around(db, out, "(", alias, column, ")");
	if (single)
		pythia_buffer_puts(out, "::float4");
	if (column->type.kind != PYTHIA_KIND_DOUBLE || single)
		pythia_buffer_puts(out, "::float8");
	if (agreed->is_unsigned)
		pythia_buffer_puts(out, " + 0::float8");
	pythia_buffer_puts(out, "), 'hex')");
}

static void stamp(const pythia_db *db, pythia_buffer *out, const char *alias, const pythia_column *column,
				  const pythia_type *agreed)
{
	const pythia_type *own = &column->type;
	bool rounded = agreed->precision >= 0 && agreed->precision < 6 && own->precision != agreed->precision;

	/* As UTC first: rounding to a whole fraction of a second is the same in every zone. */
	if (own->kind == PYTHIA_KIND_TIMESTAMPTZ)
		around(db, out, "(", alias, column, " AT TIME ZONE 'UTC')");
	else
		around(db, out, "(", alias, column, ")");
	if (rounded)
		pythia_buffer_printf(out, "::timestamp(%d)", agreed->precision);
	pythia_buffer_puts(out, "::text");
}

static void time_of_day(const pythia_db *db, pythia_buffer *out, const char *alias, const pythia_column *column,
						const pythia_type *agreed)
{
	const pythia_type *own = &column->type;
	bool rounded = agreed->precision >= 0 && agreed->precision < 6 && own->precision != agreed->precision;
	const char *name = own->kind == PYTHIA_KIND_INTERVAL ? "interval" : own->zone ? "timetz" : "time";

	around(db, out, "(", alias, column, ")");
	if (rounded && !is_stringy(own->kind))
		pythia_buffer_printf(out, "::%s(%d)", name, agreed->precision);
	pythia_buffer_puts(out, "::text");
}

void pythia_canonical_postgres(const pythia_db *db, pythia_buffer *out, const char *alias, const pythia_column *column,
							   const pythia_type *agreed)
{
	const pythia_type *own = &column->type;

	switch (agreed->kind)
	{
		case PYTHIA_KIND_BOOL:
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_YEAR:
			around(db, out, "(", alias, column, own->kind == PYTHIA_KIND_BOOL ? ")::int::text" : ")::text");
			return;
		case PYTHIA_KIND_DECIMAL:
			if (own->kind == PYTHIA_KIND_BOOL)
				around(db, out, "(", alias, column, ")::int::text");
			else
				decimal(db, out, alias, column, agreed);
			return;
		case PYTHIA_KIND_FLOAT:
		case PYTHIA_KIND_DOUBLE:
			if (is_stringy(own->kind) || own->kind == PYTHIA_KIND_BOOL)
				around(db, out, "(", alias, column, ")::text");
			else
				ieee(db, out, alias, column, agreed);
			return;
		case PYTHIA_KIND_CHAR:
			/* a cast to text drops char(n)'s padding */
			around(db, out, own->kind == PYTHIA_KIND_CHAR ? "(" : "pg_catalog.rtrim((", alias, column,
				   own->kind == PYTHIA_KIND_CHAR ? ")::text" : ")::text, ' ')");
			return;
		case PYTHIA_KIND_BYTES:
			if (own->kind == PYTHIA_KIND_BYTES)
				around(db, out, "pg_catalog.md5(", alias, column, ")");
			else
				around(db, out, "pg_catalog.md5(pg_catalog.convert_to((", alias, column, ")::text, 'UTF8'))");
			return;
		case PYTHIA_KIND_GEOMETRY:
			if (own->kind == PYTHIA_KIND_BYTES)
				around(db, out, "pg_catalog.md5(", alias, column, ")");
			else if (own->kind == PYTHIA_KIND_GEOMETRY)
			{
				/* PostGIS may live in any schema: let the dialect say where. */
				pythia_buffer_puts(out, "pg_catalog.md5(");
				pythia_dialect_of(db)->read_expression(db, out, alias, column);
				pythia_buffer_puts(out, ")");
			}
			else
				around(db, out, "(", alias, column, ")::text");
			return;
		case PYTHIA_KIND_DATE:
			around(db, out, "(", alias, column,
				   own->kind == PYTHIA_KIND_TIMESTAMPTZ ? " AT TIME ZONE 'UTC')::date::text"
				   : own->kind == PYTHIA_KIND_TIMESTAMP ? ")::date::text"
														: ")::text");
			return;
		case PYTHIA_KIND_TIMESTAMP:
		case PYTHIA_KIND_TIMESTAMPTZ:
			if (own->kind == PYTHIA_KIND_TIMESTAMP || own->kind == PYTHIA_KIND_TIMESTAMPTZ)
				stamp(db, out, alias, column, agreed);
			else
				around(db, out, "(", alias, column, ")::text");
			return;
		case PYTHIA_KIND_TIME:
			time_of_day(db, out, alias, column, agreed);
			return;
		case PYTHIA_KIND_UUID:
			if (own->kind == PYTHIA_KIND_BYTES)
			{
				around(db, out, "CASE WHEN pg_catalog.octet_length(", alias, column, ") = 16 ");
				around(db, out, "THEN pg_catalog.encode(", alias, column, ", 'hex')::uuid::text ");
				around(db, out, "ELSE pg_catalog.encode(", alias, column, ", 'hex') END");
			}
			else if (own->kind == PYTHIA_KIND_UUID)
				around(db, out, "(", alias, column, ")::text");
			else
				around(db, out, "pg_catalog.lower((", alias, column, ")::text)");
			return;
		case PYTHIA_KIND_SET:
			around(db, out, own->kind == PYTHIA_KIND_ARRAY ? "pg_catalog.array_to_string(" : "(", alias, column,
				   own->kind == PYTHIA_KIND_ARRAY ? ", ',')" : ")::text");
			return;
		case PYTHIA_KIND_JSON:
			around(db, out, own->kind == PYTHIA_KIND_ARRAY ? "pg_catalog.to_jsonb(" : "(", alias, column, ")::text");
			return;
		default:
			if (own->kind == PYTHIA_KIND_BOOL)
				around(db, out, "(", alias, column, ")::int::text");
			else if (own->kind == PYTHIA_KIND_OTHER)
			{
				/* its output function: inet's cast to text, for one, says something else */
				around(db, out, "CASE WHEN ", alias, column, " IS NOT NULL");
				around(db, out, " THEN pg_catalog.concat(", alias, column, ") END");
			}
			else
				around(db, out, "(", alias, column, ")::text");
			return;
	}
}
