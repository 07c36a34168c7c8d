#include "dialect/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "core/utf8.h"

static bool begins_name(char c)
{
	return pythia_is_letter(c) || c == '_' || (c & 0x80) != 0;
}

static bool in_name(char c)
{
	return begins_name(c) || pythia_is_digit(c) || c == '$';
}

static void refuse(pythia_token *token, const char *reason)
{
	token->kind = PYTHIA_TOKEN_REFUSED;
	token->reason = reason;
}

static void take(pythia_token *token, pythia_token_kind kind, const char *end)
{
	token->kind = kind;
	token->length = (size_t) (end - token->text);
}

/* What a quote at `at` opens.  A doubled quote does not close it, nor one behind a backslash where that counts. */
static void quoted(pythia_token *token, pythia_token_kind kind, const char *at, char quote, bool backslash)
{
	for (at++; *at != '\0'; at++)
	{
		if (backslash && *at == '\\')
		{
			if (*++at == '\0')
				break;
		}
		else if (*at == quote && at[1] == quote && quote != ']')
			at++;
		else if (*at == quote)
		{
			take(token, kind, at + 1);
			return;
		}
	}
	refuse(token, kind == PYTHIA_TOKEN_STRING ? "a string has no end" : "a quoted name has no end");
}

static void line_comment(pythia_token *token, const char *ends)
{
	take(token, PYTHIA_TOKEN_BLANK, token->text + strcspn(token->text, ends));
}

/* PostgreSQL's comments may hold others.  MySQL runs what stands in some. */
static void block_comment(pythia_engine engine, pythia_token *token)
{
	int depth = 0;

	if (engine == PYTHIA_MYSQL && (token->text[2] == '!' || (token->text[2] == 'M' && token->text[3] == '!')))
	{
		refuse(token, "a comment is run by some versions of the server");
		return;
	}
	for (const char *at = token->text; *at != '\0'; at++)
	{
		if (at[0] == '/' && at[1] == '*' && (depth == 0 || engine == PYTHIA_POSTGRESQL))
			depth++, at++;
		else if (at[0] == '*' && at[1] == '/')
		{
			at++;
			if (--depth == 0)
			{
				take(token, PYTHIA_TOKEN_BLANK, at + 1);
				return;
			}
		}
	}
	refuse(token, "a comment has no end");
}

/* $tag$ … $tag$ */
static void dollar_quoted(pythia_token *token)
{
	const char *tag = token->text + 1;
	const char *end;
	size_t length;

	if (pythia_is_digit(*tag))
	{
		refuse(token, "it has a parameter");
		return;
	}
	while (in_name(*tag) && *tag != '$')
		tag++;
	if (*tag != '$')
	{
		take(token, PYTHIA_TOKEN_OTHER, token->text + 1);
		return;
	}
	length = (size_t) (tag + 1 - token->text);
	for (end = tag + 1; *end != '\0' && strncmp(end, token->text, length) != 0;)
		end++;
	if (*end == '\0')
		refuse(token, "a string has no end");
	else
		take(token, PYTHIA_TOKEN_STRING, end + length);
}

/* A string that goes on behind a line break is still one of its kind: E'…' newline '…'. */
static void escape_string(pythia_token *token)
{
	const char *next;

	quoted(token, PYTHIA_TOKEN_STRING, token->text + 1, '\'', true);
	if (token->kind != PYTHIA_TOKEN_STRING)
		return;
	for (next = token->text + token->length; pythia_is_blank(*next) || (next[0] == '-' && next[1] == '-'); next++)
		next += *next == '-' ? strcspn(next, "\r\n") - (next[strcspn(next, "\r\n")] == '\0') : 0;
	if (*next == '\'')
		refuse(token, "a string follows another one");
}

static void number(pythia_token *token)
{
	const char *end = token->text;

	while (pythia_is_digit(*end) || *end == '.')
		end++;
	if ((*end == 'e' || *end == 'E') && (end[1] == '-' || end[1] == '+') && pythia_is_digit(end[2]))
		end += 2;
	while (pythia_is_digit(*end) || begins_name(*end) || *end == '.')
		end++;
	/* 1e'…' may be a number and a string with escapes */
	if (*end == '\'' || *end == '"' || *end == '$')
		refuse(token, "a number touches a string");
	else
		take(token, PYTHIA_TOKEN_NUMBER, end);
}

