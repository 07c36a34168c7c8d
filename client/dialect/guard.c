#include "dialect/guard.h"

#include <stdio.h>
#include <string.h>

#include "dialect/dialect_internal.h"

#define REPLACEMENT "EFBFBD" /* U+FFFD */

static bool is_text_test(pythia_guard_test test)
{
	return test == PYTHIA_GUARD_NUL || test == PYTHIA_GUARD_BAD_UTF8;
}

/* --- values ------------------------------------------------------------------ */

static void quoted(const pythia_db *db, pythia_buffer *out, const char *text)
{
	pythia_dialect_of(db)->literal(out, text, strlen(text));
}

static void cast(const pythia_db *db, pythia_buffer *out, const char *text)
{
	pythia_buffer_puts(out, "CAST(");
	quoted(db, out, text);
	pythia_buffer_puts(out, " AS ");
}

/* A value of the column's own type from its interchange text. */
static void literal(const pythia_db *db, pythia_buffer *out, const pythia_column *column, const char *text)
{
	const pythia_type *type = &column->type;
	int precision = type->precision >= 0 && type->precision < 6 ? type->precision : 6;
	/* a bound with a fraction, in the place of an integer */
	bool fraction = type->kind != PYTHIA_KIND_DECIMAL && pythia_kind_is_number(type->kind) && type->size > 0 &&
					type->kind != PYTHIA_KIND_FLOAT && type->kind != PYTHIA_KIND_DOUBLE && strchr(text, '.') != NULL;

	if (fraction)
	{
		/* a string in MySQL: a decimal would give every integer its scale */
		if (db->engine == PYTHIA_MYSQL || !pythia_numeric_text(text, strlen(text)))
			quoted(db, out, text);
		else
			pythia_buffer_puts(out, text);
		return;
	}
	if (db->engine == PYTHIA_MYSQL)
	{
		switch (type->kind)
		{
			case PYTHIA_KIND_DATE:
				cast(db, out, text);
				pythia_buffer_puts(out, "DATE)");
				return;
			case PYTHIA_KIND_TIMESTAMP:
			case PYTHIA_KIND_TIMESTAMPTZ:
				cast(db, out, text);
				pythia_buffer_printf(out, "DATETIME(%d))", precision);
				return;
			case PYTHIA_KIND_TIME:
				cast(db, out, text);
				pythia_buffer_printf(out, "TIME(%d))", precision);
				return;
			case PYTHIA_KIND_DECIMAL:
				cast(db, out, text);
				pythia_buffer_printf(out, "DECIMAL(%d,%d))", type->precision, type->scale);
				return;
			default:
				break;
		}
	}
	else if (db->engine == PYTHIA_SQLITE && strcmp(text, "Infinity") == 0)
	{
		pythia_buffer_puts(out, "9e999");
		return;
	}
	else if (db->engine == PYTHIA_SQLITE && strcmp(text, "-Infinity") == 0)
	{
		pythia_buffer_puts(out, "-9e999");
		return;
	}
	if (!pythia_dialect_of(db)->value_literal(db, out, type, text, strlen(text)))
		quoted(db, out, text);
	if (db->engine == PYTHIA_POSTGRESQL && type->native != NULL && type->kind != PYTHIA_KIND_TIMESTAMP &&
		type->kind != PYTHIA_KIND_TIMESTAMPTZ)
		pythia_buffer_printf(out, "::%s", type->kind == PYTHIA_KIND_BOOL ? "int" : type->native);
}

/* What a bound is compared with: numbers as they are, whatever the column's own range. */
static void bound(const pythia_db *db, pythia_buffer *out, const pythia_column *column, const char *text)
{
	if (pythia_kind_is_number(column->type.kind) && pythia_numeric_text(text, strlen(text)))
		pythia_buffer_puts(out, text);
	else
		literal(db, out, column, text);
}

/* --- texts -------------------------------------------------------------------- */

/* A text's bytes in UTF-8. */
static void text_bytes(const pythia_db *db, pythia_buffer *out, const char *subject)
{
	switch (db->engine)
	{
		case PYTHIA_POSTGRESQL:
			pythia_buffer_printf(out, "pg_catalog.convert_to((%s)::text, 'UTF8')", subject);
			break;
		case PYTHIA_MYSQL:
			pythia_buffer_printf(out, "CAST(CONVERT(%s USING utf8mb4) AS BINARY)", subject);
			break;
		case PYTHIA_SQLITE:
			pythia_buffer_printf(out, "CAST(%s AS BLOB)", subject);
			break;
	}
}

