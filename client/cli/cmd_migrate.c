/* `pythia migrate`: a whole database moved, with a report of what is not carried. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/connect.h"
#include "cli/files.h"
#include "cli/pair.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/say.h"
#include "core/json.h"
#include "core/list.h"
#include "core/memory.h"
#include "migrate/run.h"

static const char *const policy[] = {"error", "null", "clamp", "replace", NULL};
static const char *const methods[] = {"checksum", "count", "none", NULL};
static const char *const file_names[] = {"01-tables.sql", "02-after-load.sql", "report.md"};

static const cli_option own_options[] = {
	{"source", 's', CLI_URL, "URL", "the database that is moved (or PYTHIA_SOURCE)", NULL, NULL},
	{"target", 't', CLI_URL, "URL", "the database that it is moved to (or PYTHIA_TARGET)", NULL, NULL},
	{"schema", 0, CLI_LIST, "A,B", "only these schemas of a PostgreSQL (default: all of them)", NULL, NULL},
	{"plan", 'p', CLI_FILE, "DIR", "write what would be done into this folder, and do nothing", NULL, NULL},
	{"use", 'u', CLI_FILE, "DIR", "do what the files of a plan say, which may have been edited", NULL, NULL},
	{"validate", 0, CLI_CHOICE, "HOW", "compare all tables afterwards: by checksums (default), by counts, or none",
	 methods, NULL},
	{"config", 0, CLI_FILE, "JSON|@FILE", "maps, masks, expressions and policies as JSON, or in a file", NULL, NULL},
	{NULL}};

static const cli_option engine_options[] = {
	{"table-map", 0, CLI_MAP, "A=B,...", "tables with another name in the target", NULL, "table_map"},
	{"column-map", 0, CLI_MAP, "A=B,...", "columns with another name in the target", NULL, "column_map"},
	{"type-map", 0, CLI_MAP, "A=B,...", "types, or columns, with another type in the target", NULL, "type_map"},
	{"masks", 0, CLI_MAP, "A=B,...", "columns whose values are masked by hash, partial or null", NULL, "masks"},
	{"max-bytes-per-second", 0, CLI_INT, "BYTES", "go no faster", NULL, "max_bytes_per_second"},
	{"zero-date", 0, CLI_CHOICE, "POLICY", "for MySQL's 0000-00-00", policy, "zero_date"},
	{"infinity", 0, CLI_CHOICE, "POLICY", "for infinite dates", policy, "infinity"},
	{"nan", 0, CLI_CHOICE, "POLICY", "for NaN", policy, "nan"},
	{"nul-byte", 0, CLI_CHOICE, "POLICY", "for a NUL byte in text", policy, "nul_byte"},
	{"bad-utf8", 0, CLI_CHOICE, "POLICY", "for text that is not UTF-8", policy, "bad_utf8"},
	{"out-of-range", 0, CLI_CHOICE, "POLICY", "for numbers and dates the target cannot hold", policy, "out_of_range"},
	{NULL}};

static const cli_option *const sets[] = {own_options, engine_options, cli_common_options, NULL};

typedef struct move
{
	cli_endpoint source;
	cli_endpoint target;
	pythia_node *config;
	char **schemas;
	int nschemas;
	pythia_migrate_plan plan;
	const char *plan_folder;
	const char *use_folder;
	const char *method;
	int code;
} move;

/* --- words and places ------------------------------------------------------------------------------ */

static bool check_words(const cli_args *args, pythia_error *error)
{
	if (!cli_given(args, "plan") || (!cli_given(args, "use") && !cli_given(args, "validate")))
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "--plan and --%s exclude each other",
				cli_given(args, "use") ? "use" : "validate");
	return pythia_error_hint(error, "--plan DIR writes files and does nothing; --use DIR does what they say.");
}

static bool read_config(const cli_args *args, move *m, pythia_error *error)
{
	if (!cli_read_json_option(args, "config", false, &m->config, error))
		return false;
	m->config = cli_option_tree(args, engine_options, m->config, error);
	return m->config != NULL && pythia_migrate_check_config(m->config, error);
}

static bool open_places(const cli_args *args, move *m, pythia_error *error)
{
	const char *source = cli_url_text(args, "source", "PYTHIA_SOURCE", error);
	const char *target = source != NULL ? cli_url_text(args, "target", "PYTHIA_TARGET", error) : NULL;

	if (target == NULL || !check_words(args, error) || !read_config(args, m, error))
		return false;
	if (!cli_endpoint_parse(&m->source, source, error))
		return pythia_error_context(error, "--source");
	if (!cli_endpoint_parse(&m->target, target, error))
		return pythia_error_context(error, "--target");
	if (cli_given(args, "schema"))
		m->schemas = pythia_list_split(cli_text(args, "schema", ""), &m->nschemas);
	if (m->nschemas > 0 && m->source.url.engine != PYTHIA_POSTGRESQL)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "--schema goes with a source that is a PostgreSQL");
		return pythia_error_hint(error, "Elsewhere the URL names the database that is moved.");
	}
	if (strcmp(m->source.name, m->target.name) == 0)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "source and target are the same database");
		return pythia_error_hint(error, "Give another one to --target.");
	}
	m->source.options.read_only = m->source.url.engine != PYTHIA_SQLITE;
	m->target.options.create = m->plan_folder == NULL;
	if (m->plan_folder != NULL)
		cli_endpoint_imagine(&m->target);
	return cli_endpoint_open(&m->source, error) && cli_endpoint_open(&m->target, error);
}

