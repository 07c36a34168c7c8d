#include "dialect/token_cursor.h"

#include <string.h>
#include <strings.h>

#include "core/utf8.h"
#include "dialect/forms.h"

/* The escapes that the engines' catalogues write, and others that mean the same everywhere they are known. */
static bool has_odd_escape(pythia_engine engine, const pythia_token *token)
{
	const char *known = engine == PYTHIA_MYSQL ? "\\'\"nrtbZ" : "\\'nrtb";

	if (engine != PYTHIA_MYSQL && *token->text == '\'')
		return false;
	for (size_t i = 0; i < token->length; i++)
	{
		if (token->text[i] == '\\' && !memchr(known, token->text[++i], strlen(known)))
			return true;
	}
	return false;
}

/* A literal that a catalogue may write; the engine itself reads more. */
static bool is_plain(pythia_engine engine, const pythia_token *token)
{
	switch (token->kind)
	{
		case PYTHIA_TOKEN_NUMBER:
			return pythia_numeric_text(token->text, token->length);
		case PYTHIA_TOKEN_STRING:
			return strchr("'Ee", *token->text) != NULL && !has_odd_escape(engine, token);
		default:
			return true;
	}
}

void pythia_tokens_open(pythia_tokens *cursor, pythia_engine engine, const char *text)
{
	memset(cursor, 0, sizeof(*cursor));
	cursor->engine = engine;
	cursor->token = (pythia_token){.kind = PYTHIA_TOKEN_BLANK, .text = text};
	if (!pythia_utf8_valid(text, strlen(text)))
		cursor->token.kind = PYTHIA_TOKEN_REFUSED;
	pythia_tokens_next(cursor);
}

void pythia_tokens_next(pythia_tokens *cursor)
{
	pythia_token *token = &cursor->token;

	if (token->kind == PYTHIA_TOKEN_REFUSED)
		return;
	pythia_token_read(cursor->engine, token->text + token->length, token);
	cursor->apart = token->kind == PYTHIA_TOKEN_BLANK;
	while (token->kind == PYTHIA_TOKEN_BLANK)
		pythia_token_read(cursor->engine, token->text + token->length, token);
	pythia_buffer_clear(&cursor->value);
	if (!is_plain(cursor->engine, token))
		token->kind = PYTHIA_TOKEN_REFUSED;
	else if (token->kind == PYTHIA_TOKEN_STRING || token->kind == PYTHIA_TOKEN_QUOTED)
		pythia_token_content(cursor->engine, token, &cursor->value);
}

bool pythia_tokens_at(const pythia_tokens *cursor, const char *word)
{
	const pythia_token *token = &cursor->token;

	return (token->kind == PYTHIA_TOKEN_NAME || token->kind == PYTHIA_TOKEN_OTHER) && token->length == strlen(word) &&
		   strncasecmp(token->text, word, token->length) == 0;
}

bool pythia_tokens_at_introducer(const pythia_tokens *cursor)
{
	return cursor->engine == PYTHIA_MYSQL &&
		   (pythia_tokens_at(cursor, "_utf8mb4") || pythia_tokens_at(cursor, "_utf8mb3") ||
			pythia_tokens_at(cursor, "_utf8"));
}

bool pythia_tokens_take(pythia_tokens *cursor, const char *word)
{
	if (!pythia_tokens_at(cursor, word))
		return false;
	pythia_tokens_next(cursor);
	return true;
}

void pythia_tokens_close(pythia_tokens *cursor)
{
	pythia_buffer_free(&cursor->value);
}
