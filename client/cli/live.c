#include "cli/live.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/say.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/stamp.h"
#include "live/options.h"

/* Between two lines about how far it is. */
#define TOLD_MS       10000
#define RETRY_BASE_MS 500

const cli_option cli_live_options[] = {
	{"once", '1', CLI_FLAG, NULL, "with --mode live: stop when nothing is left to be applied", NULL, NULL},
	{"interval", 0, CLI_SECONDS, "TIME", "with --mode live: time between two looks for changes (default 10 ms)", NULL,
	 NULL},
	{"on-schema-change", 0, CLI_CHOICE, "HOW", "with --mode live: columns that change at the source (default follow)",
	 pythia_live_changes, NULL},
	{"name", 0, CLI_TEXT, "NAME", "with --mode live: what it is called, where one pair of databases has several", NULL,
	 NULL},
	{"refresh", 0, CLI_FLAG, NULL, "with --mode live: begin anew, and compare all tables as a whole", NULL, NULL},
	{"drop", 0, CLI_FLAG, NULL, "with --mode live: take triggers, logs and positions away, and stop", NULL, NULL},
	{NULL}};

static bool misplaced(const char *option, bool live, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "22023",
				live ? "--%s has no place in --mode live" : "--%s goes with --mode live", option);
	return pythia_error_hint(error, live ? "A live target is what the source is: leave it out."
										 : "Add --mode live, or leave it out.");
}

static bool no_flags(const cli_args *args, pythia_error *error)
{
	for (int i = 0; pythia_live_others[i] != NULL; i++)
	{
		char flag[32];

		snprintf(flag, sizeof(flag), "%s", pythia_live_others[i]);
		for (char *letter = flag; *letter != '\0'; letter++)
			if (*letter == '_')
				*letter = '-';
		if (cli_given(args, flag))
			return misplaced(flag, true, error);
	}
	return !cli_given(args, "quarantine") || misplaced("quarantine", true, error);
}

bool cli_live_check(cli_args *args, bool *live, pythia_error *error)
{
	*live = strcmp(cli_text(args, "mode", ""), "live") == 0;
	if (*live && !no_flags(args, error))
		return false;
	for (int i = 0; !*live && cli_live_options[i].name != NULL; i++)
		if (cli_given(args, cli_live_options[i].name))
			return misplaced(cli_live_options[i].name, false, error);
	if (*live)
		cli_set_text(args, "mode", "full");
	return true;
}

void cli_live_configure(cli_pair *pair)
{
	pythia_live_configure(pair->config);
	/* logs and positions are written there */
	pair->source.options.read_only = false;
}

void cli_live_init(cli_live *live, const cli_args *args, cli_pair *pair)
{
	memset(live, 0, sizeof(*live));
	live->args = args;
	live->pair = pair;
	live->refresh = cli_given(args, "refresh");
	live->retry = pythia_retry_growing(RETRY_BASE_MS, (uint64_t) pythia_monotonic_ms() | 1);
}

void cli_live_close(cli_live *live)
{
	pythia_live_close(live->live);
	pythia_db_close(live->source);
	pythia_db_close(live->target);
	live->live = NULL;
	live->source = live->target = NULL;
}

bool cli_live_open(cli_live *live, pythia_error *error)
{
	cli_pair *pair = live->pair;
	pythia_live_job job = {.name = cli_text(live->args, "name", NULL),
						   .tables = pair->tables,
						   .ntables = pair->ntables,
						   .config = pair->config,
						   .on_change = pythia_live_change_of(cli_text(live->args, "on-schema-change", "follow")),
						   .refresh = live->refresh};

	cli_live_close(live);
	if (!cli_endpoint_another(&pair->source, pythia_default_host(), &live->source, error) ||
		!cli_endpoint_another(&pair->target, pythia_default_host(), &live->target, error))
		return false;
	job.source = live->source;
	job.target = live->target;
	if (!pythia_live_open(&job, &live->live, error))
		return false;
	live->refresh = false;
	return true;
}

/* --- telling --------------------------------------------------------------------------- */

static void put_aside_json(const cli_live *live, pythia_buffer *json)
{
	bool any = false;

	pythia_buffer_puts(json, ",\"aside\":[");
	for (int i = 0; i < live->pair->ntables; i++)
	{
		const char *why;
		int64_t since;
		char at[PYTHIA_INSTANT_SIZE];

		if (!pythia_live_is_aside(live->live, i, &why, &since))
			continue;
		pythia_instant_write(at, since);
		pythia_buffer_puts(json, any ? ",{\"table\":" : "{\"table\":");
		pythia_json_string(json, live->pair->tables[i], strlen(live->pair->tables[i]));
		pythia_buffer_puts(json, ",\"error\":");
		pythia_json_string(json, why, strlen(why));
		pythia_buffer_puts(json, ",\"error_at\":");
		pythia_json_string(json, at, strlen(at));
		pythia_buffer_putc(json, '}');
		any = true;
	}
	pythia_buffer_putc(json, ']');
}

