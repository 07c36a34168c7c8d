/* UTF-8 as Unicode 15 has it: no overlong forms, no surrogates. */
#ifndef PYTHIA_UTF8_H
#define PYTHIA_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buffer.h"

/* Bytes of the well-formed character at `at`, before `end`; 0 where there is none. */
size_t pythia_utf8_length(const unsigned char *at, const unsigned char *end);
bool pythia_utf8_valid(const char *text, size_t length);
/* Writes the text into `out` (cleared first) up to the first byte that is no UTF-8, or with `cut` false all of it
 * with U+FFFD for each such byte; with nul_goes a NUL byte is one of them. */
void pythia_utf8_rewrite(const char *text, size_t length, bool cut, bool nul_goes, pythia_buffer *out);
/* Appends the character of that number, at most 0x10FFFF; half of a surrogate pair becomes three bytes that are not
 * valid. */
void pythia_utf8_put(pythia_buffer *out, unsigned code);

#endif
