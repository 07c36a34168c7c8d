/* Where table_map sends tables, asked for many of them. */
#ifndef PYTHIA_MAPPING_H
#define PYTHIA_MAPPING_H

#include "core/node.h"
#include "dialect/table_names.h"

typedef struct pythia_mapping
{
	pythia_table_names
		own; /* of a table with a map of its own, which stands for that of all; without a value: itself */
	pythia_table_names all;
} pythia_mapping;

/* `config` is a whole sync_config, or NULL; it outlives the mapping. */
void pythia_mapping_read(const pythia_node *config, pythia_mapping *mapping);
/* The name in the target; the name itself where it is not mapped. */
const char *pythia_mapping_target(pythia_mapping *mapping, const char *name);
void pythia_mapping_free(pythia_mapping *mapping);

#endif
