/*
 * SQLite's declared types, read and written.
 *
 * A declared type decides the column's affinity by the letters in it (INT, then CHAR, CLOB or
 * TEXT, then BLOB, then REAL, FLOA or DOUB, else NUMERIC), and affinity rewrites values: text that
 * looks like a number becomes one, losing digits.  So names are chosen that tell the kind when
 * read back and whose affinity leaves the value alone.
 * https://www.sqlite.org/datatype3.html#determination_of_column_affinity
 */
#include "dialect/dialect_internal.h"

#include <stdio.h>
#include <string.h>

#include "core/memory.h"

typedef struct known_name
{
	const char *name;
	pythia_kind kind;
	int size;
} known_name;

static const known_name known_names[] = {
	{"boolean", PYTHIA_KIND_BOOL, 0},
	{"bool", PYTHIA_KIND_BOOL, 0},
	{"unsigned blob", PYTHIA_KIND_UINT, 8},
	{"unsigned big int", PYTHIA_KIND_UINT, 8},
	{"bigint unsigned", PYTHIA_KIND_UINT, 8},
	{"unsigned bigint", PYTHIA_KIND_UINT, 8},
	{"unsigned integer", PYTHIA_KIND_UINT, 4},
	{"int unsigned", PYTHIA_KIND_UINT, 4},
	{"decimal", PYTHIA_KIND_DECIMAL, 0},
	{"numeric", PYTHIA_KIND_DECIMAL, 0},
	{"text decimal", PYTHIA_KIND_DECIMAL, 0},
	{"number", PYTHIA_KIND_DECIMAL, 0},
	{"float4", PYTHIA_KIND_FLOAT, 4},
	{"date", PYTHIA_KIND_DATE, 0},
	{"time", PYTHIA_KIND_TIME, 0},
	{"datetime", PYTHIA_KIND_TIMESTAMP, 0},
	{"timestamp", PYTHIA_KIND_TIMESTAMP, 0},
	{"timestamptz", PYTHIA_KIND_TIMESTAMPTZ, 0},
	{"uuid", PYTHIA_KIND_UUID, 0},
	{"uuid text", PYTHIA_KIND_UUID, 0},
	{"json", PYTHIA_KIND_JSON, 0},
	{"json text", PYTHIA_KIND_JSON, 0},
	{"jsonb", PYTHIA_KIND_JSON, 0},
	{"bit", PYTHIA_KIND_BIT, 0},
	{"geometry blob", PYTHIA_KIND_GEOMETRY, 0},
	{"year", PYTHIA_KIND_YEAR, 0},
};

/*
 * Words that begin or end something else than a type, in quotes or not at all: a declared type that holds one is not
 * repeated.  https://www.sqlite.org/lang_keywords.html without those that the parser takes for a name where it wants one.
 */
static const char *const reserved_words[] = {
	"add",       "all",     "alter",  "always",     "and",    "as",      "autoincrement", "between",    "case",
	"check",     "collate", "commit", "constraint", "create", "cross",   "default",       "deferrable", "delete",
	"distinct",  "drop",    "else",   "escape",     "except", "exists",  "foreign",       "from",       "full",
	"generated", "group",   "having", "in",         "index",  "indexed", "inner",         "insert",     "intersect",
	"into",      "is",      "isnull", "join",       "left",   "limit",   "natural",       "not",        "nothing",
	"notnull",   "null",    "on",     "or",         "order",  "outer",   "primary",       "references", "returning",
	"right",     "select",  "set",    "table",      "then",   "to",      "transaction",   "union",      "unique",
	"update",    "using",   "values", "when",       "where",  NULL};

static bool has_reserved(const char *base)
{
	char text[96];
	char *next;

	snprintf(text, sizeof(text), "%s", base);
	for (char *word = strtok_r(text, " ", &next); word != NULL; word = strtok_r(NULL, " ", &next))
	{
		if (pythia_word_in(word, reserved_words))
			return true;
	}
	return false;
}

/* Beyond these a number is what somebody wrote, and no size. */
#define MOST_DIGITS 1000
#define MOST_BITS   64

