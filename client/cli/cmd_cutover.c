/* `pythia cutover`: the target of a live sync takes over. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/live.h"
#include "cli/pair.h"
#include "cli/report.h"
#include "cli/say.h"
#include "core/json.h"
#include "core/memory.h"
#include "cutover/cutover.h"
#include "live/options.h"

static const char *const methods[] = {"checksum", "count", "none", NULL};
static const char *const changes[] = {"follow", "stop", "ignore", NULL};

static const cli_option own_options[] = {
	{"name", 0, CLI_TEXT, "NAME", "what the live sync is called, where it has a name", NULL, NULL},
	{"on-schema-change", 0, CLI_CHOICE, "HOW", "as the live sync has it (default follow)", changes, NULL},
	{"rehearse", 0, CLI_FLAG, NULL, "do all of it, tell how long writers were held, and leave the source in charge",
	 NULL, NULL},
	{"reverse", 0, CLI_FLAG, NULL, "set up a live sync back, so that the old database follows and one can return", NULL,
	 NULL},
	{"within", 0, CLI_CHOICE, "HOW",
	 "while writers are held, compare all tables: by checksums (default), by counts, or none", methods, NULL},
	{"max-lag", 0, CLI_SECONDS, "TIME", "do not begin while the target is further behind (default 1 s)", NULL, NULL},
	{"lock-timeout", 0, CLI_SECONDS, "TIME",
	 "wait so long for who writes, before those behind have a turn (default 2 s)", NULL, NULL},
	{"timeout", 0, CLI_SECONDS, "TIME", "give up when locks or the lag take longer in all (default 1 min)", NULL, NULL},
	{"status", 0, CLI_FLAG, NULL, "tell who is in charge, and do nothing", NULL, NULL},
	{"lift", 0, CLI_FLAG, NULL, "take the fence away: the source is in charge again", NULL, NULL},
	{"force", 0, CLI_FLAG, NULL, "with --lift: also after the tables have moved", NULL, NULL},
	{"finish", 0, CLI_FLAG, NULL, "after it: take triggers and logs of the live sync away; the fence stays", NULL,
	 NULL},
	{NULL}};

static const cli_option *const engine_sets[] = {cli_column_options, NULL};
static const cli_option *const sets[] = {cli_pair_options, own_options, cli_column_options, cli_common_options, NULL};

static bool connect_another(void *context, bool target, const pythia_host *host, pythia_db **db, pythia_error *error)
{
	cli_pair *pair = context;

	return cli_endpoint_another(target ? &pair->target : &pair->source, host, db, error);
}

/* --- telling --------------------------------------------------------------------------------------- */

static const char *what_is_done(const char *word)
{
	static const char *const words[][2] = {
		{"take", "takes the live sync over; another process that runs it ends at its next window"},
		{"validate", "compares all tables, while writers go on"},
		{"fence", "writers are held"},
		{"fenced", "nobody writes to the source any more"},
		{"lift", "takes the fence away"},
		{"charge", "the target takes over"}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i][0], word) == 0)
			return words[i][1];
	return NULL;
}

/* Tests end the process in the midst of a step, or hold it there until a file is gone. */
static void on_step(void *context, const char *word)
{
	const char *kill_at = getenv("PYTHIA_TEST_CUTOVER_KILL");
	const char *wait_at = getenv("PYTHIA_TEST_CUTOVER_WAIT");

	(void) context;
	if (!cli_quiet && !cli_json && what_is_done(word) != NULL)
		cli_say("pythia: %s", what_is_done(word));
	if (kill_at != NULL && strcmp(kill_at, word) == 0)
		kill(getpid(), SIGKILL);
	while (wait_at != NULL && strcmp(wait_at, word) == 0 && access("cutover.wait", F_OK) == 0 &&
		   !pythia_host_cancelled(pythia_default_host()))
		(void) pythia_host_wait(pythia_default_host(), -1, 0, 10);
}

static void on_compared(void *context, const char *table, bool within, const pythia_validate_result *result)
{
	(void) context;
	(void) within;
	if (!result->is_valid)
	{
		cli_output_lock();
		cli_report_validate(table, result, NULL);
		cli_output_unlock();
	}
}

static void put_seconds(pythia_buffer *json, const char *name, int64_t microseconds)
{
	pythia_buffer_printf(json, ",\"%s_seconds\":%.3f", name, (double) microseconds / 1e6);
}

