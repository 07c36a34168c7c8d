/* `pythia status URL`: what the workers and the live syncs of a database are doing. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "capture/home.h"
#include "cli/cli.h"
#include "cli/connect.h"
#include "cli/progress.h"
#include "cli/say.h"
#include "cli/state.h"
#include "core/json.h"
#include "live/outside.h"

static const cli_option *const sets[] = {cli_common_options, NULL};

/* The queries give a row a table of a worker: kind, worker, state, table, rows, failures, details
 * (where a CDC worker stands, a sync's watermark), last error; those of SQLite also by which name it has a home, or NULL. */
static const char postgres_query[] =
	"SELECT w.kind, w.name, w.state, x.name, x.rows, x.failures, x.position, coalesce(x.error, w.last_error)"
	" FROM pythia.worker_status w LEFT JOIN LATERAL ("
	"  SELECT s.\"table\" AS name, s.rows_synced AS rows, s.failures, s.watermark AS position, s.last_error AS error"
	"  FROM pythia.stat_sync s WHERE w.kind = 'sync' AND s.worker = w.name"
	"  UNION ALL"
	"  SELECT pg_catalog.format('%I.%I', c.schema, c.\"table\"), c.captured, c.failed + c.dead, c.low, c.held_why"
	"  FROM pythia.stat_cdc c WHERE w.kind = 'cdc' AND c.worker = w.name) x ON true"
	" ORDER BY w.kind, w.name, x.name";

static const char sqlite_cdc_query[] =
	"SELECT 'cdc', w.name, t.state, t.\"table\", t.captured, t.state = 'failed', t.low, t.error,"
	" CASE WHEN w.connection IS NOT NULL THEN w.name END"
	" FROM pythia_cdc_worker w LEFT JOIN pythia_cdc_table t USING (worker_id) ORDER BY 2, 4";
static const char sqlite_sync_query[] =
	"SELECT 'sync', w.name, CASE WHEN s.runs IS NULL THEN 'new' WHEN s.last_error IS NULL THEN 'synced' ELSE 'failed' "
	"END,"
	" s.\"table\", s.rows_synced, s.failures, s.watermark, s.last_error, w.name"
	" FROM pythia_sync_worker w LEFT JOIN pythia_sync_state s ON s.worker = w.name ORDER BY 2, 4";
/* the state file of `pythia sync` */
static const char sqlite_client_query[] =
	"SELECT 'sync', source || ' -> ' || target, CASE WHEN checkpoint IS NULL THEN 'synced' ELSE 'interrupted' END,"
	" \"table\", NULL, NULL, watermark, NULL, '" CLI_SYNC_WORKER
	"', source, target FROM pythia_client_sync ORDER BY 2, 4";

enum
{
	COLUMNS = 8,
	HOME = COLUMNS,
	SOURCE,
	TARGET
};

static int reported;
static const char *file; /* that is looked at, where it is one */

/* The row's texts; what has a checkpoint may be at work just now, what is in a copy of its file is not. */
static bool read_values(pythia_db *db, const pythia_result *rows, int64_t row, const char *values[COLUMNS],
						pythia_error *error)
{
	const char *home = rows->ncolumns > HOME ? pythia_result_optional(rows, row, HOME) : NULL;
	bool held = false;

	for (int i = 0; i < COLUMNS; i++)
		values[i] = pythia_result_optional(rows, row, i);
	if (home && !pythia_store_home_held(db, values[0], home, &held, error))
		return false;
	if (held)
	{
		values[2] = "held";
		values[7] = "its database is a copy";
	}
	else if (file && rows->ncolumns > TARGET && values[2] && strcmp(values[2], "interrupted") == 0 &&
			 cli_state_is_locked(file, pythia_result_text(rows, row, SOURCE), pythia_result_text(rows, row, TARGET),
								 values[3]))
		values[2] = "running";
	return true;
}

static void report_json(const pythia_result *rows, int64_t row, const char *const *values)
{
	static const char *const names[] = {"kind", "worker", "state", "table", "rows", "failures", "position", "error"};
	pythia_buffer line = PYTHIA_BUFFER_INIT;

	for (int i = 0; i < COLUMNS; i++)
	{
		const char *value = values[i];

		pythia_buffer_printf(&line, "%s\"%s\":", i > 0 ? "," : "{", names[i]);
		if (value == NULL)
			pythia_buffer_puts(&line, "null");
		else if (i == 4 || i == 5)
			pythia_buffer_printf(&line, "%lld", (long long) pythia_result_number(rows, row, i));
		else
			pythia_json_string(&line, value, strlen(value));
	}
	pythia_buffer_putc(&line, '}');
	cli_json_line(&line);
}