static void bare_name(pythia_engine engine, pythia_token *token)
{
	const char *end = token->text;

	if (engine == PYTHIA_POSTGRESQL && (*end == 'E' || *end == 'e') && end[1] == '\'')
	{
		escape_string(token);
		return;
	}
	while (in_name(*end))
		end++;
	take(token, PYTHIA_TOKEN_NAME, end);
}

/* The parameters of a prepared statement: a condition has none of its own, and those of ours it has no business with. */
static bool is_parameter(pythia_engine engine, const char *at)
{
	if (engine == PYTHIA_POSTGRESQL)
		return false; /* $1, see dollar_quoted */
	return *at == '?' || (engine == PYTHIA_SQLITE && strchr(":@#$", *at) != NULL);
}

void pythia_token_read(pythia_engine engine, const char *at, pythia_token *token)
{
	bool postgres = engine == PYTHIA_POSTGRESQL;
	bool mysql = engine == PYTHIA_MYSQL;
	const char *end = at;

	*token = (pythia_token){.kind = PYTHIA_TOKEN_END, .text = at};
	while (pythia_is_blank(*end))
		end++;
	if (*at == '\0')
		return;
	if (end > at)
		take(token, PYTHIA_TOKEN_BLANK, end);
	else if (*at == '\'')
		quoted(token, PYTHIA_TOKEN_STRING, at, '\'', mysql);
	else if (*at == '"')
		quoted(token, mysql ? PYTHIA_TOKEN_STRING : PYTHIA_TOKEN_QUOTED, at, '"', mysql);
	else if (*at == '`' && !postgres)
		quoted(token, PYTHIA_TOKEN_QUOTED, at, '`', false);
	else if (*at == '[' && engine == PYTHIA_SQLITE)
		quoted(token, PYTHIA_TOKEN_QUOTED, at, ']', false);
	else if (at[0] == '-' && at[1] == '-' && (!mysql || pythia_is_blank(at[2]) || pythia_is_control(at[2])))
		line_comment(token, postgres ? "\r\n" : "\n");
	else if (*at == '#' && mysql)
		line_comment(token, "\n");
	else if (at[0] == '/' && at[1] == '*')
		block_comment(engine, token);
	else if (begins_name(*at))
		bare_name(engine, token);
	else if (pythia_is_digit(*at) || (*at == '.' && pythia_is_digit(at[1])))
		number(token);
	else if (*at == '$' && postgres)
		dollar_quoted(token);
	else if (is_parameter(engine, at))
		refuse(token, "it has a parameter");
	else if (pythia_is_control(*at))
		refuse(token, "it has a control character");
	else
		take(token, PYTHIA_TOKEN_OTHER, at + (postgres && at[0] == ':' && at[1] == ':' ? 2 : 1));
}

/* --- what they hold ------------------------------------------------------------- */

/* Digits of a base that end before `end`, at most `most`; *at is left behind them. */
static unsigned long digits(const char **at, const char *end, int most, int base)
{
	char text[12] = "";
	int n = 0;

	while (n < most && *at < end && pythia_hex_value(**at) >= 0 && pythia_hex_value(**at) < base)
		text[n++] = *(*at)++;
	return strtoul(text, NULL, base);
}

