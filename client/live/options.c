#include "live/options.h"

#include <string.h>

const char *const pythia_live_others[] = {
	"dry_run", "truncate_target", "conflict_resolution", "deletes", "soft_delete_column", "lookback", NULL};

const char *const pythia_live_changes[] = {"follow", "stop", "ignore", NULL};

pythia_live_change pythia_live_change_of(const char *word)
{
	int i = 0;

	while (pythia_live_changes[i] != NULL && strcmp(pythia_live_changes[i], word) != 0)
		i++;
	return pythia_live_changes[i] != NULL ? (pythia_live_change) i : PYTHIA_LIVE_FOLLOW;
}

bool pythia_live_wanted(const pythia_node *config)
{
	const pythia_node *mode = pythia_node_get(config, "mode");

	return mode != NULL && mode->type == PYTHIA_NODE_STRING && strcmp(mode->text, "live") == 0;
}

static bool misplaced(const char *option, const char *hint, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "\"%s\" has no place in mode \"live\"", option);
	return pythia_error_hint(error, "%s", hint);
}

static bool none_of_others(const pythia_node *level, pythia_error *error)
{
	const pythia_node *bad = pythia_node_get(level, "on_bad_row");

	for (int i = 0; pythia_live_others[i] != NULL; i++)
		if (pythia_node_get(level, pythia_live_others[i]) != NULL)
			return misplaced(pythia_live_others[i], "A live target is what the source is: leave it out of sync_config.",
							 error);
	if (bad != NULL && bad->type == PYTHIA_NODE_STRING && strcmp(bad->text, "quarantine") == 0)
		return misplaced("on_bad_row",
						 "A live target is what the source is: say what becomes of a value that the target"
						 " cannot hold by nan, infinity and their like.",
						 error);
	return true;
}

static bool no_validation(const pythia_node *config, pythia_error *error)
{
	const pythia_node *node = pythia_node_get(config, "validate");
	bool wanted = node != NULL && node->type == PYTHIA_NODE_OBJECT;

	if (!wanted && !pythia_node_bool(config, "validate", &wanted, error))
		return false;
	return !wanted || misplaced("validate", "Leave it out; the tables can be compared at any time.", error);
}

bool pythia_live_options_read(const pythia_node *config, pythia_live_options *options, pythia_error *error)
{
	int change = PYTHIA_LIVE_FOLLOW;

	*options = (pythia_live_options){.interval = PYTHIA_LIVE_INTERVAL};
	if (!none_of_others(config, error) || !no_validation(config, error))
		return false;
	/* settings of one table are no way around it */
	for (const pythia_node *each = pythia_node_members(pythia_node_get(config, "tables")); each != NULL;
		 each = each->next)
	{
		if (!none_of_others(each, error))
			return false;
		if (pythia_node_get(each, "mode") != NULL)
			return misplaced("tables", "All tables of a live sync are live: leave out the mode of single ones.", error);
	}
	if (!pythia_node_choice(config, "on_schema_change", pythia_live_changes, &change, error) ||
		!pythia_node_seconds(config, "interval", &options->interval, error))
		return false;
	options->on_change = (pythia_live_change) change;
	return true;
}

void pythia_live_configure(pythia_node *config)
{
	static const char *const words[][2] = {
		{"mode", "full"}, {"deletes", "hard"}, {"conflict_resolution", "source_wins"}};
	static const char *const gone[] = {"on_schema_change", "interval", "validate"};

	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		pythia_node_free(pythia_node_remove(config, gone[i]));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		pythia_node_free(pythia_node_remove(config, words[i][0]));
		pythia_node_add(config, pythia_node_new(PYTHIA_NODE_STRING, words[i][0], words[i][1]));
	}
}
