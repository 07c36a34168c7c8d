#include "postgres/connection/cache.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/settings.h"
#include "postgres/base/verb.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define MOST_KEPT 8

typedef struct kept_connection
{
	char *key; /* holds the password, as the connection itself does */
	pythia_db *db;
	TimestampTz since;
	bool stale; /* a server or a user mapping has changed */
	struct kept_connection *next;
} kept_connection;

static kept_connection *kept = NULL; /* the one used last comes first */
static uint64 changes = 0;           /* of servers and user mappings, as far as this process was told */

static void put_part(StringInfo key, const char *text)
{
	/* with its length, so that no two lists of parts read alike */
	if (text)
		appendStringInfo(key, "%zu:%s,", strlen(text), text);
	else
		appendStringInfoString(key, "-,");
}

static char *key_of(const pythia_endpoint *target)
{
	const pythia_url *url = &target->url;
	StringInfoData key;

	initStringInfo(&key);
	appendStringInfo(&key, "%u,%d,%d,%d,%d,", GetUserId(), target->read_only, target->require_password,
					 (int) url->engine, url->port);
	put_part(&key, url->user);
	put_part(&key, url->password);
	put_part(&key, url->host);
	put_part(&key, url->database);
	put_part(&key, target->reach);
	for (int i = 0; i < url->nparameters; i++)
	{
		put_part(&key, url->parameters[i].name);
		put_part(&key, url->parameters[i].value);
	}
	return key.data;
}

static void forget(kept_connection *entry)
{
	for (kept_connection **link = &kept; *link; link = &(*link)->next)
		if (*link == entry)
		{
			*link = entry->next;
			break;
		}
	memset(entry->key, 0, strlen(entry->key));
	pfree(entry->key);
	pfree(entry);
}

static void close_kept(kept_connection *entry)
{
	pythia_db_close(entry->db);
	ReleaseExternalFD();
	forget(entry);
}

int pythia_connections_close_idle(void)
{
	int count = 0;

	for (; kept; count++)
		close_kept(kept);
	return count;
}

static void close_some(bool (*condition)(const kept_connection *))
{
	kept_connection *next;

	for (kept_connection *entry = kept; entry; entry = next)
	{
		next = entry->next;
		if (condition(entry))
			close_kept(entry);
	}
}

static bool useless(const kept_connection *entry)
{
	return entry->stale ||
		   TimestampDifferenceExceeds(entry->since, GetCurrentTransactionStopTimestamp(), PYTHIA_LONGEST_IDLE);
}

static void at_transaction_end(XactEvent event, void *arg)
{
	if (kept && (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT))
		close_some(useless);
}

/* No I/O here: they are closed when next one is wanted, or at the transaction's end. */
static void on_change(Datum arg, int cache, uint32 hash)
{
	changes++;
	for (kept_connection *entry = kept; entry; entry = entry->next)
		entry->stale = true;
}

static void at_exit(int code, Datum arg)
{
	pythia_connections_close_idle();
}

static void register_callbacks(void)
{
	static bool registered = false;

	if (registered)
		return;
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, on_change, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, on_change, (Datum) 0);
	RegisterXactCallback(at_transaction_end, NULL);
	before_shmem_exit(at_exit, (Datum) 0);
	registered = true;
}

uint64 pythia_connections_changed(void)
{
	register_callbacks();
	return changes;
}

/* A file that lies open for nothing is in its owner's way, and is opened in no time. */
static bool worth_keeping(const pythia_endpoint *target)
{
	return pythia_guc_keep_connections && !target->local && target->url.engine != PYTHIA_SQLITE;
}

static kept_connection *find(const char *key)
{
	for (kept_connection *entry = kept; entry; entry = entry->next)
		if (!entry->stale && strcmp(entry->key, key) == 0)
			return entry;
	return NULL;
}

bool pythia_connection_take(pythia_session *session, const pythia_endpoint *target, pythia_db **db, pythia_error *error)
{
	kept_connection *entry;
	char *key;

	*db = NULL;
	if (!kept || !worth_keeping(target))
		return pythia_connection_open(session, target, NULL, db, error);
	key = key_of(target);
	while ((entry = find(key)))
	{
		pythia_error trouble = PYTHIA_ERROR_INIT;

		if (entry->db->driver->reset(entry->db, &trouble))
		{
			*db = entry->db;
			forget(entry);
			pythia_connection_register(session, *db);
			break;
		}
		close_kept(entry);
		if (trouble.error_class == PYTHIA_E_CANCELLED)
			return pythia_error_move(error, &trouble);
		pythia_error_reset(&trouble);
	}
	pfree(key);
	return *db || pythia_connection_open(session, target, NULL, db, error);
}

void pythia_connection_give_back(const pythia_endpoint *target, pythia_db *db, bool clean)
{
	MemoryContext before;
	kept_connection *entry;
	kept_connection *last = NULL;
	int count = 0;

	if (!db)
		return;
	if (!clean || db->broken || !db->driver->reset || !worth_keeping(target))
	{
		pythia_db_close(db);
		return;
	}
	register_callbacks();
	before = MemoryContextSwitchTo(TopMemoryContext);
	entry = palloc0(sizeof(kept_connection));
	entry->key = key_of(target);
	MemoryContextSwitchTo(before);
	entry->since = GetCurrentTimestamp();
	pythia_connection_unregister(db);
	entry->db = db;
	entry->next = kept;
	kept = entry;
	for (entry = kept; entry; entry = entry->next, count++)
		last = entry;
	if (count > MOST_KEPT)
		close_kept(last);
}

PYTHIA_VERB(pythia_disconnect)
{
	PG_RETURN_INT32(pythia_connections_close_idle());
}