static void tell_json(const cli_pair *pair, const pythia_cutover_result *r, bool ok)
{
	pythia_buffer json = PYTHIA_BUFFER_INIT;

	pythia_buffer_printf(
		&json, "{\"in_charge\":\"%s\",\"ok\":%s,\"fenced\":%s,\"tables\":%d,\"windows\":%lld,\"sequences\":%d",
		r->moved ? "target" : "source", ok ? "true" : "false", r->moved || r->fenced ? "true" : "false", pair->ntables,
		(long long) r->windows, r->sequences);
	put_seconds(&json, "lock", r->fencing);
	put_seconds(&json, "windows", r->draining);
	put_seconds(&json, "compare", r->comparing);
	put_seconds(&json, "sequences", r->counting);
	put_seconds(&json, "reverse", r->reversing);
	put_seconds(&json, "held", r->held);
	pythia_buffer_putc(&json, '}');
	cli_json_line(&json);
	pythia_buffer_free(&json);
}

static void tell_times(const pythia_cutover_result *r)
{
	cli_put_line(stdout,
				 "writers were held for %.3f s: lock %.3f, windows %.3f, compare %.3f, sequences %.3f, reverse %.3f",
				 (double) r->held / 1e6, (double) r->fencing / 1e6, (double) r->draining / 1e6,
				 (double) r->comparing / 1e6, (double) r->counting / 1e6, (double) r->reversing / 1e6);
}

static void tell(const cli_args *args, const cli_pair *pair, const pythia_cutover_result *r, bool ok)
{
	if (cli_json)
	{
		tell_json(pair, r, ok);
		return;
	}
	if (cli_quiet)
		return;
	if (r->held > 0)
		tell_times(r);
	if (!r->moved)
	{
		cli_put_line(stdout, "%s is in charge%s", pair->source.name,
					 r->fenced ? ", but the fence is still there: run pythia cutover --lift" : ", as before");
		if (ok)
			cli_say("pythia: a live sync that ran in another process has to be started again");
		return;
	}
	cli_put_line(stdout, "%s is in charge of %d tables", pair->target.name, pair->ntables);
	if (cli_given(args, "reverse"))
		cli_say("pythia: the way back: pythia sync --mode live --source %s --target %s, with its tables",
				pair->target.name, pair->source.name);
	else
		cli_say("pythia: triggers and logs of the live sync go by: pythia cutover --finish");
}

/* --- the command -------------------------------------------------------------------------------------- */

static int64_t milliseconds(const cli_args *args, const char *name, double otherwise)
{
	return (int64_t) (cli_seconds(args, name, otherwise) * 1000);
}

static int cut_over(const cli_args *args, pythia_error *error)
{
	const char *within = cli_text(args, "within", "checksum");
	cli_pair pair;
	pythia_cutover_result result = {0};
	pythia_live_options ignored;
	int code = CLI_DONE;
	bool ok;

	memset(&pair, 0, sizeof(pair));
	ok =
		cli_pair_open(args, engine_sets, false, &pair, error) && pythia_live_options_read(pair.config, &ignored, error);
	if (ok)
	{
		pythia_cutover_job job = {.connect = connect_another,
								  .context = &pair,
								  .name = cli_text(args, "name", NULL),
								  .tables = pair.tables,
								  .ntables = pair.ntables,
								  .on_change = pythia_live_change_of(cli_text(args, "on-schema-change", "follow")),
								  .rehearse = cli_given(args, "rehearse"),
								  .reverse = cli_given(args, "reverse"),
								  .compare_within = strcmp(within, "none") != 0,
								  .method =
									  strcmp(within, "count") == 0 ? PYTHIA_VALIDATE_COUNT : PYTHIA_VALIDATE_CHECKSUM,
								  .max_lag_ms = milliseconds(args, "max-lag", 1),
								  .lock_ms = milliseconds(args, "lock-timeout", 2),
								  .timeout_ms = milliseconds(args, "timeout", 60),
								  .step = on_step,
								  .compared = on_compared};

		cli_live_configure(&pair);
		job.config = pair.config;
		ok = pythia_cutover_run(&job, &result, error);
	}
	if (ok || result.worker != NULL)
		tell(args, &pair, &result, ok);
	if (!ok)
	{
		bool differs = strcmp(error->sqlstate, "23000") == 0;

		code = cli_fail(error);
		if (differs)
			code = CLI_DIFFERENCE;
	}
	pythia_cutover_result_free(&result);
	cli_pair_close(&pair);
	return code;
}

