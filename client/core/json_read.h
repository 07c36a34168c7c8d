/* Reading JSON text into a tree. */
#ifndef PYTHIA_JSON_READ_H
#define PYTHIA_JSON_READ_H

#include "core/error.h"
#include "core/node.h"

/* Reads `text`, which ends with NUL.  Numbers get the spelling of jsonb.  *node is the caller's (pythia_node_free), NULL
 * on failure.  Text that is not JSON, or an object with a name twice, is class USAGE, SQLSTATE 22023; `what` ("options",
 * "--config") begins the message. */
bool pythia_json_read(const char *what, const char *text, pythia_node **node, pythia_error *error);

#endif
