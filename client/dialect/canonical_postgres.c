/*
 * Canonical text in PostgreSQL.  Types are left to concat_ws's own output
 * functions where they already say the right thing: a cast costs a call a row.
 */
#include "dialect/dialect_internal.h"

#include <stdio.h>
#include <string.h>

/* The item as text, whatever its type. */
static void text_of(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	pythia_buffer subject = PYTHIA_BUFFER_INIT;

	pythia_canonical_reference(db, &subject, item);
	pythia_postgres_text(out, &item->column->type, pythia_buffer_text(&subject));
	pythia_buffer_free(&subject);
}

static void json_of(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	pythia_buffer subject = PYTHIA_BUFFER_INIT;

	pythia_canonical_reference(db, &subject, item);
	pythia_postgres_json(out, &item->column->type, pythia_buffer_text(&subject));
	pythia_buffer_free(&subject);
}

static void decimal(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	const pythia_type *agreed = item->agreed;
	const pythia_type *own = &item->column->type;
	char suffix[32];

	/* its own text has a currency's sign, and the commas of a locale */
	if (own->native != NULL && strcmp(own->native, "money") == 0)
		pythia_canonical_around(db, out, "(", item, ")::numeric::text");
	else if (agreed->precision > 0 && (own->kind == PYTHIA_KIND_FLOAT || own->kind == PYTHIA_KIND_DOUBLE))
	{
		/* by its shortest digits; NaN and infinities are none */
		pythia_canonical_around(db, out, "CASE WHEN ", item, "");
		pythia_canonical_around(db, out, " - ", item, " = 0 THEN ");
		pythia_canonical_around(db, out, "pg_catalog.round((", item, ")::text::numeric");
		pythia_buffer_printf(out, ", %d)::text ELSE ", agreed->scale);
		text_of(db, out, item);
		pythia_buffer_puts(out, " END");
	}
	else if (own->kind != PYTHIA_KIND_DECIMAL)
		text_of(db, out, item);
	else if (agreed->precision <= 0)
		pythia_canonical_around(db, out, "pg_catalog.trim_scale(", item, ")::text");
	else if (own->precision > 0 && own->scale == agreed->scale)
		text_of(db, out, item);
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
	text_of(db, out, item);
	pythia_buffer_puts(out, " END");
}

/* A list of what a SET's text could be; any other array (NULLs, commas, dimensions) as its own text, marked. */
static void set_of_labels(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	if (item->column->type.kind != PYTHIA_KIND_ARRAY)
	{
		text_of(db, out, item);
		return;
	}
	pythia_canonical_around(db, out, "CASE WHEN pg_catalog.string_to_array(pg_catalog.array_to_string(", item,
							", ','), ',') = ");
	pythia_buffer_putc(out, '(');
	text_of(db, out, item);
	pythia_buffer_puts(out, ")::text[] THEN ");
	pythia_canonical_around(db, out, "pg_catalog.array_to_string(", item, ", ',') ELSE E'\\x01' || ");
	text_of(db, out, item);
	pythia_buffer_puts(out, " END");
}

static void array_or_text(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	if (item->column->type.kind != PYTHIA_KIND_ARRAY)
	{
		text_of(db, out, item);
		return;
	}
	pythia_buffer_putc(out, '(');
	json_of(db, out, item);
	pythia_buffer_puts(out, ")::text");
}

static void json(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	const pythia_type *own = &item->column->type;
	bool text = own->kind != PYTHIA_KIND_ARRAY && (own->native == NULL || strcmp(own->native, "jsonb") != 0);

	if (item->json == PYTHIA_JSON_NORMALIZED)
	{
		pythia_buffer_puts(out, "pythia._json_normalized(");
		array_or_text(db, out, item);
		pythia_buffer_putc(out, ')');
	}
	else if (item->json == PYTHIA_JSON_JSONB && text)
	{
		/* json may hold what jsonb refuses: escapes of no character, numbers beyond numeric */
		pythia_buffer_puts(out, "CASE WHEN (");
		text_of(db, out, item);
		pythia_buffer_puts(out, ") ~ '\\\\u|[eE][-+]?[0-9]{4}' THEN ");
		text_of(db, out, item);
		pythia_buffer_puts(out, " ELSE (");
		text_of(db, out, item);
		pythia_buffer_puts(out, ")::jsonb::text END");
	}
	else
		array_or_text(db, out, item);
}

static void bytes(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	pythia_buffer subject = PYTHIA_BUFFER_INIT;

	if (item->column->type.kind == PYTHIA_KIND_GEOMETRY)
		/* PostGIS may live in any schema: let the dialect say where. */
		pythia_dialect_of(db)->read_expression(db, &subject, NULL, item->column);
	else if (item->column->type.kind == PYTHIA_KIND_BYTES)
		pythia_canonical_reference(db, &subject, item);
	else
	{
		pythia_buffer_puts(&subject, "pg_catalog.convert_to(");
		text_of(db, &subject, item);
		pythia_buffer_puts(&subject, ", 'UTF8')");
	}
	pythia_canonical_hash(db, out, item->sha256, false, subject.data);
	pythia_buffer_free(&subject);
}

static void time_of_day(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	const pythia_type *agreed = item->agreed;
	const pythia_type *own = &item->column->type;
	bool rounded = agreed->precision >= 0 && agreed->precision < 6 && own->precision != agreed->precision;
	const char *name = own->zone ? "timetz" : "time";

	if (pythia_kind_is_textual(own->kind))
	{
		text_of(db, out, item);
		return;
	}
	pythia_canonical_around(db, out, "(", item, ")");
	if (rounded)
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
			if (own->kind == PYTHIA_KIND_BOOL)
				pythia_canonical_around(db, out, "(", item, ")::int::text");
			else
				text_of(db, out, item);
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
				text_of(db, out, item);
			else
				ieee(db, out, item);
			return;
		case PYTHIA_KIND_CHAR:
			/* a cast to text drops char(n)'s padding */
			pythia_buffer_puts(out, own->kind == PYTHIA_KIND_CHAR ? "" : "pg_catalog.rtrim(");
			text_of(db, out, item);
			pythia_buffer_puts(out, own->kind == PYTHIA_KIND_CHAR ? "" : ", ' ')");
			return;
		case PYTHIA_KIND_BYTES:
			bytes(db, out, item);
			return;
		case PYTHIA_KIND_GEOMETRY:
			if (own->kind == PYTHIA_KIND_BYTES || own->kind == PYTHIA_KIND_GEOMETRY)
				bytes(db, out, item);
			else
				text_of(db, out, item);
			return;
		case PYTHIA_KIND_DATE:
			if (own->kind == PYTHIA_KIND_TIMESTAMPTZ)
				pythia_canonical_around(db, out, "(", item, " AT TIME ZONE 'UTC')::date::text");
			else if (own->kind == PYTHIA_KIND_TIMESTAMP)
				pythia_canonical_around(db, out, "(", item, ")::date::text");
			else
				text_of(db, out, item);
			return;
		case PYTHIA_KIND_TIMESTAMP:
		case PYTHIA_KIND_TIMESTAMPTZ:
			if (own->kind == PYTHIA_KIND_TIMESTAMP || own->kind == PYTHIA_KIND_TIMESTAMPTZ)
				stamp(db, out, item);
			else
				text_of(db, out, item);
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
				text_of(db, out, item);
			else
			{
				pythia_buffer_puts(out, "pg_catalog.lower(");
				text_of(db, out, item);
				pythia_buffer_puts(out, ")");
			}
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
			else
				text_of(db, out, item);
			return;
	}
}
