/* `pythia run DIR`: the worker that `pythia create` made. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/files.h"
#include "cli/follow.h"
#include "cli/handler.h"
#include "cli/line.h"
#include "cli/live.h"
#include "cli/pair.h"
#include "cli/say.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/secret.h"
#include "core/json_read.h"
#include "live/options.h"

static const cli_option run_options[] = {
	{"once", '1', CLI_FLAG, NULL, "one run, then stop", NULL, NULL},
	{"release", 0, CLI_FLAG, NULL, "go on with a copy of a folder, in the original's place", NULL, NULL},
	{NULL}};
static const cli_option *const sets[] = {run_options, cli_common_options, NULL};

static const char *const cdc_names[] = {"kind",
										"name",
										"connection",
										"tables",
										"timestamp_column",
										"poll_interval",
										"options",
										"handler",
										"max_attempts",
										"retry_delay",
										"dead_letter",
										"state",
										"handler_timeout",
										NULL};
static const char *const sync_names[] = {"kind",        "name",     "source",   "target", "tables",
										 "sync_config", "schedule", "validate", "state",  NULL};

/* A text that must be there. */
static bool need_text(const pythia_node *config, const char *name, const char **value, pythia_error *error)
{
	*value = NULL;
	if (!pythia_node_text(config, name, value, error))
		return false;
	if (*value != NULL && **value != '\0')
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "pythia.json has no \"%s\"", name);
	return pythia_error_hint(error, "\"pythia create\" writes one that is whole.");
}

/* An array of texts, borrowed; *list (NULL-terminated) is freed with pythia_free. */
static bool need_list(const pythia_node *config, const char *name, char ***list, int *count, pythia_error *error)
{
	const pythia_node *array = pythia_node_get(config, name);
	bool good = pythia_node_items(array) != NULL && pythia_node_texts(array);

	*list = NULL;
	*count = 0;
	for (const pythia_node *child = good ? pythia_node_items(array) : NULL; child != NULL; child = child->next)
	{
		*list = pythia_realloc(*list, sizeof(char *) * (size_t) (*count + 2));
		(*list)[(*count)++] = child->text;
		(*list)[*count] = NULL;
	}
	if (good)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "\"%s\" of pythia.json is not a list of texts", name);
	return pythia_error_hint(error, "Write \"%s\": [\"…\"].", name);
}

static const char *or_environment(const char *value, const char *variable)
{
	const char *own = getenv(variable);

	return own != NULL && *own != '\0' ? own : value;
}

static bool read_config(pythia_node **config, bool *sync, pythia_error *error)
{
	char *text = cli_read_file("pythia.json", false, error);
	const char *kind;
	bool ok;

	*config = NULL;
	if (text == NULL)
		return pythia_error_hint(error, "\"pythia create\" makes a folder that can be run.");
	cli_warn_of_owner("pythia.json");
	ok = pythia_json_read("pythia.json", text, config, error);
	pythia_free(text);
	if (!ok)
		return false;
	if ((*config)->type != PYTHIA_NODE_OBJECT)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "pythia.json is not a JSON object");
		return pythia_error_hint(error, "\"pythia create\" writes one that is whole.");
	}
	if (!need_text(*config, "kind", &kind, error))
		return false;
	*sync = strcmp(kind, "sync") == 0;
	if (!*sync && strcmp(kind, "cdc") != 0)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "\"kind\" of pythia.json is \"%s\"", kind);
		return pythia_error_hint(error, "It is cdc or sync.");
	}
	return pythia_node_only(*config, *sync ? sync_names : cdc_names, "setting of pythia.json", error);
}

/* --- cdc ------------------------------------------------------------------------------ */

typedef struct delivery
{
	cli_handler handler;
	cli_line maker;
	pythia_buffer line;
} delivery;

static bool emit(void *context, const pythia_capture_change *change, pythia_error *error)
{
	delivery *d = context;

	pythia_buffer_clear(&d->line);
	cli_line_put(&d->maker, &d->line, change);
	return cli_handler_send(&d->handler, pythia_buffer_text(&d->line), error);
}

static bool drain(void *context, pythia_error *error)
{
	delivery *d = context;

	return cli_handler_drain(&d->handler, error);
}

static int deliver(cli_follow *follow, delivery *d, bool once, double interval, pythia_error *error)
{
	for (;;)
	{
		int64_t count;

		if (cli_follow_poll(follow, emit, drain, d, &count, error))
		{
			if (once)
				return CLI_DONE;
			if (pythia_host_wait(NULL, -1, 0, (long) (interval * 1000)) == PYTHIA_WAIT_CANCELLED)
				return CLI_INTERRUPTED;
		}
		else
		{
			/* what the handler has not drained comes again with the next poll */
			const cli_handler_settings *settings = d->handler.settings;
			int64_t handled = d->handler.handled;
			int64_t dead = d->handler.dead;

			cli_handler_close(&d->handler);
			cli_handler_init(&d->handler, settings);
			d->handler.handled = handled;
			d->handler.dead = dead;
			if (pythia_host_cancelled(NULL) || once || !cli_follow_again(follow, error))
				return cli_exit_code(error);
		}
	}
}

