/*
 * Canonical text in MySQL and MariaDB.
 */
#include "dialect/dialect_internal.h"

#include <stdio.h>
#include <string.h>

/* Characters as UTF-8, without a conversion where they are; one collation, as two cannot be joined. */
static void text(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	bool utf8 = item->column->collation != NULL && strncmp(item->column->collation, "utf8mb4_", 8) == 0;

	if (!pythia_kind_is_textual(item->column->type.kind))
		pythia_canonical_around(db, out, "CAST(", item, " AS CHAR)");
	else if (utf8)
		pythia_canonical_around(db, out, "", item, " COLLATE utf8mb4_bin");
	else
		pythia_canonical_around(db, out, "CONVERT(", item, " USING utf8mb4) COLLATE utf8mb4_bin");
}

static void decimal(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	const pythia_type *agreed = item->agreed;
	const pythia_type *own = &item->column->type;
	char suffix[64];

	if (agreed->precision > 0 && (own->kind == PYTHIA_KIND_FLOAT || own->kind == PYTHIA_KIND_DOUBLE))
	{
		snprintf(suffix, sizeof(suffix), " + 0E0 AS DECIMAL(65,%d)) AS CHAR)", agreed->scale);
		pythia_canonical_around(db, out, "CAST(CAST(", item, suffix);
	}
	else if (own->kind != PYTHIA_KIND_DECIMAL)
		text(db, out, item);
	else if (agreed->precision <= 0)
	{
		if (own->scale > 0)
			pythia_canonical_around(db, out, "TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM ", item, "))");
		else
			pythia_canonical_around(db, out, "CAST(", item, " AS CHAR)");
	}
	else if (own->scale == agreed->scale)
		pythia_canonical_around(db, out, "CAST(", item, " AS CHAR)");
	else
	{
		snprintf(suffix, sizeof(suffix), " AS DECIMAL(65,%d)) AS CHAR)", agreed->scale);
		pythia_canonical_around(db, out, "CAST(CAST(", item, suffix);
	}
}

/* A point is stored as an SRID, its WKB header and then X as IEEE bytes, least significant
 * first: the value itself, at a quarter of the cost of its shortest digits. */
static void ieee(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	const pythia_type *agreed = item->agreed;
	bool single = agreed->kind == PYTHIA_KIND_FLOAT && item->column->type.kind != PYTHIA_KIND_FLOAT;
	const char *prefix = single ? "CAST(" : "";
	const char *suffix = single ? " AS FLOAT)" : item->column->type.kind == PYTHIA_KIND_DECIMAL ? " + 0E0" : "";

	pythia_buffer_puts(out, "LOWER(HEX(REVERSE(SUBSTR(POINT(");
	pythia_canonical_around(db, out, prefix, item, suffix);
	pythia_buffer_puts(out, agreed->is_unsigned && !db->is_mariadb ? " + 0E0, 0), 10, 8))))" : ", 0), 10, 8))))");
}

/* The fraction's trailing zeros go, as in PostgreSQL's text. */
static void stamp(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item, const char *cast)
{
	const pythia_type *agreed = item->agreed;
	const pythia_type *own = &item->column->type;
	bool rounded = agreed->precision >= 0 && own->precision > agreed->precision;
	int shown = rounded ? agreed->precision : own->precision;
	char suffix[64] = "";

	if (shown != 0)
		pythia_buffer_puts(out, "TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM ");
	if (rounded && db->is_mariadb)
	{
		/* a cast truncates there, so half a unit goes on before it; it may go beyond the last year */
		pythia_buffer_puts(out, "COALESCE(");
		int half = 5;

		for (int i = agreed->precision; i < 5; i++)
			half *= 10;
		if (strcmp(cast, "TIME") == 0)
			snprintf(suffix, sizeof(suffix), ", SEC_TO_TIME(0.%06d)) AS TIME(%d))", half, agreed->precision);
		else
			snprintf(suffix, sizeof(suffix), " + INTERVAL %d MICROSECOND AS %s(%d))", half, cast, agreed->precision);
		pythia_canonical_around(db, out, strcmp(cast, "TIME") == 0 ? "CAST(ADDTIME(" : "CAST(", item, suffix);
		pythia_canonical_around(db, out, ", CAST(", item, " AS CHAR))");
	}
	else if (rounded)
	{
		snprintf(suffix, sizeof(suffix), " AS %s(%d))", cast, agreed->precision);
		pythia_canonical_around(db, out, "CAST(", item, suffix);
	}
	else if (shown == 0)
		pythia_canonical_around(db, out, "CAST(", item, " AS CHAR)");
	else
		pythia_canonical_reference(db, out, item);
	if (shown != 0)
		pythia_buffer_puts(out, "))");
}