/* True where the byte at 1-based position `at` is the first of a character. */
static void begins_character(const pythia_db *db, pythia_buffer *out, const char *bytes, int64_t at)
{
	switch (db->engine)
	{
		case PYTHIA_POSTGRESQL:
			pythia_buffer_printf(out, "pg_catalog.get_byte(%s, %lld) & 192 <> 128", bytes, (long long) at - 1);
			break;
		case PYTHIA_MYSQL:
			pythia_buffer_printf(out, "ORD(SUBSTR(%s, %lld, 1)) & 192 <> 128", bytes, (long long) at);
			break;
		case PYTHIA_SQLITE:
			pythia_buffer_printf(out, "hex(substr(%s, %lld, 1)) NOT GLOB '[89AB]*'", bytes, (long long) at);
			break;
	}
}

/* The first `length` bytes of a text, and no part of a character. */
static void cut_text_bytes(const pythia_db *db, pythia_buffer *out, const char *subject, int64_t length)
{
	static const char *const before[] = {"pg_catalog.convert_from(pg_catalog.substring(", "CONVERT(LEFT(",
										 "CAST(substr("};
	static const char *const after[] = {"), 'UTF8')", ") USING utf8mb4)", ") AS TEXT)"};
	pythia_buffer bytes = PYTHIA_BUFFER_INIT;

	text_bytes(db, &bytes, subject);
	pythia_buffer_printf(out, "%s%s, %s%lld - CASE", before[db->engine], bytes.data,
						 db->engine == PYTHIA_MYSQL ? "" : "1, ", (long long) length);
	for (int64_t back = 0; back < 3 && back < length; back++)
	{
		pythia_buffer_puts(out, " WHEN ");
		begins_character(db, out, bytes.data, length + 1 - back);
		pythia_buffer_printf(out, " THEN %lld", (long long) back);
	}
	pythia_buffer_printf(out, " ELSE %lld END%s", (long long) (length < 3 ? length : 3), after[db->engine]);
	pythia_buffer_free(&bytes);
}

static void cut(const pythia_db *db, pythia_buffer *out, const char *subject, const pythia_column *column,
				const pythia_guard *guard)
{
	bool postgres = db->engine == PYTHIA_POSTGRESQL;

	switch (guard->test)
	{
		case PYTHIA_GUARD_CHARACTERS:
			pythia_buffer_printf(out,
								 postgres                      ? "pg_catalog.left((%s)::text, %lld)"
								 : db->engine == PYTHIA_SQLITE ? "substr(%s, 1, %lld)"
															   : "LEFT(%s, %lld)",
								 subject, (long long) guard->length);
			break;
		case PYTHIA_GUARD_BYTES:
			if (column->type.kind == PYTHIA_KIND_BYTES)
				pythia_buffer_printf(out, "%s(%s, 1, %lld)", postgres ? "pg_catalog.substring" : "substr", subject,
									 (long long) guard->length);
			else
				cut_text_bytes(db, out, subject, guard->length);
			break;
		case PYTHIA_GUARD_NUL:
			if (db->engine == PYTHIA_MYSQL)
				pythia_buffer_printf(out,
									 "CONVERT(SUBSTRING_INDEX(CAST(CONVERT(%s USING utf8mb4) AS BINARY), X'00', 1)"
									 " USING utf8mb4)",
									 subject);
			else
				pythia_buffer_printf(out, "pythia_utf8(%s, 1, 1)", subject);
			break;
		default:
			pythia_buffer_printf(out, "pythia_utf8(%s, 1, 0)", subject);
			break;
	}
}

static void replace(const pythia_db *db, pythia_buffer *out, const char *subject, const pythia_guard *guard)
{
	if (guard->test == PYTHIA_GUARD_BAD_UTF8)
		pythia_buffer_printf(out, "pythia_utf8(%s, 0, 0)", subject);
	else if (db->engine == PYTHIA_MYSQL)
		pythia_buffer_printf(
			out, "CONVERT(REPLACE(CAST(CONVERT(%s USING utf8mb4) AS BINARY), X'00', X'" REPLACEMENT "') USING utf8mb4)",
			subject);
	else
		pythia_buffer_printf(out, "pythia_utf8(%s, 0, 1)", subject);
}

/* --- tests -------------------------------------------------------------------- */

/* Times in SQLite are texts: with or without T and Z. */
static void sqlite_stamp(pythia_buffer *out, const char *subject, pythia_kind kind)
{
	if (kind == PYTHIA_KIND_TIMESTAMP || kind == PYTHIA_KIND_TIMESTAMPTZ)
		pythia_buffer_printf(out, "replace(rtrim(%s, 'Z'), 'T', ' ')", subject);
	else
		pythia_buffer_puts(out, subject);
}

