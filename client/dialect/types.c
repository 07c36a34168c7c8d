/* What the dialects' type readers have in common, and how two types agree. */
#include "dialect/dialect_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/text.h"
#include "core/visible.h"
#include "dialect/token_cursor.h"

void pythia_lower(char *out, size_t size, const char *text)
{
	size_t i = 0;

	for (; text[i] != '\0' && i + 1 < size; i++)
		out[i] = pythia_lower_char(text[i]);
	out[i] = '\0';
}

bool pythia_word_in(const char *word, const char *const *list)
{
	for (; *list != NULL; list++)
	{
		if (strcmp(word, *list) == 0)
			return true;
	}
	return false;
}

/* --- spellings -------------------------------------------------------------- */

/* No type of any engine has a number with more digits, or a greater one. */
#define NUMBER_DIGITS 10
#define NUMBER_LIMIT  INT32_MAX

static bool add_word(char *words, size_t size, const char *word, size_t length)
{
	size_t used = strlen(words);
	size_t blank = used > 0;

	if (used + blank + length >= size)
		return false;
	if (blank)
		words[used++] = ' ';
	for (size_t i = 0; i < length; i++)
		words[used++] = pythia_lower_char(word[i]);
	words[used] = '\0';
	return true;
}

/* The token goes into the spelling, one blank before it where there were any. */
static void spell(pythia_type_words *words, const pythia_tokens *cursor)
{
	if (cursor->apart && words->spelling.length > 0)
		pythia_buffer_putc(&words->spelling, ' ');
	pythia_buffer_append(&words->spelling, cursor->token.text, cursor->token.length);
}

/* PostgreSQL writes "char", which is not char, and types of somebody's own in quotes. */
static bool is_quoted(const pythia_tokens *cursor)
{
	return cursor->token.kind == PYTHIA_TOKEN_QUOTED && cursor->token.text[0] == '"';
}

static bool split_words(pythia_tokens *cursor, pythia_type_words *words, char *out, size_t size)
{
	while (cursor->token.kind == PYTHIA_TOKEN_NAME || (out[0] == '\0' && is_quoted(cursor)))
	{
		if (!add_word(out, size, cursor->token.text, cursor->token.length))
			return false;
		spell(words, cursor);
		pythia_tokens_next(cursor);
	}
	return true;
}

static bool split_number(pythia_tokens *cursor, pythia_type_words *words)
{
	bool minus = pythia_tokens_at(cursor, "-");
	int64_t number;

	if (cursor->token.kind == PYTHIA_TOKEN_NAME)
	{
		words->word_argument = true;
		spell(words, cursor);
		pythia_tokens_next(cursor);
		return true;
	}
	if (minus || pythia_tokens_at(cursor, "+"))
	{
		spell(words, cursor);
		pythia_tokens_next(cursor);
	}
	if (cursor->token.kind != PYTHIA_TOKEN_NUMBER || cursor->token.length > NUMBER_DIGITS)
		return false;
	words->fraction = words->fraction || strspn(cursor->token.text, "0123456789") != cursor->token.length;
	number = strtoll(cursor->token.text, NULL, 10);
	number = number < NUMBER_LIMIT ? number : NUMBER_LIMIT;
	words->numbers[words->nnumbers++] = minus ? -number : number;
	spell(words, cursor);
	pythia_tokens_next(cursor);
	return true;
}

/* ( number [, number] ) */
static bool split_numbers(pythia_tokens *cursor, pythia_type_words *words)
{
	if (!pythia_tokens_at(cursor, "("))
		return true;
	for (int i = 0; i < 2; i++)
	{
		spell(words, cursor);
		pythia_tokens_next(cursor);
		if (!split_number(cursor, words))
			return false;
		if (!pythia_tokens_at(cursor, ","))
			break;
	}
	if (!pythia_tokens_at(cursor, ")"))
		return false;
	spell(words, cursor);
	pythia_tokens_next(cursor);
	return true;
}

