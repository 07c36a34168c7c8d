/* PostgreSQL's type names, read and written. */
#include "dialect/dialect_internal.h"

#include <string.h>

#include "core/memory.h"
#include "dialect/token_cursor.h"

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
										  "pg_lsn",
										  "int4multirange",
										  "int8multirange",
										  "nummultirange",
										  "tsmultirange",
										  "tstzmultirange",
										  "datemultirange",
										  "jsonpath",
										  "int2vector",
										  "oidvector",
										  NULL};

/* The types that mean something elsewhere, under the names that format_type writes and those that this dialect does. */
static const struct
{
	const char *name;
	pythia_kind kind;
	int size;
	int64_t length; /* where the name says it; else -1 */
	int numbers;    /* how many may stand in parentheses */
} known_types[] = {
	{"boolean", PYTHIA_KIND_BOOL, 0, -1, 0},
	{"smallint", PYTHIA_KIND_INT, 2, -1, 0},
	{"integer", PYTHIA_KIND_INT, 4, -1, 0},
	{"bigint", PYTHIA_KIND_INT, 8, -1, 0},
	{"oid", PYTHIA_KIND_UINT, 4, -1, 0},
	{"numeric", PYTHIA_KIND_DECIMAL, 0, -1, 2},
	{"money", PYTHIA_KIND_DECIMAL, 0, -1, 0},
	{"real", PYTHIA_KIND_FLOAT, 4, -1, 0},
	{"double precision", PYTHIA_KIND_DOUBLE, 8, -1, 0},
	{"text", PYTHIA_KIND_TEXT, 0, -1, 0},
	{"character varying", PYTHIA_KIND_TEXT, 0, -1, 1},
	{"varchar", PYTHIA_KIND_TEXT, 0, -1, 1},
	{"name", PYTHIA_KIND_TEXT, 0, 63, 0},
	{"\"char\"", PYTHIA_KIND_TEXT, 0, 4, 0},
	{"character", PYTHIA_KIND_CHAR, 0, 1, 1},
	{"char", PYTHIA_KIND_CHAR, 0, 1, 1},
	{"bpchar", PYTHIA_KIND_CHAR, 0, -1, 0},
	{"bytea", PYTHIA_KIND_BYTES, 0, -1, 0},
	{"date", PYTHIA_KIND_DATE, 0, -1, 0},
	{"uuid", PYTHIA_KIND_UUID, 0, -1, 0},
	{"bit", PYTHIA_KIND_BIT, 0, 1, 1},
	{"bit varying", PYTHIA_KIND_OTHER, 0, -1, 1},
	{"json", PYTHIA_KIND_JSON, 0, -1, 0},
	{"jsonb", PYTHIA_KIND_JSON, 0, -1, 0},
};

/* Types of extensions: they lie in whatever schema. */
static const struct
{
	const char *name;
	pythia_kind kind;
} extension_types[] = {
	{"citext", PYTHIA_KIND_TEXT}, {"geometry", PYTHIA_KIND_GEOMETRY}, {"geography", PYTHIA_KIND_GEOMETRY}};

static const char *const interval_fields[] = {"interval",
											  "interval year",
											  "interval month",
											  "interval day",
											  "interval hour",
											  "interval minute",
											  "interval second",
											  "interval year to month",
											  "interval day to hour",
											  "interval day to minute",
											  "interval day to second",
											  "interval hour to minute",
											  "interval hour to second",
											  "interval minute to second",
											  NULL};

/* time, timestamp: the zone's words stand behind the precision, or behind the name. */
static bool parse_time(const pythia_type_words *words, pythia_type *type)
{
	static const char *const tails[] = {"", "without time zone", "with time zone"};
	bool stamp = strncmp(words->base, "timestamp", 9) == 0;
	const char *after = words->base + (stamp ? 9 : 4);
	int tail = -1;

	if ((!stamp && strncmp(words->base, "time", 4) != 0) || (*after != '\0' && words->rest[0] != '\0'))
		return false;
	if (*after == ' ')
		after++;
	else if (*after != '\0')
		return false;
	if (*after == '\0')
		after = words->rest;
	for (int i = 0; i < 3; i++)
	{
		if (strcmp(after, tails[i]) == 0)
			tail = i;
	}
	if (tail < 0 || words->nnumbers > 1 || (words->nnumbers == 1 && (words->numbers[0] < 0 || words->numbers[0] > 6)))
		return false;
	type->kind = !stamp ? PYTHIA_KIND_TIME : tail == 2 ? PYTHIA_KIND_TIMESTAMPTZ : PYTHIA_KIND_TIMESTAMP;
	type->precision = words->nnumbers > 0 ? (int) words->numbers[0] : 6;
	type->zone = !stamp && tail == 2;
	return true;
}

