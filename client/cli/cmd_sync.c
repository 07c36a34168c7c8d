/* `pythia sync`: tables of one database brought to another. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/files.h"
#include "cli/live.h"
#include "cli/pair.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/say.h"
#include "cli/state.h"
#include "cli/streams.h"
#include "cli/together.h"
#include "core/json.h"
#include "core/memory.h"
#include "live/options.h"
#include "sync/order.h"
#include "validate/validate.h"

static const char *const modes[] = {"incremental", "full", "live", NULL};
static const char *const deletes[] = {"ignore", "hard", "soft", NULL};
static const char *const bad_rows[] = {"error", "quarantine", NULL};
static const char *const new_columns[] = {"add", "ignore", "error", NULL};

static const cli_option own_options[] = {
	{"validate", 0, CLI_FLAG, NULL, "compare the tables afterwards", NULL, NULL},
	{"state", 0, CLI_FILE, "FILE", "where watermarks and checkpoints are kept (default in XDG_STATE_HOME)", NULL, NULL},
	{"release", 0, CLI_FLAG, NULL, "go on with a copy of a state file, in the original's place", NULL, NULL},
	{"quarantine", 0, CLI_FILE, "FILE", "with --on-bad-row quarantine: where the rows go, as JSON lines", NULL, NULL},
	{NULL}};

static const cli_option sync_options[] = {
	{"mode", 'm', CLI_CHOICE, "MODE",
	 "what changed since the last run (default), everything, or live: follow every change", modes, "mode"},
	{"conflict-resolution", 0, CLI_TEXT, "RULE",
	 "source_wins (default), target_wins, newest_wins, oldest_wins, error, skip", NULL, "conflict_resolution"},
	{"deletes", 0, CLI_CHOICE, "HOW", "rows that are gone from the source", deletes, "deletes"},
	{"target-where", 0, CLI_TEXT, "SQL", "the condition of --where in the target's names, for --deletes", NULL,
	 "target_where"},
	{"soft-delete-column", 0, CLI_TEXT, "NAME", "with --deletes soft: the column that is set (default deleted_at)",
	 NULL, "soft_delete_column"},
	{"search-path", 0, CLI_LIST, "A,B", "where the target's triggers and checks look for names (PostgreSQL)", NULL,
	 "search_path"},
	{"truncate-target", 0, CLI_FLAG, NULL, "empty the target first (mode full)", NULL, "truncate_target"},
	{"no-create-target", 0, CLI_NOT, NULL, "a missing target table is an error", NULL, "create_target"},
	{"new-columns", 0, CLI_CHOICE, "HOW", "columns the source has gained", new_columns, "new_columns"},
	{"batch-size", 0, CLI_INT, "ROWS", "rows a chunk holds at least (default 1000)", NULL, "batch_size"},
	{"parallel", 'j', CLI_INT, "N", "streams at once: several tables, and parts of a large one", NULL, "parallel"},
	{"max-bytes-per-second", 0, CLI_INT, "BYTES", "go no faster", NULL, "max_bytes_per_second"},
	{"lookback", 0, CLI_SECONDS, "TIME", "read again this much before the watermark", NULL, "lookback"},
	{"on-bad-row", 0, CLI_CHOICE, "HOW", "a row the target cannot hold", bad_rows, "on_bad_row"},
	{"dry-run", 'n', CLI_FLAG, NULL, "tell what would be done, and do nothing", NULL, "dry_run"},
	{NULL}};

static const cli_option *const sets[] = {cli_pair_options,   sync_options,       own_options, cli_live_options,
										 cli_column_options, cli_common_options, NULL};
static const cli_option *const engine_sets[] = {sync_options, cli_column_options, NULL};

/* What the tables of one command share; with the lock held where several are at work. */
typedef struct whole
{
	pthread_mutex_t lock;
	cli_state state;
	cli_streams streams;
	FILE *quarantine;
	bool quarantined;            /* since it was last brought to the disk */
	const char *quarantine_path; /* NULL: the default, found when it is needed */
	char *default_quarantine;
	bool validate;
	int share;                /* connections that a load may use; 0: as many as pay */
	pythia_sync_result *left; /* by table: of those that have rows to be deleted when the others are done */
	bool *copied;             /* by table: it is, with all its rows */
	bool live;                /* what follows will bring rows whose parents came too late */
	bool *later;              /* by table: it has such rows */
	pythia_error *failures;   /* of a live sync, by table */
	int code;
} whole;

