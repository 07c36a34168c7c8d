#include "sync/options_split.h"

#include <stdbool.h>
#include <string.h>

static bool of_validation(const char *name)
{
	static const char *const names[] = {"method",        "where",        "target_where",    "since",       "sample",
										"seed",          "segment_rows", "max_differences", "max_changes", "dry_run",
										"recheck_after", "digest",       "checks"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

void pythia_validate_split(pythia_node *tree, pythia_node **validate, pythia_node **config)
{
	*validate = pythia_node_new(PYTHIA_NODE_OBJECT, NULL, NULL);
	*config = pythia_node_new(PYTHIA_NODE_OBJECT, NULL, NULL);
	if (tree == NULL)
		return;
	while (tree->children != NULL)
	{
		pythia_node *child = tree->children;

		tree->children = child->next;
		child->next = NULL;
		pythia_node_add(of_validation(child->name) ? *validate : *config, child);
	}
	pythia_node_free(tree);
}