static void take_numbers(const pythia_type_words *words, pythia_type *type)
{
	int64_t first = words->nnumbers > 0 ? words->numbers[0] : -1;

	switch (type->kind)
	{
		case PYTHIA_KIND_DECIMAL:
			if (first <= 0 || first > MOST_DIGITS)
				break;
			type->precision = (int) first;
			type->scale = words->nnumbers > 1 ? (int) words->numbers[1] : 0;
			if (type->scale < 0 || type->scale > type->precision)
				type->precision = -1, type->scale = 0;
			break;
		case PYTHIA_KIND_TIME:
		case PYTHIA_KIND_TIMESTAMP:
		case PYTHIA_KIND_TIMESTAMPTZ:
			type->precision = first >= 0 && first <= 6 ? (int) first : 6;
			break;
		case PYTHIA_KIND_BIT:
			type->length = first > 0 ? first : 1;
			if (first > MOST_BITS)
				type->kind = PYTHIA_KIND_OTHER, type->length = -1;
			break;
		case PYTHIA_KIND_TEXT:
		case PYTHIA_KIND_CHAR:
		case PYTHIA_KIND_BYTES:
			type->length = first > 0 ? first : -1;
			break;
		default:
			break;
	}
}

/* SQLite's own rules, in its order. */
static void by_affinity(const char *base, pythia_type *type)
{
	if (strstr(base, "int") != NULL)
		type->kind = PYTHIA_KIND_INT, type->size = 8;
	else if (strcmp(base, "char") == 0 || strcmp(base, "character") == 0 || strcmp(base, "nchar") == 0)
		type->kind = PYTHIA_KIND_CHAR;
	else if (strstr(base, "char") != NULL || strstr(base, "clob") != NULL || strstr(base, "text") != NULL)
		type->kind = PYTHIA_KIND_TEXT;
	else if (strstr(base, "blob") != NULL)
		type->kind = PYTHIA_KIND_BYTES;
	else if (strstr(base, "real") != NULL || strstr(base, "floa") != NULL || strstr(base, "doub") != NULL)
		type->kind = PYTHIA_KIND_DOUBLE, type->size = 8;
}

char pythia_sqlite_affinity(const pythia_type *type)
{
	pythia_type own = {.kind = PYTHIA_KIND_OTHER};
	char *lower;

	if (type->native != NULL && type->native[0] == '\0')
		return 'B';
	if (type->native != NULL)
	{
		lower = pythia_strdup(type->native);
		pythia_lower(lower, strlen(lower) + 1, type->native);
		by_affinity(lower, &own);
		pythia_free(lower);
	}
	else
		own.kind = type->kind; /* as by_affinity read it */
	switch (own.kind)
	{
		case PYTHIA_KIND_INT:
			return 'I';
		case PYTHIA_KIND_CHAR:
		case PYTHIA_KIND_TEXT:
			return 'T';
		case PYTHIA_KIND_BYTES:
			return 'B';
		case PYTHIA_KIND_DOUBLE:
			return 'R';
		default:
			return 'N';
	}
}

bool pythia_sqlite_stores_alike(const pythia_type *a, const pythia_type *b)
{
	return pythia_sqlite_affinity(a) == pythia_sqlite_affinity(b);
}

void pythia_sqlite_parse_type(const char *native, pythia_type *type)
{
	pythia_type_words words;
	bool known = false;

	pythia_type_unread(type, native);
	/* brackets are a name to SQLite, and none may follow numbers */
	if (!pythia_type_split(PYTHIA_SQLITE, native, &words) || words.rest[0] != '\0' || words.word_argument ||
		(words.array && words.nnumbers > 0) || words.schema.length > 0 || strchr(words.base, '"') != NULL ||
		has_reserved(words.base))
	{
		/* it says how SQLite keeps the column's values all the same */
		char *lower = pythia_strdup(native);

		pythia_lower(lower, strlen(lower) + 1, native);
		by_affinity(lower, type);
		pythia_free(lower);
		pythia_type_words_free(&words);
		return;
	}
	for (size_t i = 0; i < sizeof(known_names) / sizeof(known_names[0]) && !known; i++)
	{
		known = strcmp(words.base, known_names[i].name) == 0;
		if (!known)
			continue;
		type->kind = known_names[i].kind;
		type->size = known_names[i].size;
		type->is_unsigned = type->kind == PYTHIA_KIND_UINT;
	}
	if (!known)
		by_affinity(words.base, type);
	take_numbers(&words, type);
	pythia_type_read(type, &words);
	pythia_type_words_free(&words);
}