static int run_cdc(const pythia_node *config, bool once, bool release)
{
	cli_follow_request request = {
		.consumer = "run", .timestamp_column = "updated_at", .state = "state.db", .release = release};
	cli_handler_settings settings = {
		.max_attempts = 5, .retry_delay = 0.5, .timeout = 300, .dead_letter = "dead-letter.jsonl"};
	cli_follow follow;
	delivery d = {.line = PYTHIA_BUFFER_INIT};
	pythia_capture_config checked;
	char **tables = NULL;
	char **command = NULL;
	int ncommand;
	double interval = 5;
	pythia_error error = PYTHIA_ERROR_INIT;
	int code;

	memset(&follow, 0, sizeof(follow));
	follow.lock = -1;
	cli_handler_init(&d.handler, &settings);
	request.options = pythia_node_get(config, "options");
	if (!need_text(config, "connection", &request.url, &error) ||
		!need_list(config, "tables", &tables, &request.ntables, &error) ||
		!need_list(config, "handler", &command, &ncommand, &error) ||
		!pythia_node_text(config, "timestamp_column", &request.timestamp_column, &error) ||
		!pythia_node_text(config, "state", &request.state, &error) ||
		!pythia_node_text(config, "dead_letter", &settings.dead_letter, &error) ||
		!pythia_node_int(config, "max_attempts", 1, 1000000, &settings.max_attempts, &error) ||
		!pythia_node_seconds(config, "retry_delay", &settings.retry_delay, &error) ||
		!pythia_node_seconds(config, "handler_timeout", &settings.timeout, &error) ||
		!pythia_node_seconds(config, "poll_interval", &interval, &error) ||
		!pythia_capture_config_read(request.options, NULL, &checked, &error))
		code = cli_fail(&error);
	else
	{
		settings.command = command;
		settings.ordered = checked.ordered || checked.on_error == PYTHIA_ON_ERROR_BLOCK_KEY;
		request.url = or_environment(request.url, "PYTHIA_CONNECTION");
		request.tables = tables;
		if (!cli_follow_open(&follow, &request, &error))
			code = cli_fail(&error);
		else
		{
			code = deliver(&follow, &d, once, interval, &error);
			if (code == CLI_INTERRUPTED)
				cli_say("pythia: stopped; the position is kept in %s", follow.state);
			else if (code != CLI_DONE)
				cli_say_error(NULL, &error);
			if (cli_json)
				cli_put_line(stdout, "{\"handled\":%lld,\"dead\":%lld}", (long long) d.handler.handled,
							 (long long) d.handler.dead);
			else
				cli_say("pythia: %lld changes handled, %lld given up", (long long) d.handler.handled,
						(long long) d.handler.dead);
			if (code == CLI_DONE && d.handler.dead > 0)
				code = CLI_DIFFERENCE;
			pythia_error_reset(&error);
		}
	}
	cli_handler_close(&d.handler);
	cli_follow_close(&follow);
	pythia_buffer_free(&d.line);
	cli_line_free(&d.maker);
	pythia_free(tables);
	pythia_free(command);
	return code;
}

/* --- sync: `pythia sync` with the words of pythia.json ------------------------------------ */

/* What a live sync has beside sync_config; NULL texts: defaults. */
typedef struct live_words
{
	bool live;
	char *interval;
	char *on_change;
} live_words;

/* A word of sync_config that the command has as an option: taken out; the caller's, NULL without one. */
static bool take_word(pythia_node *sync_config, const char *name, char **value, pythia_error *error)
{
	const char *text = NULL;

	*value = NULL;
	if (!pythia_node_text(sync_config, name, &text, error))
		return false;
	if (text != NULL)
	{
		*value = pythia_strdup(text);
		pythia_node_free(pythia_node_remove(sync_config, name));
	}
	return true;
}

static bool read_live(pythia_node *config, bool validate, live_words *words, pythia_error *error)
{
	pythia_node *sync_config = (pythia_node *) pythia_node_get(config, "sync_config");
	pythia_live_options ignored;

	words->live = pythia_live_wanted(sync_config);
	if (!words->live)
		return true;
	if (!pythia_live_options_read(sync_config, &ignored, error))
		return false;
	if (validate)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "\"validate\" has no place in mode \"live\"");
		return pythia_error_hint(error, "Set it to false; \"pythia validate\" compares the tables at any time.");
	}
	pythia_node_free(pythia_node_remove(sync_config, "mode"));
	return take_word(sync_config, "interval", &words->interval, error) &&
		   take_word(sync_config, "on_schema_change", &words->on_change, error);
}

