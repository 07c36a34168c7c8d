/*
 * The text of a CREATE statement as SQLite keeps it, token by token: what its pragmas do not tell stands there alone.
 * Whoever reads it looks at words between commas and parentheses; nothing of it becomes SQL without being read.
 */
#ifndef PYTHIA_CREATE_TEXT_H
#define PYTHIA_CREATE_TEXT_H

#include "dialect/tokens.h"

typedef struct pythia_create_text
{
	pythia_token token; /* the one looked at, never a BLANK */
	int depth;          /* parentheses that are open before it */
} pythia_create_text;

/* Looks at the first token of `sql`, which is borrowed. */
void pythia_create_text_open(pythia_create_text *text, const char *sql);
/* Likewise of a CREATE TABLE: at the first of its columns, a depth of 1.  False where it is none; a virtual table's says
 * nothing of columns. */
bool pythia_create_text_table(pythia_create_text *text, const char *sql);
void pythia_create_text_next(pythia_create_text *text);
/* At the end, or at what cannot be read. */
bool pythia_create_text_ended(const pythia_create_text *text);
/* At a column's name, and no constraint of the table. */
bool pythia_create_text_at_column(const pythia_create_text *text);
/* At the end of a column, a constraint, or a column of an index, whose list is at a depth of 1. */
bool pythia_create_text_at_comma(const pythia_create_text *text);
/* Whether the token is this word, in any case, or this sign; then `take` goes on, too. */
bool pythia_create_text_at(const pythia_create_text *text, const char *word);
bool pythia_create_text_take(pythia_create_text *text, const char *word);
/* Puts a name of any quotes into `name`, which is cleared before, and goes on. */
void pythia_create_text_take_name(pythia_create_text *text, pythia_buffer *name);

#endif
