/* Writing JSON text. */
#ifndef PYTHIA_JSON_H
#define PYTHIA_JSON_H

#include "core/buffer.h"
#include "core/node.h"
#include <stddef.h>

void pythia_json_string(pythia_buffer *out, const char *text, size_t length); /* quoted and escaped */
void pythia_json_node(pythia_buffer *out, const pythia_node *node);

#endif
