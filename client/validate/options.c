/* The options of a validation and a repair. */
#include "validate/validate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const pythia_validate_option_names[] = {
	"method",          "where",       "target_where", "since",         "sample", "seed",   "segment_rows",
	"max_differences", "max_changes", "dry_run",      "recheck_after", "digest", "checks", NULL};
static const char *const methods[] = {"checksum", "count", "rows", NULL};
static const char *const digests[] = {"auto", "md5", "sha256", NULL};

static bool read_share(const pythia_node *tree, double *share, pythia_error *error)
{
	const pythia_node *node = pythia_node_get(tree, "sample");
	char *end = NULL;
	double value;

	if (node == NULL || node->type == PYTHIA_NODE_NULL)
		return true;
	value = node->text != NULL ? strtod(node->text, &end) : 0;
	if (node->text == NULL || node->text[0] == '\0' || *end != '\0' || !(value > 0 && value <= 1))
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid value for option \"sample\"");
		return pythia_error_hint(error, "It takes a share above 0 and up to 1, for example 0.01.");
	}
	*share = value;
	return true;
}

const pythia_node *pythia_validate_checks(const pythia_node *checks)
{
	return checks->type == PYTHIA_NODE_OBJECT ? pythia_node_members(checks) : pythia_node_items(checks);
}

static bool read_checks(const pythia_node *tree, const pythia_node **checks, pythia_error *error)
{
	const pythia_node *node = pythia_node_get(tree, "checks");
	bool good;

	if (node == NULL || node->type == PYTHIA_NODE_NULL)
		return true;
	good = node->type == PYTHIA_NODE_OBJECT || node->type == PYTHIA_NODE_ARRAY;
	for (const pythia_node *child = pythia_validate_checks(node); child != NULL; child = child->next)
		good = good && child->type == PYTHIA_NODE_STRING && child->text[0] != '\0';
	if (!good)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid value for option \"checks\"");
		return pythia_error_hint(error, "It takes an object of names and SQL conditions, for example "
										"{\"paid\": \"amount >= 0\"}, or a list of conditions.");
	}
	*checks = node;
	return true;
}

bool pythia_validate_options_read(const pythia_node *tree, pythia_validate_options *options, pythia_error *error)
{
	int method = PYTHIA_VALIDATE_CHECKSUM;
	static const pythia_digest of_word[] = {PYTHIA_DIGEST_HASH, PYTHIA_DIGEST_MD5, PYTHIA_DIGEST_SHA256};
	int digest = 0;

	*options = (pythia_validate_options){.sample = 1,
										 .digest = PYTHIA_DIGEST_HASH,
										 .segment_rows = 16384,
										 .max_differences = 0,
										 .max_changes = 10000,
										 .recheck_after = 0.5};
	if (tree == NULL || tree->type == PYTHIA_NODE_NULL)
		return true;
	if (tree->type != PYTHIA_NODE_OBJECT)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "the options of a validation must be an object");
		return pythia_error_hint(error, "Write {\"method\": \"checksum\"}, for example.");
	}
	if (!pythia_node_only(tree, pythia_validate_option_names, "validation option", error) ||
		!pythia_node_choice(tree, "method", methods, &method, error) ||
		!pythia_node_choice(tree, "digest", digests, &digest, error) ||
		!pythia_node_text(tree, "where", &options->where, error) ||
		!pythia_node_text(tree, "target_where", &options->target_where, error) ||
		!pythia_node_text(tree, "since", &options->since, error) || !read_share(tree, &options->sample, error) ||
		!pythia_node_int(tree, "seed", INT64_MIN, INT64_MAX, &options->seed, error) ||
		!pythia_node_int(tree, "segment_rows", 1, 10000000, &options->segment_rows, error) ||
		!pythia_node_int(tree, "max_differences", 0, INT64_MAX, &options->max_differences, error) ||
		!pythia_node_int(tree, "max_changes", -1, INT64_MAX, &options->max_changes, error) ||
		!pythia_node_bool(tree, "dry_run", &options->dry_run, error) ||
		!pythia_node_seconds(tree, "recheck_after", &options->recheck_after, error) ||
		!read_checks(tree, &options->checks, error))
		return false;
	options->method = (pythia_validate_method) method;
	options->digest = of_word[digest];
	return true;
}

bool pythia_validate_config_check(const pythia_sync_config *config, pythia_error *error)
{
	pythia_validate_options ignored;

	return config->validate == NULL || config->validate->type != PYTHIA_NODE_OBJECT ||
		   pythia_validate_options_read(config->validate, &ignored, error);
}