static void bytes(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	pythia_buffer subject = PYTHIA_BUFFER_INIT;

	if (item->column->type.kind == PYTHIA_KIND_GEOMETRY)
	{
		pythia_buffer reference = PYTHIA_BUFFER_INIT;

		pythia_canonical_reference(db, &reference, item);
		pythia_mysql_geometry(&subject, reference.data);
		pythia_buffer_free(&reference);
	}
	else if (item->column->type.kind == PYTHIA_KIND_BYTES)
		pythia_canonical_reference(db, &subject, item);
	else
		text(db, &subject, item);
	pythia_canonical_hash(db, out, item->sha256, false, subject.data);
	pythia_buffer_free(&subject);
}

void pythia_canonical_mysql(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	const pythia_type *agreed = item->agreed;
	const pythia_type *own = &item->column->type;
	char prefix[64];

	switch (agreed->kind)
	{
		case PYTHIA_KIND_DECIMAL:
			decimal(db, out, item);
			return;
		case PYTHIA_KIND_FLOAT:
		case PYTHIA_KIND_DOUBLE:
			if (pythia_kind_is_textual(own->kind))
				text(db, out, item);
			else
				ieee(db, out, item);
			return;
		case PYTHIA_KIND_CHAR:
			pythia_buffer_puts(out, "TRIM(TRAILING ' ' FROM ");
			text(db, out, item);
			pythia_buffer_puts(out, ")");
			return;
		case PYTHIA_KIND_BYTES:
			bytes(db, out, item);
			return;
		case PYTHIA_KIND_GEOMETRY:
			if (own->kind == PYTHIA_KIND_GEOMETRY || own->kind == PYTHIA_KIND_BYTES)
				bytes(db, out, item);
			else
				text(db, out, item);
			return;
		case PYTHIA_KIND_DATE:
			if (own->kind == PYTHIA_KIND_TIMESTAMP || own->kind == PYTHIA_KIND_TIMESTAMPTZ)
				pythia_canonical_around(db, out, "CAST(DATE(", item, ") AS CHAR)");
			else
				text(db, out, item);
			return;
		case PYTHIA_KIND_TIMESTAMP:
		case PYTHIA_KIND_TIMESTAMPTZ:
			if (own->kind == PYTHIA_KIND_TIMESTAMP || own->kind == PYTHIA_KIND_TIMESTAMPTZ)
				stamp(db, out, item, "DATETIME");
			else
				text(db, out, item);
			return;
		case PYTHIA_KIND_TIME:
			if (own->kind == PYTHIA_KIND_TIME)
				stamp(db, out, item, "TIME");
			else
				text(db, out, item);
			return;
		case PYTHIA_KIND_UUID:
			if (own->kind == PYTHIA_KIND_BYTES)
				pythia_canonical_around(db, out, "LOWER(INSERT(INSERT(INSERT(INSERT(HEX(", item,
										"), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-'))");
			else if (own->kind == PYTHIA_KIND_UUID)
				pythia_canonical_around(db, out, "CAST(", item, " AS CHAR)");
			else
			{
				pythia_buffer_puts(out, "LOWER(");
				text(db, out, item);
				pythia_buffer_puts(out, ")");
			}
			return;
		case PYTHIA_KIND_BIT:
			if (own->kind == PYTHIA_KIND_BIT)
			{
				snprintf(prefix, sizeof(prefix), ") , %lld, '0')",
						 (long long) (agreed->length > 0 ? agreed->length : own->length));
				pythia_canonical_around(db, out, "LPAD(BIN(", item, prefix);
			}
			else
				text(db, out, item);
			return;
		case PYTHIA_KIND_JSON:
			/* NULL for what is no JSON, or nested too deeply */
			if (item->json == PYTHIA_JSON_NORMALIZED)
			{
				pythia_buffer_puts(out, "COALESCE(JSON_NORMALIZE(");
				text(db, out, item);
				pythia_buffer_puts(out, "), ");
				text(db, out, item);
				pythia_buffer_puts(out, ")");
			}
			else
				text(db, out, item);
			return;
		default:
			if (own->kind == PYTHIA_KIND_YEAR)
				/* as text its zero has four digits */
				pythia_canonical_around(db, out, "CAST(", item, " + 0 AS CHAR)");
			else if (own->kind == PYTHIA_KIND_BIT)
				pythia_canonical_around(db, out, "CAST(", item, " + 0 AS CHAR)");
			else
				text(db, out, item);
			return;
	}
}
