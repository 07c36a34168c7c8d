/*
 * Options as a tree, made of PostgreSQL's jsonb or by pythia_json_read.  The engine
 * looks names up here and refuses the ones it does not know.
 */
#ifndef PYTHIA_NODE_H
#define PYTHIA_NODE_H

#include "core/error.h"
#include <stdint.h>

typedef enum pythia_node_type
{
	PYTHIA_NODE_NULL,
	PYTHIA_NODE_BOOL,
	PYTHIA_NODE_NUMBER,
	PYTHIA_NODE_STRING,
	PYTHIA_NODE_ARRAY,
	PYTHIA_NODE_OBJECT
} pythia_node_type;

typedef struct pythia_node
{
	pythia_node_type type;
	char *name; /* in an object; NULL elsewhere */
	char *text; /* string, number as written, "true"/"false" */
	struct pythia_node *children;
	struct pythia_node *next; /* sibling */
} pythia_node;

pythia_node *pythia_node_new(pythia_node_type type, const char *name, const char *text);
void pythia_node_add(pythia_node *parent, pythia_node *child); /* parent owns it, order is kept */
void pythia_node_free(pythia_node *node);
const pythia_node *pythia_node_get(const pythia_node *object, const char *name); /* NULL-safe */

/* Typed readers: leave *value alone where the name is absent or null; fail with
 * class USAGE, SQLSTATE 22023, a message that names the option and a hint that
 * says what it takes. Texts are borrowed from the tree. */
bool pythia_node_text(const pythia_node *object, const char *name, const char **value, pythia_error *error);
bool pythia_node_bool(const pythia_node *object, const char *name, bool *value, pythia_error *error);
bool pythia_node_int(const pythia_node *object, const char *name, int64_t minimum, int64_t maximum, int64_t *value,
					 pythia_error *error);
/* Seconds; takes a number of seconds or "500 ms", "2 s", "5 min", "1 h", "1 day". */
bool pythia_seconds_read(const char *text, double *seconds); /* the same of a text; false where it is none */
bool pythia_node_seconds(const pythia_node *object, const char *name, double *value, pythia_error *error);
/* One of a NULL-terminated list of words; *value is its position. */
bool pythia_node_choice(const pythia_node *object, const char *name, const char *const *choices, int *value,
						pythia_error *error);
/* Fails for the first name of `object` that the NULL-terminated list lacks; the hint gives the closest known name.
 * what: "sync_config option", "connection option". */
/* Told of an option that has no effect beside the others, and why. */
typedef void (*pythia_option_idle)(void *context, const char *option, const char *why);
bool pythia_node_only(const pythia_node *object, const char *const *known, const char *what, pythia_error *error);

#endif