static void report_text(const char *const *values)
{
	const char *text[COLUMNS];
	cli_colour colour = CLI_PLAIN;

	for (int i = 0; i < COLUMNS; i++)
	{
		text[i] = values[i];
		if (text[i] == NULL)
			text[i] = i == 7 ? "" : "-";
	}
	if (strcmp(text[2], "failed") == 0 || strcmp(text[2], "retrying") == 0 || strcmp(text[2], "held") == 0 ||
		strcmp(text[2], "aside") == 0)
		colour = CLI_RED;
	else if (strcmp(text[2], "running") == 0 || strcmp(text[2], "synced") == 0 || strcmp(text[2], "live") == 0)
		colour = CLI_GREEN;
	if (reported == 0)
	{
		cli_put_coloured(stdout, CLI_BOLD, "%-5s %-24s %-12s %-24s %12s %9s  %s", "kind", "worker", "state", "table",
						 "rows", "failures", "position");
		cli_put_line(stdout, "%s", "");
	}
	cli_put(stdout, "%-5s %-24s ", text[0], text[1]);
	cli_put_coloured(stdout, colour, "%-12s", text[2]);
	cli_put_line(stdout, " %-24s %12s %9s  %s", text[3], text[4], text[5], text[6]);
	if (*text[7] != '\0')
	{
		cli_put(stdout, "%-30s ", "");
		cli_put_coloured(stdout, CLI_RED, "%s", text[7]);
		cli_put_line(stdout, "%s", "");
	}
}

static bool report(pythia_db *db, const char *sql, const char *shape, pythia_error *error)
{
	pythia_result rows;
	bool ok;

	memset(&rows, 0, sizeof(rows));
	ok = pythia_db_query(db, sql, shape, &rows, error);
	for (int64_t i = 0; ok && i < rows.nrows; i++)
	{
		const char *values[COLUMNS];

		ok = read_values(db, &rows, i, values, error);
		if (ok && cli_json)
			report_json(&rows, i, values);
		else if (ok)
			report_text(values);
		reported++;
	}
	pythia_result_free(&rows);
	return ok;
}

/* True where the query counts at least one. */
static bool there_is(pythia_db *db, const char *sql, bool *there, pythia_error *error)
{
	int64_t count;
	bool ok = pythia_db_count(db, sql, &count, error);

	*there = count > 0;
	return ok;
}

static bool nothing_here(const pythia_db *db, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "42704", "there is no pythia_db in %s", db->display);
	return pythia_error_hint(error, db->engine == PYTHIA_POSTGRESQL
										? "CREATE EXTENSION pythia_db installs it in a database."
										: "Workers live in PostgreSQL databases and in SQLite files.");
}

/* --- live syncs ------------------------------------------------------------------------- */

static void put_json(pythia_buffer *line, const char *name, const char *value)
{
	pythia_buffer_printf(line, ",\"%s\":", name);
	if (value != NULL)
		pythia_json_string(line, value, strlen(value));
	else
		pythia_buffer_puts(line, "null");
}

static void live_json(const pythia_live_seen *seen)
{
	pythia_buffer line = PYTHIA_BUFFER_INIT;

	pythia_buffer_puts(&line, "{\"kind\":\"live\"");
	put_json(&line, "worker", seen->worker);
	put_json(&line, "state", seen->state);
	put_json(&line, "table", seen->table);
	put_json(&line, "error", seen->error);
	put_json(&line, "error_at", seen->error_at);
	put_json(&line, "source", seen->source);
	pythia_buffer_printf(&line, ",\"window\":%" PRId64, seen->window);
	put_json(&line, "applied_until", seen->until);
	if (seen->lag >= 0)
		pythia_buffer_printf(&line, ",\"lag_seconds\":%.3f", (double) seen->lag / 1e6);
	else
		put_json(&line, "lag_seconds", NULL);
	if (seen->changes >= 0)
		pythia_buffer_printf(&line, ",\"lag_changes\":%" PRId64 "}", seen->changes);
	else
		pythia_buffer_puts(&line, ",\"lag_changes\":null}");
	cli_json_line(&line);
	pythia_buffer_free(&line);
}

