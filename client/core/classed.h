/*
 * A value of SQLite with its storage class, as text: what goes between two files of SQLite stays as it is.
 *   i digits; r a number that reads back to the same double; t a text, T the hex of one that holds a NUL (keys are
 *   kept as texts that end at one); \x the hex of bytes
 */
#ifndef PYTHIA_CLASSED_H
#define PYTHIA_CLASSED_H

#include <stdbool.h>
#include <stddef.h>

#include "core/rows.h"

/* Writes a field; `storage` is one of i, r and t, or b for bytes. */
void pythia_classed_write(pythia_rows_writer *writer, char storage, const char *value, size_t length);
/* Its storage, i, r, t or b; 0 where the text is no such value.  *value is the value's own bytes: within `text`, or in
 * `scratch`, which the caller frees. */
char pythia_classed_read(const char *text, size_t length, pythia_buffer *scratch, const char **value,
						 size_t *value_length);
/* Appends the value as JSON: a number where it is one, else a string; bytes as \x and hex. */
void pythia_classed_json(pythia_buffer *out, const char *text, size_t length);

#endif
