/* `pythia sync`: tables of one database brought to another. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/pair.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/say.h"
#include "cli/state.h"
#include "core/json.h"
#include "core/memory.h"
#include "sync/validate.h"

static const char *const modes[] = {"incremental", "full", NULL};
static const char *const deletes[] = {"ignore", "hard", "soft", NULL};
static const char *const bad_rows[] = {"error", "quarantine", NULL};
static const char *const new_columns[] = {"add", "ignore", "error", NULL};

static const cli_option own_options[] = {
	{"validate", 0, CLI_FLAG, NULL, "compare the tables afterwards", NULL, NULL},
	{"state", 0, CLI_FILE, "FILE", "where watermarks and checkpoints are kept (default in XDG_STATE_HOME)", NULL, NULL},
	{"quarantine", 0, CLI_FILE, "FILE", "with --on-bad-row quarantine: where the rows go, as JSON lines", NULL, NULL},
	{NULL}};

static const cli_option sync_options[] = {
	{"mode", 'm', CLI_CHOICE, "MODE", "what changed since the last run (default), or everything", modes, "mode"},
	{"conflict-resolution", 0, CLI_TEXT, "RULE",
	 "source_wins (default), target_wins, newest_wins, oldest_wins, error, skip", NULL, "conflict_resolution"},
	{"deletes", 0, CLI_CHOICE, "HOW", "rows that are gone from the source", deletes, "deletes"},
	{"target-where", 0, CLI_TEXT, "SQL", "the condition of --where in the target's names, for --deletes", NULL,
	 "target_where"},
	{"soft-delete-column", 0, CLI_TEXT, "NAME", "with --deletes soft: the column that is set (default deleted_at)",
	 NULL, "soft_delete_column"},
	{"truncate-target", 0, CLI_FLAG, NULL, "empty the target first (mode full)", NULL, "truncate_target"},
	{"no-create-target", 0, CLI_NOT, NULL, "a missing target table is an error", NULL, "create_target"},
	{"new-columns", 0, CLI_CHOICE, "HOW", "columns the source has gained", new_columns, "new_columns"},
	{"batch-size", 0, CLI_INT, "ROWS", "rows a chunk holds at least (default 1000)", NULL, "batch_size"},
	{"parallel", 'j', CLI_INT, "N", "connections of one large load into MySQL (default 2)", NULL, "parallel"},
	{"max-bytes-per-second", 0, CLI_INT, "BYTES", "go no faster", NULL, "max_bytes_per_second"},
	{"lookback", 0, CLI_SECONDS, "TIME", "read again this much before the watermark", NULL, "lookback"},
	{"on-bad-row", 0, CLI_CHOICE, "HOW", "a row the target cannot hold", bad_rows, "on_bad_row"},
	{"dry-run", 'n', CLI_FLAG, NULL, "tell what would be done, and do nothing", NULL, "dry_run"},
	{NULL}};

static const cli_option *const sets[] = {cli_pair_options,   sync_options,       own_options,
										 cli_column_options, cli_common_options, NULL};
static const cli_option *const engine_sets[] = {sync_options, cli_column_options, NULL};

typedef struct run
{
	cli_pair pair;
	cli_state state;
	const char *table;
	FILE *quarantine;
	const char *quarantine_path; /* NULL: the default, found when it is needed */
	char *default_quarantine;
} run;

static void on_progress(void *context, const char *phase, int64_t rows, int64_t total, int64_t bytes)
{
	(void) context;
	cli_progress_update(phase, rows, total, bytes);
}

static bool on_checkpoint(void *context, const char *checkpoint, pythia_error *error)
{
	run *r = context;

	return cli_state_checkpoint(&r->state, r->table, checkpoint, error);
}

static bool on_quarantine(void *context, const char *table, const char *row_json, const char *column,
						  const char *reason, pythia_error *error)
{
	run *r = context;
	pythia_buffer line = PYTHIA_BUFFER_INIT;
	bool ok;

	if (r->quarantine_path == NULL)
	{
		r->quarantine_path = r->default_quarantine = cli_state_path("quarantine.jsonl", error);
		if (r->quarantine_path == NULL)
			return false;
	}
	if (r->quarantine == NULL)
		r->quarantine = fopen(r->quarantine_path, "ae");
	if (r->quarantine == NULL)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "58030", "cannot write \"%s\": %s", r->quarantine_path, strerror(errno));
		return pythia_error_hint(error, "Give --quarantine FILE with a path you can write to.");
	}
	pythia_buffer_puts(&line, "{\"table\":");
	pythia_json_string(&line, table, strlen(table));
	pythia_buffer_puts(&line, ",\"column\":");
	if (column != NULL)
		pythia_json_string(&line, column, strlen(column));
	else
		pythia_buffer_puts(&line, "null");
	pythia_buffer_puts(&line, ",\"reason\":");
	pythia_json_string(&line, reason, strlen(reason));
	pythia_buffer_printf(&line, ",\"row\":%s}\n", row_json != NULL ? row_json : "null");
	/* on disk before the run goes on: the row is nowhere else */
	ok = fwrite(line.data, 1, line.length, r->quarantine) == line.length && fflush(r->quarantine) == 0;
	pythia_buffer_free(&line);
	if (!ok)
		return pythia_fail(error, PYTHIA_E_DATABASE, "58030", "cannot write \"%s\": %s", r->quarantine_path,
						   strerror(errno));
	return true;
}

