/* PostgreSQL's type names, read and written. */
#include "dialect/dialect_internal.h"

#include <string.h>

#include "core/memory.h"

/* Types of pg_catalog that are carried as their text and exist in every PostgreSQL. */
static const char *const plain_types[] = {"inet",
										  "cidr",
										  "macaddr",
										  "macaddr8",
										  "xml",
										  "tsvector",
										  "tsquery",
										  "int4range",
										  "int8range",
										  "numrange",
										  "tsrange",
										  "tstzrange",
										  "daterange",
										  "point",
										  "line",
										  "lseg",
										  "box",
										  "path",
										  "polygon",
										  "circle",
										  "bit varying",
										  "pg_lsn",
										  "int4multirange",
										  "int8multirange",
										  "nummultirange",
										  "tsmultirange",
										  "tstzmultirange",
										  "datemultirange",
										  "jsonpath",
										  NULL};

/* Names of our own are plain; one with a schema is a user's, whatever it is called, but for those that extensions make. */
static const char *unqualified(const char *base)
{
	static const char *const extensions[] = {"citext", "geometry", "geography", NULL};
	const char *dot = strrchr(base, '.');

	if (dot == NULL)
		return base;
	if (strncmp(base, "pg_catalog.", 11) == 0 && dot == base + 10)
		return dot + 1;
	return pythia_word_in(dot + 1, extensions) ? dot + 1 : base;
}

static int time_precision(const pythia_type_words *words)
{
	return words->nnumbers > 0 ? (int) words->numbers[0] : 6;
}

static void parse_scalar(const pythia_type_words *words, pythia_type *type)
{
	const char *base = unqualified(words->base);
	int64_t first = words->nnumbers > 0 ? words->numbers[0] : -1;

	if (strcmp(base, "boolean") == 0)
		type->kind = PYTHIA_KIND_BOOL;
	else if (strcmp(base, "smallint") == 0)
		type->kind = PYTHIA_KIND_INT, type->size = 2;
	else if (strcmp(base, "integer") == 0)
		type->kind = PYTHIA_KIND_INT, type->size = 4;
	else if (strcmp(base, "bigint") == 0)
		type->kind = PYTHIA_KIND_INT, type->size = 8;
	else if (strcmp(base, "oid") == 0)
		type->kind = PYTHIA_KIND_UINT, type->size = 4, type->is_unsigned = true;
	else if (strcmp(base, "numeric") == 0)
	{
		type->kind = PYTHIA_KIND_DECIMAL;
		type->precision = (int) first;
		type->scale = words->nnumbers > 1 ? (int) words->numbers[1] : 0;
	}
	else if (strcmp(base, "money") == 0)
		type->kind = PYTHIA_KIND_DECIMAL, type->precision = 19, type->scale = 2;
	else if (strcmp(base, "real") == 0)
		type->kind = PYTHIA_KIND_FLOAT, type->size = 4;
	else if (strcmp(base, "double precision") == 0)
		type->kind = PYTHIA_KIND_DOUBLE, type->size = 8;
	else if (strcmp(base, "text") == 0 || strcmp(base, "citext") == 0)
		type->kind = PYTHIA_KIND_TEXT;
	else if (strcmp(base, "character varying") == 0 || strcmp(base, "varchar") == 0)
		type->kind = PYTHIA_KIND_TEXT, type->length = first;
	else if (strcmp(base, "name") == 0)
		type->kind = PYTHIA_KIND_TEXT, type->length = 63;
	else if (strcmp(base, "\"char\"") == 0)
		type->kind = PYTHIA_KIND_TEXT, type->length = 4;
	else if (strcmp(base, "character") == 0 || strcmp(base, "char") == 0)
		type->kind = PYTHIA_KIND_CHAR, type->length = first > 0 ? first : 1;
	else if (strcmp(base, "bpchar") == 0)
		type->kind = PYTHIA_KIND_CHAR;
	else if (strcmp(base, "bytea") == 0)
		type->kind = PYTHIA_KIND_BYTES;
	else if (strcmp(base, "date") == 0)
		type->kind = PYTHIA_KIND_DATE;
	else if (strcmp(base, "time") == 0 || strcmp(base, "time without time zone") == 0 ||
			 strcmp(base, "time with time zone") == 0)
	{
		type->kind = PYTHIA_KIND_TIME;
		type->precision = time_precision(words);
		type->zone = strstr(words->base, "with time") != NULL || strncmp(words->rest, "with time", 9) == 0;
	}
	else if (strncmp(base, "timestamp", 9) == 0)
	{
		bool zone = strstr(words->base, "with time") != NULL || strncmp(words->rest, "with time", 9) == 0;

		type->kind = zone ? PYTHIA_KIND_TIMESTAMPTZ : PYTHIA_KIND_TIMESTAMP;
		type->precision = time_precision(words);
	}
	else if (strncmp(base, "interval", 8) == 0)
		type->kind = PYTHIA_KIND_INTERVAL, type->precision = 6;
	else if (strcmp(base, "uuid") == 0)
		type->kind = PYTHIA_KIND_UUID;
	else if (strcmp(base, "bit") == 0)
		type->kind = PYTHIA_KIND_BIT, type->length = first > 0 ? first : 1;
	else if (strcmp(base, "json") == 0 || strcmp(base, "jsonb") == 0)
		type->kind = PYTHIA_KIND_JSON;
	else if (strcmp(base, "geometry") == 0 || strcmp(base, "geography") == 0)
		type->kind = PYTHIA_KIND_GEOMETRY;
}

