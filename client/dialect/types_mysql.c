/* MySQL's and MariaDB's type names, read and written. */
#include "dialect/dialect_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"

static const char *const geometry_types[] = {
	"geometry",        "point",        "linestring",         "polygon",        "multipoint",
	"multilinestring", "multipolygon", "geometrycollection", "geomcollection", NULL};

typedef struct integer_name
{
	const char *name;
	int size;
} integer_name;

static const integer_name integer_names[] = {{"tinyint", 1}, {"smallint", 2}, {"mediumint", 3},
											 {"int", 4},     {"integer", 4},  {"bigint", 8}};

static bool parse_integer(const pythia_type_words *words, const char *base, bool is_unsigned, pythia_type *type)
{
	for (size_t i = 0; i < sizeof(integer_names) / sizeof(integer_names[0]); i++)
	{
		if (strcmp(base, integer_names[i].name) != 0)
			continue;
		type->size = integer_names[i].size;
		type->is_unsigned = is_unsigned;
		type->kind = type->is_unsigned ? PYTHIA_KIND_UINT : PYTHIA_KIND_INT;
		/* what BOOLEAN is there; create_target looks at the data before it believes it */
		if (type->size == 1 && !type->is_unsigned && words->nnumbers == 1 && words->numbers[0] == 1)
			type->kind = PYTHIA_KIND_BOOL;
		return true;
	}
	return false;
}

static bool parse_text(const char *base, int64_t length, pythia_type *type)
{
	static const struct
	{
		const char *name;
		pythia_kind kind;
		int64_t length; /* -2: the number in parentheses */
	} names[] = {
		{"varchar", PYTHIA_KIND_TEXT, -2},           {"char", PYTHIA_KIND_CHAR, -2},
		{"tinytext", PYTHIA_KIND_TEXT, 255},         {"text", PYTHIA_KIND_TEXT, 65535},
		{"mediumtext", PYTHIA_KIND_TEXT, 16777215},  {"longtext", PYTHIA_KIND_TEXT, -1},
		{"binary", PYTHIA_KIND_BYTES, -2},           {"varbinary", PYTHIA_KIND_BYTES, -2},
		{"tinyblob", PYTHIA_KIND_BYTES, 255},        {"blob", PYTHIA_KIND_BYTES, 65535},
		{"mediumblob", PYTHIA_KIND_BYTES, 16777215}, {"longblob", PYTHIA_KIND_BYTES, -1},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		if (strcmp(base, names[i].name) == 0)
		{
			type->kind = names[i].kind;
			type->length = names[i].length == -2 ? (length > 0 ? length : 1) : names[i].length;
			return true;
		}
	}
	return false;
}

/* What follows a type's first word and its numbers: the catalogue writes no more than unsigned and zerofill, the rest
 * is what this dialect writes itself. */
static const char *const of_numbers[] = {"", "unsigned", "zerofill", "unsigned zerofill", "precision", NULL};
static const char *const of_texts[] = {"", "character set ascii collate ascii_bin", NULL};

static void split_base(const pythia_type_words *words, char *base, char *rest, size_t size)
{
	const char *blank = strchr(words->base, ' ');
	int length = blank != NULL ? (int) (blank - words->base) : (int) strlen(words->base);
	bool both = blank != NULL && words->rest[0] != '\0';

	snprintf(base, size, "%.*s", length, words->base);
	snprintf(rest, size, "%s%s%s", blank != NULL ? blank + 1 : "", both ? " " : "", words->rest);
}

/* MariaDB's, which has more behind the point than MySQL's 30. */
#define MOST_DIGITS 65
#define MOST_SCALE  38

