/*
 * A column's default, from what the catalogue says to a value.  A grammar an engine, and the same shape for all: a
 * literal, a number with its sign, a truth value or the current time, in parentheses perhaps and under PostgreSQL's
 * casts.  Everything else is an expression of that engine's own.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "core/visible.h"
#include "dialect/dialect_internal.h"
#include "dialect/lexer.h"

/* Deeper parentheses are nobody's default. */
#define MOST_PARENTHESES 16

static bool take(pythia_default *value, pythia_default_kind kind, const char *text, size_t length)
{
	value->kind = kind;
	value->text = pythia_strndup(text, length);
	return true;
}

static bool read_string(pythia_lexer *lexer, pythia_default *value)
{
	take(value, PYTHIA_DEFAULT_TEXT, pythia_buffer_text(&lexer->value), lexer->value.length);
	pythia_lexer_next(lexer);
	return true;
}

/* [sign] number */
static bool read_number(pythia_lexer *lexer, pythia_default *value)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	bool ok;

	if (pythia_lexer_take(lexer, "-"))
		pythia_buffer_putc(&text, '-');
	else
		pythia_lexer_take(lexer, "+");
	ok = lexer->token == PYTHIA_TOKEN_NUMBER;
	if (ok)
	{
		pythia_buffer_append(&text, lexer->start, lexer->length);
		take(value, PYTHIA_DEFAULT_NUMBER, text.data, text.length);
		pythia_lexer_next(lexer);
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
static bool read_prefixed(pythia_lexer *lexer, bool bits, pythia_default *value)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_lexer_next(lexer);
	ok = lexer->token == PYTHIA_TOKEN_STRING && !lexer->apart && lexer->start[0] == '\'' &&
		 (bits ? all_of(pythia_buffer_text(&lexer->value), "01") : all_hex(pythia_buffer_text(&lexer->value)));
	if (ok)
	{
		pythia_buffer_printf(&text, "%s%s", bits ? "" : "\\x", pythia_buffer_text(&lexer->value));
		take(value, bits ? PYTHIA_DEFAULT_BITS : PYTHIA_DEFAULT_BYTES, text.data, text.length);
		pythia_lexer_next(lexer);
	}
	pythia_buffer_free(&text);
	return ok;
}

/* CURRENT_TIMESTAMP, now(), current_timestamp(3) */
static bool read_now(pythia_lexer *lexer, pythia_default *value)
{
	static const char *const bare[] = {"current_timestamp", "localtimestamp", NULL};
	static const char *const functions[] = {"now", "transaction_timestamp", "current_timestamp", "localtimestamp",
											NULL};
	char word[32];
	bool parentheses;

	if (lexer->length >= sizeof(word))
		return false;
	memcpy(word, lexer->start, lexer->length);
	word[lexer->length] = '\0';
	pythia_lower(word, sizeof(word), word);
	pythia_lexer_next(lexer);
	parentheses = pythia_lexer_take(lexer, "(");
	if (parentheses)
	{
		if (lexer->token == PYTHIA_TOKEN_NUMBER)
			pythia_lexer_next(lexer);
		if (!pythia_lexer_take(lexer, ")"))
			return false;
	}
	value->kind = PYTHIA_DEFAULT_NOW;
	return pythia_word_in(word, parentheses ? functions : bare);
}

