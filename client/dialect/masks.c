#include "dialect/masks.h"

#include <string.h>

#include "core/digest.h"
#include "dialect/dialect_internal.h"

/* Hex digits of a digest, and of the part of it that still tells texts apart. */
#define DIGITS       64
#define FEWEST       16
#define PARTIAL_MOST 4 /* characters */

static bool is_text(const pythia_column *column)
{
	return column->type.kind == PYTHIA_KIND_TEXT || column->type.kind == PYTHIA_KIND_CHAR;
}

static bool refuse(const pythia_column *column, const char *mask, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "0A000", "column \"%s\" cannot be masked by %s", column->name, mask);
	pythia_error_detail(error, "Its type is %s.", pythia_type_shown(&column->type));
	return pythia_error_hint(error, "Texts can; of other types take null, {\"constant\": …}, or an expression.");
}

/* Bytes of the key, spelled so that whoever hides secrets in a text knows them (core/secret.h). */
static void put_key(const pythia_db *db, const unsigned char pad[PYTHIA_HMAC_BLOCK], pythia_buffer *out)
{
	bool postgres = db->engine == PYTHIA_POSTGRESQL;

	pythia_buffer_printf(out, "%s'" PYTHIA_MASK_MARK,
						 postgres ? "pg_catalog.decode(pg_catalog.substr(" : "UNHEX(SUBSTR(");
	pythia_buffer_hex(out, pad, PYTHIA_HMAC_BLOCK);
	pythia_buffer_printf(out, "', %d)%s)", (int) strlen(PYTHIA_MASK_MARK) + 1, postgres ? ", 'hex'" : "");
}

/* HMAC by the engine's own SHA-256, over the text's UTF-8. */
static void put_digest(const pythia_db *db, const char *key, const char *text, pythia_buffer *out)
{
	unsigned char inner[PYTHIA_HMAC_BLOCK];
	unsigned char outer[PYTHIA_HMAC_BLOCK];

	pythia_hmac_pads(key, strlen(key), inner, outer);
	switch (db->engine)
	{
		case PYTHIA_POSTGRESQL:
			pythia_buffer_puts(out, "pg_catalog.encode(pg_catalog.sha256(");
			put_key(db, outer, out);
			pythia_buffer_puts(out, " || pg_catalog.sha256(");
			put_key(db, inner, out);
			/* a text of no known encoding is taken as it is */
			pythia_buffer_printf(out,
								 " || pg_catalog.convert_to(%s, (SELECT CASE pg_catalog.getdatabaseencoding() WHEN"
								 " 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END)))), 'hex')",
								 text);
			break;
		case PYTHIA_MYSQL:
			pythia_buffer_puts(out, "SHA2(CONCAT(");
			put_key(db, outer, out);
			pythia_buffer_puts(out, ", UNHEX(SHA2(CONCAT(");
			put_key(db, inner, out);
			pythia_buffer_printf(out, ", CAST(CONVERT(%s USING utf8mb4) AS BINARY)), 256))), 256)", text);
			break;
		case PYTHIA_SQLITE:
			pythia_buffer_puts(out, "pythia_hmac('" PYTHIA_MASK_MARK);
			pythia_buffer_hex(out, inner, sizeof(inner));
			pythia_buffer_hex(out, outer, sizeof(outer));
			pythia_buffer_printf(out, "', CAST(%s AS TEXT))", text);
			break;
	}
}

static void put_uuid(const pythia_db *db, const char *digest, pythia_buffer *out)
{
	static const int from[] = {1, 9, 13, 17, 21};
	static const int length[] = {8, 4, 4, 4, 12};
	bool concat = db->engine == PYTHIA_MYSQL;

	pythia_buffer_puts(out, concat ? "CONCAT(" : "(");
	for (int i = 0; i < 5; i++)
	{
		pythia_buffer_puts(out, i == 0 ? "" : concat ? ", '-', " : " || '-' || ");
		pythia_buffer_printf(out, "substr(%s, %d, %d)", digest, from[i], length[i]);
	}
	pythia_buffer_puts(out, db->engine == PYTHIA_POSTGRESQL ? ")::pg_catalog.uuid" : ")");
}

static bool put_hash(const pythia_db *db, const pythia_mask *mask, const pythia_column *column, const char *text,
					 pythia_buffer *out, pythia_error *error)
{
	pythia_buffer digest = PYTHIA_BUFFER_INIT;
	int64_t length = column->type.length;

	if ((!is_text(column) && column->type.kind != PYTHIA_KIND_UUID) ||
		(is_text(column) && length > 0 && length < FEWEST))
		return refuse(column, "hash", error);
	if (mask->key == NULL || *mask->key == '\0')
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "column \"%s\" is masked by hash, and there is no key",
					column->name);
		return pythia_error_hint(error, "Give the source's URL mask_key_file, a file whose first line is the key; or"
										" mask_key, in its place.");
	}
	put_digest(db, mask->key, text, &digest);
	if (column->type.kind == PYTHIA_KIND_UUID)
		put_uuid(db, digest.data, out);
	else if (length > 0 && length < DIGITS)
		pythia_buffer_printf(out, "substr(%s, 1, %d)", digest.data, (int) length);
	else
		pythia_buffer_puts(out, digest.data);
	pythia_buffer_free(&digest);
	return true;
}

static bool put_partial(const pythia_db *db, const pythia_column *column, const char *text, pythia_buffer *out,
						pythia_error *error)
{
	if (!is_text(column) || (column->type.length > 0 && column->type.length < PARTIAL_MOST))
		return refuse(column, "partial", error);
	pythia_buffer_printf(
		out, db->engine == PYTHIA_MYSQL ? "CONCAT(substr(%s, 1, 1), '***')" : "substr(%s, 1, 1) || '***'", text);
	return true;
}

static bool put_constant(const pythia_db *db, const char *value, const pythia_column *column, pythia_buffer *out,
						 pythia_error *error)
{
	if (pythia_dialect_of(db)->value_literal(db, out, &column->type, value, strlen(value)))
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "\"%.100s\" is no value for column \"%s\"", value, column->name);
	pythia_error_detail(error, "Its type is %s.", pythia_type_shown(&column->type));
	return pythia_error_hint(error, "Give the mask a constant of that type.");
}

bool pythia_mask_put(const pythia_db *db, const pythia_mask *mask, const pythia_column *column, pythia_buffer *out,
					 pythia_error *error)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	bool ok = true;

	pythia_dialect_of(db)->identifier(&text, column->name);
	if (db->engine == PYTHIA_POSTGRESQL)
		pythia_buffer_puts(&text, "::pg_catalog.text");
	pythia_buffer_putc(out, '(');
	switch (mask->kind)
	{
		case PYTHIA_MASK_HASH:
			ok = put_hash(db, mask, column, text.data, out, error);
			break;
		case PYTHIA_MASK_PARTIAL:
			ok = put_partial(db, column, text.data, out, error);
			break;
		case PYTHIA_MASK_NULL:
			pythia_buffer_puts(out, "NULL");
			break;
		case PYTHIA_MASK_CONSTANT:
			ok = put_constant(db, mask->constant, column, out, error);
			break;
	}
	pythia_buffer_putc(out, ')');
	pythia_buffer_free(&text);
	return ok;
}