static bool make_plan(move *m, pythia_error *error)
{
	pythia_migrate_options options = {.config = m->config, .schemas = m->schemas, .nschemas = m->nschemas};

	if (!pythia_migrate_make_plan(m->source.db, m->target.db, &options, &m->plan, error))
		return false;
	if (m->plan.ncopies > 0 || pythia_migrate_count(&m->plan, PYTHIA_MIGRATE_LEFT) > 0)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "42P01", "the source has no tables");
	return pythia_error_hint(error, m->source.url.engine == PYTHIA_SQLITE ? "Check the path of the file."
																		  : "Check the database that the URL names.");
}

/* --- the files ----------------------------------------------------------------------------------------- */

static char *path_in(const char *folder, const char *name)
{
	pythia_buffer path = PYTHIA_BUFFER_INIT;

	pythia_buffer_printf(&path, "%s/%s", folder, name);
	return pythia_buffer_take(&path);
}

static bool cannot_write(const char *path, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "58030", "cannot write \"%s\": %s", path, strerror(errno));
	return pythia_error_hint(error, "Give --plan DIR with a folder that you can write to.");
}

static bool write_file(const char *folder, const char *name, const pythia_buffer *text, pythia_error *error)
{
	char *path = path_in(folder, name);
	int fd = cli_private_open(path, O_WRONLY | O_CREAT | O_EXCL, "plan", error);
	size_t written = 0;
	bool ok = fd >= 0;

	while (ok && written < text->length)
	{
		ssize_t n = write(fd, text->data + written, text->length - written);

		ok = n > 0 || (n < 0 && errno == EINTR) || cannot_write(path, error);
		written += n > 0 ? (size_t) n : 0;
	}
	if (fd >= 0 && close(fd) != 0 && ok)
		ok = cannot_write(path, error);
	pythia_free(path);
	return ok;
}

/* A plan that is there may have been edited. */
static bool make_folder(const char *folder, pythia_error *error)
{
	bool free_of_plans = true;

	if (mkdir(folder, 0755) != 0 && errno != EEXIST)
		return cannot_write(folder, error);
	for (int i = 0; free_of_plans && i < 3; i++)
	{
		char *path = path_in(folder, file_names[i]);
		struct stat found;

		if (lstat(path, &found) == 0)
		{
			pythia_fail(error, PYTHIA_E_USAGE, "58P02", "there is a plan in \"%s\" already", folder);
			pythia_error_hint(error, "Give another folder to --plan, or remove %s.", path);
			free_of_plans = false;
		}
		pythia_free(path);
	}
	return free_of_plans;
}

static bool write_plan(move *m, pythia_error *error)
{
	bool ok = make_folder(m->plan_folder, error);

	for (int i = 0; ok && i < 3; i++)
	{
		pythia_buffer text = PYTHIA_BUFFER_INIT;

		if (i < 2)
			pythia_migrate_put_sql(&m->plan, m->target.db, i == 1, &text);
		else
			pythia_migrate_put_report(&m->plan, m->source.db, m->target.db, &text);
		ok = write_file(m->plan_folder, file_names[i], &text, error);
		pythia_buffer_free(&text);
	}
	return ok;
}

/* The statements, from the files or from the plan itself. */
static bool take_statements(move *m, char **before, char **after, pythia_error *error)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;

	if (m->use_folder != NULL)
	{
		char *first = path_in(m->use_folder, file_names[0]);
		char *second = path_in(m->use_folder, file_names[1]);

		cli_warn_of_owner(first);
		cli_warn_of_owner(second);
		*before = cli_read_file(first, false, error);
		*after = *before != NULL ? cli_read_file(second, false, error) : NULL;
		pythia_free(first);
		pythia_free(second);
		return *after != NULL;
	}
	pythia_migrate_put_sql(&m->plan, m->target.db, false, &text);
	*before = pythia_buffer_take(&text);
	pythia_migrate_put_sql(&m->plan, m->target.db, true, &text);
	*after = pythia_buffer_take(&text);
	return true;
}

/* --- what is told ------------------------------------------------------------------------------------------ */

