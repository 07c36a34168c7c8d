#include "postgres/remote/internal.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "core/memory.h"
#include "miscadmin.h"
#include "postgres/base/pg_compat.h"
#include "postgres/connection/cache.h"
#include "postgres/worker/home.h"
#include "postgres/worker/owner.h"
#include "postgres/worker/transaction.h"
#include "nodes/bitmapset.h"
#include "utils/acl.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Tables are described again after so long, so that new columns are noticed. */
#define DESCRIBE_INTERVAL (5 * USECS_PER_SEC)

/* A table over there as it was described last. */
typedef struct description
{
	int32 table_id;
	TimestampTz at;
	pythia_capture_table table;
	struct description *next;
} description;

struct pythia_remote_source
{
	struct pythia_remote_source *next;
	int32 worker_id;
	TimestampTz used;
	MemoryContext memory;
	pythia_session *session;
	pythia_db *db;
	const pythia_endpoint *target; /* for as long as it is in use */
	bool lasting;
	bool in_use;    /* or left by an error: then nobody knows its state */
	char *place;    /* where it leads, secrets and all: another place wants another connection */
	Jsonb *options; /* of the worker when the tables were described */
	description *tables;
	pythia_descriptions *described; /* of those that are about to be described anew; or NULL */
	int64 data_version;             /* of a SQLite file, at the last whole poll; 0: none */
	int64 data_version_now;
};

/* Of a background process, kept between the turns of its workers; those that others serve by now go after a while. */
static pythia_remote_source *kept = NULL;
static Bitmapset *warned_blind = NULL; /* workers */

#define LONGEST_UNUSED_MS (5 * 60 * 1000)

pythia_endpoint *pythia_remote_target(const pythia_cdc_worker *worker, bool write)
{
	Oid role;
	int context;
	pythia_endpoint *target;

	pythia_home_require(worker->worker_id);
	pythia_owner_require(worker->owner);
	GetUserIdAndSecContext(&role, &context);
	SetUserIdAndSecContext(worker->owner, context | SECURITY_LOCAL_USERID_CHANGE);
	target = pythia_endpoint_resolve_stored(worker->connection, worker->connection_owner, write);
	/* a SQLite file's boundary takes its write lock for a moment */
	if (!write && target->url.engine == PYTHIA_SQLITE &&
		(superuser_arg(worker->owner) || has_privs_of_role(worker->owner, ROLE_PG_WRITE_SERVER_FILES)))
		target->read_only = false;
	target->existing = true;
	SetUserIdAndSecContext(role, context);
	return target;
}

static char *place_of(const pythia_endpoint *target)
{
	const pythia_url *url = &target->url;
	StringInfoData text;
	const char *parts[] = {url->user, url->password, url->host, url->database};

	initStringInfo(&text);
	appendStringInfo(&text, "%d %d %d %d", (int) url->engine, url->port, target->read_only, target->require_password);
	for (size_t i = 0; i < lengthof(parts); i++)
		appendStringInfo(&text, "\n%s", parts[i] ? parts[i] : "");
	for (int i = 0; i < url->nparameters; i++)
		appendStringInfo(&text, "\n%s=%s", url->parameters[i].name, url->parameters[i].value);
	return text.data;
}

static void close_tables(pythia_remote_source *source)
{
	pythia_descriptions_free(source->described);
	source->described = NULL;
	while (source->tables)
	{
		description *first = source->tables;

		source->tables = first->next;
		pythia_capture_table_close(&first->table);
		pythia_free(first);
	}
}

static void close_source(pythia_remote_source *source, bool clean)
{
	MemoryContext before = CurrentMemoryContext;

	for (pythia_remote_source **link = &kept; *link; link = &(*link)->next)
		if (*link == source)
		{
			*link = source->next;
			break;
		}
	close_tables(source);
	if (source->lasting)
		pythia_db_close(source->db);
	else
	{
		/* whoever is served by it next may want to wait for locks */
		source->db->others_ran = source->db->others_ran || source->db->waits_briefly;
		pythia_connection_give_back(source->target, source->db, clean);
	}
	pythia_session_end(source->session, true);
	MemoryContextSwitchTo(before);
	MemoryContextDelete(source->memory);
}

