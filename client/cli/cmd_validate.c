/* `pythia validate` and `pythia repair`: are the tables equal, and if not, make them so. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/pair.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/say.h"
#include "drivers/json_read.h"
#include "sync/validate.h"

static const char *const methods[] = {"checksum", "count", "rows", NULL};

static const char *const digests[] = {"auto", "md5", "sha256", NULL};

static const cli_option compare_options[] = {
	{"method", 0, CLI_CHOICE, "METHOD", "checksums inside each engine (default), counts only, or every row", methods,
	 "method"},
	{"since", 0, CLI_TEXT, "STAMP", "only rows stamped at or after it", NULL, "since"},
	{"sample", 0, CLI_NUMBER, "SHARE", "a random share of the rows, such as 0.1", NULL, "sample"},
	{"segment-rows", 0, CLI_INT, "ROWS", "rows in one checksum", NULL, "segment_rows"},
	{"max-differences", 0, CLI_INT, "N", "name at most so many rows (0: all)", NULL, "max_differences"},
	{"recheck-after", 0, CLI_SECONDS, "TIME", "look again before a row is called different", NULL, "recheck_after"},
	{"digest", 0, CLI_CHOICE, "DIGEST", "auto (default): the cheapest that both engines have; or md5, sha256", digests,
	 "digest"},
	{"seed", 0, CLI_INT, "N", "another sample", NULL, "seed"},
	{"target-where", 0, CLI_TEXT, "SQL", "the condition of --where in the target's own names", NULL, "target_where"},
	{NULL}};

static const cli_option validate_options[] = {
	{"differences", 'd', CLI_FLAG, NULL, "name the rows that differ, with both values", NULL, NULL},
	{"checks", 0, CLI_FILE, "JSON|@FILE", "conditions counted on the target: {\"positive\": \"amount >= 0\"}", NULL,
	 NULL},
	{NULL}};

static const cli_option repair_options[] = {
	{"differences", 'd', CLI_FLAG, NULL, "name the rows that are mended", NULL, NULL},
	{"max-changes", 0, CLI_LIMIT, "N", "refuse to change more rows than this (default 10000; -1: no limit)", NULL,
	 "max_changes"},
	{"dry-run", 'n', CLI_FLAG, NULL, "count what would be changed, and do nothing", NULL, "dry_run"},
	{NULL}};

static const cli_option *const validate_sets[] = {cli_pair_options,   validate_options,   compare_options,
												  cli_column_options, cli_common_options, NULL};
static const cli_option *const repair_sets[] = {cli_pair_options,   repair_options,     compare_options,
												cli_column_options, cli_common_options, NULL};
static const cli_option *const engine_sets[] = {cli_column_options, NULL};

/* The engine's options from the command's own tables; *tree keeps their texts. */
static bool read_options(const cli_args *args, const cli_option *own, pythia_node **tree,
						 pythia_validate_options *options, pythia_error *error)
{
	pythia_node *checks = NULL;

	*tree = cli_option_tree(args, compare_options, NULL, error);
	if (*tree != NULL)
		*tree = cli_option_tree(args, own, *tree, error);
	if (*tree == NULL)
		return false;
	if (own == validate_options)
	{
		if (!cli_read_json_option(args, "checks", true, &checks, error))
			return false;
		if (checks != NULL)
		{
			pythia_node *named = pythia_node_new(checks->type, "checks", NULL);

			named->children = checks->children;
			checks->children = NULL;
			pythia_node_free(checks);
			pythia_node_add(*tree, named);
		}
	}
	return pythia_validate_options_read(*tree, options, error);
}

static void on_progress(void *context, const char *phase, int64_t rows, int64_t total, int64_t bytes)
{
	(void) context;
	cli_progress_update(phase, rows, total, bytes);
}

static const pythia_sync_callbacks callbacks = {.progress = on_progress};

static bool on_difference(void *context, const pythia_difference *difference, pythia_error *error)
{
	(void) error;
	if (cli_before_line != NULL)
		cli_before_line();
	cli_report_difference(context, difference);
	return true;
}

