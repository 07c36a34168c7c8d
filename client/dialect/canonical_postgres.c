/*
 * Canonical text in PostgreSQL.  Types are left to concat_ws's own output
 * functions where they already say the right thing: a cast costs a call a row.
 */
#include "dialect/dialect_internal.h"

#include <stdio.h>
#include <string.h>

static void decimal(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	const pythia_type *agreed = item->agreed;
	const pythia_type *own = &item->column->type;
	char suffix[32];

	if (agreed->precision > 0 && (own->kind == PYTHIA_KIND_FLOAT || own->kind == PYTHIA_KIND_DOUBLE))
	{
		/* by its shortest digits; NaN and infinities are none */
		pythia_canonical_around(db, out, "CASE WHEN ", item, "");
		pythia_canonical_around(db, out, " - ", item, " = 0 THEN ");
		pythia_canonical_around(db, out, "pg_catalog.round((", item, ")::text::numeric");
		pythia_buffer_printf(out, ", %d)::text ELSE ", agreed->scale);
		pythia_canonical_around(db, out, "(", item, ")::text END");
	}
	else if (own->kind != PYTHIA_KIND_DECIMAL)
		pythia_canonical_around(db, out, "(", item, ")::text");
	else if (agreed->precision <= 0)
		pythia_canonical_around(db, out, "pg_catalog.trim_scale(", item, ")::text");
	else if (own->precision > 0 && own->scale == agreed->scale)
		pythia_canonical_around(db, out, "(", item, ")::text");
	else
	{
		snprintf(suffix, sizeof(suffix), ", %d)::text", agreed->scale);
		pythia_canonical_around(db, out, "pg_catalog.round(", item, suffix);
	}
}

static void ieee(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	const pythia_type *agreed = item->agreed;
	bool single = agreed->kind == PYTHIA_KIND_FLOAT && item->column->type.kind != PYTHIA_KIND_FLOAT;

	/* Adding 0 takes the sign off a zero, for engines that cannot keep it. */
	pythia_buffer_puts(out, "pg_catalog.encode(pg_catalog.float8send(");
	pythia_canonical_around(db, out, "(", item, ")");
	if (single)
		pythia_buffer_puts(out, "::float4");
	if (item->column->type.kind != PYTHIA_KIND_DOUBLE || single)
		pythia_buffer_puts(out, "::float8");
	if (agreed->is_unsigned)
		pythia_buffer_puts(out, " + 0::float8");
	pythia_buffer_puts(out, "), 'hex')");
}

static void stamp(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	const pythia_type *agreed = item->agreed;
	const pythia_type *own = &item->column->type;
	bool rounded = agreed->precision >= 0 && agreed->precision < 6 && own->precision != agreed->precision;

	/* As UTC first: rounding to a whole fraction of a second is the same in every zone. */
	if (own->kind == PYTHIA_KIND_TIMESTAMPTZ)
		pythia_canonical_around(db, out, "(", item, " AT TIME ZONE 'UTC')");
	else
		pythia_canonical_around(db, out, "(", item, ")");
	if (rounded)
		pythia_buffer_printf(out, "::timestamp(%d)", agreed->precision);
	pythia_buffer_puts(out, "::text");
}

/*
 * Days are 24 hours, as they became on their way into a TIME; a month has no such length and stays what it
 * is.  An interval of nothing but seconds is written in hours, however many.
 */
static void interval(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	int precision = item->agreed->precision;

	pythia_canonical_around(db, out, "CASE WHEN pg_catalog.date_part('year', ", item, ") = 0 AND ");
	pythia_canonical_around(db, out, "pg_catalog.date_part('month', ", item,
							") = 0 THEN (pg_catalog.make_interval(secs => ");
	pythia_canonical_around(db, out, "pg_catalog.date_part('epoch', ", item, "))::interval");
	pythia_buffer_printf(out, "(%d))::text ELSE ", precision >= 0 && precision < 6 ? precision : 6);
	pythia_canonical_around(db, out, "(", item, ")::text END");
}

/* A list of what a SET's text could be; any other array (NULLs, commas, dimensions) as its own text, marked. */
static void set_of_labels(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	if (item->column->type.kind != PYTHIA_KIND_ARRAY)
	{
		pythia_canonical_around(db, out, "(", item, ")::text");
		return;
	}
	pythia_canonical_around(db, out, "CASE WHEN pg_catalog.string_to_array(pg_catalog.array_to_string(", item,
							", ','), ',') = ");
	pythia_canonical_around(db, out, "(", item, ")::text[] THEN ");
	pythia_canonical_around(db, out, "pg_catalog.array_to_string(", item, ", ',') ELSE E'\\x01' || ");
	pythia_canonical_around(db, out, "(", item, ")::text END");
}

static void json(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	const pythia_type *own = &item->column->type;
	bool text = own->kind != PYTHIA_KIND_ARRAY && (own->native == NULL || strcmp(own->native, "jsonb") != 0);
	const char *before = own->kind == PYTHIA_KIND_ARRAY ? "pg_catalog.to_jsonb(" : "(";

	if (item->json == PYTHIA_JSON_NORMALIZED)
	{
		pythia_buffer_puts(out, "pythia._json_normalized(");
		pythia_canonical_around(db, out, before, item, ")::text)");
	}
	else if (item->json == PYTHIA_JSON_JSONB && text)
	{
		/* json may hold what jsonb refuses: escapes of no character, numbers beyond numeric */
		pythia_canonical_around(db, out, "CASE WHEN (", item, ")::text ~ '\\\\u|[eE][-+]?[0-9]{4}' THEN ");
		pythia_canonical_around(db, out, "(", item, ")::text ELSE ");
		pythia_canonical_around(db, out, "(", item, ")::jsonb::text END");
	}
	else
		pythia_canonical_around(db, out, before, item, ")::text");
}