static bool parse_interval(const pythia_type_words *words, pythia_type *type)
{
	if (!pythia_word_in(words->base, interval_fields) || words->rest[0] != '\0' || words->nnumbers > 1 ||
		(words->nnumbers == 1 && (words->numbers[0] < 0 || words->numbers[0] > 6)))
		return false;
	type->kind = PYTHIA_KIND_INTERVAL;
	type->precision = 6;
	return true;
}

static bool parse_known(const pythia_type_words *words, pythia_type *type)
{
	int64_t first = words->nnumbers > 0 ? words->numbers[0] : -1;

	if (words->rest[0] != '\0')
		return false;
	for (size_t i = 0; i < sizeof(known_types) / sizeof(known_types[0]); i++)
	{
		if (strcmp(words->base, known_types[i].name) != 0)
			continue;
		/* a scale alone may be less than nothing */
		if (words->nnumbers > known_types[i].numbers || (words->nnumbers > 0 && first <= 0))
			return false;
		type->kind = known_types[i].kind;
		type->size = known_types[i].size;
		type->length = known_types[i].length;
		type->is_unsigned = type->kind == PYTHIA_KIND_UINT;
		if (strcmp(words->base, "money") == 0)
			type->precision = 19, type->scale = 2;
		else if (type->kind == PYTHIA_KIND_DECIMAL)
		{
			if (first > 1000 || (words->nnumbers > 1 && (words->numbers[1] < -1000 || words->numbers[1] > 1000)))
				return false;
			type->precision = (int) first;
			type->scale = words->nnumbers > 1 ? (int) words->numbers[1] : 0;
		}
		else if (words->nnumbers > 0)
			type->length = first;
		return true;
	}
	return words->nnumbers == 0 && pythia_word_in(words->base, plain_types);
}

static bool parse_extension(const pythia_type_words *words, pythia_type *type)
{
	if (words->rest[0] != '\0' || words->fraction)
		return false;
	for (size_t i = 0; i < sizeof(extension_types) / sizeof(extension_types[0]); i++)
	{
		if (strcmp(words->base, extension_types[i].name) == 0)
		{
			type->kind = extension_types[i].kind;
			return type->kind == PYTHIA_KIND_GEOMETRY || (words->nnumbers == 0 && !words->word_argument);
		}
	}
	return false;
}

static bool parse_words(pythia_type_words *words, pythia_type *type)
{
	pythia_buffer qualified = PYTHIA_BUFFER_INIT;

	if (parse_extension(words, type))
	{
		/* its schema goes with the name, so that nobody takes it for a type that is everywhere */
		if (words->schema.length > 0)
		{
			pythia_put_quoted(&qualified, words->schema.data, words->schema.length, '"');
			pythia_buffer_printf(&qualified, ".%s", pythia_buffer_text(&words->spelling));
			pythia_buffer_free(&words->spelling);
			words->spelling = qualified;
		}
		return true;
	}
	if (words->word_argument || words->fraction ||
		(words->schema.length > 0 && strcmp(words->schema.data, "pg_catalog") != 0))
		return false;
	return parse_time(words, type) || parse_interval(words, type) || parse_known(words, type);
}

void pythia_postgres_parse_type(const char *native, pythia_type *type)
{
	pythia_type_words words;
	bool ok;

	pythia_type_unread(type, native);
	ok = pythia_type_split(PYTHIA_POSTGRESQL, native, &words);
	if (ok && parse_words(&words, type))
		pythia_type_read(type, &words);
	else
	{
		/* what was understood of it is not enough */
		pythia_type_free(type);
		pythia_type_unread(type, native);
	}
	if (ok && words.array)
		*type = (pythia_type){
			.kind = PYTHIA_KIND_ARRAY, .precision = -1, .length = -1, .native = type->native, .unread = type->unread};
	pythia_type_words_free(&words);
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

/* A built-in type, or an array of one, keeps its name, wherever it was read; anything else becomes text. */
static void named_ddl(const pythia_type *type, pythia_buffer *out)
{
	bool array = type->kind == PYTHIA_KIND_ARRAY;
	pythia_type named;

	pythia_postgres_parse_type(type->native != NULL ? type->native : "", &named);
	if (named.kind == type->kind && named.native != NULL && strchr(named.native, '.') == NULL)
		pythia_buffer_puts(out, named.native);
	else
		pythia_buffer_puts(out, array ? "text[]" : "text");
	pythia_type_free(&named);
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
		case PYTHIA_KIND_STORED:
		case PYTHIA_KIND_OTHER:
			named_ddl(type, out);
			break;
		case PYTHIA_KIND_SET:
			pythia_buffer_puts(out, "text[]");
			break;
		case PYTHIA_KIND_YEAR:
			pythia_buffer_puts(out, "smallint");
			break;
		case PYTHIA_KIND_ENUM:
			pythia_buffer_puts(out, "text");
			break;
	}
	return true;
}
