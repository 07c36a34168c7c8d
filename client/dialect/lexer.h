/*
 * Words, numbers and literals of a text that a catalogue tells, one at a time.  Types and defaults are read by it and
 * nothing else, so what is not one of these never reaches an SQL text.
 */
#ifndef PYTHIA_LEXER_H
#define PYTHIA_LEXER_H

#include <stdbool.h>

#include "core/buffer.h"

typedef enum pythia_token
{
	PYTHIA_TOKEN_END,
	PYTHIA_TOKEN_WORD,   /* letters, digits, _ and $, not beginning with a digit; bytes above 127 are letters */
	PYTHIA_TOKEN_NUMBER, /* digits with a point and an exponent; no sign */
	PYTHIA_TOKEN_STRING, /* '…' or E'…' */
	PYTHIA_TOKEN_NAME,   /* "…", `…` or […] */
	PYTHIA_TOKEN_SYMBOL, /* any other character, or :: */
	PYTHIA_TOKEN_BAD     /* it goes no further */
} pythia_token;

typedef struct pythia_lexer
{
	const char *at;     /* after the token */
	bool backslashes;   /* they escape within '…' */
	pythia_token token; /* the one looked at */
	const char *start;  /* as it is written */
	size_t length;
	bool apart;          /* blanks, or a comment, stand before it */
	pythia_buffer value; /* of a string or a name: what is within the quotes */
} pythia_lexer;

/* Looks at the first token of a text, which is borrowed. */
void pythia_lexer_open(pythia_lexer *lexer, const char *text, bool backslashes);
void pythia_lexer_next(pythia_lexer *lexer);
/* True where the token is this word, in any case, or this symbol. */
bool pythia_lexer_at(const pythia_lexer *lexer, const char *word);
/* Then goes on, too. */
bool pythia_lexer_take(pythia_lexer *lexer, const char *word);
void pythia_lexer_close(pythia_lexer *lexer);

/* The text as a message may show it: printable, and not long.  The caller's to free. */
char *pythia_shown_text(const char *text);

#endif