static void sized(pythia_buffer *out, const char *name, int64_t number)
{
	pythia_buffer_puts(out, name);
	if (number > 0)
		pythia_buffer_printf(out, "(%lld)", (long long) number);
}

static void timed(pythia_buffer *out, const char *name, const pythia_type *type)
{
	pythia_buffer_puts(out, name);
	if (type->precision >= 0 && type->precision < 6)
		pythia_buffer_printf(out, "(%d)", type->precision);
}

bool pythia_sqlite_type_ddl(const pythia_db *db, const pythia_type *type, bool in_key, pythia_buffer *out,
							pythia_error *error)
{
	bool varying = type->native != NULL && strstr(type->native, "ar") != NULL; /* varchar, VARCHAR2, … */

	(void) db;
	(void) in_key;
	(void) error;
	switch (type->kind)
	{
		case PYTHIA_KIND_BOOL:
			pythia_buffer_puts(out, "BOOLEAN");
			break;
		case PYTHIA_KIND_INT:
			pythia_buffer_puts(out, "INTEGER");
			break;
		case PYTHIA_KIND_UINT:
			/* above int64 only text is exact, and only a column without affinity leaves both alone */
			pythia_buffer_puts(out, type->size == 8 || type->size == 0 ? "UNSIGNED BLOB" : "UNSIGNED INTEGER");
			break;
		case PYTHIA_KIND_DECIMAL:
			/* fifteen digits are what a double keeps */
			pythia_buffer_puts(out, type->precision > 0 && type->precision <= 15 ? "DECIMAL" : "TEXT DECIMAL");
			if (type->precision > 0)
				pythia_buffer_printf(out, "(%d,%d)", type->precision, type->scale);
			break;
		case PYTHIA_KIND_FLOAT:
			pythia_buffer_puts(out, "FLOAT4");
			break;
		case PYTHIA_KIND_DOUBLE:
			pythia_buffer_puts(out, "DOUBLE");
			break;
		case PYTHIA_KIND_TEXT:
			if (varying)
				sized(out, "VARCHAR", type->length);
			else
				pythia_buffer_puts(out, "TEXT");
			break;
		case PYTHIA_KIND_CHAR:
			sized(out, "CHAR", type->length);
			break;
		case PYTHIA_KIND_BYTES:
			pythia_buffer_puts(out, "BLOB");
			break;
		case PYTHIA_KIND_DATE:
			pythia_buffer_puts(out, "DATE");
			break;
		case PYTHIA_KIND_TIME:
			if (type->zone)
				pythia_buffer_puts(out, "TEXT");
			else
				timed(out, "TIME", type);
			break;
		case PYTHIA_KIND_TIMESTAMP:
			timed(out, "DATETIME", type);
			break;
		case PYTHIA_KIND_TIMESTAMPTZ:
			timed(out, "TIMESTAMPTZ", type);
			break;
		case PYTHIA_KIND_UUID:
			pythia_buffer_puts(out, "UUID TEXT");
			break;
		case PYTHIA_KIND_BIT:
			if (type->length <= 63)
				sized(out, "BIT", type->length > 0 ? type->length : 1);
			else
				pythia_buffer_puts(out, "TEXT");
			break;
		case PYTHIA_KIND_JSON:
			pythia_buffer_puts(out, "JSON TEXT");
			break;
		case PYTHIA_KIND_YEAR:
			pythia_buffer_puts(out, "YEAR");
			break;
		case PYTHIA_KIND_GEOMETRY:
			pythia_buffer_puts(out, "GEOMETRY BLOB");
			break;
		case PYTHIA_KIND_INTERVAL:
		case PYTHIA_KIND_ENUM:
		case PYTHIA_KIND_SET:
		case PYTHIA_KIND_ARRAY:
		case PYTHIA_KIND_STORED:
		case PYTHIA_KIND_OTHER:
			pythia_buffer_puts(out, "TEXT");
			break;
	}
	return true;
}
