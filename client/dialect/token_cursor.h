/*
 * The tokens of a text that a catalogue tells, one at a time.  Types and defaults are read by it and nothing else, so
 * what is not a word, a number or a literal of that engine never reaches an SQL text.
 */
#ifndef PYTHIA_TOKEN_CURSOR_H
#define PYTHIA_TOKEN_CURSOR_H

#include "dialect/tokens.h"

typedef struct pythia_tokens
{
	pythia_engine engine;
	/* The one looked at, never a BLANK.  REFUSED are also a text that is no UTF-8 and the literals that no catalogue
	 * writes: a number that is not digits with a point and an exponent, a string in other quotes than '…', an escape
	 * of an odd kind. */
	pythia_token token;
	bool apart;          /* blanks, or a comment, stand before it */
	pythia_buffer value; /* of a STRING or a QUOTED name: what is within the quotes */
} pythia_tokens;

/* Looks at the first token of a text, which is borrowed. */
void pythia_tokens_open(pythia_tokens *cursor, pythia_engine engine, const char *text);
/* Goes on; a REFUSED token stays. */
void pythia_tokens_next(pythia_tokens *cursor);
/* True where the token is this word, in any case, or this sign. */
bool pythia_tokens_at(const pythia_tokens *cursor, const char *word);
/* True where MySQL's catalogue says that a string of Unicode follows: _utf8mb4. */
bool pythia_tokens_at_introducer(const pythia_tokens *cursor);
/* As pythia_tokens_at, then goes on, too. */
bool pythia_tokens_take(pythia_tokens *cursor, const char *word);
void pythia_tokens_close(pythia_tokens *cursor);

#endif
