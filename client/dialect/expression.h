/* The expressions that a column's default may be, between databases of one engine. */
#ifndef PYTHIA_EXPRESSION_H
#define PYTHIA_EXPRESSION_H

#include "dialect/token_cursor.h"

/* Reads one from the cursor to the text's end and appends it as SQL of the cursor's engine, written anew.  False, with
 * anything appended, where it holds more than literals, arithmetic and functions of a list. */
bool pythia_expression_read(pythia_tokens *cursor, pythia_buffer *out);

#endif
