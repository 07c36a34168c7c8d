/* Many names of tables, each parsed once, to be looked up as pythia_same_table_name compares two. */
#ifndef PYTHIA_TABLE_NAMES_H
#define PYTHIA_TABLE_NAMES_H

#include <stdbool.h>

#include "core/node.h"

typedef struct pythia_table_name pythia_table_name;

/* Zeroed: none. */
typedef struct pythia_table_names
{
	pythia_table_name *names;
	int count;
	int room;
	bool sorted;
} pythia_table_names;

/* `value` is borrowed, and may be NULL.  What is no name is left out: it is the same as none. */
void pythia_table_names_add(pythia_table_names *names, const char *name, const char *value);
/* The members of an object that are texts: name and text; nothing of what is no object. */
void pythia_table_names_add_map(pythia_table_names *names, const pythia_node *map);
/* True where it is there; *value (may be NULL) is that of the one that was added last. */
bool pythia_table_names_find(pythia_table_names *names, const char *name, const char **value);
void pythia_table_names_free(pythia_table_names *names); /* and clears it */

#endif
