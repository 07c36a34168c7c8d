/*
 * Text from a server, a file or a name, for a person's eyes.  A terminal obeys control
 * characters, a log takes a line break for a new entry, and some characters of Unicode turn
 * the order of others around: all of them are shown, none is passed on.
 */
#ifndef PYTHIA_VISIBLE_H
#define PYTHIA_VISIBLE_H

#include "core/buffer.h"

/* Appends the text with \n, \x1b, \u202e and the like in the place of what would not be seen; a byte that is no
 * UTF-8 is \xHH, too. */
void pythia_visible(pythia_buffer *out, const char *text, size_t length);

/* The same for JSON, which stays the same JSON: what may stand in its strings and would not be seen becomes \uHHHH. */
void pythia_visible_json(pythia_buffer *json);

#endif
