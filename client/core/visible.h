/*
 * Text from a server, a file or a name, for a person's eyes.  A terminal obeys control
 * characters, a log takes a line break for a new entry, and some characters of Unicode turn
 * the order of others around: all of them are shown, none is passed on.
 */
#ifndef PYTHIA_VISIBLE_H
#define PYTHIA_VISIBLE_H

#include <stdarg.h>

#include "core/buffer.h"

/* What stays as it is. */
typedef enum pythia_visible_kept
{
	PYTHIA_VISIBLE_LINE,  /* what is seen within a line */
	PYTHIA_VISIBLE_LINES, /* line breaks and tabs, too: a message may have several lines */
	PYTHIA_VISIBLE_ASCII  /* what is seen in any encoding */
} pythia_visible_kept;

/* Appends the text with \n, \x1b, \u202e and the like in the place of what would not be seen; a byte that is no
 * UTF-8 is \xHH, too.  Text that is visible already stays what it is. */
void pythia_visible(pythia_buffer *out, const char *text, size_t length);
/* The same, and " ..." for the rest where it is longer than `most` bytes. */
void pythia_visible_part(pythia_buffer *out, const char *text, size_t length, size_t most, pythia_visible_kept kept);
/* A message, of lines; the caller's to free. */
char *pythia_visible_format(size_t most, const char *format, va_list list);
/* A word in a message: one line, not long.  The caller's to free. */
char *pythia_visible_short(const char *text);

/* The same for JSON, which stays the same JSON: what may stand in its strings and would not be seen becomes \uHHHH. */
void pythia_visible_json(pythia_buffer *json);

#endif