static bool parse_words(const pythia_type_words *words, pythia_type *type)
{
	/* carried as their texts */
	static const char *const others[] = {"inet4", "inet6", NULL};
	char base[2 * sizeof(words->base)];
	char rest[sizeof(base)];
	int64_t first = words->nnumbers > 0 ? words->numbers[0] : -1;

	split_base(words, base, rest, sizeof(base));
	if (parse_text(base, first, type))
		return pythia_word_in(rest, of_texts);
	if (!pythia_word_in(rest, of_numbers))
		return false;
	if (parse_integer(words, base, strncmp(rest, "unsigned", 8) == 0, type))
		return true;
	if (strcmp(base, "decimal") == 0 || strcmp(base, "numeric") == 0)
	{
		type->kind = PYTHIA_KIND_DECIMAL;
		type->precision = words->nnumbers > 0 ? (int) first : 10;
		type->scale = words->nnumbers > 1 ? (int) words->numbers[1] : 0;
		return type->precision <= MOST_DIGITS && type->scale <= MOST_SCALE;
	}
	else if (strcmp(base, "float") == 0)
		type->kind = PYTHIA_KIND_FLOAT, type->size = 4;
	else if (strcmp(base, "double") == 0 || strcmp(base, "real") == 0)
		type->kind = PYTHIA_KIND_DOUBLE, type->size = 8;
	else if (strcmp(base, "date") == 0)
		type->kind = PYTHIA_KIND_DATE;
	else if (strcmp(base, "time") == 0 || strcmp(base, "datetime") == 0 || strcmp(base, "timestamp") == 0)
	{
		if (first > 6)
			return false;
		type->kind = base[0] == 'd'     ? PYTHIA_KIND_TIMESTAMP
					 : strlen(base) > 4 ? PYTHIA_KIND_TIMESTAMPTZ
										: PYTHIA_KIND_TIME;
		type->precision = words->nnumbers > 0 ? (int) first : 0;
	}
	else if (strcmp(base, "year") == 0)
		type->kind = PYTHIA_KIND_YEAR;
	else if (strcmp(base, "bit") == 0 && first <= 64)
		type->kind = PYTHIA_KIND_BIT, type->length = words->nnumbers > 0 ? first : 1;
	else if (strcmp(base, "json") == 0)
		type->kind = PYTHIA_KIND_JSON;
	else if (strcmp(base, "uuid") == 0)
		type->kind = PYTHIA_KIND_UUID;
	else if (strcmp(base, "vector") == 0)
	{
		/* four bytes a number, as IEEE has them */
		type->kind = PYTHIA_KIND_BYTES;
		type->length = words->nnumbers > 0 ? first * 4 : -1;
	}
	else if (pythia_word_in(base, geometry_types))
		type->kind = PYTHIA_KIND_GEOMETRY;
	else
		return pythia_word_in(base, others);
	return true;
}

/* A string where only a plain one may stand; our sessions leave the backslash its meaning. */
void pythia_mysql_string(pythia_buffer *out, const char *text)
{
	pythia_buffer_putc(out, '\'');
	for (; *text != '\0'; text++)
	{
		if (*text == '\'' || *text == '\\')
			pythia_buffer_putc(out, *text);
		pythia_buffer_putc(out, *text);
	}
	pythia_buffer_putc(out, '\'');
}

static void put_labels(const pythia_type *type, pythia_buffer *out)
{
	for (int i = 0; i < type->nlabels; i++)
	{
		pythia_buffer_putc(out, i > 0 ? ',' : '(');
		pythia_mysql_string(out, type->labels[i]);
	}
	pythia_buffer_putc(out, ')');
}

/* enum('a','b'), set('a','b') */
static bool parse_labelled(const char *native, pythia_type *type)
{
	bool set = strncasecmp(native, "set(", 4) == 0;
	size_t length = strlen(native);
	pythia_buffer spelling = PYTHIA_BUFFER_INIT;
	char *list;
	bool ok;

	if ((!set && strncasecmp(native, "enum(", 5) != 0) || native[length - 1] != ')')
		return false;
	native += set ? 4 : 5;
	list = pythia_strndup(native, strlen(native) - 1);
	ok = pythia_read_labels(PYTHIA_MYSQL, list, type);
	pythia_free(list);
	if (!ok)
		return false;
	type->kind = set ? PYTHIA_KIND_SET : PYTHIA_KIND_ENUM;
	pythia_buffer_puts(&spelling, set ? "set" : "enum");
	put_labels(type, &spelling);
	pythia_free(type->unread);
	type->unread = NULL;
	type->native = pythia_buffer_take(&spelling);
	return true;
}

void pythia_mysql_parse_type(const char *native, pythia_type *type)
{
	pythia_type_words words;

	pythia_type_unread(type, native);
	if (parse_labelled(native, type))
		return;
	if (pythia_type_split(PYTHIA_MYSQL, native, &words) && !words.word_argument && !words.fraction && !words.array &&
		words.schema.length == 0 &&
		(words.nnumbers == 0 || (words.numbers[0] >= 0 && words.numbers[words.nnumbers - 1] >= 0)) &&
		parse_words(&words, type))
		pythia_type_read(type, &words);
	else
	{
		/* what was understood of it is not enough */
		pythia_type_free(type);
		pythia_type_unread(type, native);
	}
	pythia_type_words_free(&words);
}

static bool decimal_ddl(const pythia_type *type, pythia_buffer *out, pythia_error *error)
{
	if (type->precision > 65 || type->scale > 30 || type->scale < 0)
	{
		pythia_fail(error, PYTHIA_E_DATA, "22003", "MySQL has no decimal of %d digits with %d after the point",
					type->precision, type->scale);
		return pythia_error_hint(error, "Create the target table yourself, with the type that you want for it.");
	}
	if (type->precision < 0)
		pythia_buffer_puts(out, "DECIMAL(65,30)");
	else
		pythia_buffer_printf(out, "DECIMAL(%d,%d)", type->precision, type->scale);
	return true;
}