static void tell_charge(const cli_pair *pair, const pythia_charge *charge)
{
	static const char *const words[] = {"source", "fenced", "moved"};

	if (cli_json)
	{
		pythia_buffer json = PYTHIA_BUFFER_INIT;

		pythia_buffer_printf(
			&json, "{\"state\":\"%s\",\"in_charge\":\"%s\",\"reverse\":%s,\"since\":", words[charge->state],
			charge->state == PYTHIA_CHARGE_MOVED ? "target" : "source", charge->reverse ? "true" : "false");
		if (charge->since != NULL)
			pythia_json_string(&json, charge->since, strlen(charge->since));
		else
			pythia_buffer_puts(&json, "null");
		pythia_buffer_putc(&json, '}');
		cli_json_line(&json);
		pythia_buffer_free(&json);
	}
	else if (charge->state == PYTHIA_CHARGE_SOURCE)
		cli_put_line(stdout, "%s is in charge, and has no fence", pair->source.name);
	else if (charge->state == PYTHIA_CHARGE_FENCED)
		cli_put_line(
			stdout,
			"%s is in charge, but fenced since %s UTC: a cutover is under way, or was killed; run it again, or --lift",
			pair->source.name, charge->since);
	else
		cli_put_line(stdout, "%s is in charge since %s UTC; writes to %s are rejected", charge->moved_to, charge->since,
					 pair->source.name);
}

/* What asks for no tables. */
static bool later(const cli_args *args, cli_pair *pair, pythia_error *error)
{
	const char *source = cli_url_text(args, "source", "PYTHIA_SOURCE", error);
	const char *target = source != NULL ? cli_url_text(args, "target", "PYTHIA_TARGET", error) : NULL;
	const char *given = cli_text(args, "name", NULL);
	pythia_charge charge = {0};
	char *name;
	bool ok;

	if (target == NULL)
		return false;
	if (!cli_endpoint_parse(&pair->source, source, error))
		return pythia_error_context(error, "--source");
	if (!cli_endpoint_parse(&pair->target, target, error))
		return pythia_error_context(error, "--target");
	if (!cli_endpoint_open(&pair->source, error) || !cli_endpoint_open(&pair->target, error))
		return false;
	name = given != NULL ? pythia_strdup(given) : pythia_live_name(pair->source.db, pair->target.db);
	ok = !cli_given(args, "lift") ||
		 pythia_cutover_lift(pair->source.db, pair->target.db, name, cli_given(args, "force"), error);
	ok = ok && (!cli_given(args, "finish") || pythia_cutover_finish(pair->source.db, pair->target.db, name, error));
	ok = ok && pythia_charge_read(pair->source.db, name, &charge, error);
	if (ok && !cli_quiet)
		tell_charge(pair, &charge);
	pythia_charge_free(&charge);
	pythia_free(name);
	return ok;
}

static bool check_words(const cli_args *args, bool *is_later, pythia_error *error)
{
	int count = cli_given(args, "status") + cli_given(args, "lift") + cli_given(args, "finish");

	*is_later = count > 0;
	if (count > 1 || (count > 0 && (cli_given(args, "rehearse") || cli_given(args, "reverse"))))
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "--status, --lift and --finish each go alone");
		return pythia_error_hint(error, "Give one of them, without --rehearse and --reverse.");
	}
	if (!cli_given(args, "force") || cli_given(args, "lift"))
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "--force goes with --lift");
	return pythia_error_hint(error, "A cutover is never forced: leave it out.");
}

static int run_cutover(cli_args *args)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	cli_pair pair;
	bool is_later;
	int code = CLI_DONE;

	if (!check_words(args, &is_later, &error))
		return cli_fail(&error);
	if (!is_later)
		return cut_over(args, &error);
	memset(&pair, 0, sizeof(pair));
	if (!later(args, &pair, &error))
		code = cli_fail(&error);
	cli_pair_close(&pair);
	return code;
}

const cli_command cli_command_cutover = {
	.name = "cutover",
	.operands = "--source URL --target URL (--tables A,B | --all) [OPTION]...",
	.summary = "let the target of a live sync take over",
	.description =
		"The tables of a live sync (pythia sync --mode live, with the same tables, options and name) move: all tables "
		"are "
		"compared, a fence of triggers rejects writes to the source, the last changes are applied, all tables are "
		"compared "
		"again, sequences go on from the source's, and the target is in charge.\n\n"
		"Whatever fails before that, or interrupts it, takes the fence away and leaves the source in charge.  The "
		"fence "
		"outlasts a command that is killed: --status tells of it, and the same command again, or --lift, goes on.\n\n"
		"--rehearse does all of it and leaves the source in charge.",
	.example = "pythia cutover --source mysql://shop@db1/shop --target postgresql://shop@db2/shop --all --rehearse\n"
			   "pythia cutover --source mysql://shop@db1/shop --target postgresql://shop@db2/shop --all --reverse",
	.sets = sets,
	.run = run_cutover,
};