static void sqlite_date_test(pythia_buffer *out, const char *subject, const pythia_column *column,
							 const pythia_guard *guard)
{
	static const char *const signs[] = {[PYTHIA_GUARD_EQUAL] = "=",
										[PYTHIA_GUARD_BELOW] = "<",
										[PYTHIA_GUARD_UPTO] = "<=",
										[PYTHIA_GUARD_ABOVE] = ">",
										[PYTHIA_GUARD_FROM] = ">="};

	pythia_buffer_printf(out, "typeof(%s) = 'text' AND ", subject);
	switch (guard->test)
	{
		case PYTHIA_GUARD_ZERO_DATE:
			pythia_buffer_printf(out,
								 "%s LIKE '____-__-__%%' AND (substr(%s, 1, 4) = '0000' OR substr(%s, 6, 2) = '00' OR "
								 "substr(%s, 9, 2) = '00')",
								 subject, subject, subject, subject);
			return;
		case PYTHIA_GUARD_NO_DAY:
			pythia_buffer_printf(
				out,
				"%s LIKE '____-__-__%%' AND substr(%s, 1, 4) <> '0000' AND substr(%s, 6, 2) <> '00' AND "
				"substr(%s, 9, 2) <> '00' AND coalesce(date(substr(%s, 1, 10), '+0 days'), '') <> substr(%s, 1, 10)",
				subject, subject, subject, subject, subject, subject);
			return;
		case PYTHIA_GUARD_LATE_YEAR:
			pythia_buffer_printf(out, "instr(%s, '-') > 5", subject);
			return;
		case PYTHIA_GUARD_BC:
			pythia_buffer_printf(out, "%s GLOB '*BC'", subject);
			return;
		default:
			sqlite_stamp(out, subject, column->type.kind);
			pythia_buffer_printf(out, " %s ", signs[guard->test]);
			pythia_dialect_for(PYTHIA_SQLITE)->literal(out, guard->bound, strlen(guard->bound));
			return;
	}
}

static void date_test(const pythia_db *db, pythia_buffer *out, const char *subject, const pythia_column *column,
					  const pythia_guard *guard)
{
	switch (guard->test)
	{
		case PYTHIA_GUARD_ZERO_DATE:
			pythia_buffer_printf(out, "YEAR(%s) = 0 OR MONTH(%s) = 0 OR DAYOFMONTH(%s) = 0", subject, subject, subject);
			return;
		case PYTHIA_GUARD_NO_DAY:
			/* of such a day LAST_DAY tells the month's last one all the same */
			pythia_buffer_printf(out, "YEAR(%s) > 0 AND DAYOFMONTH(%s) > COALESCE(DAYOFMONTH(LAST_DAY(%s)), 31)",
								 subject, subject, subject);
			return;
		case PYTHIA_GUARD_LATE_YEAR:
			pythia_buffer_printf(out, "%s >= ", subject);
			literal(db, out, column, "10000-01-01");
			return;
		default: /* BC */
			pythia_buffer_printf(out, "%s < ", subject);
			literal(db, out, column, "0001-01-01");
			return;
	}
}

static void length_test(const pythia_db *db, pythia_buffer *out, const char *subject, const pythia_column *column,
						const pythia_guard *guard)
{
	bool sqlite = db->engine == PYTHIA_SQLITE;

	if (guard->test == PYTHIA_GUARD_CHARACTERS)
		pythia_buffer_printf(out, "%s(%s)", sqlite ? "length" : "char_length", subject);
	else
	{
		pythia_buffer_puts(out, sqlite ? "length(" : "octet_length(");
		if (column->type.kind == PYTHIA_KIND_BYTES)
			pythia_buffer_puts(out, subject);
		else
			text_bytes(db, out, subject);
		pythia_buffer_putc(out, ')');
	}
	pythia_buffer_printf(out, " > %lld", (long long) guard->length);
}