static pythia_sync_callbacks callbacks_for(run *r)
{
	pythia_sync_callbacks callbacks = {
		.context = r, .progress = on_progress, .quarantine = on_quarantine, .checkpoint = on_checkpoint};

	return callbacks;
}

static bool sync_one(run *r, pythia_sync_result *result, pythia_error *error)
{
	pythia_sync_config config;
	pythia_sync_job job;
	pythia_sync_callbacks callbacks = callbacks_for(r);
	char *watermark = NULL;
	char *checkpoint = NULL;
	bool ok;

	if (!cli_state_lock(&r->state, r->table, error))
		return false;
	ok = cli_pair_job(&r->pair, r->table, &config, &job, error) &&
		 cli_state_load(&r->state, r->table, &watermark, &checkpoint, error);
	if (ok)
	{
		job.watermark = watermark;
		job.checkpoint = checkpoint;
		job.callbacks = &callbacks;
		ok = pythia_sync_table(&job, result, error);
		/* the run is whole: its checkpoint goes, its watermark comes */
		if (ok && !config.dry_run)
			ok = cli_state_store(&r->state, r->table, result->watermark, NULL, error);
	}
	cli_state_unlock(&r->state, r->table);
	pythia_free(watermark);
	pythia_free(checkpoint);
	return ok;
}

static bool validate_one(run *r, pythia_validate_result *result, pythia_error *error)
{
	pythia_sync_config config;
	pythia_sync_job job;
	pythia_validate_options options;

	if (!pythia_validate_options_read(NULL, &options, error) || !cli_pair_job(&r->pair, r->table, &config, &job, error))
		return false;
	return pythia_validate_table(&job, &options, NULL, NULL, result, error);
}

static int one_table(run *r, bool validate)
{
	pythia_sync_result result;
	pythia_validate_result equal;
	pythia_error error = PYTHIA_ERROR_INIT;
	int code = CLI_DONE;
	bool ok;

	memset(&result, 0, sizeof(result));
	cli_progress_begin(r->table);
	ok = sync_one(r, &result, &error);
	cli_progress_end();
	if (!ok)
	{
		code = cli_table_exit_code(&error);
		cli_say_error(r->table, &error);
	}
	cli_report_sync(r->table, &result, ok ? NULL : &error);
	pythia_sync_result_free(&result);
	if (ok && validate)
	{
		memset(&equal, 0, sizeof(equal));
		cli_progress_begin(r->table);
		ok = validate_one(r, &equal, &error);
		cli_progress_end();
		if (!ok)
		{
			code = cli_table_exit_code(&error);
			cli_say_error(r->table, &error);
		}
		else if (!equal.is_valid)
			code = CLI_DIFFERENCE;
		cli_report_validate(r->table, &equal, ok ? NULL : &error);
		pythia_validate_result_free(&equal);
	}
	pythia_error_reset(&error);
	return code;
}

static int run_sync(cli_args *args)
{
	run r;
	pythia_error error = PYTHIA_ERROR_INIT;
	int code = CLI_DONE;
	bool ok;

	memset(&r, 0, sizeof(r));
	ok = cli_pair_open(args, engine_sets, !cli_given(args, "no-create-target"), &r.pair, &error);
	if (ok && !cli_given(args, "dry-run"))
		ok = cli_state_open(&r.state, cli_text(args, "state", NULL), r.pair.source.name, r.pair.target.name, &error);
	r.quarantine_path = cli_text(args, "quarantine", NULL);
	if (!ok)
		code = cli_fail(&error);
	else
	{
		for (int i = 0; i < r.pair.ntables && code != CLI_INTERRUPTED; i++)
		{
			r.table = r.pair.tables[i];
			code = cli_worse(code, one_table(&r, cli_given(args, "validate")));
		}
		cli_report_end();
		if (code == CLI_INTERRUPTED)
			cli_say("pythia: interrupted; what is done is kept.  Run the same command again to go on (state in %s).",
					r.state.path != NULL ? r.state.path : "no file: this was a dry run");
		if (r.quarantine != NULL)
		{
			fclose(r.quarantine);
			cli_warn("rows that the target cannot hold are in %s", r.quarantine_path);
		}
	}
	pythia_free(r.default_quarantine);
	cli_state_close(&r.state);
	cli_pair_close(&r.pair);
	return code;
}

const cli_command cli_command_sync = {
	.name = "sync",
	.operands = "--source URL --target URL (--tables A,B | --all) [OPTION]...",
	.summary = "bring tables of one database to another and keep them equal",
	.description =
		"Copies tables from the source to the target: all rows at first, afterwards what changed since (by the "
		"timestamp column).  A missing target table is made.  One table that fails does not stop the others.\n\n"
		"The watermark of each table is kept in a state file, by source, target and table.  After an "
		"interruption (Ctrl-C too) the same command goes on where it stopped.",
	.example =
		"pythia sync --source postgresql://shop@db1/shop --target sqlite:///copy.db --tables users,orders --validate",
	.sets = sets,
	.run = run_sync,
};