static int validate_one(cli_pair *pair, char *table, const pythia_validate_options *options, bool differences)
{
	pythia_sync_config config;
	pythia_sync_job job;
	pythia_validate_result result;
	pythia_error error = PYTHIA_ERROR_INIT;
	int code = CLI_DONE;
	bool ok;

	memset(&result, 0, sizeof(result));
	cli_progress_begin(table);
	ok = cli_pair_job(pair, table, &config, &job, &error);
	if (ok)
	{
		job.callbacks = &callbacks;
		ok = pythia_validate_table(&job, options, differences ? on_difference : NULL, table, &result, &error);
	}
	cli_progress_end();
	if (!ok)
	{
		code = cli_table_exit_code(&error);
		cli_say_error(table, &error);
	}
	else if (!result.is_valid)
		code = CLI_DIFFERENCE;
	cli_report_validate(table, &result, ok ? NULL : &error);
	pythia_validate_result_free(&result);
	pythia_error_reset(&error);
	return code;
}

static int repair_one(cli_pair *pair, char *table, const pythia_validate_options *options, bool differences)
{
	pythia_sync_config config;
	pythia_sync_job job;
	pythia_sync_result result;
	pythia_error error = PYTHIA_ERROR_INIT;
	int code = CLI_DONE;
	bool ok;

	memset(&result, 0, sizeof(result));
	cli_progress_begin(table);
	ok = cli_pair_job(pair, table, &config, &job, &error);
	if (ok)
	{
		job.callbacks = &callbacks;
		ok = pythia_repair_table(&job, options, differences ? on_difference : NULL, table, &result, &error);
	}
	cli_progress_end();
	if (!ok)
	{
		code = cli_table_exit_code(&error);
		cli_say_error(table, &error);
	}
	cli_report_repair(table, &result, ok ? NULL : &error);
	pythia_sync_result_free(&result);
	pythia_error_reset(&error);
	return code;
}

static int run_both(cli_args *args, bool repair)
{
	cli_pair pair;
	pythia_node *tree = NULL;
	pythia_validate_options options;
	pythia_error error = PYTHIA_ERROR_INIT;
	int code = CLI_DONE;

	memset(&pair, 0, sizeof(pair));
	if (!read_options(args, repair ? repair_options : validate_options, &tree, &options, &error) ||
		!cli_pair_open(args, engine_sets, false, &pair, &error))
		code = cli_fail(&error);
	for (int i = 0; i < pair.ntables && code != CLI_INTERRUPTED; i++)
		code = cli_worse(code, repair ? repair_one(&pair, pair.tables[i], &options, cli_given(args, "differences"))
									  : validate_one(&pair, pair.tables[i], &options, cli_given(args, "differences")));
	if (repair)
		cli_report_end();
	if (code == CLI_INTERRUPTED)
		cli_say("pythia: interrupted%s",
				repair ? "; rows mended so far stay mended.  Run the same command again for the rest." : "");
	cli_pair_close(&pair);
	pythia_node_free(tree);
	return code;
}

static int run_validate(cli_args *args)
{
	return run_both(args, false);
}

static int run_repair(cli_args *args)
{
	return run_both(args, true);
}

const cli_command cli_command_validate = {
	.name = "validate",
	.operands = "--source URL --target URL (--tables A,B | --all) [OPTION]...",
	.summary = "tell whether tables of two databases are equal, to the row",
	.description = "Compares tables by checksums that each engine computes over its own rows; only sums travel.  Where "
				   "they differ, the rows are found.  The exit code is 0 where all tables are equal, 1 where one "
				   "is not or could not be compared.",
	.example =
		"pythia validate --source postgresql://shop@db1/shop --target sqlite:///copy.db --tables users --differences",
	.sets = validate_sets,
	.run = run_validate,
};

const cli_command cli_command_repair = {
	.name = "repair",
	.operands = "--source URL --target URL (--tables A,B | --all) [OPTION]...",
	.summary = "make the target's differing rows equal to the source's",
	.description = "Finds the rows that differ, as validate does, and mends exactly those in the target: missing rows "
				   "are inserted, extra ones deleted, differing ones updated.  --dry-run counts them first.",
	.example = "pythia repair --source postgresql://shop@db1/shop --target sqlite:///copy.db --tables users --dry-run",
	.sets = repair_sets,
	.run = run_repair,
};