static int sync_once(const pythia_node *config, const char *source, const char *target, char *const *tables,
					 int ntables, const char *state, bool validate, bool release, const live_words *live, bool once)
{
	pythia_buffer list = PYTHIA_BUFFER_INIT;
	pythia_buffer json = PYTHIA_BUFFER_INIT;
	const pythia_node *sync_config = pythia_node_get(config, "sync_config");
	char *words[24];
	int n = 0;
	cli_args args;
	pythia_error error = PYTHIA_ERROR_INIT;
	int code;

	for (int i = 0; i < ntables; i++)
		pythia_buffer_printf(&list, "%s%s", i > 0 ? "," : "", tables[i]);
	if (sync_config != NULL)
		pythia_json_node(&json, sync_config);
	else
		pythia_buffer_puts(&json, "{}");
	words[n++] = (char *) "--source";
	words[n++] = (char *) source;
	words[n++] = (char *) "--target";
	words[n++] = (char *) target;
	words[n++] = (char *) "--tables";
	words[n++] = list.data;
	words[n++] = (char *) "--config";
	words[n++] = json.data;
	words[n++] = (char *) "--state";
	words[n++] = (char *) state;
	if (validate)
		words[n++] = (char *) "--validate";
	if (release)
		words[n++] = (char *) "--release";
	if (live->live)
	{
		words[n++] = (char *) "--mode";
		words[n++] = (char *) "live";
	}
	if (live->live && once)
		words[n++] = (char *) "--once";
	if (live->interval != NULL)
	{
		words[n++] = (char *) "--interval";
		words[n++] = live->interval;
	}
	if (live->on_change != NULL)
	{
		words[n++] = (char *) "--on-schema-change";
		words[n++] = live->on_change;
	}
	if (!cli_args_parse(&cli_command_sync, n, words, &args, &error))
		code = cli_fail(&error);
	else
		code = cli_command_sync.run(&args);
	cli_args_free(&args);
	pythia_buffer_free(&list);
	pythia_buffer_free(&json);
	return code;
}

static int run_sync(pythia_node *config, bool once, bool release)
{
	const char *source;
	const char *target;
	const char *state = "state.db";
	char **tables = NULL;
	int ntables;
	double schedule = 300;
	bool validate = false;
	live_words live = {0};
	pythia_error error = PYTHIA_ERROR_INIT;
	int code = CLI_DONE;

	if (!need_text(config, "source", &source, &error) || !need_text(config, "target", &target, &error) ||
		!need_list(config, "tables", &tables, &ntables, &error) || !pythia_node_text(config, "state", &state, &error) ||
		!pythia_node_bool(config, "validate", &validate, &error) ||
		!pythia_node_seconds(config, "schedule", &schedule, &error) || !read_live(config, validate, &live, &error))
		code = cli_fail(&error);
	else
	{
		source = or_environment(source, "PYTHIA_SOURCE");
		target = or_environment(target, "PYTHIA_TARGET");
		for (;;)
		{
			code = sync_once(config, source, target, tables, ntables, state, validate, release, &live, once);
			release = false; /* once */
			/* a server that is away may be there next time; wrong words will still be wrong */
			if (once || code == CLI_USAGE || code == CLI_INTERRUPTED)
				break;
			if (pythia_host_wait(NULL, -1, 0, (long) (schedule * 1000)) == PYTHIA_WAIT_CANCELLED)
			{
				code = CLI_INTERRUPTED;
				break;
			}
		}
	}
	pythia_free(live.interval);
	pythia_free(live.on_change);
	pythia_free(tables);
	return code;
}

static int run_worker(cli_args *args)
{
	pythia_node *config = NULL;
	pythia_error error = PYTHIA_ERROR_INIT;
	bool sync = false;
	bool once = cli_given(args, "once");
	bool release = cli_given(args, "release");
	int code;

	if (chdir(args->operands[0]) != 0)
	{
		int reason = errno;
		char *shown = pythia_secret_shown(args->operands[0]);

		pythia_fail(&error, PYTHIA_E_USAGE, "58P01", "cannot enter the folder \"%s\": %s", shown, strerror(reason));
		pythia_free(shown);
		pythia_error_hint(&error, "\"pythia create\" makes a folder that can be run.");
		return cli_fail(&error);
	}
	if (!read_config(&config, &sync, &error))
		code = cli_fail(&error);
	else
		code = sync ? run_sync(config, once, release) : run_cdc(config, once, release);
	pythia_node_free(config);
	return code;
}

const cli_command cli_command_run = {
	.name = "run",
	.operands = "DIR [OPTION]...",
	.summary = "run a worker that `pythia create` made",
	.description =
		"Runs the worker of the folder by its pythia.json until it is stopped, or once.  A sync worker synchronises "
		"its tables on its schedule, or, with mode live, follows the source all the time and is tried again on its "
		"schedule "
		"after what it cannot wait for.  A CDC worker gives each change as a line of JSON to its handler, which "
		"answers "
		"each with a line: \"ok\", or what went wrong.  A change that fails is tried again with growing delays, and "
		"after max_attempts goes to the dead-letter file.  A handler that owes an answer and is silent for "
		"handler_timeout is ended, and the change it was at has failed.  The position moves when every change of a "
		"look at the tables is handled or dead.\n\n"
		"A copy of the folder does nothing before --release.\n\n"
		"PYTHIA_CONNECTION, PYTHIA_SOURCE and PYTHIA_TARGET take the place of the URLs in pythia.json.",
	.example = "pythia run my_cdc_worker --once",
	.sets = sets,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_worker,
};
