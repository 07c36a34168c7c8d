/* `pythia validate` and `pythia repair`: are the tables equal, and if not, make them so. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/pair.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/say.h"
#include "core/memory.h"
#include "core/json_read.h"
#include "sync/order.h"
#include "validate/validate.h"

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
			checks->name = pythia_strdup("checks");
			pythia_node_add(*tree, checks);
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

typedef struct run
{
	cli_pair pair;
	pythia_validate_options options;
	bool repair;
	bool differences; /* are told */
} run;

/* A table of the run.  Where foreign keys bind it to others it is repaired in steps. */
typedef struct piece
{
	char *table;
	bool bound;
	bool finished; /* and told */
	bool named;    /* its rows that differ have been */
	pythia_sync_result repaired;
} piece;

typedef enum step
{
	STEP_EXTRA, /* rows that nothing refers to go */
	STEP_MEND,  /* all but extra rows that others refer to */
	STEP_REST   /* whatever is left */
} step;

static bool repair_job(const run *r, pythia_sync_job *job, piece *p, step s, pythia_error *error)
{
	pythia_difference_callback told = r->differences && !p->named ? on_difference : NULL;
	pythia_sync_result result = {0};
	bool ok;

	job->others_follow = p->bound && s == STEP_MEND;
	ok = s == STEP_EXTRA ? pythia_repair_extra(job, &r->options, told, p->table, &result, error)
						 : pythia_repair_table(job, &r->options, told, p->table, &result, error);
	p->named = p->named || ok;
	result.start_time = p->repaired.start_time != 0 ? p->repaired.start_time : result.start_time;
	result.duration_seconds += p->repaired.duration_seconds;
	pythia_sync_result_add(&result, &p->repaired);
	pythia_sync_result_free(&p->repaired);
	p->repaired = result;
	return ok;
}

/* What keeps a row may be mended before the next step. */
static bool may_go_on(const piece *p, step s, bool ok, const pythia_error *error)
{
	return p->bound && s != STEP_REST && (ok ? p->repaired.rows_left > 0 : strncmp(error->sqlstate, "23", 2) == 0);
}

static int run_step(run *r, piece *p, step s)
{
	pythia_sync_config config;
	pythia_sync_job job;
	pythia_validate_result validated = {0};
	pythia_error error = PYTHIA_ERROR_INIT;
	int code = CLI_DONE;
	bool ok;

	p->repaired.rows_left = 0;
	cli_progress_begin(p->table);
	ok = cli_pair_job(&r->pair, p->table, &config, &job, &error);
	if (ok)
	{
		job.callbacks = &callbacks;
		ok = r->repair ? repair_job(r, &job, p, s, &error)
					   : pythia_validate_table(&job, &r->options, r->differences ? on_difference : NULL, p->table,
											   &validated, &error);
	}
	cli_progress_end();
	p->finished = !may_go_on(p, s, ok, &error);
	if (p->finished && !ok)
	{
		code = cli_table_exit_code(&error);
		cli_say_error(p->table, &error);
	}
	else if (!r->repair && !validated.is_valid)
		code = CLI_DIFFERENCE;
	if (p->finished && r->repair)
		cli_report_repair(p->table, &p->repaired, ok ? NULL : &error);
	else if (p->finished)
		cli_report_validate(p->table, &validated, ok ? NULL : &error);
	pythia_validate_result_free(&validated);
	pythia_error_reset(&error);
	return code;
}

/* Which tables foreign keys bind to others of the run. */
static bool find_bound(const run *r, piece *pieces, pythia_error *error)
{
	const cli_pair *pair = &r->pair;
	pythia_references waits;

	if (!r->repair || r->options.dry_run || pair->ntables < 2)
		return true;
	if (!pythia_tables_waits(pair->source.db, pair->target.db, pair->config, pair->tables, pair->ntables, &waits,
							 error))
		return false;
	for (int i = 0; i < pair->ntables; i++)
	{
		int64_t n;
		const int *others = pythia_references_of(&waits, i, &n);

		for (int64_t k = 0; k < n; k++)
			pieces[i].bound = pieces[others[k]].bound = true;
	}
	pythia_references_free(&waits);
	return true;
}

/* Rows go of children first, and come of parents first. */
static int run_steps(run *r, piece *pieces)
{
	static const struct
	{
		step step;
		bool children_first;
	} order[] = {{STEP_EXTRA, true}, {STEP_MEND, false}, {STEP_EXTRA, true}, {STEP_REST, false}};
	int n = r->pair.ntables;
	int worst = CLI_DONE;

	for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); k++)
	{
		for (int i = 0; i < n && worst != CLI_INTERRUPTED; i++)
		{
			piece *p = &pieces[order[k].children_first ? n - 1 - i : i];

			if (!p->finished && (p->bound || order[k].step == STEP_MEND))
				worst = cli_worse(worst, run_step(r, p, order[k].step));
		}
	}
	return worst;
}

static int run_tables(run *r, pythia_error *error)
{
	int n = r->pair.ntables;
	piece *pieces = pythia_calloc((size_t) n + 1, sizeof(piece));
	int code;

	for (int i = 0; i < n; i++)
		pieces[i].table = r->pair.tables[i];
	code = find_bound(r, pieces, error) ? run_steps(r, pieces) : cli_fail(error);
	for (int i = 0; i < n; i++)
		pythia_sync_result_free(&pieces[i].repaired);
	pythia_free(pieces);
	return code;
}

static int run_both(cli_args *args, bool repair)
{
	run r = {.repair = repair, .differences = cli_given(args, "differences")};
	pythia_node *tree = NULL;
	pythia_error error = PYTHIA_ERROR_INIT;
	int code = CLI_DONE;

	if (!read_options(args, repair ? repair_options : validate_options, &tree, &r.options, &error) ||
		!cli_pair_open(args, engine_sets, false, &r.pair, &error))
		code = cli_fail(&error);
	else
	{
		code = run_tables(&r, &error);
		if (repair)
			cli_report_end();
	}
	if (code == CLI_INTERRUPTED)
		cli_say("pythia: interrupted%s",
				repair ? "; rows mended so far stay mended.  Run the same command again for the rest." : "");
	cli_pair_close(&r.pair);
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
