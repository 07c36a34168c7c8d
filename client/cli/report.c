#include "cli/report.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/say.h"
#include "cli/words.h"
#include "core/memory.h"
#include "core/buffer.h"
#include "validate/result_json.h"

static int tables_reported;
static int64_t rows_reported;

int cli_table_exit_code(const pythia_error *error)
{
	int code = cli_exit_code(error);

	return code == CLI_USAGE ? CLI_DIFFERENCE : code;
}

/* Writes the line and empties the buffer. */
static void put_line(pythia_buffer *out)
{
	cli_json_line(out);
	fflush(stdout);
}

static void heading(void)
{
	if (tables_reported++ > 0)
		return;
	cli_put_coloured(stdout, CLI_BOLD, "%-28s %-12s %12s %11s %11s %10s %9s %10s", "table", "mode", "rows", "inserted",
					 "updated", "deleted", "skipped", "time");
	cli_put_line(stdout, "%s", "");
}

static void failed_line(const char *table, const pythia_error *error)
{
	char *message = cli_in_flags(error->message, false);

	cli_put(stdout, "%-28s ", table);
	cli_put_coloured(stdout, CLI_RED, "failed:");
	cli_put_line(stdout, " %s", message);
	pythia_free(message);
	fflush(stdout);
}

static void counts_line(const char *table, const pythia_sync_result *result, const pythia_error *error)
{
	char n[6][32];

	if (cli_quiet)
		return;
	heading();
	if (error != NULL)
	{
		failed_line(table, error);
		return;
	}
	rows_reported += result->rows_synced;
	cli_put_line(stdout, "%-28s %-12s %12s %11s %11s %10s %9s %10s", table,
				 result->sync_mode != NULL ? result->sync_mode : "", cli_human_count(result->rows_synced, n[0]),
				 cli_human_count(result->rows_inserted, n[1]), cli_human_count(result->rows_updated, n[2]),
				 cli_human_count(result->rows_deleted, n[3]),
				 cli_human_count(result->rows_skipped + result->rows_quarantined, n[4]),
				 cli_human_seconds(result->duration_seconds, n[5]));
	if (result->rows_quarantined > 0)
	{
		cli_put(stdout, "%-28s ", "");
		cli_put_coloured(stdout, CLI_YELLOW, "%s row%s in quarantine", cli_human_count(result->rows_quarantined, n[0]),
						 result->rows_quarantined == 1 ? "" : "s");
		cli_put_line(stdout, "%s", "");
	}
	fflush(stdout);
}

void cli_report_sync(const char *table, const pythia_sync_result *result, const pythia_error *error)
{
	if (cli_json)
	{
		pythia_buffer out = PYTHIA_BUFFER_INIT;

		pythia_sync_result_json(&out, table, result, error);
		put_line(&out);
	}
	else
		counts_line(table, result, error);
}

void cli_report_repair(const char *table, const pythia_sync_result *result, const pythia_error *error)
{
	cli_report_sync(table, result, error);
}

void cli_report_validate(const char *table, const pythia_validate_result *result, const pythia_error *error)
{
	char n[5][32];

	if (cli_json)
	{
		pythia_buffer out = PYTHIA_BUFFER_INIT;

		pythia_validate_result_json(&out, table, result, error);
		put_line(&out);
		return;
	}
	if (cli_quiet)
		return;
	if (error != NULL)
	{
		failed_line(table, error);
		return;
	}
	cli_put(stdout, "%-28s ", table);
	if (result->is_valid)
		cli_put_coloured(stdout, CLI_GREEN, "equal");
	else
		cli_put_coloured(stdout, CLI_RED, "not equal");
	if (result->is_valid)
		cli_put_line(stdout, ": %s rows, by %s, %s", cli_human_count(result->source_count, n[0]), result->method,
					 cli_human_seconds(result->duration_seconds, n[1]));
	else
		cli_put_line(stdout, ": %s missing, %s extra, %s differing (%s rows here, %s there), %s",
					 cli_human_count(result->missing, n[0]), cli_human_count(result->extra, n[1]),
					 cli_human_count(result->differing, n[2]), cli_human_count(result->source_count, n[3]),
					 cli_human_count(result->target_count, n[4]),
					 cli_human_seconds(result->duration_seconds, (char[32]){0}));
	if (result->sample > 0 && result->sample < 1)
		cli_put_line(stdout, "%-28s a sample of %g %%: at %g %% confidence at most %.2g %% of the rows differ", "",
					 result->sample * 100, result->confidence * 100, result->max_difference * 100);
	if (result->checks != NULL)
		cli_put_line(stdout, "%-28s checks: %s rows break a condition: %s", "",
					 cli_human_count(result->failed_checks, n[0]), result->checks);
	fflush(stdout);
}

void cli_report_difference(const char *table, const pythia_difference *difference)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	if (cli_json)
	{
		pythia_difference_json(&out, table, difference);
		cli_json_line(&out);
	}
	else if (!cli_quiet)
	{
		pythia_buffer_printf(&out, "%s  %-9s %s", table, pythia_difference_name(difference->kind),
							 difference->primary_key);
		for (int i = 0; i < difference->ncolumns; i++)
			pythia_buffer_printf(&out, "%s%s", i > 0 ? ", " : "  in ", difference->columns[i]);
		cli_put_line(stdout, "%s", pythia_buffer_text(&out));
		if (difference->source_row != NULL)
			cli_put_line(stdout, "    source %s", difference->source_row);
		if (difference->target_row != NULL)
			cli_put_line(stdout, "    target %s", difference->target_row);
	}
	pythia_buffer_free(&out);
}

void cli_report_end(void)
{
	char n[32];

	if (!cli_json && !cli_quiet && tables_reported > 1)
	{
		cli_put_coloured(stdout, CLI_DIM, "%d tables, %s rows", tables_reported, cli_human_count(rows_reported, n));
		cli_put_line(stdout, "%s", "");
	}
	fflush(stdout);
}