void pythia_postgres_parse_type(const char *native, pythia_type *type)
{
	pythia_type_words words;

	pythia_type_init(type, native);
	pythia_type_split(native, &words);
	if (words.array)
		type->kind = PYTHIA_KIND_ARRAY;
	else
		parse_scalar(&words, type);
}

static void integer_ddl(const pythia_type *type, pythia_buffer *out)
{
	int size = type->size > 0 ? type->size : 8;

	if (type->kind == PYTHIA_KIND_UINT)
		pythia_buffer_puts(out, size == 1   ? "smallint"
								: size <= 3 ? "integer"
								: size == 4 ? "bigint"
											: "numeric(20,0)");
	else
		pythia_buffer_puts(out, size <= 2 ? "smallint" : size <= 4 ? "integer" : "bigint");
}

static void timed(pythia_buffer *out, const char *name, const pythia_type *type, const char *rest)
{
	pythia_buffer_puts(out, name);
	if (type->precision >= 0 && type->precision < 6)
		pythia_buffer_printf(out, "(%d)", type->precision);
	pythia_buffer_puts(out, rest);
}

/* An array of a built-in type keeps it; of any other, its elements become text. */
static void array_ddl(const pythia_type *type, pythia_buffer *out)
{
	pythia_type element;
	char base[192];
	size_t length;

	pythia_lower(base, sizeof(base), type->native != NULL ? type->native : "");
	length = strlen(base);
	if (length < 3 || strcmp(base + length - 2, "[]") != 0)
	{
		pythia_buffer_puts(out, "text[]");
		return;
	}
	base[length - 2] = '\0';
	pythia_postgres_parse_type(base, &element);
	if (element.kind != PYTHIA_KIND_OTHER || pythia_word_in(base, plain_types))
		pythia_buffer_puts(out, base);
	else
		pythia_buffer_puts(out, "text");
	pythia_buffer_puts(out, "[]");
	pythia_type_free(&element);
}

bool pythia_postgres_type_ddl(const pythia_db *db, const pythia_type *type, bool in_key, pythia_buffer *out,
							  pythia_error *error)
{
	char native[192];

	(void) db;
	(void) in_key;
	(void) error;
	pythia_lower(native, sizeof(native), type->native != NULL ? type->native : "");
	switch (type->kind)
	{
		case PYTHIA_KIND_BOOL:
			pythia_buffer_puts(out, "boolean");
			break;
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
			integer_ddl(type, out);
			break;
		case PYTHIA_KIND_DECIMAL:
			pythia_buffer_puts(out, "numeric");
			if (type->precision > 0 && type->precision <= 1000)
				pythia_buffer_printf(out, "(%d,%d)", type->precision, type->scale);
			break;
		case PYTHIA_KIND_FLOAT:
			pythia_buffer_puts(out, "real");
			break;
		case PYTHIA_KIND_DOUBLE:
			pythia_buffer_puts(out, "double precision");
			break;
		case PYTHIA_KIND_TEXT:
			if (type->length > 0 && type->length <= 10485760 && strstr(native, "char") != NULL)
				pythia_buffer_printf(out, "varchar(%lld)", (long long) type->length);
			else
				pythia_buffer_puts(out, "text");
			break;
		case PYTHIA_KIND_CHAR:
			if (type->length > 0)
				pythia_buffer_printf(out, "char(%lld)", (long long) type->length);
			else
				pythia_buffer_puts(out, "bpchar");
			break;
		case PYTHIA_KIND_BYTES:
		case PYTHIA_KIND_GEOMETRY:
			pythia_buffer_puts(out, "bytea");
			break;
		case PYTHIA_KIND_DATE:
			pythia_buffer_puts(out, "date");
			break;
		case PYTHIA_KIND_TIME:
			timed(out, "time", type, type->zone ? " with time zone" : "");
			break;
		case PYTHIA_KIND_TIMESTAMP:
			timed(out, "timestamp", type, "");
			break;
		case PYTHIA_KIND_TIMESTAMPTZ:
			timed(out, "timestamp", type, " with time zone");
			break;
		case PYTHIA_KIND_INTERVAL:
			pythia_buffer_puts(out, "interval");
			break;
		case PYTHIA_KIND_UUID:
			pythia_buffer_puts(out, "uuid");
			break;
		case PYTHIA_KIND_BIT:
			pythia_buffer_printf(out, "bit(%lld)", (long long) (type->length > 0 ? type->length : 1));
			break;
		case PYTHIA_KIND_JSON:
			pythia_buffer_puts(out, "jsonb");
			break;
		case PYTHIA_KIND_ARRAY:
			array_ddl(type, out);
			break;
		case PYTHIA_KIND_SET:
			pythia_buffer_puts(out, "text[]");
			break;
		case PYTHIA_KIND_YEAR:
			pythia_buffer_puts(out, "smallint");
			break;
		case PYTHIA_KIND_OTHER:
			if (pythia_word_in(native, plain_types))
				pythia_buffer_puts(out, native);
			else
				pythia_buffer_puts(out, "text");
			break;
		case PYTHIA_KIND_ENUM:
			pythia_buffer_puts(out, "text");
			break;
	}
	return true;
}
