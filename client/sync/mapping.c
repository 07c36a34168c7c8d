#include "sync/mapping.h"

#include <string.h>

void pythia_mapping_read(const pythia_node *config, pythia_mapping *mapping)
{
	memset(mapping, 0, sizeof(*mapping));
	pythia_table_names_add_map(&mapping->all, pythia_node_get(config, "table_map"));
	for (const pythia_node *node = pythia_node_members(pythia_node_get(config, "tables")); node != NULL;
		 node = node->next)
	{
		const pythia_node *own = pythia_node_get(node, "table_map");

		if (own == NULL || own->type == PYTHIA_NODE_NULL)
			continue;
		pythia_table_names_add(&mapping->own, node->name, NULL);
		pythia_table_names_add_map(&mapping->own, own);
	}
}

const char *pythia_mapping_target(pythia_mapping *mapping, const char *name)
{
	const char *to = NULL;

	if (!pythia_table_names_find(&mapping->own, name, &to))
		pythia_table_names_find(&mapping->all, name, &to);
	return to != NULL ? to : name;
}

void pythia_mapping_free(pythia_mapping *mapping)
{
	pythia_table_names_free(&mapping->own);
	pythia_table_names_free(&mapping->all);
}
