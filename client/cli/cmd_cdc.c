/* `pythia cdc`: changes as JSON lines on stdout. */
#define _GNU_SOURCE /* F_SETPIPE_SZ */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/follow.h"
#include "cli/line.h"
#include "cli/pair.h"
#include "cli/say.h"
#include "core/list.h"
#include "core/memory.h"
#include "core/visible.h"

enum
{
	WRITE_BYTES = 256 * 1024,
	PIPE_BYTES = 1024 * 1024,
	WAIT_SLICE_MS = 200
};

static const char *const captures[] = {"poll", "trigger", NULL};
static const char *const tracks[] = {"none", "keys", "rows", NULL};

static const cli_option own_options[] = {
	{"tables", 0, CLI_LIST, "A,B", "the tables, with commas between; schema.* is all of a schema", NULL, NULL},
	{"timestamp-column", 0, CLI_TEXT, "NAME", "the column that tells when a row changed (default updated_at)", NULL,
	 NULL},
	{"state", 0, CLI_FILE, "FILE", "where the position is kept (default in XDG_STATE_HOME)", NULL, NULL},
	{"consumer", 0, CLI_TEXT, "NAME", "a reader with a position of its own in the state file", NULL, NULL},
	{"restart", 0, CLI_FLAG, NULL, "forget the consumer's position and begin by --from", NULL, NULL},
	{"release", 0, CLI_FLAG, NULL, "go on with a copy of a state file, in the original's place", NULL, NULL},
	{"once", '1', CLI_FLAG, NULL, "write what has changed since the last time, and stop", NULL, NULL},
	{"poll-interval", 0, CLI_SECONDS, "TIME", "time between two looks (default 1 s)", NULL, NULL},
	{"options", 0, CLI_FILE, "JSON|@FILE", "further options of a CDC worker, as JSON", NULL, NULL},
	{NULL}};

static const cli_option worker_options[] = {
	{"from", 0, CLI_TEXT, "WHERE", "where a new consumer begins: now (default), beginning, or a timestamp", NULL,
	 "start_from"},
	{"track", 0, CLI_CHOICE, "WHAT", "no state, the known keys (default; tells deletes), or the last rows", tracks,
	 "track"},
	{"capture", 0, CLI_CHOICE, "HOW", "poll (default), or by triggers that are put on the tables", captures, "capture"},
	{"columns", 0, CLI_LIST, "A,B", "only these columns", NULL, "columns"},
	{"exclude-columns", 0, CLI_LIST, "A,B", "all but these columns", NULL, "exclude_columns"},
	{"where", 'w', CLI_TEXT, "SQL", "only rows that meet this condition", NULL, "where"},
	{"key", 0, CLI_LIST, "A,B", "key columns, for a table without a primary key", NULL, "key"},
	{"lookback", 0, CLI_SECONDS, "TIME", "read again this much before the position", NULL, "lookback"},
	{"delete-interval", 0, CLI_SECONDS, "TIME", "time between two sweeps for deleted rows", NULL, "delete_interval"},
	{NULL}};

static const cli_option *const sets[] = {own_options, worker_options, cli_common_options, NULL};

typedef struct writer
{
	pythia_buffer buffer;
	cli_line line;
} writer;

/* Writes all of the buffer; a reader that has gone is class CANCELLED. */
static bool write_out(void *context, pythia_error *error)
{
	writer *w = context;
	size_t done = 0;

	pythia_visible_json(&w->buffer);
	while (done < w->buffer.length)
	{
		ssize_t n = write(STDOUT_FILENO, w->buffer.data + done, w->buffer.length - done);

		if (n >= 0)
			done += (size_t) n;
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			pythia_host_wait(NULL, STDOUT_FILENO, PYTHIA_WAIT_WRITE, -1);
		else if (errno == EPIPE)
			return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "nobody reads the output any more");
		else if (errno != EINTR)
			return pythia_fail(error, PYTHIA_E_DATABASE, "58030", "cannot write the output: %s", strerror(errno));
		else if (pythia_host_cancelled(NULL))
			return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "interrupted");
	}
	pythia_buffer_clear(&w->buffer);
	return true;
}

/* Sleeps till the next look.  A reader that goes away meanwhile ends it: else nobody would
 * notice before the next change. */
static bool idle(double seconds, pythia_error *error)
{
	int64_t until = pythia_host_now(NULL) + (int64_t) (seconds * 1e6);
	struct pollfd out = {.fd = STDOUT_FILENO};

	for (;;)
	{
		int64_t left = (until - pythia_host_now(NULL)) / 1000;

		if (pythia_host_cancelled(NULL))
			return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "interrupted");
		if (left <= 0)
			return true;
		if (poll(&out, 1, left > WAIT_SLICE_MS ? WAIT_SLICE_MS : (int) left) > 0 &&
			(out.revents & (POLLERR | POLLNVAL)))
			return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "nobody reads the output any more");
	}
}