bool cli_live_tell_aside(const cli_live *live)
{
	bool any = false;

	for (int i = 0; live->live != NULL && i < live->pair->ntables; i++)
	{
		const char *why;
		int64_t since;

		if (!pythia_live_is_aside(live->live, i, &why, &since))
			continue;
		cli_warn("table \"%s\" is not followed: %s", live->pair->tables[i], why);
		any = true;
	}
	return any;
}

static void tell_json(const cli_live *live, const pythia_live_status *status, int ntables)
{
	pythia_buffer json = PYTHIA_BUFFER_INIT;
	char until[PYTHIA_INSTANT_SIZE];

	pythia_instant_write(until, status->applied_until);
	pythia_buffer_printf(&json,
						 "{\"state\":\"live\",\"tables\":%d,\"window\":%" PRId64 ",\"windows\":%" PRId64
						 ",\"changes\":%" PRId64 ",\"rows_written\":%" PRId64 ",\"applied_until\":",
						 ntables, status->number, status->windows, status->changes, status->rows_written);
	pythia_json_string(&json, until, strlen(until));
	pythia_buffer_printf(&json, ",\"lag_seconds\":%.3f", (double) status->lag / 1e6);
	put_aside_json(live, &json);
	pythia_buffer_putc(&json, '}');
	cli_json_line(&json);
	pythia_buffer_free(&json);
}

static void tell(cli_live *live, bool first)
{
	pythia_live_status status;
	char until[PYTHIA_INSTANT_SIZE];

	pythia_live_look(live->live, &status);
	live->told_at = pythia_monotonic_ms();
	if (cli_json)
	{
		tell_json(live, &status, live->pair->ntables);
		return;
	}
	if (cli_quiet)
		return;
	pythia_instant_write(until, status.applied_until);
	if (first)
		cli_say("pythia: live: %d tables of the target are the source's as of %s UTC",
				live->pair->ntables - status.aside, until);
	else
		cli_say("pythia: live: as of %s UTC, %.3f s behind; %" PRId64 " windows, %" PRId64 " changes, %" PRId64
				" rows written%s",
				until, (double) status.lag / 1e6, status.windows, status.changes, status.rows_written,
				status.aside > 0 ? "; some tables are put aside" : "");
}

/* --- following --------------------------------------------------------------------------- */

static bool wait_a_little(const cli_live *live, pythia_error *error)
{
	long interval = (long) (cli_seconds(live->args, "interval", PYTHIA_LIVE_INTERVAL) * 1000);

	if (pythia_host_wait(pythia_default_host(), -1, 0, interval > 0 ? interval : 1) != PYTHIA_WAIT_CANCELLED)
		return true;
	return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "interrupted");
}

bool cli_live_follow(cli_live *live, pythia_error *error)
{
	bool once = cli_given(live->args, "once");
	bool first = true;

	for (;;)
	{
		bool applied;

		if (pythia_host_cancelled(pythia_default_host()))
			return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "interrupted");
		if (!pythia_live_window(live->live, &applied, error))
			return false;
		pythia_retry_reset(&live->retry);
		if (first || pythia_monotonic_ms() - live->told_at >= TOLD_MS)
			tell(live, first);
		first = false;
		if (applied)
			continue;
		if (once)
		{
			tell(live, false);
			return true;
		}
		if (!wait_a_little(live, error))
			return false;
	}
}

static bool goes_by(const pythia_error *error)
{
	return error->error_class == PYTHIA_E_LOST || error->error_class == PYTHIA_E_TRANSIENT ||
		   error->error_class == PYTHIA_E_CONNECT;
}

bool cli_live_again(cli_live *live, pythia_error *error)
{
	int64_t delay;

	if (!goes_by(error))
		return false;
	delay = pythia_retry_next(&live->retry);
	cli_warn("%s; trying again in %.1f s", error->message, (double) delay / 1000);
	pythia_error_reset(error);
	cli_live_close(live);
	if (pythia_host_wait(pythia_default_host(), -1, 0, (long) delay) != PYTHIA_WAIT_CANCELLED)
		return true;
	return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "interrupted");
}

int cli_live_drop(const cli_args *args, cli_pair *pair)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	const char *given = cli_text(args, "name", NULL);
	char *name = given != NULL ? pythia_strdup(given) : pythia_live_name(pair->source.db, pair->target.db);
	pythia_db *source = NULL;
	/* the pair's own is for reading alone */
	bool ok = cli_endpoint_another(&pair->source, pythia_default_host(), &source, &error) &&
			  pythia_live_drop(source, pair->target.db, name, &error);

	if (ok && !cli_quiet)
		cli_say("pythia: live sync \"%s\" is gone; the target's tables stay as they are", name);
	pythia_db_close(source);
	pythia_free(name);
	return ok ? CLI_DONE : cli_fail(&error);
}