static void time_of_day(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	const pythia_type *agreed = item->agreed;
	const pythia_type *own = &item->column->type;
	bool rounded = agreed->precision >= 0 && agreed->precision < 6 && own->precision != agreed->precision;
	const char *name = own->zone ? "timetz" : "time";

	pythia_canonical_around(db, out, "(", item, ")");
	if (rounded && !pythia_kind_is_textual(own->kind))
		pythia_buffer_printf(out, "::%s(%d)", name, agreed->precision);
	pythia_buffer_puts(out, "::text");
}

void pythia_canonical_postgres(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	const pythia_type *agreed = item->agreed;
	const pythia_type *own = &item->column->type;

	switch (agreed->kind)
	{
		case PYTHIA_KIND_BOOL:
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_YEAR:
			pythia_canonical_around(db, out, "(", item, own->kind == PYTHIA_KIND_BOOL ? ")::int::text" : ")::text");
			return;
		case PYTHIA_KIND_DECIMAL:
			if (own->kind == PYTHIA_KIND_BOOL)
				pythia_canonical_around(db, out, "(", item, ")::int::text");
			else
				decimal(db, out, item);
			return;
		case PYTHIA_KIND_FLOAT:
		case PYTHIA_KIND_DOUBLE:
			if (pythia_kind_is_textual(own->kind) || own->kind == PYTHIA_KIND_BOOL)
				pythia_canonical_around(db, out, "(", item, ")::text");
			else
				ieee(db, out, item);
			return;
		case PYTHIA_KIND_CHAR:
			/* a cast to text drops char(n)'s padding */
			pythia_canonical_around(db, out, own->kind == PYTHIA_KIND_CHAR ? "(" : "pg_catalog.rtrim((", item,
									own->kind == PYTHIA_KIND_CHAR ? ")::text" : ")::text, ' ')");
			return;
		case PYTHIA_KIND_BYTES:
			if (own->kind == PYTHIA_KIND_BYTES)
				pythia_canonical_around(db, out, "pg_catalog.md5(", item, ")");
			else
				pythia_canonical_around(db, out, "pg_catalog.md5(pg_catalog.convert_to((", item, ")::text, 'UTF8'))");
			return;
		case PYTHIA_KIND_GEOMETRY:
			if (own->kind == PYTHIA_KIND_BYTES)
				pythia_canonical_around(db, out, "pg_catalog.md5(", item, ")");
			else if (own->kind == PYTHIA_KIND_GEOMETRY)
			{
				/* PostGIS may live in any schema: let the dialect say where. */
				pythia_buffer_puts(out, "pg_catalog.md5(");
				pythia_dialect_of(db)->read_expression(db, out, NULL, item->column);
				pythia_buffer_puts(out, ")");
			}
			else
				pythia_canonical_around(db, out, "(", item, ")::text");
			return;
		case PYTHIA_KIND_DATE:
			pythia_canonical_around(db, out, "(", item,
									own->kind == PYTHIA_KIND_TIMESTAMPTZ ? " AT TIME ZONE 'UTC')::date::text"
									: own->kind == PYTHIA_KIND_TIMESTAMP ? ")::date::text"
																		 : ")::text");
			return;
		case PYTHIA_KIND_TIMESTAMP:
		case PYTHIA_KIND_TIMESTAMPTZ:
			if (own->kind == PYTHIA_KIND_TIMESTAMP || own->kind == PYTHIA_KIND_TIMESTAMPTZ)
				stamp(db, out, item);
			else
				pythia_canonical_around(db, out, "(", item, ")::text");
			return;
		case PYTHIA_KIND_TIME:
			if (own->kind == PYTHIA_KIND_INTERVAL)
				interval(db, out, item);
			else
				time_of_day(db, out, item);
			return;
		case PYTHIA_KIND_UUID:
			if (own->kind == PYTHIA_KIND_BYTES)
			{
				pythia_canonical_around(db, out, "CASE WHEN pg_catalog.octet_length(", item, ") = 16 ");
				pythia_canonical_around(db, out, "THEN pg_catalog.encode(", item, ", 'hex')::uuid::text ");
				pythia_canonical_around(db, out, "ELSE pg_catalog.encode(", item, ", 'hex') END");
			}
			else if (own->kind == PYTHIA_KIND_UUID)
				pythia_canonical_around(db, out, "(", item, ")::text");
			else
				pythia_canonical_around(db, out, "pg_catalog.lower((", item, ")::text)");
			return;
		case PYTHIA_KIND_SET:
			set_of_labels(db, out, item);
			return;
		case PYTHIA_KIND_JSON:
			json(db, out, item);
			return;
		default:
			if (own->kind == PYTHIA_KIND_BOOL)
				pythia_canonical_around(db, out, "(", item, ")::int::text");
			else if (own->kind == PYTHIA_KIND_OTHER)
			{
				/* its output function: inet's cast to text, for one, says something else */
				pythia_canonical_around(db, out, "CASE WHEN ", item, " IS NOT NULL");
				pythia_canonical_around(db, out, " THEN pg_catalog.concat(", item, ") END");
			}
			else
				pythia_canonical_around(db, out, "(", item, ")::text");
			return;
	}
}