static bool split_array(pythia_tokens *cursor, pythia_type_words *words)
{
	const pythia_token *token = &cursor->token;
	/* to SQLite they are the quotes of a name */
	bool both = token->kind == PYTHIA_TOKEN_QUOTED && token->length == 2 && *token->text == '[';

	if (both)
		pythia_tokens_next(cursor);
	else if (!pythia_tokens_take(cursor, "["))
		return true;
	words->array = both || pythia_tokens_take(cursor, "]");
	pythia_buffer_puts(&words->spelling, "[]");
	return words->array;
}

/* The schema's name, where the first word or name is one. */
static void split_schema(pythia_tokens *cursor, pythia_engine engine, const char *native, pythia_type_words *words)
{
	bool name = cursor->token.kind == PYTHIA_TOKEN_QUOTED;

	if (!name && cursor->token.kind != PYTHIA_TOKEN_NAME)
		return;
	if (name)
		pythia_buffer_append(&words->schema, pythia_buffer_text(&cursor->value), cursor->value.length);
	else
		pythia_buffer_append(&words->schema, cursor->token.text, cursor->token.length);
	pythia_tokens_next(cursor);
	if (pythia_tokens_take(cursor, "."))
		return;
	/* it was the type's own */
	pythia_buffer_clear(&words->schema);
	pythia_tokens_close(cursor);
	pythia_tokens_open(cursor, engine, native);
}

bool pythia_type_split(pythia_engine engine, const char *native, pythia_type_words *words)
{
	pythia_tokens cursor;
	bool ok;

	memset(words, 0, sizeof(*words));
	pythia_tokens_open(&cursor, engine, native);
	split_schema(&cursor, engine, native, words);
	ok = split_words(&cursor, words, words->base, sizeof(words->base)) && split_numbers(&cursor, words) &&
		 split_words(&cursor, words, words->rest, sizeof(words->rest)) && split_array(&cursor, words) &&
		 cursor.token.kind == PYTHIA_TOKEN_END;
	pythia_tokens_close(&cursor);
	/* a type without a name is none at all */
	return ok && (words->base[0] != '\0' || words->spelling.length == 0);
}

void pythia_type_words_free(pythia_type_words *words)
{
	pythia_buffer_free(&words->schema);
	pythia_buffer_free(&words->spelling);
}

void pythia_type_unread(pythia_type *type, const char *native)
{
	memset(type, 0, sizeof(*type));
	type->kind = PYTHIA_KIND_OTHER;
	type->precision = -1;
	type->length = -1;
	type->unread = pythia_visible_short(native);
}

void pythia_type_read(pythia_type *type, pythia_type_words *words)
{
	pythia_free(type->unread);
	type->unread = NULL;
	type->native = pythia_buffer_take(&words->spelling);
}

bool pythia_read_labels(pythia_engine engine, const char *text, pythia_type *type)
{
	pythia_tokens cursor;
	bool ok;

	pythia_tokens_open(&cursor, engine, text);
	do
	{
		ok = cursor.token.kind == PYTHIA_TOKEN_STRING;
		if (!ok)
			break;
		pythia_type_add_label(type, pythia_buffer_text(&cursor.value));
		pythia_tokens_next(&cursor);
	} while (pythia_tokens_take(&cursor, ","));
	ok = ok && cursor.token.kind == PYTHIA_TOKEN_END;
	pythia_tokens_close(&cursor);
	if (!ok)
		pythia_type_forget_labels(type);
	return ok;
}

void pythia_put_quoted(pythia_buffer *out, const char *text, size_t length, char quote)
{
	pythia_buffer_putc(out, quote);
	for (size_t i = 0; i < length; i++)
	{
		if (text[i] == quote)
			pythia_buffer_putc(out, quote);
		pythia_buffer_putc(out, text[i]);
	}
	pythia_buffer_putc(out, quote);
}

static bool is_texty(pythia_kind kind)
{
	return kind == PYTHIA_KIND_TEXT || kind == PYTHIA_KIND_CHAR || kind == PYTHIA_KIND_OTHER;
}

