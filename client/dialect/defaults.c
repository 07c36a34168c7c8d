/*
 * A column's default, from what the catalogue says to a value.  A grammar an engine, and the same shape for all: a
 * literal, a number with its sign, a truth value or the current time, in parentheses perhaps and under PostgreSQL's
 * casts.  Everything else is an expression of that engine's own, which another database of it may take.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "core/visible.h"
#include "dialect/dialect_internal.h"
#include "dialect/expression.h"
#include "dialect/token_cursor.h"

/* Deeper parentheses are nobody's default. */
#define MOST_PARENTHESES 16

static bool take(pythia_default *value, pythia_default_kind kind, const char *text, size_t length)
{
	value->kind = kind;
	value->text = pythia_strndup(text, length);
	return true;
}

static bool read_string(pythia_tokens *cursor, pythia_default *value)
{
	take(value, PYTHIA_DEFAULT_TEXT, pythia_buffer_text(&cursor->value), cursor->value.length);
	pythia_tokens_next(cursor);
	return true;
}

/* [sign] number */
static bool read_number(pythia_tokens *cursor, pythia_default *value)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	bool ok;

	if (pythia_tokens_take(cursor, "-"))
		pythia_buffer_putc(&text, '-');
	else
		pythia_tokens_take(cursor, "+");
	ok = cursor->token.kind == PYTHIA_TOKEN_NUMBER;
	if (ok)
	{
		pythia_buffer_append(&text, cursor->token.text, cursor->token.length);
		take(value, PYTHIA_DEFAULT_NUMBER, text.data, text.length);
		pythia_tokens_next(cursor);
	}
	pythia_buffer_free(&text);
	return ok;
}

static bool all_of(const char *text, const char *characters)
{
	return text[strspn(text, characters)] == '\0';
}

static bool all_hex(const char *text)
{
	return strlen(text) % 2 == 0 && all_of(text, "0123456789abcdefABCDEF");
}

/* b'101', x'00ff': the string that follows the letter at once. */
static bool read_prefixed(pythia_tokens *cursor, bool bits, pythia_default *value)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_tokens_next(cursor);
	ok = cursor->token.kind == PYTHIA_TOKEN_STRING && !cursor->apart && cursor->token.text[0] == '\'' &&
		 (bits ? all_of(pythia_buffer_text(&cursor->value), "01") : all_hex(pythia_buffer_text(&cursor->value)));
	if (ok)
	{
		pythia_buffer_printf(&text, "%s%s", bits ? "" : "\\x", pythia_buffer_text(&cursor->value));
		take(value, bits ? PYTHIA_DEFAULT_BITS : PYTHIA_DEFAULT_BYTES, text.data, text.length);
		pythia_tokens_next(cursor);
	}
	pythia_buffer_free(&text);
	return ok;
}

/* CURRENT_TIMESTAMP, now(), current_timestamp(3) */
static bool read_now(pythia_tokens *cursor, pythia_default *value)
{
	static const char *const bare[] = {"current_timestamp", "localtimestamp", NULL};
	static const char *const functions[] = {"now", "transaction_timestamp", "current_timestamp", "localtimestamp",
											NULL};
	char word[32];
	bool parentheses;

	if (cursor->token.length >= sizeof(word))
		return false;
	memcpy(word, cursor->token.text, cursor->token.length);
	word[cursor->token.length] = '\0';
	pythia_lower(word, sizeof(word), word);
	pythia_tokens_next(cursor);
	parentheses = pythia_tokens_take(cursor, "(");
	if (parentheses)
	{
		if (cursor->token.kind == PYTHIA_TOKEN_NUMBER)
			pythia_tokens_next(cursor);
		if (!pythia_tokens_take(cursor, ")"))
			return false;
	}
	value->kind = PYTHIA_DEFAULT_NOW;
	return pythia_word_in(word, parentheses ? functions : bare);
}

