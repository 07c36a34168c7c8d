#include "dialect/lexer.h"

#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "core/utf8.h"

/* isalpha and the like depend on the locale */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char) c >= 0x80;
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* False where a comment does not end. */
static bool skip_blanks(pythia_lexer *lexer)
{
	const char *from = lexer->at;

	for (;;)
	{
		if (is_blank(*lexer->at))
			lexer->at++;
		else if (lexer->at[0] == '-' && lexer->at[1] == '-')
			lexer->at += strcspn(lexer->at, "\n");
		else if (lexer->at[0] == '/' && lexer->at[1] == '*')
		{
			const char *end = strstr(lexer->at + 2, "*/");

			if (end == NULL)
				return false;
			lexer->at = end + 2;
		}
		else
			break;
	}
	lexer->apart = lexer->at != from;
	return true;
}

/* The character that an escape stands for; 0 for one that no catalogue writes. */
static char escaped(char c)
{
	static const char from[] = "\\'\"nrtbZ";
	static const char to[] = "\\'\"\n\r\t\b\x1a";
	const char *at = c != '\0' ? strchr(from, c) : NULL;

	return at != NULL ? to[at - from] : '\0';
}

/* From the opening quote to the closing one, which within is doubled. */
static pythia_token read_quoted(pythia_lexer *lexer, char close, bool backslashes, pythia_token token)
{
	pythia_buffer_clear(&lexer->value);
	for (lexer->at++; *lexer->at != '\0'; lexer->at++)
	{
		char c = *lexer->at;

		if (c == close && (close == ']' || lexer->at[1] != close))
		{
			lexer->at++;
			return token;
		}
		if (c == close)
			lexer->at++;
		else if (c == '\\' && backslashes)
		{
			c = escaped(*++lexer->at);
			if (c == '\0')
				return PYTHIA_TOKEN_BAD;
		}
		pythia_buffer_putc(&lexer->value, c);
	}
	return PYTHIA_TOKEN_BAD;
}

static const char *skip_digits(const char *at)
{
	while (is_digit(*at))
		at++;
	return at;
}

/* 1, 1.5, .5, 1e-5; what letters follow at once, as in 0x1F or 1_000, is no number here. */
static pythia_token read_number(pythia_lexer *lexer)
{
	const char *at = skip_digits(lexer->at);

	if (*at == '.')
		at = skip_digits(at + 1);
	if (*at == 'e' || *at == 'E')
	{
		const char *exponent = at + 1 + (at[1] == '-' || at[1] == '+');

		if (!is_digit(*exponent))
			return PYTHIA_TOKEN_BAD;
		at = skip_digits(exponent);
	}
	lexer->at = at;
	return is_letter(*at) ? PYTHIA_TOKEN_BAD : PYTHIA_TOKEN_NUMBER;
}

static pythia_token read_token(pythia_lexer *lexer)
{
	char c = *lexer->at;

	if (c == '\0')
		return PYTHIA_TOKEN_END;
	if ((c == 'E' || c == 'e') && lexer->at[1] == '\'')
	{
		lexer->at++;
		return read_quoted(lexer, '\'', true, PYTHIA_TOKEN_STRING);
	}
	if (is_letter(c))
	{
		while (is_letter(*lexer->at) || is_digit(*lexer->at) || *lexer->at == '$')
			lexer->at++;
		return PYTHIA_TOKEN_WORD;
	}
	if (is_digit(c) || (c == '.' && is_digit(lexer->at[1])))
		return read_number(lexer);
	if (c == '\'')
		return read_quoted(lexer, c, lexer->backslashes, PYTHIA_TOKEN_STRING);
	if (c == '"' || c == '`' || (c == '[' && lexer->at[1] != ']'))
		return read_quoted(lexer, c == '[' ? ']' : c, false, PYTHIA_TOKEN_NAME);
	lexer->at += c == ':' && lexer->at[1] == ':' ? 2 : 1;
	return PYTHIA_TOKEN_SYMBOL;
}

void pythia_lexer_open(pythia_lexer *lexer, const char *text, bool backslashes)
{
	memset(lexer, 0, sizeof(*lexer));
	lexer->at = text;
	lexer->backslashes = backslashes;
	pythia_lexer_next(lexer);
}

void pythia_lexer_next(pythia_lexer *lexer)
{
	if (lexer->token == PYTHIA_TOKEN_BAD)
		return;
	if (!skip_blanks(lexer))
	{
		lexer->token = PYTHIA_TOKEN_BAD;
		return;
	}
	lexer->start = lexer->at;
	lexer->token = read_token(lexer);
	lexer->length = (size_t) (lexer->at - lexer->start);
}

bool pythia_lexer_at(const pythia_lexer *lexer, const char *word)
{
	return (lexer->token == PYTHIA_TOKEN_WORD || lexer->token == PYTHIA_TOKEN_SYMBOL) &&
		   lexer->length == strlen(word) && strncasecmp(lexer->start, word, lexer->length) == 0;
}

bool pythia_lexer_take(pythia_lexer *lexer, const char *word)
{
	if (!pythia_lexer_at(lexer, word))
		return false;
	pythia_lexer_next(lexer);
	return true;
}

void pythia_lexer_close(pythia_lexer *lexer)
{
	pythia_buffer_free(&lexer->value);
}

#define SHOWN 80

char *pythia_shown_text(const char *text)
{
	const unsigned char *at = (const unsigned char *) text;
	const unsigned char *end = at + strlen(text);
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	while (at < end && out.length < SHOWN)
	{
		size_t length = pythia_utf8_length(at, end);

		/* also the control characters of two bytes, which a terminal may obey */
		if (length == 0 || *at < 0x20 || *at == 0x7f || (*at == 0xc2 && at[1] < 0xa0))
		{
			pythia_buffer_putc(&out, '?');
			at += length > 0 ? length : 1;
			continue;
		}
		pythia_buffer_append(&out, at, length);
		at += length;
	}
	if (at < end)
		pythia_buffer_puts(&out, "…");
	return pythia_buffer_take(&out);
}