static bool is_integer(pythia_kind kind)
{
	return kind == PYTHIA_KIND_BOOL || kind == PYTHIA_KIND_INT || kind == PYTHIA_KIND_UINT || kind == PYTHIA_KIND_YEAR;
}

static bool is_float(pythia_kind kind)
{
	return kind == PYTHIA_KIND_FLOAT || kind == PYTHIA_KIND_DOUBLE;
}

static bool is_stamp(pythia_kind kind)
{
	return kind == PYTHIA_KIND_TIMESTAMP || kind == PYTHIA_KIND_TIMESTAMPTZ;
}

static int narrower(int a, int b)
{
	if (a < 0)
		return b;
	if (b < 0)
		return a;
	return a < b ? a : b;
}

static void agree_decimal(const pythia_type *a, const pythia_type *b, pythia_type *agreed)
{
	bool a_fixed = a->kind == PYTHIA_KIND_DECIMAL && a->precision > 0;
	bool b_fixed = b->kind == PYTHIA_KIND_DECIMAL && b->precision > 0;
	bool both_decimal = a->kind == PYTHIA_KIND_DECIMAL && b->kind == PYTHIA_KIND_DECIMAL;

	agreed->kind = PYTHIA_KIND_DECIMAL;
	agreed->precision = -1;
	agreed->scale = 0;
	/* An integer beside a decimal is compared as it is: rounding would hide a lost fraction. */
	if (!both_decimal || (!a_fixed && !b_fixed))
		return;
	agreed->precision = narrower(a_fixed ? a->precision : -1, b_fixed ? b->precision : -1);
	agreed->scale = narrower(a_fixed ? a->scale : -1, b_fixed ? b->scale : -1);
}