static bool emit(void *context, const pythia_capture_change *change, pythia_error *error)
{
	writer *w = context;

	cli_line_put(&w->line, &w->buffer, change);
	return w->buffer.length < WRITE_BYTES || write_out(w, error);
}

static int follow_changes(cli_follow *follow, bool once, double interval, pythia_error *error)
{
	writer w = {.buffer = PYTHIA_BUFFER_INIT};
	int code = CLI_DONE;

#ifdef F_SETPIPE_SZ
	/* so that we need not wait for the reader after every 64 KiB; where it may not be that large, or is no
	 * pipe, it stays as it is */
	fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
#endif
	for (;;)
	{
		int64_t count;

		if (!cli_follow_poll(follow, emit, write_out, &w, &count, error))
		{
			pythia_buffer_clear(&w.buffer);
			if (pythia_host_cancelled(NULL) || once || !cli_follow_again(follow, error))
			{
				code = cli_exit_code(error);
				break;
			}
			continue;
		}
		if (once)
		{
			code = pythia_capture_left_out(follow->capture) > 0 ? CLI_DIFFERENCE : CLI_DONE;
			break;
		}
		if (!idle(interval, error))
		{
			code = CLI_INTERRUPTED;
			break;
		}
	}
	pythia_buffer_free(&w.buffer);
	cli_line_free(&w.line);
	return code;
}

static bool read_request(cli_args *args, cli_follow_request *request, char ***tables, pythia_node **options,
						 pythia_error *error)
{
	const char *list = cli_text(args, "tables", NULL);
	pythia_capture_config config;

	if (list == NULL)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "no tables given");
		return pythia_error_hint(error, "Give --tables a,b.");
	}
	*tables = pythia_list_split(list, &request->ntables);
	if (!cli_read_json_option(args, "options", false, options, error))
		return false;
	*options = cli_option_tree(args, worker_options, *options, error);
	if (*options == NULL || !pythia_capture_config_read(*options, NULL, &config, error))
		return false;
	pythia_capture_config_idle(*options, false, cli_warn_idle, args);
	request->url = args->operands[0];
	request->tables = *tables;
	request->timestamp_column = cli_text(args, "timestamp-column", "updated_at");
	request->options = *options;
	request->state = cli_text(args, "state", NULL);
	request->consumer = cli_text(args, "consumer", "default");
	request->restart = cli_given(args, "restart");
	request->release = cli_given(args, "release");
	return true;
}

static int run_cdc(cli_args *args)
{
	cli_follow_request request;
	cli_follow follow;
	char **tables = NULL;
	pythia_node *options = NULL;
	pythia_error error = PYTHIA_ERROR_INIT;
	int code;

	memset(&request, 0, sizeof(request));
	memset(&follow, 0, sizeof(follow));
	follow.lock = -1;
	if (!read_request(args, &request, &tables, &options, &error) || !cli_follow_open(&follow, &request, &error))
		code = cli_fail(&error);
	else
	{
		code = follow_changes(&follow, cli_given(args, "once"), cli_seconds(args, "poll-interval", 1), &error);
		if (code == CLI_INTERRUPTED)
			cli_say("pythia: %s; the position is kept in %s.  Run the same command again to go on.",
					error.message != NULL ? error.message : "interrupted", follow.state);
		else if (error.message != NULL)
			cli_say_error(NULL, &error);
		pythia_error_reset(&error);
	}
	cli_follow_close(&follow);
	pythia_node_free(options);
	pythia_list_free(tables, request.ntables);
	return code;
}

const cli_command cli_command_cdc = {
	.name = "cdc",
	.operands = "URL --tables A,B [OPTION]...",
	.summary = "write the changes of tables as JSON lines",
	.description =
		"Looks at the tables again and again and writes one JSON object a line for each change: schema, table, "
		"change_type (INSERT, UPDATE, DELETE, TRUNCATE), primary_key, old_data, new_data, timestamp, transaction_id, "
		"captured_at.  It goes on until it is stopped, or with --once until it has caught up.\n\n"
		"The position is kept in a state file after the lines have been written, so that the next run goes on "
		"there.  A line may come twice after a crash, but none is lost.  A copy of the file is not acted on before "
		"--release: it would empty the log of the original's triggers.",
	.example = "pythia cdc postgresql://shop@db1/shop --tables orders,users --from beginning --once | jq .new_data",
	.sets = sets,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_cdc,
};