/* What a backslash makes of the character behind it; *at is left behind both. */
static void escaped(pythia_engine engine, const char **at, const char *end, pythia_buffer *out)
{
	static const char from[] = "btnrf0Z";
	static const char to[] = "\b\t\n\r\f\0\x1a";
	char c = *(*at)++;
	const char *known = c != '\0' ? strchr(from, c) : NULL;
	bool mysql = engine == PYTHIA_MYSQL;

	/* LIKE's own escapes stay */
	if (mysql && (c == '%' || c == '_'))
	{
		pythia_buffer_putc(out, '\\');
		pythia_buffer_putc(out, c);
	}
	else if (known != NULL && (mysql ? c != 'f' : c != '0' && c != 'Z'))
		pythia_buffer_putc(out, to[known - from]);
	else if (!mysql && (c == 'u' || c == 'U'))
		pythia_utf8_put(out, (unsigned) digits(at, end, c == 'u' ? 4 : 8, 16) & 0x1FFFFF);
	else if (!mysql && c == 'x')
		pythia_buffer_putc(out, (char) digits(at, end, 2, 16));
	else if (!mysql && c >= '0' && c <= '7')
	{
		(*at)--;
		pythia_buffer_putc(out, (char) digits(at, end, 3, 8));
	}
	else
		pythia_buffer_putc(out, c);
}

void pythia_token_content(pythia_engine engine, const pythia_token *token, pythia_buffer *out)
{
	const char *at = token->text;
	const char *end = at + token->length;
	bool string = token->kind == PYTHIA_TOKEN_STRING;
	bool backslash = string && (engine == PYTHIA_MYSQL || *at == 'E' || *at == 'e');
	char quote;

	if (string && *at == '$')
	{
		size_t tag = (size_t) (strchr(at + 1, '$') + 1 - at);

		pythia_buffer_append(out, at + tag, token->length - 2 * tag);
		return;
	}
	at += *at == 'E' || *at == 'e';
	quote = end[-1];
	for (at++, end--; at < end;)
	{
		if (backslash && *at == '\\')
		{
			at++;
			escaped(engine, &at, end, out);
			continue;
		}
		if (*at == quote)
			at++;
		pythia_buffer_putc(out, *at++);
	}
}

/* --- conditions ------------------------------------------------------------------- */

#define MOST_DEPTH 1000

static const char *fault_of(pythia_engine engine, const char *text)
{
	char open[MOST_DEPTH];
	int depth = 0;
	bool empty = true;
	pythia_token token;

	for (pythia_token_read(engine, text, &token); token.kind != PYTHIA_TOKEN_END;
		 pythia_token_read(engine, token.text + token.length, &token))
	{
		char c = token.kind == PYTHIA_TOKEN_OTHER ? *token.text : '\0';

		if (token.kind == PYTHIA_TOKEN_REFUSED)
			return token.reason;
		empty = empty && token.kind == PYTHIA_TOKEN_BLANK;
		if (c == ';')
			return "it has a semicolon";
		if (c == '(' || c == '[' || c == '{')
		{
			if (depth == MOST_DEPTH)
				return "its parentheses are too deep";
			open[depth++] = c == '(' ? ')' : c == '[' ? ']' : '}';
		}
		else if ((c == ')' || c == ']' || c == '}') && (depth == 0 || open[--depth] != c))
			return "it closes a parenthesis that it did not open";
	}
	return empty ? "it is empty" : depth > 0 ? "it does not close its parentheses" : NULL;
}

bool pythia_condition_check(pythia_engine engine, const char *option, const char *text, pythia_error *error)
{
	const char *fault = text != NULL ? fault_of(engine, text) : NULL;

	if (fault == NULL)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "42601", "option \"%s\" is not one condition: %s", option, fault);
	pythia_error_detail(error, "It is: %s", text);
	return pythia_error_hint(error,
							 "Give one condition over the table's columns, as it stands behind WHERE; for example "
							 "status <> 'draft'.");
}

bool pythia_expression_check(pythia_engine engine, const char *option, const char *text, pythia_error *error)
{
	const char *fault = fault_of(engine, text);

	if (fault == NULL)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "42601", "option \"%s\" holds what is not one expression: %s", option, fault);
	pythia_error_detail(error, "It is: %s", text);
	return pythia_error_hint(error, "Give one expression over the row's columns; for example lower(email).");
}

void pythia_condition_put(pythia_buffer *out, const char *text)
{
	/* a comment may go to the end of the line */
	bool comment = strstr(text, "--") != NULL || strchr(text, '#') != NULL;

	pythia_buffer_printf(out, "(%s%s)", text, comment ? "\n" : "");
}