static bool read_word(pythia_lexer *lexer, pythia_engine engine, pythia_default *value)
{
	const char *word = lexer->start;
	size_t length = lexer->length;
	bool yes = pythia_lexer_at(lexer, "true");

	if (pythia_lexer_take(lexer, "null"))
	{
		value->kind = PYTHIA_DEFAULT_NONE;
		return true;
	}
	if (yes || pythia_lexer_at(lexer, "false"))
	{
		take(value, PYTHIA_DEFAULT_BOOL, yes ? "1" : "0", 1);
		pythia_lexer_next(lexer);
		return true;
	}
	if (pythia_lexer_at(lexer, "b") || pythia_lexer_at(lexer, "x"))
		return read_prefixed(lexer, pythia_lexer_at(lexer, "b"), value);
	if (read_now(lexer, value))
		return true;
	/* SQLite takes a word that stands alone for a text, unless it is one of the other times */
	return engine == PYTHIA_SQLITE && lexer->token == PYTHIA_TOKEN_END && word[length] == '\0' &&
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

/* The longest bit string that a default is made of here. */
#define MOST_BITS 4096

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
		if (to->numbers[0] < 1 || to->numbers[0] > MOST_BITS)
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

static bool read_cast_numbers(pythia_lexer *lexer, cast *to)
{
	if (!pythia_lexer_take(lexer, "("))
		return true;
	do
	{
		bool minus = pythia_lexer_take(lexer, "-");

		if (lexer->token != PYTHIA_TOKEN_NUMBER || lexer->length > 9 || to->nnumbers == 2)
			return false;
		to->numbers[to->nnumbers++] = strtol(lexer->start, NULL, 10) * (minus ? -1 : 1);
		pythia_lexer_next(lexer);
	} while (pythia_lexer_take(lexer, ","));
	return pythia_lexer_take(lexer, ")");
}

/* ::type, of any name: the value stays, and the column's own type says what it is. */
static bool read_cast(pythia_lexer *lexer, pythia_default *value)
{
	cast to = {0};
	bool ok = lexer->token == PYTHIA_TOKEN_WORD || lexer->token == PYTHIA_TOKEN_NAME;

	while (ok && (lexer->token == PYTHIA_TOKEN_WORD || lexer->token == PYTHIA_TOKEN_NAME))
	{
		bool name = lexer->token == PYTHIA_TOKEN_NAME;
		size_t length = name ? lexer->value.length : lexer->length;

		if (to.name[0] == '\0' && length < sizeof(to.name))
		{
			memcpy(to.name, name ? pythia_buffer_text(&lexer->value) : lexer->start, length);
			to.name[length] = '\0';
		}
		pythia_lexer_next(lexer);
		if (pythia_lexer_take(lexer, "."))
			to.name[0] = '\0'; /* it was the schema's */
		ok = read_cast_numbers(lexer, &to);
	}
	if (ok && pythia_lexer_take(lexer, "["))
		return pythia_lexer_take(lexer, "]");
	return ok && apply_cast(&to, value);
}

static bool read_value(pythia_lexer *lexer, pythia_engine engine, int depth, pythia_default *value)
{
	bool ok;

	if (depth < MOST_PARENTHESES && pythia_lexer_take(lexer, "("))
		ok = read_value(lexer, engine, depth + 1, value) && pythia_lexer_take(lexer, ")");
	else if (lexer->token == PYTHIA_TOKEN_STRING ||
			 /* SQLite's misspelled literal */
			 (engine == PYTHIA_SQLITE && lexer->token == PYTHIA_TOKEN_NAME && lexer->start[0] == '"'))
		ok = read_string(lexer, value);
	else if (lexer->token == PYTHIA_TOKEN_WORD)
		ok = read_word(lexer, engine, value);
	else
		ok = read_number(lexer, value);
	while (ok && engine == PYTHIA_POSTGRESQL && pythia_lexer_take(lexer, "::"))
		ok = read_cast(lexer, value);
	return ok;
}

void pythia_default_read(pythia_engine engine, const char *expression, pythia_default *value)
{
	pythia_lexer lexer;

	memset(value, 0, sizeof(*value));
	if (expression == NULL || expression[0] == '\0')
		return;
	pythia_lexer_open(&lexer, expression, engine == PYTHIA_MYSQL);
	if (!read_value(&lexer, engine, 0, value) || lexer.token != PYTHIA_TOKEN_END)
	{
		pythia_default_free(value);
		value->kind = PYTHIA_DEFAULT_UNREAD;
		value->text = pythia_visible_short(expression);
	}
	pythia_lexer_close(&lexer);
}
