#include "validate/options_split.h"

#include <stdbool.h>
#include <string.h>

#include "core/suggest.h"
#include "sync/sync.h"
#include "validate/validate.h"

static bool is_among(const char *name, const char *const *names)
{
	while (*names != NULL && strcmp(*names, name) != 0)
		names++;
	return *names != NULL;
}

static bool of_validation(const char *name)
{
	int count = 0;

	while (pythia_validate_option_names[count] != NULL)
		count++;
	return is_among(name, pythia_validate_option_names) ||
		   (!is_among(name, pythia_sync_option_names) &&
			pythia_suggest(name, pythia_validate_option_names, count) != NULL);
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