static void close_unused(TimestampTz now)
{
	pythia_remote_source *next;

	for (pythia_remote_source *source = kept; source; source = next)
	{
		next = source->next;
		if (TimestampDifferenceExceeds(source->used, now, LONGEST_UNUSED_MS))
			close_source(source, false);
	}
}

/* The worker's own, where it still leads to the same place. */
static pythia_remote_source *reuse(const pythia_cdc_worker *worker, const char *place)
{
	TimestampTz now = GetCurrentTimestamp();
	pythia_remote_source *own;

	for (own = kept; own && own->worker_id != worker->worker_id; own = own->next)
		;
	if (!own)
		return NULL;
	if (own->in_use || own->db->broken || strcmp(own->place, place) != 0)
	{
		close_source(own, false);
		return NULL;
	}
	own->used = now;
	close_unused(now);
	if (compareJsonbContainers(&own->options->root, &worker->options->root) != 0)
	{
		MemoryContext before = MemoryContextSwitchTo(own->memory);

		close_tables(own);
		own->options = (Jsonb *) PG_DETOAST_DATUM_COPY(JsonbPGetDatum(worker->options));
		own->data_version = 0;
		MemoryContextSwitchTo(before);
	}
	return own;
}

pythia_remote_source *pythia_remote_source_open(const pythia_cdc_worker *worker, const pythia_endpoint *target,
												pythia_error *error)
{
	bool lasting = pythia_in_job() && !IsTransactionState();
	char *place = place_of(target);
	pythia_remote_source *source = lasting ? reuse(worker, place) : NULL;
	MemoryContext memory;
	MemoryContext before;

	if (source)
	{
		source->in_use = true;
		return source;
	}
	memory = AllocSetContextCreate(lasting ? TopMemoryContext : CurrentMemoryContext, "pythia_db remote source",
								   ALLOCSET_SMALL_SIZES);
	before = MemoryContextSwitchTo(memory);
	source = palloc0(sizeof(pythia_remote_source));
	source->memory = memory;
	source->lasting = lasting;
	source->in_use = true;
	source->place = pstrdup(place);
	source->options = (Jsonb *) PG_DETOAST_DATUM_COPY(JsonbPGetDatum(worker->options));
	source->session = pythia_session_begin(NULL);
	MemoryContextSwitchTo(before);
	/* a session's polls share its other work's connections; a background worker has one at any rate */
	source->target = target;
	if (!(lasting ? pythia_connection_open(source->session, target, NULL, &source->db, error)
				  : pythia_connection_take(source->session, target, &source->db, error)))
	{
		pythia_session_end(source->session, true);
		MemoryContextSwitchTo(before);
		MemoryContextDelete(memory);
		return NULL;
	}
	source->worker_id = worker->worker_id;
	source->used = GetCurrentTimestamp();
	if (lasting)
	{
		source->next = kept;
		kept = source;
	}
	return source;
}

void pythia_remote_source_done(pythia_remote_source *source, bool ok)
{
	if (!source)
		return;
	source->in_use = false;
	if (!source->lasting || !ok || source->db->broken)
		close_source(source, ok);
}

pythia_db *pythia_remote_source_db(pythia_remote_source *source)
{
	return source->db;
}

void pythia_remote_source_forget(pythia_remote_source *source, const pythia_fetched *fetched)
{
	const pythia_cdc_table *table = fetched->table;

	for (description **link = &source->tables; *link; link = &(*link)->next)
		if ((*link)->table_id == table->table_id)
		{
			description *gone = *link;

			*link = gone->next;
			pythia_capture_table_close(&gone->table);
			pythia_free(gone);
			return;
		}
}