static void put_text(pythia_buffer *json, const char *name, const char *text)
{
	pythia_buffer_printf(json, ",\"%s\":", name);
	if (text != NULL)
		pythia_json_string(json, text, strlen(text));
	else
		pythia_buffer_puts(json, "null");
}

static const char *const fates[] = {"carried", "changed", "not carried"};

static void tell_note(const pythia_migrate_note *note)
{
	pythia_buffer json = PYTHIA_BUFFER_INIT;

	pythia_buffer_printf(&json, "{\"fate\":\"%s\"", fates[note->fate]);
	put_text(&json, "what", note->what);
	put_text(&json, "table", note->table);
	put_text(&json, "name", note->name);
	put_text(&json, "why", note->why);
	pythia_buffer_putc(&json, '}');
	cli_json_line(&json);
	pythia_buffer_free(&json);
}

/* All of it for machines; for people what is not carried, when it is done at once and no report is written. */
static void tell_notes(const move *m)
{
	for (int i = 0; i < m->plan.nnotes; i++)
	{
		const pythia_migrate_note *note = &m->plan.notes[i];

		if (cli_json)
			tell_note(note);
		else if (note->fate == PYTHIA_MIGRATE_LEFT && m->plan_folder == NULL)
			cli_warn("not carried: %s%s%s%s%s: %s", note->what, note->name != NULL ? " " : "",
					 note->name != NULL ? note->name : "", note->table != NULL ? " of " : "",
					 note->table != NULL ? note->table : "", note->why != NULL ? note->why : "");
	}
}

static void tell_plan(const move *m)
{
	int carried = pythia_migrate_count(&m->plan, PYTHIA_MIGRATE_CARRIED);
	int changed = pythia_migrate_count(&m->plan, PYTHIA_MIGRATE_CHANGED);
	int left = pythia_migrate_count(&m->plan, PYTHIA_MIGRATE_LEFT);

	if (cli_json)
	{
		pythia_buffer json = PYTHIA_BUFFER_INIT;

		pythia_buffer_printf(&json, "{\"tables\":%d,\"carried\":%d,\"changed\":%d,\"not_carried\":%d", m->plan.ncopies,
							 carried, changed, left);
		put_text(&json, "plan", m->plan_folder);
		pythia_buffer_putc(&json, '}');
		cli_json_line(&json);
		pythia_buffer_free(&json);
	}
	else if (!cli_quiet && m->plan_folder != NULL)
		cli_put_line(stdout, "%s: %d tables; %d carried as they are, %d changed, %d not carried (%s/report.md)",
					 m->plan_folder, m->plan.ncopies, carried, changed, left, m->plan_folder);
}

static void on_refused(void *context, const char *shown, const pythia_error *error)
{
	move *m = context;

	m->code = cli_worse(m->code, CLI_DIFFERENCE);
	cli_say_error(shown, error);
}

static void on_copying(void *context, const char *table)
{
	(void) context;
	cli_progress_begin(table);
}

static void on_progress(void *context, const char *phase, int64_t rows, int64_t total, int64_t bytes)
{
	(void) context;
	cli_progress_update(phase, rows, total, bytes);
}

static void on_copied(void *context, const char *table, const pythia_sync_result *result, const pythia_error *error)
{
	move *m = context;

	cli_progress_end();
	if (error != NULL)
	{
		m->code = cli_worse(m->code, cli_table_exit_code(error));
		cli_say_error(table, error);
	}
	cli_report_sync(table, result, error);
}

static void on_compared(void *context, const char *table, const pythia_validate_result *result,
						const pythia_error *error)
{
	move *m = context;

	cli_progress_end();
	if (error != NULL)
	{
		m->code = cli_worse(m->code, cli_table_exit_code(error));
		cli_say_error(table, error);
	}
	else if (!result->is_valid)
		m->code = cli_worse(m->code, CLI_DIFFERENCE);
	cli_report_validate(table, result, error);
}

static void on_orphans(void *context, const char *table, const char *parent, int64_t rows)
{
	move *m = context;

	m->code = cli_worse(m->code, CLI_DIFFERENCE);
	cli_warn("%lld rows of \"%s\" refer to rows of \"%s\" that are not there", (long long) rows, table, parent);
}