static void integer_ddl(const pythia_type *type, pythia_buffer *out)
{
	int size = type->size > 0 ? type->size : 8;

	pythia_buffer_puts(out, size == 1   ? "TINYINT"
							: size == 2 ? "SMALLINT"
							: size == 3 ? "MEDIUMINT"
							: size == 4 ? "INT"
										: "BIGINT");
	if (type->kind == PYTHIA_KIND_UINT)
		pythia_buffer_puts(out, " UNSIGNED");
}

/* A key's column needs a length; 3072 bytes is InnoDB's limit for the whole key. */
static void text_ddl(const pythia_type *type, bool in_key, pythia_buffer *out)
{
	if (type->length > 0 && type->length <= (in_key ? 768 : 16383))
		pythia_buffer_printf(out, "VARCHAR(%lld)", (long long) type->length);
	else
		pythia_buffer_puts(out, in_key ? "VARCHAR(255)" : "LONGTEXT");
}

static void bytes_ddl(const pythia_type *type, bool in_key, pythia_buffer *out)
{
	bool fixed = type->native != NULL && strncasecmp(type->native, "binary", 6) == 0;

	if (type->length > 0 && type->length <= (in_key ? 3072 : 65000))
		pythia_buffer_printf(out, fixed ? "BINARY(%lld)" : "VARBINARY(%lld)", (long long) type->length);
	else
		pythia_buffer_puts(out, in_key ? "VARBINARY(767)" : "LONGBLOB");
}

static void timed(pythia_buffer *out, const char *name, const pythia_type *type)
{
	pythia_buffer_printf(out, "%s(%d)", name, type->precision >= 0 && type->precision < 6 ? type->precision : 6);
}

bool pythia_mysql_to_2106(const pythia_db *db)
{
	return db->engine == PYTHIA_MYSQL && db->is_mariadb && db->version >= 110500;
}

bool pythia_mysql_type_ddl(const pythia_db *db, const pythia_type *type, bool in_key, pythia_buffer *out,
						   pythia_error *error)
{
	(void) db;
	switch (type->kind)
	{
		case PYTHIA_KIND_BOOL:
			pythia_buffer_puts(out, "TINYINT(1)");
			break;
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
			integer_ddl(type, out);
			break;
		case PYTHIA_KIND_DECIMAL:
			return decimal_ddl(type, out, error);
		case PYTHIA_KIND_FLOAT:
			pythia_buffer_puts(out, "FLOAT");
			break;
		case PYTHIA_KIND_DOUBLE:
			pythia_buffer_puts(out, "DOUBLE");
			break;
		case PYTHIA_KIND_CHAR:
			if (type->length > 0 && type->length <= 255)
				pythia_buffer_printf(out, "CHAR(%lld)", (long long) type->length);
			else
				text_ddl(type, in_key, out);
			break;
		case PYTHIA_KIND_BYTES:
			bytes_ddl(type, in_key, out);
			break;
		case PYTHIA_KIND_DATE:
			pythia_buffer_puts(out, "DATE");
			break;
		case PYTHIA_KIND_TIME:
			if (type->zone)
				pythia_buffer_puts(out, "VARCHAR(32)");
			else
				timed(out, "TIME", type);
			break;
		case PYTHIA_KIND_TIMESTAMP:
			timed(out, "DATETIME", type);
			break;
		case PYTHIA_KIND_TIMESTAMPTZ:
			timed(out, "TIMESTAMP", type);
			break;
		case PYTHIA_KIND_INTERVAL:
			pythia_buffer_puts(out, "VARCHAR(64)");
			break;
		case PYTHIA_KIND_UUID:
			pythia_buffer_puts(out, "CHAR(36) CHARACTER SET ascii COLLATE ascii_bin");
			break;
		case PYTHIA_KIND_BIT:
			if (type->length <= 64)
				pythia_buffer_printf(out, "BIT(%lld)", (long long) (type->length > 0 ? type->length : 1));
			else
				text_ddl(type, in_key, out);
			break;
		case PYTHIA_KIND_ENUM:
		case PYTHIA_KIND_SET:
			if (type->labels == NULL)
				text_ddl(type, in_key, out);
			else
			{
				pythia_buffer_puts(out, type->kind == PYTHIA_KIND_ENUM ? "ENUM" : "SET");
				put_labels(type, out);
			}
			break;
		case PYTHIA_KIND_JSON:
		case PYTHIA_KIND_ARRAY:
			if (in_key)
				text_ddl(type, in_key, out);
			else
				pythia_buffer_puts(out, "JSON");
			break;
		case PYTHIA_KIND_YEAR:
			pythia_buffer_puts(out, "YEAR");
			break;
		case PYTHIA_KIND_GEOMETRY:
			pythia_buffer_puts(out, "GEOMETRY");
			break;
		case PYTHIA_KIND_TEXT:
		case PYTHIA_KIND_STORED:
		case PYTHIA_KIND_OTHER:
			text_ddl(type, in_key, out);
			break;
	}
	return true;
}
