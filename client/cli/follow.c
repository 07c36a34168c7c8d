#include "cli/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cli/say.h"
#include "cli/state.h"
#include "capture/fault.h"
#include "capture/home.h"
#include "core/json.h"
#include "core/memory.h"

/* A file of its own for each source and list of tables. */
static char *default_state(const cli_follow *follow, pythia_error *error)
{
	uint64_t state = cli_hash(CLI_HASH_START, follow->source.name);
	char name[40];

	for (int i = 0; i < follow->request->ntables; i++)
		state = cli_hash(state, follow->request->tables[i]);
	snprintf(name, sizeof(name), "cdc-%016" PRIx64 ".db", state);
	return cli_state_path(name, error);
}

/* Two readers of one position would each get a part of the changes. */
static bool take_lock(cli_follow *follow, pythia_error *error)
{
	follow->lock = cli_state_lock_file(follow->file, error);
	if (follow->lock < 0 || flock(follow->lock, LOCK_EX | LOCK_NB) == 0)
		return follow->lock >= 0;
	pythia_fail(error, PYTHIA_E_USAGE, "55006", "another pythia is using the state file \"%s\"", follow->state);
	return pythia_error_hint(error, "Stop it, or give --state FILE with another file.");
}

static bool open_store(cli_follow *follow, pythia_error *error)
{
	pythia_url url;
	pythia_open_options options = {.create = true};
	bool ok;

	memset(&url, 0, sizeof(url));
	url.engine = PYTHIA_SQLITE;
	url.scheme = pythia_strdup("sqlite");
	url.database = pythia_strdup(follow->file);
	/* Nothing waits for the disk while the tables are made: they hold nothing yet.  Afterwards a power
	 * cut may lose the last position, never the file, and what came after it is delivered again. */
	ok = pythia_db_open(&url, pythia_default_host(), &options, &follow->store, error) &&
		 pythia_db_exec(follow->store, "PRAGMA synchronous = OFF", NULL, error) &&
		 pythia_db_exec(follow->store, "PRAGMA journal_mode = WAL", NULL, error) &&
		 pythia_db_exec(follow->store, "BEGIN IMMEDIATE", NULL, error) &&
		 pythia_capture_install(follow->store, error) &&
		 pythia_db_exec(follow->store,
						"CREATE TABLE IF NOT EXISTS pythia_client_follow (consumer TEXT PRIMARY KEY NOT NULL,"
						" definition TEXT NOT NULL) WITHOUT ROWID",
						NULL, error) &&
		 pythia_db_exec(follow->store, "COMMIT", NULL, error) &&
		 pythia_db_exec(follow->store, "PRAGMA synchronous = NORMAL", NULL, error);
	pythia_url_free(&url);
	if (!ok)
		pythia_error_context(error, "state file \"%s\"", follow->state);
	return ok;
}

/* What a consumer follows, as text; of it the first *fixed bytes must not change between two runs. */
static char *definition(const cli_follow *follow, size_t *fixed)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	const cli_follow_request *r = follow->request;

	pythia_buffer_printf(&out, "%s by %s", follow->source.name, r->timestamp_column);
	for (const pythia_node *option = pythia_node_members(r->options); option != NULL; option = option->next)
	{
		/* where it began, and how much it reads at once, may differ from run to run */
		if (strcmp(option->name, "start_from") == 0 || strcmp(option->name, "batch_size") == 0)
			continue;
		pythia_buffer_printf(&out, " %s=", option->name);
		pythia_json_node(&out, option);
	}
	*fixed = out.length;
	pythia_buffer_puts(&out, ":");
	for (int i = 0; i < r->ntables; i++)
		pythia_buffer_printf(&out, " %s", r->tables[i]);
	return pythia_buffer_take(&out);
}

/* *stored: the definition kept for the consumer, or NULL. */
static bool stored_definition(cli_follow *follow, char **stored, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_puts(&sql, "SELECT definition FROM pythia_client_follow WHERE consumer = ");
	cli_sqlite_literal(&sql, follow->request->consumer);
	ok = pythia_db_text(follow->store, pythia_buffer_text(&sql), stored, error);
	pythia_buffer_free(&sql);
	return ok;
}

static bool store_definition(cli_follow *follow, const char *text, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_puts(&sql, "INSERT OR REPLACE INTO pythia_client_follow VALUES (");
	cli_sqlite_literal(&sql, follow->request->consumer);
	pythia_buffer_puts(&sql, ", ");
	cli_sqlite_literal(&sql, text);
	pythia_buffer_puts(&sql, ")");
	ok = pythia_db_exec(follow->store, pythia_buffer_text(&sql), NULL, error);
	pythia_buffer_free(&sql);
	return ok;
}

static bool forget(cli_follow *follow, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_puts(&sql, "DELETE FROM pythia_client_follow WHERE consumer = ");
	cli_sqlite_literal(&sql, follow->request->consumer);
	ok = pythia_capture_drop(follow->store, follow->source.db, follow->request->consumer, error) &&
		 pythia_db_exec(follow->store, pythia_buffer_text(&sql), NULL, error);
	pythia_buffer_free(&sql);
	return ok;
}

/* NULL-terminated; to be freed. */
static const char **tables_of(const cli_follow_request *r)
{
	const char **tables = pythia_calloc((size_t) r->ntables + 1, sizeof(char *));

	for (int i = 0; i < r->ntables; i++)
		tables[i] = r->tables[i];
	return tables;
}

