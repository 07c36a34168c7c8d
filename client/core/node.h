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
	char *name;                   /* in an object; NULL elsewhere */
	char *text;                   /* string, number as written, "true"/"false" */
	struct pythia_node *children; /* not to be walked but by the functions below, which look at the type first */
	struct pythia_node *last;     /* of the children */
	struct pythia_node *next;     /* sibling */
} pythia_node;

pythia_node *pythia_node_new(pythia_node_type type, const char *name, const char *text);
void pythia_node_add(pythia_node *parent, pythia_node *child); /* parent owns it, order is kept */
void pythia_node_free(pythia_node *node);
pythia_node *pythia_node_copy(const pythia_node *node); /* with all that is in it, without its siblings; NULL-safe */
const pythia_node *pythia_node_get(const pythia_node *object, const char *name); /* NULL-safe */
/* The first member of an object, and of an array the first item; `next` goes on.  NULL where `node` is NULL, or something
 * else: a member has a name, an item has none, and neither has a text unless its type says so. */
const pythia_node *pythia_node_members(const pythia_node *node);
const pythia_node *pythia_node_items(const pythia_node *node);
/* Whether an array (NULL: an empty one) of strings has this one. */
bool pythia_node_lists(const pythia_node *list, const char *text);
/* Whether it is an array of texts that are not empty. */
bool pythia_node_texts(const pythia_node *node);
/* A text that such an array holds twice, borrowed; NULL where there is none, or no array. */
const char *pythia_node_twice(const pythia_node *texts);
/* The same of the names of an object. */
const char *pythia_node_name_twice(const pythia_node *object);
/* Takes the first member of that name out of the object; NULL where there is none.  The caller's to free. */
pythia_node *pythia_node_remove(pythia_node *object, const char *name);

/* Typed readers: leave *value alone where the name is absent or null; fail with
 * class USAGE, SQLSTATE 22023, a message that names the option and a hint that
 * says what it takes. Texts are borrowed from the tree. */
bool pythia_node_text(const pythia_node *object, const char *name, const char **value, pythia_error *error);
bool pythia_node_bool(const pythia_node *object, const char *name, bool *value, pythia_error *error);
bool pythia_node_int(const pythia_node *object, const char *name, int64_t minimum, int64_t maximum, int64_t *value,
					 pythia_error *error);
/* true, on, yes, 1 and false, off, no, 0 in any case; false, and *value is false, where the text is none of them. */
bool pythia_bool_read(const char *text, bool *value);
/* Seconds; takes a number of seconds or "500 ms", "2 s", "5 min", "1 h", "1 day". */
bool pythia_seconds_read(const char *text, double *seconds); /* the same of a text; false where it is none */
bool pythia_node_seconds(const pythia_node *object, const char *name, double *value, pythia_error *error);
/* One of a NULL-terminated list of words; *value is its position. */
bool pythia_node_choice(const pythia_node *object, const char *name, const char *const *choices, int *value,
						pythia_error *error);
/* Told of an option that has no effect beside the others, and why. */
typedef void (*pythia_option_idle)(void *context, const char *option, const char *why);
/* Fails for the first name of `object` that the NULL-terminated list lacks; the hint gives the closest known name.
 * what: "sync_config option", "connection option". */
bool pythia_node_only(const pythia_node *object, const char *const *known, const char *what, pythia_error *error);

#endif
