/* Writing JSON text, and reading a string of it. */
#ifndef PYTHIA_JSON_H
#define PYTHIA_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buffer.h"
#include "core/node.h"

void pythia_json_string(pythia_buffer *out, const char *text, size_t length); /* quoted and escaped */
void pythia_json_node(pythia_buffer *out, const pythia_node *node);
/* Reads a string whose opening quote was taken into `out` (cleared first), without its escapes; *at ends after the
 * closing quote. False where it is no JSON string. */
bool pythia_json_unquote(const char **at, const char *end, pythia_buffer *out);

#endif