/* What one table after another has for itself. */
typedef struct run
{
	whole *all;
	cli_pair pair;
	const char *table;
} run;

static void on_progress(void *context, const char *phase, int64_t rows, int64_t total, int64_t bytes)
{
	(void) context;
	cli_progress_update(phase, rows, total, bytes);
}

static bool cannot_write(const whole *r, pythia_error *error)
{
	return pythia_fail(error, PYTHIA_E_DATABASE, "58030", "cannot write \"%s\": %s", r->quarantine_path,
					   strerror(errno));
}

/* Before a run is told that it need not read these rows again: then they are nowhere else.  With the lock held. */
static bool keep_quarantine(whole *r, pythia_error *error)
{
	/* a pipe has no disk */
	if (r->quarantined && fsync(fileno(r->quarantine)) != 0 && errno != EINVAL)
		return cannot_write(r, error);
	r->quarantined = false;
	return true;
}

static bool on_checkpoint(void *context, const char *checkpoint, pythia_error *error)
{
	run *r = context;
	bool ok;

	pthread_mutex_lock(&r->all->lock);
	ok = keep_quarantine(r->all, error) && cli_state_checkpoint(&r->all->state, r->table, checkpoint, error);
	pthread_mutex_unlock(&r->all->lock);
	return ok;
}

