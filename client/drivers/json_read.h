/* Reading JSON text into a pythia_node tree, with SQLite's own JSON functions. */
#ifndef PYTHIA_JSON_READ_H
#define PYTHIA_JSON_READ_H

#include "core/error.h"
#include "core/node.h"
#include "drivers/driver.h"

/* `sqlite` is any open SQLite database (a wrapped one too); nothing is read from it.
 * *node is the caller's (pythia_node_free), NULL on failure.  Text that is not JSON is
 * class USAGE, SQLSTATE 22023; `what` ("options", "--config") begins the message. */
bool pythia_json_read(pythia_db *sqlite, const char *what, const char *text, pythia_node **node, pythia_error *error);

/* The same for a program that has no SQLite database open: it opens one in memory. */
bool pythia_json_read_text(const char *what, const char *text, pythia_node **node, pythia_error *error);

#endif
