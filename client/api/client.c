/* The client and its databases. */
#include "api/internal.h"

#include <string.h>

#include "core/memory.h"
#include "core/json_read.h"

/* How long a cancel may go unnoticed in a wait: nothing else wakes it. */
#define CANCEL_MS 50

static pythia_wait_result client_wait(void *context, int fd, int events, long timeout_ms)
{
	pythia_client *client = context;

	for (;;)
	{
		long slice = timeout_ms < 0 || timeout_ms > CANCEL_MS ? CANCEL_MS : timeout_ms;
		pythia_wait_result result;

		if (client->cancelled)
			return PYTHIA_WAIT_CANCELLED;
		result = pythia_host_wait(NULL, fd, events, slice);
		if (client->cancelled)
			return PYTHIA_WAIT_CANCELLED;
		if (result != PYTHIA_WAIT_TIMEOUT)
			return result;
		if (timeout_ms >= 0 && (timeout_ms -= slice) <= 0)
			return PYTHIA_WAIT_TIMEOUT;
	}
}

static bool client_cancelled(void *context)
{
	return ((pythia_client *) context)->cancelled != 0;
}

static void client_log(void *context, pythia_log_level level, const char *message)
{
	pythia_client *client = context;

	if (client->notice && level != PYTHIA_LOG_DEBUG)
		client->notice(client->notice_context, message);
}

static int64_t client_now(void *context)
{
	(void) context;
	return pythia_host_now(NULL);
}

const char *pythia_version(void)
{
	return PYTHIA_VERSION;
}

pythia_client *pythia_client_new(void)
{
	pythia_client *client = pythia_calloc(1, sizeof(*client));

	client->host.context = client;
	client->host.wait = client_wait;
	client->host.cancelled = client_cancelled;
	client->host.log = client_log;
	client->host.now = client_now;
	return client;
}

void pythia_client_free(pythia_client *client)
{
	if (!client)
		return;
	pythia_error_reset(&client->error);
	pythia_free(client->watermark);
	pythia_free(client);
}

void pythia_client_cancel(pythia_client *client)
{
	client->cancelled = 1;
}

void pythia_client_resume(pythia_client *client)
{
	client->cancelled = 0;
}

pythia_status pythia_client_failed(pythia_client *client)
{
	switch (client->error.error_class)
	{
		case PYTHIA_E_USAGE:
			return PYTHIA_WRONG_USAGE;
		case PYTHIA_E_CONNECT:
			return PYTHIA_NO_CONNECTION;
		case PYTHIA_E_LOST:
			return PYTHIA_LOST;
		case PYTHIA_E_TRANSIENT:
			return PYTHIA_TRY_AGAIN;
		case PYTHIA_E_DATABASE:
			return PYTHIA_REFUSED;
		case PYTHIA_E_DATA:
			return PYTHIA_BAD_DATA;
		case PYTHIA_E_CANCELLED:
			return PYTHIA_CANCELLED;
		case PYTHIA_E_NONE:
		case PYTHIA_E_INTERNAL:
			break;
	}
	return PYTHIA_FAULT;
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

const char *pythia_client_message(const pythia_client *client)
{
	return or_empty(client->error.message);
}

const char *pythia_client_sqlstate(const pythia_client *client)
{
	return client->error.sqlstate;
}

const char *pythia_client_detail(const pythia_client *client)
{
	return or_empty(client->error.detail);
}

const char *pythia_client_hint(const pythia_client *client)
{
	return or_empty(client->error.hint);
}

const char *pythia_client_context(const pythia_client *client)
{
	return or_empty(client->error.context);
}

void pythia_client_on_progress(pythia_client *client, pythia_progress callback, void *context)
{
	client->progress = callback;
	client->progress_context = context;
}

void pythia_client_on_notice(pythia_client *client, pythia_notice callback, void *context)
{
	client->notice = callback;
	client->notice_context = context;
}

/* --- databases ----------------------------------------------------------------- */

pythia_status pythia_client_open(pythia_client *client, const char *url, unsigned flags, pythia_database **out)
{
	pythia_database *database = pythia_calloc(1, sizeof(*database));

	*out = NULL;
	database->client = client;
	database->options.read_only = (flags & PYTHIA_READ_ONLY) != 0;
	database->options.create = (flags & PYTHIA_CREATE) != 0;
	database->options.client_defaults = (flags & PYTHIA_USER_DEFAULTS) != 0;
	if (!pythia_url_parse(url, &database->url, &client->error) ||
		!pythia_db_open(&database->url, &client->host, &database->options, &database->db, &client->error))
	{
		pythia_client_close(database);
		return pythia_client_failed(client);
	}
	*out = database;
	return PYTHIA_OK;
}

/* A capture does not outlive the connections that it reads and writes by. */
static void close_captures(pythia_database *database, bool for_good)
{
	for (pythia_watch *watch = database->client->watches; watch; watch = watch->next)
	{
		if (watch->source != database && watch->state != database)
			continue;
		pythia_capture_close(watch->capture);
		watch->capture = NULL;
		if (for_good)
			watch->source = watch->state = NULL;
	}
}

void pythia_client_close(pythia_database *database)
{
	if (!database)
		return;
	close_captures(database, true);
	pythia_db_close(database->db);
	pythia_url_free(&database->url);
	pythia_free(database);
}

const char *pythia_client_server(const pythia_database *database)
{
	return database->db ? database->db->version_text : "";
}

const char *pythia_client_display(const pythia_database *database)
{
	return database->db ? database->db->display : "";
}

bool pythia_client_ready(pythia_database *database)
{
	if (database->db && !database->db->broken)
		return true;
	close_captures(database, false);
	pythia_db_close(database->db);
	database->db = NULL;
	return pythia_db_open(&database->url, &database->client->host, &database->options, &database->db,
						  &database->client->error);
}

bool pythia_client_pair(pythia_database *a, pythia_database *b)
{
	if (a->client != b->client || a == b)
	{
		pythia_fail(&a->client->error, PYTHIA_E_USAGE, "22023",
					a == b ? "a database cannot be paired with itself"
						   : "the two databases were opened by different clients");
		return pythia_error_hint(&a->client->error, "Open both by one client, each for itself.");
	}
	return pythia_client_ready(a) && pythia_client_ready(b);
}

bool pythia_client_json(pythia_client *client, const char *what, const char *text, pythia_node **node)
{
	*node = NULL;
	if (text)
		return pythia_json_read(what, text, node, &client->error);
	*node = pythia_node_new(PYTHIA_NODE_OBJECT, NULL, NULL);
	return true;
}