/* Whether what is known of the table is of some seconds ago at most. */
static bool still_good(const description *known, TimestampTz now)
{
	return now - known->at < DESCRIBE_INTERVAL && now >= known->at;
}

bool pythia_remote_source_describe(pythia_remote_source *source, List *all,
								   bool (*wanted)(const pythia_fetched *fetched), pythia_error *error)
{
	TimestampTz now = GetCurrentTimestamp();
	const char **names = palloc(sizeof(char *) * Max(list_length(all), 1));
	Bitmapset *good = NULL;
	int count = 0;
	ListCell *cell;

	for (const description *known = source->tables; known; known = known->next)
		if (still_good(known, now))
			good = bms_add_member(good, known->table_id);
	foreach (cell, all)
	{
		const pythia_fetched *fetched = lfirst(cell);

		if (wanted(fetched) || !bms_is_member(fetched->table->table_id, good))
			names[count++] = fetched->name;
	}
	bms_free(good);
	pythia_descriptions_free(source->described);
	return pythia_describe_many(source->db, names, count, &source->described, error);
}

pythia_capture_table *pythia_remote_source_table(pythia_remote_source *source, const pythia_cdc_worker *worker,
												 const pythia_fetched *fetched, bool *fresh, pythia_error *error)
{
	const pythia_cdc_table *table = fetched->table;
	TimestampTz now = GetCurrentTimestamp();
	description *known;

	for (known = source->tables; known; known = known->next)
		if (known->table_id == table->table_id)
		{
			/* its texts live in the worker as it was loaded this time */
			known->table.config = table->config;
			if (!*fresh && still_good(known, now))
				return &known->table;
		}
	pythia_remote_source_forget(source, fetched);
	known = pythia_calloc(1, sizeof(description));
	if (!pythia_log_table_open(source->db, source->described, fetched->name, fetched->schema,
							   table->started ? fetched->log_name : NULL, worker->timestamp_column, &table->config,
							   &known->table, error))
	{
		pythia_free(known);
		return NULL;
	}
	*fresh = true;
	known->table_id = table->table_id;
	known->at = now;
	known->next = source->tables;
	source->tables = known;
	return &known->table;
}

bool pythia_remote_source_idle(pythia_remote_source *source, bool *idle, pythia_error *error)
{
	*idle = false;
	if (source->db->engine != PYTHIA_SQLITE || !source->lasting)
		return true;
	/* changes with every commit but those of this connection */
	if (!pythia_db_number(source->db, "PRAGMA data_version", &source->data_version_now, error))
		return false;
	*idle = source->data_version_now == source->data_version;
	/* a table may have been altered: nobody would look again until the next commit there */
	if (!*idle)
		close_tables(source);
	return true;
}

void pythia_remote_source_polled(pythia_remote_source *source)
{
	source->data_version = source->data_version_now;
}

void pythia_remote_source_blind(pythia_remote_source *source)
{
	static const char *const privileges[] = {[PYTHIA_POSTGRESQL] =
												 "the role pg_read_all_stats (of no use on a standby)",
											 [PYTHIA_MYSQL] = "the privilege PROCESS (of no use on a replica)",
											 [PYTHIA_SQLITE] = "the right to write to the file"};

	if (source->lasting && bms_is_member(source->worker_id, warned_blind))
		return;
	if (source->lasting)
	{
		MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);

		warned_blind = bms_add_member(warned_blind, source->worker_id);
		MemoryContextSwitchTo(before);
	}
	/* must not jump: the engine's frames are not below, but its connection is open */
	HOLD_INTERRUPTS();
	ereport(WARNING, (errmsg("open transactions of %s cannot be seen", source->db->display),
					  errdetail("Changes committed later than options.lookback (60 s unless set) after they were "
								"stamped will be missed."),
					  errhint("Grant its user %s, or set lookback to more than the longest transaction takes.",
							  privileges[source->db->engine])));
	RESUME_INTERRUPTS();
}