static void put_options(pythia_buffer *json, const cli_follow_request *r)
{
	if (r->options != NULL)
		pythia_json_node(json, r->options);
	else
		pythia_buffer_puts(json, "{}");
}

/* More tables, or fewer: the others keep their positions. */
static bool change_tables(cli_follow *follow, pythia_error *error)
{
	const cli_follow_request *r = follow->request;
	const char **tables = tables_of(r);
	pythia_buffer json = PYTHIA_BUFFER_INIT;
	pythia_capture_changes changes = {.tables = tables, .options = r->options, .options_before = r->options};
	bool ok;

	put_options(&json, r);
	changes.options_json = pythia_buffer_text(&json);
	ok = pythia_capture_alter(follow->store, follow->source.db, r->consumer, &changes, error);
	pythia_buffer_free(&json);
	pythia_free(tables);
	return ok;
}

static bool create_worker(cli_follow *follow, pythia_error *error)
{
	const cli_follow_request *r = follow->request;
	const char **tables = tables_of(r);
	pythia_buffer json = PYTHIA_BUFFER_INIT;
	bool ok;

	put_options(&json, r);
	ok =
		pythia_capture_create_open(follow->store, follow->source.db, r->consumer, tables, follow->source.name, 1,
								   r->timestamp_column, r->options, pythia_buffer_text(&json), &follow->capture, error);
	pythia_buffer_free(&json);
	pythia_free(tables);
	return ok;
}

/* The consumer as it was left, or made anew. */
static bool find_worker(cli_follow *follow, pythia_error *error)
{
	char *stored = NULL;
	size_t fixed;
	char *wanted = definition(follow, &fixed);
	bool ok = stored_definition(follow, &stored, error);

	if (ok && stored != NULL && follow->request->restart)
	{
		ok = forget(follow, error);
		pythia_free(stored);
		stored = NULL;
	}
	if (ok && stored != NULL)
		ok = cli_state_at_home(follow->store, PYTHIA_HOME_CDC, follow->request->consumer, follow->request->release,
							   error);
	if (ok && stored != NULL && strncmp(stored, wanted, fixed + 1) == 0)
		ok = strcmp(stored, wanted) == 0 || (change_tables(follow, error) && store_definition(follow, wanted, error));
	else if (ok && stored != NULL)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "the consumer \"%s\" of this state file follows something else",
					follow->request->consumer);
		pythia_error_detail(error, "It follows %s; asked for is %s.", stored, wanted);
		ok = pythia_error_hint(error, "Give another --consumer or --state, or --restart to begin anew.");
	}
	if (ok && stored == NULL)
		ok = create_worker(follow, error) && store_definition(follow, wanted, error);
	pythia_free(stored);
	pythia_free(wanted);
	return ok;
}

static bool open_capture(cli_follow *follow, pythia_error *error)
{
	return cli_endpoint_open(&follow->source, error) &&
		   pythia_capture_open(follow->store, follow->source.db, follow->request->consumer, follow->request->options,
							   &follow->capture, error);
}

bool cli_follow_open(cli_follow *follow, const cli_follow_request *request, pythia_error *error)
{
	memset(follow, 0, sizeof(*follow));
	follow->request = request;
	follow->lock = -1;
	follow->retry = pythia_retry_growing(500, (uint64_t) getpid());
	if (!cli_endpoint_parse(&follow->source, request->url, error))
		return false;
	follow->state = request->state != NULL ? pythia_strdup(request->state) : default_state(follow, error);
	follow->file = follow->state != NULL ? cli_state_make(follow->state, error) : NULL;
	if (follow->file == NULL || !take_lock(follow, error) || !cli_endpoint_open(&follow->source, error) ||
		!open_store(follow, error))
		return false;
	return find_worker(follow, error) && (follow->capture != NULL || open_capture(follow, error));
}

bool cli_follow_poll(cli_follow *follow, pythia_capture_emit emit, bool (*flush)(void *context, pythia_error *error),
					 void *context, int64_t *count, pythia_error *error)
{
	*count = 0;
	if (follow->capture == NULL && !open_capture(follow, error))
		return false;
	if (!pythia_capture_run(follow->capture, emit, flush, context, count, error))
		return false;
	pythia_retry_reset(&follow->retry);
	return true;
}

bool cli_follow_again(cli_follow *follow, pythia_error *error)
{
	int64_t delay;

	if (pythia_fault_of(error) != PYTHIA_FAULT_SOURCE)
		return false;
	pythia_capture_close(follow->capture);
	follow->capture = NULL;
	if (error->error_class == PYTHIA_E_LOST || error->error_class == PYTHIA_E_CONNECT)
	{
		pythia_db_close(follow->source.db);
		follow->source.db = NULL;
	}
	delay = pythia_retry_next(&follow->retry);
	cli_warn("%s; trying again in %.1f s", error->message, (double) delay / 1000);
	pythia_error_reset(error);
	pythia_host_wait(NULL, -1, 0, (long) delay);
	return true;
}

void cli_follow_close(cli_follow *follow)
{
	pythia_capture_close(follow->capture);
	pythia_db_close(follow->store);
	cli_endpoint_close(&follow->source);
	if (follow->lock >= 0)
		close(follow->lock);
	pythia_free(follow->state);
	pythia_free(follow->file);
	memset(follow, 0, sizeof(*follow));
	follow->lock = -1;
}
