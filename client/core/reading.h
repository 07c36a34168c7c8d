/*
 * What a text means as a value of a kind.  SQLite's columns hold anything, so that a value there may be spelled in a way
 * that engines read differently or not at all; sync, checksums and comparison read it by this one rule.
 */
#ifndef PYTHIA_READING_H
#define PYTHIA_READING_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buffer.h"
#include "core/schema.h"

/*
 * Appends the interchange text; false, with nothing appended, where the text is no value of the kind.  Blanks around it
 * do not count.  BOOL: also t, true, y, yes, on and their opposites in any case; whole numbers: also 1.0 and 1e3; numbers:
 * NaN and infinities in any case; dates and times: months, days and hours of one digit, an offset (taken off), infinity, BC;
 * a zero date is one; UUID: with or without hyphens and braces.  Every other kind takes any text as it is.
 */
bool pythia_read_as(pythia_kind kind, const char *text, size_t length, pythia_buffer *out);

#endif
