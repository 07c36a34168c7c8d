/*
 * The expression that a default is, between databases of one engine: literals, arithmetic and functions that the engine
 * brings along and that do nothing but tell a value, one that is no burden to whoever inserts a row.  It is written
 * anew, by recursive descent, from what was read; a column's name is refused, as the column may have another one in the
 * target.
 */
#include "dialect/expression.h"

#include <string.h>

#include "dialect/dialect_internal.h"

/* Deeper ones are nobody's default, and each level may double a text. */
#define MOST_DEPTH 8
/* Digits of a number that says how long a value is to be. */
#define LENGTH_DIGITS 3

/* clang-format off */
static const char *const functions_of[][64] = {
	[PYTHIA_POSTGRESQL] = {
		"abs", "array_to_json", "ceil", "clock_timestamp", "concat", "date_part", "date_trunc", "extract",
		"floor", "gen_random_uuid", "initcap", "json_build_array", "json_build_object", "jsonb_build_array",
		"jsonb_build_object", "length", "lower", "make_date", "make_interval", "md5", "now", "pi", "power",
		"random", "round", "statement_timestamp", "substr", "substring", "timezone", "to_char", "to_timestamp",
		"transaction_timestamp", "trunc", "upper", "uuidv4", "uuidv7", NULL
	},
	[PYTHIA_MYSQL] = {
		"abs", "bin_to_uuid", "ceiling", "char_length", "concat", "curdate", "current_timestamp", "curtime",
		"date", "date_format", "floor", "from_unixtime", "hex", "json_array", "json_object", "lcase", "left",
		"length", "localtime", "localtimestamp", "lower", "md5", "month", "now", "pi", "point", "pow",
		"quarter", "rand", "right", "round", "sha1", "sha2", "substr", "substring", "sysdate", "to_base64",
		"to_days", "truncate", "ucase", "unhex", "unix_timestamp", "upper", "utc_date", "utc_time",
		"utc_timestamp", "uuid", "uuid_to_bin", "year", NULL
	},
	[PYTHIA_SQLITE] = {
		"abs", "date", "datetime", "hex", "json", "json_array", "json_object", "julianday", "length", "lower",
		"random", "randomblob", "round", "strftime", "substr", "time", "trim", "unixepoch", "upper", NULL
	},
};
/* clang-format on */