/* Everything but the texts. */
static void agree(const pythia_type *a, const pythia_type *b, pythia_type *agreed)
{
	const pythia_type *wide;

	*agreed = (pythia_type){.kind = a->kind, .precision = -1, .length = -1};
	if (a->kind == b->kind)
	{
		switch (a->kind)
		{
			case PYTHIA_KIND_DECIMAL:
				agree_decimal(a, b, agreed);
				break;
			case PYTHIA_KIND_TIME:
			case PYTHIA_KIND_TIMESTAMP:
			case PYTHIA_KIND_TIMESTAMPTZ:
				agreed->precision = narrower(a->precision, b->precision);
				agreed->zone = a->zone && b->zone;
				break;
			case PYTHIA_KIND_BIT:
			case PYTHIA_KIND_BYTES:
				agreed->length = a->length > b->length ? a->length : b->length;
				break;
			default:
				break;
		}
		return;
	}

	/* Text on one side holds the other's values spelled out. */
	if (is_texty(a->kind) && is_texty(b->kind))
	{
		agreed->kind = a->kind == PYTHIA_KIND_CHAR || b->kind == PYTHIA_KIND_CHAR ? PYTHIA_KIND_CHAR : PYTHIA_KIND_TEXT;
		return;
	}
	if (is_texty(a->kind) || is_texty(b->kind))
	{
		wide = is_texty(a->kind) ? b : a;
		*agreed = (pythia_type){.kind = wide->kind,
								.size = wide->size,
								.precision = wide->precision,
								.scale = wide->scale,
								.length = wide->length,
								.zone = wide->zone};
		return;
	}

	if (is_float(a->kind) && is_float(b->kind))
		agreed->kind = PYTHIA_KIND_FLOAT;
	else if (is_float(a->kind) && b->kind == PYTHIA_KIND_DECIMAL && b->precision > 0)
	{
		/* rounded on its way */
		agreed->kind = PYTHIA_KIND_DECIMAL;
		agreed->precision = b->precision;
		agreed->scale = b->scale;
	}
	else if (is_float(a->kind) && (is_integer(b->kind) || b->kind == PYTHIA_KIND_DECIMAL))
		agreed->kind = a->kind;
	else if (is_float(b->kind) && (is_integer(a->kind) || a->kind == PYTHIA_KIND_DECIMAL))
		agreed->kind = b->kind;
	else if (is_integer(a->kind) && is_integer(b->kind))
		agreed->kind = PYTHIA_KIND_INT;
	else if ((is_integer(a->kind) || a->kind == PYTHIA_KIND_DECIMAL) &&
			 (is_integer(b->kind) || b->kind == PYTHIA_KIND_DECIMAL))
		agree_decimal(a, b, agreed);
	else if (is_stamp(a->kind) && is_stamp(b->kind))
	{
		agreed->kind = PYTHIA_KIND_TIMESTAMPTZ;
		agreed->precision = narrower(a->precision, b->precision);
	}
	else if ((a->kind == PYTHIA_KIND_DATE && is_stamp(b->kind)) || (b->kind == PYTHIA_KIND_DATE && is_stamp(a->kind)))
		agreed->kind = PYTHIA_KIND_DATE;
	else if ((a->kind == PYTHIA_KIND_TIME && b->kind == PYTHIA_KIND_INTERVAL) ||
			 (b->kind == PYTHIA_KIND_TIME && a->kind == PYTHIA_KIND_INTERVAL))
	{
		agreed->kind = PYTHIA_KIND_TIME;
		agreed->precision = narrower(a->precision, b->precision);
	}
	/* SQLite keeps a time as microseconds, bits as an integer. */
	else if ((is_integer(a->kind) && b->kind == PYTHIA_KIND_TIME) ||
			 (is_integer(b->kind) && a->kind == PYTHIA_KIND_TIME))
	{
		agreed->kind = PYTHIA_KIND_TIME;
		agreed->precision = a->kind == PYTHIA_KIND_TIME ? a->precision : b->precision;
	}
	else if (a->kind == PYTHIA_KIND_BIT || b->kind == PYTHIA_KIND_BIT)
	{
		agreed->kind = PYTHIA_KIND_BIT;
		agreed->length = a->kind == PYTHIA_KIND_BIT ? a->length : b->length;
	}
	else if ((a->kind == PYTHIA_KIND_UUID && b->kind == PYTHIA_KIND_BYTES) ||
			 (b->kind == PYTHIA_KIND_UUID && a->kind == PYTHIA_KIND_BYTES))
		agreed->kind = PYTHIA_KIND_UUID;
	else if ((a->kind == PYTHIA_KIND_GEOMETRY && b->kind == PYTHIA_KIND_BYTES) ||
			 (b->kind == PYTHIA_KIND_GEOMETRY && a->kind == PYTHIA_KIND_BYTES))
		agreed->kind = PYTHIA_KIND_GEOMETRY;
	else if ((a->kind == PYTHIA_KIND_SET && b->kind == PYTHIA_KIND_ARRAY) ||
			 (b->kind == PYTHIA_KIND_SET && a->kind == PYTHIA_KIND_ARRAY))
		agreed->kind = PYTHIA_KIND_SET;
	else if (a->kind == PYTHIA_KIND_JSON || b->kind == PYTHIA_KIND_JSON)
		agreed->kind = PYTHIA_KIND_JSON; /* also where an array became one */
	else if (a->kind == PYTHIA_KIND_ARRAY || b->kind == PYTHIA_KIND_ARRAY)
		agreed->kind = PYTHIA_KIND_ARRAY;
	else if (a->kind == PYTHIA_KIND_SET || b->kind == PYTHIA_KIND_SET)
		agreed->kind = PYTHIA_KIND_SET;
	else
		agreed->kind = PYTHIA_KIND_TEXT;
}

void pythia_type_agree(const pythia_type *a, const pythia_type *b, pythia_type *agreed)
{
	agree(a, b, agreed);
	agreed->size = a->size > 0 && b->size > 0 ? narrower(a->size, b->size) : 0;
	agreed->native = pythia_strdup(pythia_kind_name(agreed->kind));
}
