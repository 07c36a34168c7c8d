/*
 * SQL cut into its tokens as an engine cuts it, and what may stand as a condition.
 *
 * A condition is the SQL of whoever gives it and goes between parentheses of ours.  It must not get out of them: by a
 * parenthesis too many, a second statement, or a string or comment that swallows what we write behind it.  Where an
 * engine's reading would depend on more than its text, the condition is refused.
 */
#ifndef PYTHIA_TOKENS_H
#define PYTHIA_TOKENS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/url.h"

typedef enum pythia_token_kind
{
	PYTHIA_TOKEN_END,
	PYTHIA_TOKEN_BLANK,   /* blanks and comments */
	PYTHIA_TOKEN_NAME,    /* bare */
	PYTHIA_TOKEN_QUOTED,  /* a name in quotes */
	PYTHIA_TOKEN_STRING,  /* with what stands before its quote and belongs to it, as the E of E'' */
	PYTHIA_TOKEN_NUMBER,  /* with its exponent and all letters that follow */
	PYTHIA_TOKEN_OTHER,   /* one character, or PostgreSQL's :: */
	PYTHIA_TOKEN_REFUSED, /* without an end, or read otherwise by another version or setting; `reason` tells */
} pythia_token_kind;

typedef struct pythia_token
{
	pythia_token_kind kind;
	const char *text; /* in the SQL */
	size_t length;
	const char *reason;
} pythia_token;

/* The token that begins at `at`; the text ends with a NUL. */
void pythia_token_read(pythia_engine engine, const char *at, pythia_token *token);
/* Appends the name within a QUOTED token, the text within a STRING token: without quotes and escapes. */
void pythia_token_content(pythia_engine engine, const pythia_token *token, pythia_buffer *out);

/* Checks that `text` (NULL: none) is one condition in the engine's SQL; `option` is where it was given. */
bool pythia_condition_check(pythia_engine engine, const char *option, const char *text, pythia_error *error);
/* The same of an expression, whose value may be of any type. */
bool pythia_expression_check(pythia_engine engine, const char *option, const char *text, pythia_error *error);
/* Appends a condition, or an expression, that was checked, between parentheses. */
void pythia_condition_put(pythia_buffer *out, const char *text);

#endif