static bool read_word(pythia_tokens *cursor, pythia_engine engine, pythia_default *value)
{
	const char *word = cursor->token.text;
	size_t length = cursor->token.length;
	bool yes = pythia_tokens_at(cursor, "true");

	if (pythia_tokens_take(cursor, "null"))
	{
		value->kind = PYTHIA_DEFAULT_NONE;
		return true;
	}
	if (yes || pythia_tokens_at(cursor, "false"))
	{
		take(value, PYTHIA_DEFAULT_BOOL, yes ? "1" : "0", 1);
		pythia_tokens_next(cursor);
		return true;
	}
	if (pythia_tokens_at(cursor, "b") || pythia_tokens_at(cursor, "x"))
		return read_prefixed(cursor, pythia_tokens_at(cursor, "b"), value);
	if (pythia_tokens_at_introducer(cursor))
	{
		pythia_tokens_next(cursor);
		return cursor->token.kind == PYTHIA_TOKEN_STRING && !cursor->apart && read_string(cursor, value);
	}
	if (read_now(cursor, value))
		return true;
	/* SQLite takes a word that stands alone for a text, unless it is one of the other times */
	return engine == PYTHIA_SQLITE && cursor->token.kind == PYTHIA_TOKEN_END && word[length] == '\0' &&
		   !(length > 8 && strncasecmp(word, "current_", 8) == 0) && take(value, PYTHIA_DEFAULT_TEXT, word, length);
}

static size_t characters(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += ((unsigned char) *text & 0xC0) != 0x80;
	return count;
}

/* Digits behind the point. */
static long scale_of(const char *number)
{
	const char *point = strchr(number, '.');

	return point != NULL ? (long) strspn(point + 1, "0123456789") : 0;
}

/* What bit(n) makes of another number of bits: zeros behind them, or fewer. */
static void cut_bits(pythia_default *value, size_t length)
{
	size_t had = strlen(value->text);

	value->text = pythia_realloc(value->text, length + 1);
	for (size_t i = had; i < length; i++)
		value->text[i] = '0';
	value->text[length] = '\0';
}

typedef struct cast
{
	char name[24]; /* the first word of the type's own name */
	long numbers[2];
	int nnumbers;
} cast;

/* False where the cast makes another value of it than this one. */
static bool apply_cast(const cast *to, pythia_default *value)
{
	static const char *const integers[] = {"smallint", "integer", "bigint", NULL};
	static const char *const texts[] = {"character", "varchar", "char", "bpchar", NULL};

	if (value->text == NULL)
		return true;
	if (strcmp(to->name, "bytea") == 0 && value->kind == PYTHIA_DEFAULT_TEXT && strncmp(value->text, "\\x", 2) == 0 &&
		all_hex(value->text + 2))
		value->kind = PYTHIA_DEFAULT_BYTES;
	else if (strcmp(to->name, "bit") == 0 && all_of(value->text, "01") &&
			 (value->kind == PYTHIA_DEFAULT_TEXT || value->kind == PYTHIA_DEFAULT_BITS))
	{
		value->kind = PYTHIA_DEFAULT_BITS;
		if (to->nnumbers == 0)
			return true;
		if (to->numbers[0] < 1 || to->numbers[0] > PYTHIA_DEFAULT_MOST_BITS)
			return false;
		cut_bits(value, (size_t) to->numbers[0]);
	}
	else if (strcmp(to->name, "numeric") == 0 && to->nnumbers > 0)
		return strpbrk(value->text, "eE") == NULL && scale_of(value->text) <= (to->nnumbers > 1 ? to->numbers[1] : 0);
	else if (pythia_word_in(to->name, integers))
		return strpbrk(value->text, ".eE") == NULL;
	else if (pythia_word_in(to->name, texts) && to->nnumbers > 0)
		return (long) characters(value->text) <= to->numbers[0];
	return true;
}