static void tell_result(const move *m, const pythia_migrate_result *result)
{
	if (cli_json)
	{
		pythia_buffer json = PYTHIA_BUFFER_INIT;

		pythia_buffer_printf(&json,
							 "{\"migrated\":%s,\"tables\":%d,\"tables_before\":%d,\"tables_left_out\":%d,"
							 "\"tables_failed\":%d,\"rows\":%lld,\"statements\":%d,\"statements_before\":%d,"
							 "\"statements_failed\":%d,\"orphans\":%lld,\"different\":%d,\"not_carried\":%d,"
							 "\"duration_seconds\":%.3f}",
							 m->code == CLI_DONE ? "true" : "false", result->tables, result->tables_before,
							 result->tables_missing, result->tables_failed, (long long) result->rows,
							 result->statements, result->statements_before, result->statements_failed,
							 (long long) result->orphans, result->different,
							 pythia_migrate_count(&m->plan, PYTHIA_MIGRATE_LEFT), result->duration_seconds);
		cli_json_line(&json);
		pythia_buffer_free(&json);
		return;
	}
	if (result->tables_before + result->statements_before > 0)
		cli_say("pythia: went on behind an earlier run, which had done %d tables and %d statements",
				result->tables_before, result->statements_before);
	if (result->tables_missing > 0)
		cli_warn("%d tables are not in 01-tables.sql, and their rows were not copied", result->tables_missing);
	if (result->tables_failed > 0)
		cli_warn("what comes when the rows are there waits for the tables that failed: mend them, and run the same "
				 "command again; it goes on behind what is done");
	else if (result->statements_failed > 0)
		cli_warn("%d statements were refused: mend what they say, and run the same command again; it tries those alone",
				 result->statements_failed);
	cli_report_end();
}

/* --- the command --------------------------------------------------------------------------------------------- */

static bool connect_another(void *context, bool target, const pythia_host *host, pythia_db **db, pythia_error *error)
{
	move *m = context;

	return cli_endpoint_another(target ? &m->target : &m->source, host, db, error);
}

static bool do_it(move *m, pythia_error *error)
{
	static const pythia_validate_method wanted[] = {PYTHIA_VALIDATE_CHECKSUM, PYTHIA_VALIDATE_COUNT};
	pythia_migrate_callbacks callbacks = {.context = m,
										  .refused = on_refused,
										  .copying = on_copying,
										  .progress = on_progress,
										  .copied = on_copied,
										  .compared = on_compared,
										  .orphans = on_orphans};
	pythia_migrate_run run = {.source = m->source.db,
							  .target = m->target.db,
							  .connect = connect_another,
							  .connect_context = m,
							  .plan = &m->plan,
							  .config = m->config,
							  .validate = strcmp(m->method, "none") != 0,
							  .method = wanted[strcmp(m->method, "count") == 0],
							  .callbacks = &callbacks};
	pythia_migrate_result result;
	char *before = NULL;
	char *after = NULL;
	bool ok = take_statements(m, &before, &after, error);

	if (ok)
	{
		run.before = before;
		run.after = after;
		tell_notes(m);
		ok = pythia_migrate_execute(&run, &result, error);
		if (ok)
			tell_result(m, &result);
	}
	pythia_free(before);
	pythia_free(after);
	return ok;
}

static int run_migrate(cli_args *args)
{
	move m = {.plan_folder = cli_text(args, "plan", NULL),
			  .use_folder = cli_text(args, "use", NULL),
			  .method = cli_text(args, "validate", "checksum"),
			  .code = CLI_DONE};
	pythia_error error = PYTHIA_ERROR_INIT;
	bool ok = open_places(args, &m, &error) && make_plan(&m, &error);

	if (ok && m.plan_folder != NULL)
	{
		ok = write_plan(&m, &error);
		if (ok && cli_json)
			tell_notes(&m);
		if (ok)
			tell_plan(&m);
	}
	else if (ok)
		ok = do_it(&m, &error);
	if (!ok)
	{
		m.code = cli_fail(&error);
		if (m.code == CLI_INTERRUPTED)
			cli_say(
				"pythia: interrupted.  What is done is remembered in the target: the same command goes on behind it.");
	}
	pythia_migrate_plan_free(&m.plan);
	pythia_list_free(m.schemas, m.nschemas);
	pythia_node_free(m.config);
	cli_endpoint_close(&m.source);
	cli_endpoint_close(&m.target);
	return m.code;
}

const cli_command cli_command_migrate = {
	.name = "migrate",
	.operands = "--source URL --target URL [--plan DIR | --use DIR] [OPTION]...",
	.summary = "move a whole database to another server or engine",
	.description =
		"Makes the source's tables in the target, copies their rows, adds indexes, foreign keys and checks, and "
		"compares "
		"both sides.  What cannot be carried is told by its name.\n\n"
		"--plan DIR writes 01-tables.sql, 02-after-load.sql and report.md and does nothing else.  The files may be "
		"edited "
		"and given back with --use DIR; psql, mariadb and sqlite3 run them as they are.\n\n"
		"Nothing is to be written to the source meanwhile.  After an interruption the same command goes on behind what "
		"is done.",
	.example = "pythia migrate --source mysql://shop@db1/shop --target postgresql://shop@db2/shop --plan move\n"
			   "pythia migrate --source mysql://shop@db1/shop --target postgresql://shop@db2/shop --use move",
	.sets = sets,
	.run = run_migrate,
};