static bool write_quarantine(whole *r, const char *table, const char *row_json, const char *column, const char *reason,
							 pythia_error *error)
{
	pythia_buffer line = PYTHIA_BUFFER_INIT;
	bool ok;

	if (r->quarantine_path == NULL)
	{
		r->quarantine_path = r->default_quarantine = cli_state_path("quarantine.jsonl", error);
		if (r->quarantine_path == NULL)
			return false;
	}
	if (r->quarantine == NULL)
	{
		int fd = cli_private_open(r->quarantine_path, O_WRONLY | O_APPEND, "quarantine", error);

		if (fd < 0)
			return false;
		r->quarantine = fdopen(fd, "a");
		if (r->quarantine == NULL)
		{
			cannot_write(r, error);
			close(fd);
			return false;
		}
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
	pythia_buffer_puts(&line, ",\"row\":");
	pythia_buffer_puts(&line, row_json != NULL ? row_json : "null");
	pythia_buffer_puts(&line, "}\n");
	r->quarantined = true;
	ok = (fwrite(line.data, 1, line.length, r->quarantine) == line.length && fflush(r->quarantine) == 0) ||
		 cannot_write(r, error);
	pythia_buffer_free(&line);
	return ok;
}

static bool on_quarantine(void *context, const char *table, const char *row_json, const char *column,
						  const char *reason, pythia_error *error)
{
	run *r = context;
	bool ok;

	pthread_mutex_lock(&r->all->lock);
	ok = write_quarantine(r->all, table, row_json, column, reason, error);
	pthread_mutex_unlock(&r->all->lock);
	return ok;
}

static pythia_sync_callbacks callbacks_for(run *r)
{
	pythia_sync_callbacks callbacks = {
		.context = r, .progress = on_progress, .quarantine = on_quarantine, .checkpoint = on_checkpoint};

	return callbacks;
}

static bool claim(run *r, char **watermark, char **checkpoint, pythia_error *error)
{
	bool ok;

	pthread_mutex_lock(&r->all->lock);
	ok = cli_state_lock(&r->all->state, r->table, error);
	if (ok && !cli_state_load(&r->all->state, r->table, watermark, checkpoint, error))
	{
		cli_state_unlock(&r->all->state, r->table);
		ok = false;
	}
	pthread_mutex_unlock(&r->all->lock);
	return ok;
}

/* `done`: the run is whole; its checkpoint goes, its watermark comes.  `undone`: the checkpoint is of rows that are gone. */
static bool release(run *r, bool done, bool undone, const char *watermark, pythia_error *error)
{
	bool ok = true;

	pthread_mutex_lock(&r->all->lock);
	if (done)
		ok = keep_quarantine(r->all, error) && cli_state_store(&r->all->state, r->table, watermark, NULL, error);
	else if (undone)
		ok = cli_state_checkpoint(&r->all->state, r->table, NULL, error);
	cli_state_unlock(&r->all->state, r->table);
	pthread_mutex_unlock(&r->all->lock);
	return ok;
}

static bool sync_one(run *r, pythia_sync_result *result, pythia_error *error)
{
	pythia_sync_config config;
	pythia_sync_job job;
	pythia_sync_callbacks callbacks = callbacks_for(r);
	pythia_sync_streams streams;
	char *watermark = NULL;
	char *checkpoint = NULL;
	bool ok;

	if (!claim(r, &watermark, &checkpoint, error))
		return false;
	ok = cli_pair_job(&r->pair, r->table, &config, &job, error);
	if (ok)
	{
		if (r->all->share > 0)
			config.parallel = r->all->share;
		job.watermark = watermark;
		job.checkpoint = checkpoint;
		job.callbacks = &callbacks;
		if (config.dry_run)
			ok = pythia_sync_table(&job, result, error);
		else
		{
			cli_table_streams *own = cli_streams_begin(&r->all->streams, r->table, &streams);

			job.streams = &streams;
			ok = pythia_sync_table(&job, result, error);
			cli_streams_end(own);
		}
	}
	if (!release(r, ok && !config.dry_run, result->undone, result->watermark, ok ? error : NULL))
		ok = false;
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

/* What is told of a table that is done; takes the result and the error. */
static int tell_table(run *r, pythia_sync_result *result, bool ok, pythia_error *failure)
{
	pythia_validate_result equal;
	pythia_error error = PYTHIA_ERROR_INIT;
	int code = CLI_DONE;

	if (!ok)
	{
		code = cli_table_exit_code(failure);
		cli_say_error(r->table, failure);
	}
	cli_output_lock();
	cli_report_sync(r->table, result, ok ? NULL : failure);
	cli_output_unlock();
	pythia_sync_result_free(result);
	pythia_error_reset(failure);
	if (ok && r->all->validate)
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
		cli_output_lock();
		cli_report_validate(r->table, &equal, ok ? NULL : &error);
		cli_output_unlock();
		pythia_validate_result_free(&equal);
	}
	pythia_error_reset(&error);
	return code;
}

static int one_table(run *r, int i)
{
	pythia_sync_result result;
	pythia_error error = PYTHIA_ERROR_INIT;
	bool ok;

	memset(&result, 0, sizeof(result));
	cli_progress_begin(r->table);
	ok = sync_one(r, &result, &error);
	cli_progress_end();
	r->all->copied[i] = ok;
	r->all->later[i] = !ok && r->all->live && strcmp(error.sqlstate, "23503") == 0;
	if (r->all->later[i])
	{
		cli_warn("%s: %s; the table is compared in the first window", r->table, error.message);
		pythia_sync_result_free(&result);
		pythia_error_reset(&error);
		return CLI_DONE;
	}
	if (!ok && r->all->live && cli_table_exit_code(&error) != CLI_INTERRUPTED)
	{
		/* the live sync puts it aside, or begins again */
		cli_output_lock();
		cli_report_sync(r->table, &result, &error);
		cli_output_unlock();
		pythia_sync_result_free(&result);
		pythia_error_move(&r->all->failures[i], &error);
		return CLI_DONE;
	}
	if (!ok || result.rows_left == 0)
		return tell_table(r, &result, ok, &error);
	r->all->left[i] = result;
	return CLI_DONE;
}

/* Children are done: what they no longer refer to goes. */
static int sweep_table(run *r, pythia_sync_result *result)
{
	pythia_sync_config config;
	pythia_sync_job job;
	pythia_sync_result swept;
	pythia_error error = PYTHIA_ERROR_INIT;
	bool ok = cli_pair_job(&r->pair, r->table, &config, &job, &error);

	job.others_follow = false;
	if (ok)
	{
		ok = pythia_sync_sweep(&job, &swept, &error);
		result->rows_deleted += swept.rows_deleted;
		pythia_sync_result_free(&swept);
	}
	return tell_table(r, result, ok, &error);
}

static void sweep_tables(run *r)
{
	for (int i = r->pair.ntables - 1; i >= 0; i--)
	{
		if (r->all->left[i].rows_left == 0)
			continue;
		r->table = r->pair.tables[i];
		r->all->code = cli_worse(r->all->code, sweep_table(r, &r->all->left[i]));
	}
}

static bool work(void *context, int runner, int i)
{
	run *r = (run *) context + runner;
	int code;
	int worst;

	r->table = r->pair.tables[i];
	code = one_table(r, i);
	pthread_mutex_lock(&r->all->lock);
	worst = r->all->code = cli_worse(r->all->code, code);
	pthread_mutex_unlock(&r->all->lock);
	return worst != CLI_INTERRUPTED;
}

/* With nothing of its own to do, a thread takes parts of another's table. */
static bool help(void *context, int runner)
{
	run *r = (run *) context + runner;
	pythia_sync_callbacks callbacks = callbacks_for(r);

	return cli_streams_help(&r->all->streams, &r->pair, &callbacks, &r->table);
}

/* How many threads: SQLite has room for one writer. */
static bool choose_runners(const cli_pair *pair, whole *all, int *runners, pythia_references *waits,
						   pythia_error *error)
{
	pythia_sync_config config;
	int most;

	*runners = 1;
	if (!pythia_sync_config_read(pair->config, NULL, NULL, &config, error) ||
		!pythia_validate_config_check(&config, error))
		return false;
	most = config.parallel > 0 ? (int) config.parallel : 1;
	if (most == 1 || config.dry_run || pair->target.db->engine == PYTHIA_SQLITE)
		return true;
	*runners = all->streams.most = most;
	all->share = most > pair->ntables ? most / pair->ntables : 1;
	return pair->ntables < 2 || pythia_tables_waits(pair->source.db, pair->target.db, pair->config, pair->tables,
													pair->ntables, waits, error);
}

static bool run_tables(whole *all, cli_pair *pair, pythia_error *error)
{
	run *runs;
	pythia_references waits = {0};
	int runners;

	all->streams.lock = &all->lock;
	all->streams.state = &all->state;
	if (!choose_runners(pair, all, &runners, &waits, error))
		return false;
	runs = pythia_calloc((size_t) runners, sizeof(run));
	for (int i = 0; i < runners; i++)
	{
		runs[i].all = all;
		runs[i].pair = *pair;
		/* the first one's are open, the others open their own */
		if (i > 0)
			runs[i].pair.source.db = runs[i].pair.target.db = NULL;
	}
	all->left = pythia_calloc((size_t) pair->ntables + 1, sizeof(pythia_sync_result));
	pythia_free(all->copied);
	all->copied = pythia_calloc((size_t) pair->ntables + 1, sizeof(bool));
	pythia_free(all->later);
	all->later = pythia_calloc((size_t) pair->ntables + 1, sizeof(bool));
	pythia_free(all->failures);
	all->failures = pythia_calloc((size_t) pair->ntables + 1, sizeof(pythia_error));
	cli_together(pair->ntables, &waits, runners, work, help, runs);
	sweep_tables(&runs[0]);
	pythia_free(all->left);
	for (int i = 1; i < runners; i++)
	{
		pythia_db_close(runs[i].pair.source.db);
		pythia_db_close(runs[i].pair.target.db);
	}
	/* they may have been lost and opened again */
	pair->source.db = runs[0].pair.source.db;
	pair->target.db = runs[0].pair.target.db;
	pythia_free(runs);
	pythia_references_free(&waits);
	return true;
}

static bool open_state(const cli_args *args, whole *all, const cli_pair *pair, pythia_error *error)
{
	return cli_given(args, "dry-run") || cli_state_open(&all->state, cli_text(args, "state", NULL), pair->source.name,
														pair->target.name, cli_given(args, "release"), error);
}

/* The tables of a live sync that want it are copied, as in mode full. */
static bool copy_tables(whole *all, cli_live *live, pythia_error *error)
{
	cli_pair some = *live->pair;
	int *places = pythia_calloc((size_t) some.ntables + 1, sizeof(int));
	bool ok;

	some.tables = pythia_calloc((size_t) some.ntables + 1, sizeof(char *));
	some.ntables = 0;
	for (int i = 0; i < live->pair->ntables; i++)
		if (pythia_live_wants_copy(live->live, i))
		{
			places[some.ntables] = i;
			some.tables[some.ntables++] = live->pair->tables[i];
		}
	ok = some.ntables == 0 || run_tables(all, &some, error);
	for (int i = 0; ok && i < some.ntables; i++)
	{
		if (all->copied[i])
			ok = pythia_live_copied(live->live, places[i], error);
		else if (all->later[i])
			pythia_live_compare(live->live, places[i]);
		else if (all->code == CLI_DONE)
			ok = pythia_live_fail(live->live, places[i], &all->failures[i], error);
	}
	for (int i = 0; all->failures != NULL && i < some.ntables; i++)
		pythia_error_reset(&all->failures[i]);
	if (ok && some.ntables > 0)
		cli_report_end();
	/* the copies may have opened theirs again */
	live->pair->source.db = some.source.db;
	live->pair->target.db = some.target.db;
	pythia_free(some.tables);
	pythia_free(places);
	return ok;
}

/* Copies, then follows, until it is interrupted or something fails that does not go by. */
static bool run_live(whole *all, const cli_args *args, cli_pair *pair, pythia_error *error)
{
	cli_live live;
	bool ok;

	all->live = true;
	cli_live_configure(pair);
	cli_live_init(&live, args, pair);
	do
		ok = cli_live_open(&live, error) && copy_tables(all, &live, error) &&
			 (all->code != CLI_DONE || cli_live_follow(&live, error));
	while (!ok && cli_live_again(&live, error));
	if (ok && cli_live_tell_aside(&live))
		all->code = cli_worse(all->code, CLI_DIFFERENCE);
	cli_live_close(&live);
	if (!ok && error->error_class == PYTHIA_E_CANCELLED)
	{
		all->code = CLI_INTERRUPTED;
		pythia_error_reset(error);
		return true;
	}
	return ok;
}

static void tell_interrupted(const whole *all, bool live)
{
	if (live)
		cli_say(
			"pythia: interrupted.  The target is what the source was at the last window; the same command goes on.");
	else if (all->state.path == NULL)
		cli_say("pythia: interrupted.  It was a dry run: nothing was changed.");
	else
		cli_say(
			"pythia: interrupted.  Rows that were committed are kept, and the same command goes on after them; a table"
			" that was being made and has none is gone again, one that was being replaced is as it was (state in %s).",
			all->state.path);
}

static int run_sync(cli_args *args)
{
	cli_pair pair;
	whole all = {.lock = PTHREAD_MUTEX_INITIALIZER,
				 .quarantine_path = cli_text(args, "quarantine", NULL),
				 .validate = cli_given(args, "validate"),
				 .code = CLI_DONE};
	pythia_live_options ignored;
	pythia_error error = PYTHIA_ERROR_INIT;
	bool live;

	memset(&pair, 0, sizeof(pair));
	if (!cli_live_check(args, &live, &error) ||
		!cli_pair_open(args, engine_sets, !cli_given(args, "no-create-target"), &pair, &error) ||
		(live && !pythia_live_options_read(pair.config, &ignored, &error)))
		all.code = cli_fail(&error);
	else if (live && cli_given(args, "drop"))
	{
		cli_live_configure(&pair);
		all.code = cli_live_drop(args, &pair);
	}
	else if (!open_state(args, &all, &pair, &error) ||
			 !(live ? run_live(&all, args, &pair, &error) : run_tables(&all, &pair, &error)))
		all.code = cli_fail(&error);
	else
	{
		if (!live)
			cli_report_end();
		if (all.code == CLI_INTERRUPTED)
			tell_interrupted(&all, live);
		if (all.quarantine != NULL)
		{
			fclose(all.quarantine);
			cli_warn("rows that the target cannot hold are in %s", all.quarantine_path);
		}
	}
	pythia_free(all.copied);
	pythia_free(all.later);
	pythia_free(all.failures);
	pythia_free(all.default_quarantine);
	cli_state_close(&all.state);
	cli_pair_close(&pair);
	return all.code;
}

const cli_command cli_command_sync = {
	.name = "sync",
	.operands = "--source URL --target URL (--tables A,B | --all) [OPTION]...",
	.summary = "bring tables of one database to another and keep them equal",
	.description =
		"Copies tables from the source to the target: all rows at first, afterwards what changed since (by the "
		"timestamp column).  A missing target table is made.  One table that fails does not stop the others.\n\n"
		"The watermark of each table is kept in a state file, by source, target and table.  After an "
		"interruption (Ctrl-C too) the same command goes on where it stopped.  A copy of the file is not acted on "
		"before --release.",
	.example =
		"pythia sync --source postgresql://shop@db1/shop --target sqlite:///copy.db --tables users,orders --validate",
	.sets = sets,
	.run = run_sync,
};