static void live_text(const pythia_live_seen *seen)
{
	pythia_buffer position = PYTHIA_BUFFER_INIT;
	pythia_buffer failure = PYTHIA_BUFFER_INIT;
	const char *values[COLUMNS] = {"live", seen->worker, seen->state, seen->table};

	pythia_buffer_printf(&position, "window %" PRId64, seen->window);
	if (seen->until != NULL)
		pythia_buffer_printf(&position, ", as of %s UTC", seen->until);
	if (seen->source != NULL)
		pythia_buffer_printf(&position, ", from %s", seen->source);
	if (seen->lag >= 0)
		pythia_buffer_printf(&position, ", %.3f s behind", (double) seen->lag / 1e6);
	if (seen->changes > 0)
		pythia_buffer_printf(&position, ", %" PRId64 " changes wait", seen->changes);
	values[6] = position.data;
	if (seen->error != NULL)
	{
		pythia_buffer_printf(&failure, "since %s UTC: %s", seen->error_at != NULL ? seen->error_at : "?", seen->error);
		values[7] = failure.data;
	}
	report_text(values);
	pythia_buffer_free(&position);
	pythia_buffer_free(&failure);
}

static bool report_live(void *context, const pythia_live_seen *seen, pythia_error *error)
{
	(void) context;
	(void) error;
	if (cli_json)
		live_json(seen);
	else
		live_text(seen);
	reported++;
	return true;
}

static bool workers(pythia_db *db, bool *any, pythia_error *error)
{
	static const char shape[] = "tTTTNNTT";
	static const char shape_with_home[] = "tTTTNNTTT";
	static const struct
	{
		const char *there;
		const char *rows;
		const char *shape;
	} sqlite[] = {
		{"SELECT count(*) FROM sqlite_master WHERE name = 'pythia_cdc_worker'", sqlite_cdc_query, shape_with_home},
		{"SELECT count(*) FROM sqlite_master WHERE name = 'pythia_sync_worker'", sqlite_sync_query, shape_with_home},
		{"SELECT count(*) FROM sqlite_master WHERE name = 'pythia_client_sync'", sqlite_client_query, "tTTTNNTTttt"}};
	bool there;

	*any = false;
	if (db->engine == PYTHIA_POSTGRESQL)
	{
		if (!there_is(db, "SELECT count(*) FROM pg_catalog.pg_extension WHERE extname = 'pythia_db'", &there, error))
			return false;
		*any = there;
		return !there || report(db, postgres_query, shape, error);
	}
	if (db->engine == PYTHIA_SQLITE)
		for (size_t i = 0; i < sizeof(sqlite) / sizeof(sqlite[0]); i++)
		{
			if (!there_is(db, sqlite[i].there, &there, error))
				return false;
			*any = *any || there;
			if (there && !report(db, sqlite[i].rows, sqlite[i].shape, error))
				return false;
		}
	return true;
}

static bool status(pythia_db *db, pythia_error *error)
{
	bool any;
	bool live;

	if (!workers(db, &any, error) || !pythia_live_look_at(db, report_live, NULL, &live, error))
		return false;
	return any || live || nothing_here(db, error);
}

static int run_status(cli_args *args)
{
	cli_endpoint place;
	pythia_error error = PYTHIA_ERROR_INIT;
	int code = CLI_DONE;

	memset(&place, 0, sizeof(place));
	place.options.read_only = true;
	if (!cli_endpoint_parse(&place, args->operands[0], &error) || !cli_endpoint_open(&place, &error))
		code = cli_fail(&error);
	else
		file = place.url.engine == PYTHIA_SQLITE ? place.url.database : NULL;
	if (code == CLI_DONE && !status(place.db, &error))
		code = cli_fail(&error);
	else if (code == CLI_DONE && reported == 0)
		cli_say("no workers");
	cli_endpoint_close(&place);
	return code;
}

const cli_command cli_command_status = {
	.name = "status",
	.operands = "URL",
	.summary = "what the workers and live syncs of a database are doing",
	.description =
		"Shows the workers of a PostgreSQL database or SQLite file that holds pythia_db's tables, a line for each "
		"of their tables: state, rows captured or synchronised, failures, position, last error.  The state "
		"file of \"pythia sync\" can be given too.\n\n"
		"Of a live sync (pythia sync --mode live) its source, in any engine, tells the tables with their states, the "
		"last window, how far the target is, how long it is behind at most and how many changes wait; its target the "
		"last window and how far it is.",
	.example = "pythia status postgresql://shop@db1/shop\n"
			   "pythia status mysql://shop@db1/shop --json",
	.sets = sets,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_status,
};