static void test(const pythia_db *db, pythia_buffer *out, const char *subject, const pythia_column *column,
				 const pythia_guard *guard)
{
	static const char *const signs[] = {[PYTHIA_GUARD_EQUAL] = "=",
										[PYTHIA_GUARD_BELOW] = "<",
										[PYTHIA_GUARD_UPTO] = "<=",
										[PYTHIA_GUARD_ABOVE] = ">",
										[PYTHIA_GUARD_FROM] = ">="};
	pythia_kind kind = column->type.kind;

	switch (guard->test)
	{
		case PYTHIA_GUARD_CHARACTERS:
		case PYTHIA_GUARD_BYTES:
			length_test(db, out, subject, column, guard);
			return;
		case PYTHIA_GUARD_NUL:
			if (db->engine == PYTHIA_MYSQL)
				pythia_buffer_printf(out, "LOCATE(X'00', CAST(CONVERT(%s USING utf8mb4) AS BINARY)) > 0", subject);
			else
				pythia_buffer_printf(out, "instr(%s, char(0)) > 0", subject);
			return;
		case PYTHIA_GUARD_BAD_UTF8:
			pythia_buffer_printf(out, "pythia_utf8(%s, 0, 0) IS NOT %s", subject, subject);
			return;
		case PYTHIA_GUARD_MISREAD:
			pythia_buffer_puts(out, "pythia_misread(");
			quoted(db, out, guard->bound);
			pythia_buffer_printf(out, ", %s)", subject);
			return;
		default:
			break;
	}
	if (db->engine == PYTHIA_SQLITE && !pythia_kind_is_number(kind) && kind != PYTHIA_KIND_TIME)
		sqlite_date_test(out, subject, column, guard);
	else if (guard->test <= PYTHIA_GUARD_BC)
		date_test(db, out, subject, column, guard);
	else
	{
		if (db->engine == PYTHIA_SQLITE)
			pythia_buffer_printf(out, "typeof(%s) IN ('integer', 'real') AND ", subject);
		pythia_buffer_printf(out, "%s %s ", subject, signs[guard->test]);
		bound(db, out, column, guard->bound);
	}
}

/* --- whole expressions ----------------------------------------------------------- */

static void act(const pythia_db *db, pythia_buffer *out, const char *subject, const pythia_column *column,
				const pythia_guard *guard)
{
	switch (guard->action)
	{
		case PYTHIA_GUARD_NULL:
			pythia_buffer_puts(out, "NULL");
			break;
		case PYTHIA_GUARD_VALUE:
			literal(db, out, column, guard->value);
			break;
		case PYTHIA_GUARD_CUT:
			cut(db, out, subject, column, guard);
			break;
		case PYTHIA_GUARD_REPLACE:
			replace(db, out, subject, guard);
			break;
		default:
			pythia_buffer_puts(out, subject);
			break;
	}
}

/* Replaces the subject by a CASE of the guards of one stage; texts first lose the bytes that cannot stay. */
static bool stage(const pythia_db *db, pythia_buffer *subject, const pythia_column *column, const pythia_guard *guards,
				  int nguards, bool texts)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	bool changes = false;

	pythia_buffer_puts(&out, "(CASE");
	for (int i = 0; i < nguards; i++)
	{
		if (is_text_test(guards[i].test) != texts || guards[i].action == PYTHIA_GUARD_HOLD)
			continue;
		changes = changes || guards[i].action != PYTHIA_GUARD_KEEP;
		pythia_buffer_puts(&out, " WHEN ");
		test(db, &out, subject->data, column, &guards[i]);
		pythia_buffer_puts(&out, " THEN ");
		act(db, &out, subject->data, column, &guards[i]);
	}
	pythia_buffer_printf(&out, " ELSE %s END)", subject->data);
	if (changes)
	{
		pythia_buffer_clear(subject);
		pythia_buffer_append(subject, out.data, out.length);
	}
	pythia_buffer_free(&out);
	return changes;
}

bool pythia_guard_value(const pythia_db *db, pythia_buffer *out, const pythia_column *column,
						const pythia_guard *guards, int nguards)
{
	pythia_buffer subject = PYTHIA_BUFFER_INIT;
	bool texts, others;

	pythia_dialect_of(db)->identifier(&subject, column->name);
	texts = stage(db, &subject, column, guards, nguards, true);
	others = stage(db, &subject, column, guards, nguards, false);
	if (texts || others)
		pythia_buffer_append(out, subject.data, subject.length);
	pythia_buffer_free(&subject);
	return texts || others;
}

bool pythia_guard_condition(const pythia_db *db, pythia_buffer *out, const pythia_column *column,
							const pythia_guard *guards, int nguards)
{
	pythia_buffer subject = PYTHIA_BUFFER_INIT;
	bool holds = false;

	for (int i = 0; i < nguards; i++)
		holds = holds || guards[i].action == PYTHIA_GUARD_HOLD;
	if (!holds)
		return false;
	pythia_dialect_of(db)->identifier(&subject, column->name);
	pythia_buffer_puts(out, "(CASE");
	for (int i = 0; i < nguards; i++)
	{
		pythia_buffer_puts(out, " WHEN ");
		test(db, out, subject.data, column, &guards[i]);
		pythia_buffer_puts(out, guards[i].action == PYTHIA_GUARD_HOLD ? " THEN 0" : " THEN 1");
	}
	pythia_buffer_puts(out, " ELSE 1 END) = 1");
	pythia_buffer_free(&subject);
	return true;
}