static bool read_cast_numbers(pythia_tokens *cursor, cast *to)
{
	if (!pythia_tokens_take(cursor, "("))
		return true;
	do
	{
		bool minus = pythia_tokens_take(cursor, "-");

		if (cursor->token.kind != PYTHIA_TOKEN_NUMBER || cursor->token.length > 9 || to->nnumbers == 2)
			return false;
		to->numbers[to->nnumbers++] = strtol(cursor->token.text, NULL, 10) * (minus ? -1 : 1);
		pythia_tokens_next(cursor);
	} while (pythia_tokens_take(cursor, ","));
	return pythia_tokens_take(cursor, ")");
}

/* ::type, of any name: the value stays, and the column's own type says what it is. */
static bool read_cast(pythia_tokens *cursor, pythia_default *value)
{
	cast to = {0};
	bool ok = cursor->token.kind == PYTHIA_TOKEN_NAME || cursor->token.kind == PYTHIA_TOKEN_QUOTED;

	while (ok && (cursor->token.kind == PYTHIA_TOKEN_NAME || cursor->token.kind == PYTHIA_TOKEN_QUOTED))
	{
		bool name = cursor->token.kind == PYTHIA_TOKEN_QUOTED;
		size_t length = name ? cursor->value.length : cursor->token.length;

		if (to.name[0] == '\0' && length < sizeof(to.name))
		{
			memcpy(to.name, name ? pythia_buffer_text(&cursor->value) : cursor->token.text, length);
			to.name[length] = '\0';
		}
		pythia_tokens_next(cursor);
		if (pythia_tokens_take(cursor, "."))
			to.name[0] = '\0'; /* it was the schema's */
		ok = read_cast_numbers(cursor, &to);
	}
	if (ok && pythia_tokens_take(cursor, "["))
		return pythia_tokens_take(cursor, "]");
	return ok && apply_cast(&to, value);
}

static bool read_value(pythia_tokens *cursor, pythia_engine engine, int depth, pythia_default *value)
{
	bool ok;

	if (depth < MOST_PARENTHESES && pythia_tokens_take(cursor, "("))
		ok = read_value(cursor, engine, depth + 1, value) && pythia_tokens_take(cursor, ")");
	else if (cursor->token.kind == PYTHIA_TOKEN_STRING ||
			 /* SQLite's misspelled literal */
			 (engine == PYTHIA_SQLITE && cursor->token.kind == PYTHIA_TOKEN_QUOTED && cursor->token.text[0] == '"'))
		ok = read_string(cursor, value);
	else if (cursor->token.kind == PYTHIA_TOKEN_NAME)
		ok = read_word(cursor, engine, value);
	else
		ok = read_number(cursor, value);
	while (ok && engine == PYTHIA_POSTGRESQL && pythia_tokens_take(cursor, "::"))
		ok = read_cast(cursor, value);
	return ok;
}

/* An expression, for that engine alone, or else something to be shown. */
static void read_expression(pythia_engine engine, const char *expression, pythia_default *value)
{
	pythia_tokens cursor;
	pythia_buffer text = PYTHIA_BUFFER_INIT;

	pythia_tokens_open(&cursor, engine, expression);
	if (pythia_expression_read(&cursor, &text))
		take(value, PYTHIA_DEFAULT_EXPRESSION, text.data, text.length);
	else
	{
		value->kind = PYTHIA_DEFAULT_UNREAD;
		value->text = pythia_visible_short(expression);
	}
	pythia_tokens_close(&cursor);
	pythia_buffer_free(&text);
}

void pythia_default_read(pythia_engine engine, const char *expression, pythia_default *value)
{
	pythia_tokens cursor;

	memset(value, 0, sizeof(*value));
	value->engine = engine;
	if (expression == NULL || expression[0] == '\0')
		return;
	pythia_tokens_open(&cursor, engine, expression);
	if (!read_value(&cursor, engine, 0, value) || cursor.token.kind != PYTHIA_TOKEN_END)
	{
		pythia_default_free(value);
		value->engine = engine;
		read_expression(engine, expression, value);
	}
	pythia_tokens_close(&cursor);
}
