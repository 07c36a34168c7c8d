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

/* Of those that nobody knows the first is told, by whom it is more like. */
static bool of_validation(const char *name, bool *unknown)
{
	int count = 0;

	if (is_among(name, pythia_validate_option_names))
		return true;
	if (*unknown || is_among(name, pythia_sync_option_names))
		return false;
	*unknown = true;
	while (pythia_validate_option_names[count] != NULL)
		count++;
	return pythia_suggest(name, pythia_validate_option_names, count) != NULL;
}

void pythia_validate_split(pythia_node *tree, pythia_node **validate, pythia_node **config)
{
	bool unknown = false;

	*validate = pythia_node_new(PYTHIA_NODE_OBJECT, NULL, NULL);
	*config = pythia_node_new(PYTHIA_NODE_OBJECT, NULL, NULL);
	if (tree == NULL)
		return;
	for (const pythia_node *next; (next = pythia_node_members(tree)) != NULL;)
		pythia_node_add(of_validation(next->name, &unknown) ? *validate : *config,
						pythia_node_remove(tree, next->name));
	pythia_node_free(tree);
}