/* Values that are called without parentheses; MySQL's catalogue writes none. */
static const char *const words_of[][8] = {
	[PYTHIA_POSTGRESQL] = {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", NULL},
	[PYTHIA_MYSQL] = {NULL},
	[PYTHIA_SQLITE] = {"current_date", "current_time", "current_timestamp", NULL},
};

/* The words of PostgreSQL's own types, as far as a default casts to them. */
static const char *const type_words[] = {"bigint",   "boolean", "character", "date",      "double",    "integer",
										 "interval", "json",    "jsonb",     "numeric",   "precision", "real",
										 "smallint", "text",    "time",      "timestamp", "uuid",      "varying",
										 "with",     "without", "zone",      NULL};

/* What MySQL adds a number of. */
static const char *const units[] = {"microsecond", "second", "minute",  "hour", "day",
									"week",        "month",  "quarter", "year", NULL};

static bool expression(pythia_tokens *cursor, int depth, pythia_buffer *out);

/* The entry of a list that the token is, in any case, or NULL: what is written is never the catalogue's own text. */
static const char *listed(const pythia_tokens *cursor, const char *const *list)
{
	for (; *list != NULL; list++)
		if (cursor->token.kind == PYTHIA_TOKEN_NAME && pythia_tokens_at(cursor, *list))
			return *list;
	return NULL;
}

static bool put_string(pythia_tokens *cursor, pythia_buffer *out)
{
	const char *text = pythia_buffer_text(&cursor->value);

	/* MySQL has strings in two quotes, and a NUL ends nothing */
	if (cursor->token.kind != PYTHIA_TOKEN_STRING || strlen(text) != cursor->value.length)
		return false;
	pythia_dialect_for(cursor->engine)->plain_string(out, text);
	pythia_tokens_next(cursor);
	return true;
}

/* name(argument, …); the name stays to be taken. */
static bool call(pythia_tokens *cursor, const char *name, int depth, pythia_buffer *out)
{
	bool ok = true;

	pythia_tokens_next(cursor);
	if (!pythia_tokens_take(cursor, "("))
		return false;
	if (strcmp(name, "randomblob") == 0 &&
		(cursor->token.kind != PYTHIA_TOKEN_NUMBER || cursor->token.length > LENGTH_DIGITS))
		return false;
	/* what a schema in front of PostgreSQL's own holds has other names */
	pythia_buffer_printf(out, "%s%s(", cursor->engine == PYTHIA_POSTGRESQL ? "pg_catalog." : "", name);
	if (!pythia_tokens_at(cursor, ")"))
	{
		ok = expression(cursor, depth + 1, out);
		while (ok && pythia_tokens_take(cursor, ","))
		{
			pythia_buffer_puts(out, ", ");
			ok = expression(cursor, depth + 1, out);
		}
	}
	pythia_buffer_putc(out, ')');
	return ok && pythia_tokens_take(cursor, ")");
}

/* INTERVAL n DAY */
static bool interval(pythia_tokens *cursor, int depth, pythia_buffer *out)
{
	const char *unit;

	pythia_tokens_next(cursor);
	pythia_buffer_puts(out, "INTERVAL ");
	if (!expression(cursor, depth + 1, out) || (unit = listed(cursor, units)) == NULL)
		return false;
	pythia_buffer_printf(out, " %s", unit);
	pythia_tokens_next(cursor);
	return true;
}

/* ::type, whose words are PostgreSQL's own; numbers behind them are refused. */
static bool cast(pythia_tokens *cursor, pythia_buffer *out)
{
	const char *word = listed(cursor, type_words);

	pythia_buffer_puts(out, "::");
	for (int i = 0; word != NULL && i < 4; i++)
	{
		pythia_buffer_printf(out, "%s%s", i > 0 ? " " : "", word);
		pythia_tokens_next(cursor);
		word = listed(cursor, type_words);
	}
	return out->data[out->length - 1] != ':' && word == NULL;
}

static bool word(pythia_tokens *cursor, int depth, pythia_buffer *out)
{
	static const char *const constants[] = {"null", "true", "false", NULL};
	const char *name = listed(cursor, words_of[cursor->engine]);

	if (name == NULL)
		name = listed(cursor, constants);
	if (name != NULL)
	{
		pythia_buffer_puts(out, name);
		pythia_tokens_next(cursor);
		return true;
	}
	if (cursor->engine == PYTHIA_MYSQL && pythia_tokens_at(cursor, "interval"))
		return interval(cursor, depth, out);
	if (pythia_tokens_at_introducer(cursor))
	{
		pythia_tokens_next(cursor);
		return !cursor->apart && put_string(cursor, out);
	}
	/* as it is written here; nobody else's have that schema */
	if (cursor->engine == PYTHIA_POSTGRESQL && pythia_tokens_take(cursor, "pg_catalog") &&
		!pythia_tokens_take(cursor, "."))
		return false;
	name = listed(cursor, functions_of[cursor->engine]);
	return name != NULL && call(cursor, name, depth, out);
}

static bool operand(pythia_tokens *cursor, int depth, pythia_buffer *out)
{
	bool ok = true;

	if (depth > MOST_DEPTH)
		return false;
	if (pythia_tokens_take(cursor, "-"))
	{
		/* two of them would begin a comment */
		pythia_buffer_puts(out, "- ");
		ok = operand(cursor, depth + 1, out);
	}
	else if (pythia_tokens_take(cursor, "("))
	{
		pythia_buffer_putc(out, '(');
		ok = expression(cursor, depth + 1, out) && pythia_tokens_take(cursor, ")");
		pythia_buffer_putc(out, ')');
	}
	else if (cursor->token.kind == PYTHIA_TOKEN_NUMBER)
	{
		pythia_buffer_append(out, cursor->token.text, cursor->token.length);
		pythia_tokens_next(cursor);
	}
	else if (cursor->token.kind == PYTHIA_TOKEN_STRING)
		ok = put_string(cursor, out);
	else
		ok = cursor->token.kind == PYTHIA_TOKEN_NAME && word(cursor, depth, out);
	while (ok && cursor->engine == PYTHIA_POSTGRESQL && pythia_tokens_take(cursor, "::"))
		ok = cast(cursor, out);
	return ok;
}

/* Appends the operator that follows, if any does; *ok is false where it is none that is known. */
static bool operator_follows(pythia_tokens *cursor, pythia_buffer *out, bool *ok)
{
	static const char *const signs[] = {"+", "-", "*", "/", "%"};

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (pythia_tokens_take(cursor, signs[i]))
		{
			pythia_buffer_printf(out, " %s ", signs[i]);
			return true;
		}
	/* in MySQL it is OR */
	if (cursor->engine != PYTHIA_MYSQL && pythia_tokens_take(cursor, "|"))
	{
		*ok = !cursor->apart && pythia_tokens_take(cursor, "|");
		pythia_buffer_puts(out, " || ");
		return true;
	}
	if (cursor->engine == PYTHIA_POSTGRESQL && pythia_tokens_take(cursor, "at"))
	{
		*ok = pythia_tokens_take(cursor, "time") && pythia_tokens_take(cursor, "zone");
		pythia_buffer_puts(out, " AT TIME ZONE ");
		return true;
	}
	return false;
}

/* operand [operator operand]…: the order in which operators bind is the engine's, as it was. */
static bool expression(pythia_tokens *cursor, int depth, pythia_buffer *out)
{
	bool ok = operand(cursor, depth, out);

	while (ok && operator_follows(cursor, out, &ok))
		ok = ok && operand(cursor, depth, out);
	return ok;
}

bool pythia_expression_read(pythia_tokens *cursor, pythia_buffer *out)
{
	return expression(cursor, 0, out) && cursor->token.kind == PYTHIA_TOKEN_END;
}
