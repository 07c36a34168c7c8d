#include "postgres/connection/connection.h"

#include "catalog/pg_authid.h"
#include "commands/defrem.h"
#include "core/memory.h"
#include "core/secret.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "postgres/base/bridge.h"
#include "postgres/base/host.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/settings.h"
#include "postgres/connection/url.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/memutils.h"

/*
 * Remote databases open now, so that an abort can close what its session left.
 * The engine closes them like any other: their driver's close is ours, which
 * forgets the entry first.
 */
typedef struct open_connection
{
	MemoryContextCallback callback;
	pythia_db *db; /* NULL once it is closed */
	const pythia_driver *driver;
	struct open_connection *next;
} open_connection;

static open_connection *open_connections = NULL;
static pythia_driver ours[3]; /* by engine */

static void unlink_entry(open_connection *entry)
{
	for (open_connection **link = &open_connections; *link; link = &(*link)->next)
		if (*link == entry)
		{
			*link = entry->next;
			return;
		}
}

static void release_entry(open_connection *entry)
{
	unlink_entry(entry);
	entry->db->driver = entry->driver;
	entry->db = NULL;
}

static void close_entry(open_connection *entry)
{
	pythia_db *db = entry->db;

	release_entry(entry);
	db->driver->close(db);
	ReleaseExternalFD();
}

static open_connection *entry_of(const pythia_db *db)
{
	open_connection *entry = open_connections;

	while (entry && entry->db != db)
		entry = entry->next;
	return entry;
}

static void close_by_driver(pythia_db *db)
{
	open_connection *entry = entry_of(db);

	if (entry)
		close_entry(entry);
}

void pythia_connection_unregister(pythia_db *db)
{
	open_connection *entry = entry_of(db);

	if (entry)
		release_entry(entry);
}

static void close_late(void *arg)
{
	open_connection *entry = arg;

	if (entry->db)
		close_entry(entry);
}

/* The session's memory owns the entry; without a session nobody would close it. */
void pythia_connection_register(pythia_session *session, pythia_db *db)
{
	open_connection *entry = MemoryContextAllocZero(pythia_session_memory(session), sizeof(open_connection));

	entry->db = db;
	entry->driver = db->driver;
	entry->next = open_connections;
	open_connections = entry;
	ours[db->engine] = *db->driver;
	ours[db->engine].close = close_by_driver;
	db->driver = &ours[db->engine];
	entry->callback.func = close_late;
	entry->callback.arg = entry;
	MemoryContextRegisterResetCallback(pythia_session_memory(session), &entry->callback);
}

/*
 * Who answers for a connection: the role that uses it, and whoever wrote its URL (a foreign server's owner,
 * else the same role).  What either of them may not do, the connection does not.
 */
typedef struct responsible
{
	Oid user;
	Oid author;
	bool password_required;
} responsible;

static bool both_have(const responsible *who, Oid role)
{
	return has_privs_of_role(who->user, role) && has_privs_of_role(who->author, role);
}

/* One that lies in memory, too: it could fill that, and compute without heeding a cancel. */
static void check_file(const responsible *who, bool write)
{
	if (!both_have(who, ROLE_PG_READ_SERVER_FILES) || (write && !both_have(who, ROLE_PG_WRITE_SERVER_FILES)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied for SQLite files of the server"),
				 errhint(write ? "Ask for membership in pg_read_server_files and pg_write_server_files."
							   : "Ask for membership in pg_read_server_files.")));
}

static bool has_password(const pythia_url *url)
{
	/* the two files are checked like any other parameter */
	return (url->password && url->password[0]) || pythia_url_parameter_get(url, "password_file") ||
		   pythia_url_parameter_get(url, "passfile");
}

/* Else a role could enter with what the server's own operating system user may. */
static void check_password(pythia_endpoint *target)
{
	const pythia_url *url = &target->url;

	if (!has_password(url))
		ereport(ERROR, (errcode(ERRCODE_S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED), errmsg("password is required"),
						errdetail("Non-superusers must provide a password in the connection."),
						errhint("Give the password in the URL of pythia.create_connection, or in its options.")));
	target->require_password = true;
}

static void check_responsible(pythia_endpoint *target, const responsible *who, bool write)
{
	if (superuser_arg(who->user) && superuser_arg(who->author))
		return;
	if (target->url.engine == PYTHIA_SQLITE)
	{
		check_file(who, write);
		return;
	}
	/* its author alone: who merely uses it adds no more than a name and a password */
	pythia_url_check_parameters(&target->url, who->author);
	target->parameters = pythia_parameters_of_role(who->author);
	if (strcmp(pythia_guc_allowed_hosts, "*") != 0)
		target->reach = pstrdup(pythia_guc_allowed_hosts);
	if (who->password_required)
		check_password(target);
}

static bool option_says_false(List *options, const char *name)
{
	ListCell *cell;

	foreach (cell, options)
	{
		DefElem *element = lfirst(cell);

		if (strcmp(element->defname, name) == 0)
			return !defGetBoolean(element);
	}
	return false;
}

void pythia_no_connection(const char *name, const char *hint)
{
	char *shown = pythia_secret_shown(name);
	char *copy = pstrdup(shown);

	pythia_free(shown);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("connection \"%s\" does not exist", copy), errhint("%s", hint)));
}

/* The server of a connection's name; ereports where it is none of ours. */
static ForeignServer *find_server(const char *name)
{
	ForeignServer *server = GetForeignServerByName(name, true);

	if (!server || strcmp(GetForeignDataWrapper(server->fdwid)->fdwname, "pythia_db") != 0)
		pythia_no_connection(name,
							 "Create it with pythia.create_connection, write a URL such as mysql://user@host/database, "
							 "or 'local' for this database.");
	return server;
}

static void check_owner(const ForeignServer *server, Oid owner)
{
	if (server->owner == owner || has_privs_of_role(server->owner, GetUserId()))
		return;
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("connection \"%s\" belongs to role \"%s\" now, and did not when the worker was told of it",
						   server->servername, GetUserNameFromId(server->owner, false)),
					errdetail("The worker's rows would go to whatever that role names."),
					errhint("Call pythia.release_worker with the worker's name where that is meant.")));
}

/* owner: whose it has to be; NULL: anybody's. */
static pythia_endpoint *resolve_server(const char *name, const Oid *owner, bool write)
{
	pythia_endpoint *target = palloc0(sizeof(pythia_endpoint));
	ForeignServer *server = find_server(name);
	responsible who;
	UserMapping *mapping;
	pythia_url *url = NULL;
	ListCell *cell;

	if (pythia_server_usage(server->serverid, GetUserId()) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FOREIGN_SERVER, name);
	if (owner)
		check_owner(server, *owner);
	foreach (cell, server->options)
	{
		DefElem *element = lfirst(cell);

		if (strcmp(element->defname, "url") == 0)
			url = pythia_url_read(defGetString(element));
	}
	if (!url)
		ereport(ERROR, (errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND), errmsg("connection \"%s\" has no URL", name),
						errhint("ALTER SERVER … OPTIONS (ADD url '…') gives it one.")));
	mapping = GetUserMapping(GetUserId(), server->serverid);
	pythia_url_apply(url, mapping->options);
	/* a copy of the struct: what it points to goes with the original */
	target->url = *url;
	target->display = pstrdup(name);
	target->read_only = !write;
	/* what a superuser has waived holds for the server as a superuser left it */
	who.user = GetUserId();
	who.author = server->owner;
	who.password_required = !superuser_arg(server->owner) || !option_says_false(mapping->options, "password_required");
	check_responsible(target, &who, write);
	return target;
}

static pythia_endpoint *resolve(const char *name_or_url, const Oid *owner, bool write)
{
	pythia_endpoint *target;
	responsible who;
	pythia_url *url;
	pythia_buffer text = PYTHIA_BUFFER_INIT;

	if (strcmp(name_or_url, "local") == 0)
	{
		target = palloc0(sizeof(pythia_endpoint));
		target->local = true;
		target->display = pstrdup("local");
		return target;
	}
	if (!pythia_url_like(name_or_url))
		return resolve_server(name_or_url, owner, write);
	target = palloc0(sizeof(pythia_endpoint));
	url = pythia_url_read(name_or_url);
	target->url = *url;
	target->read_only = !write;
	pythia_url_redact(url, &text);
	target->display = pythia_message_from_utf8(pythia_buffer_text(&text));
	pythia_buffer_free(&text);
	who.user = who.author = GetUserId();
	who.password_required = true;
	check_responsible(target, &who, write);
	return target;
}

pythia_endpoint *pythia_endpoint_resolve(const char *name_or_url, bool write)
{
	return resolve(name_or_url, NULL, write);
}

pythia_endpoint *pythia_endpoint_resolve_stored(const char *name_or_url, Oid owner, bool write)
{
	return resolve(name_or_url, &owner, write);
}

pythia_open_options pythia_endpoint_options(const pythia_endpoint *target)
{
	pythia_open_options options = {.read_only = target->read_only,
								   .create = !target->read_only && !target->existing,
								   .application_name = "pythia_db",
								   .require_password = target->require_password,
								   .parameters = target->parameters,
								   .reach = target->reach};

	return options;
}

bool pythia_connection_open(pythia_session *session, const pythia_endpoint *target, const pythia_host *host,
							pythia_db **db, pythia_error *error)
{
	pythia_open_options options = pythia_endpoint_options(target);

	*db = NULL;
	if (target->local)
		return pythia_local_open(session, db, error);
	if (!AcquireExternalFD())
	{
		pythia_fail(error, PYTHIA_E_CONNECT, "53000", "too many open files for a further connection");
		return pythia_error_hint(error, "Raise the server's limit of open files, or lower max_files_per_process.");
	}
	if (!pythia_db_open(&target->url, host != NULL ? host : pythia_backend_host(), &options, db, error))
	{
		ReleaseExternalFD();
		return false;
	}
	pythia_connection_register(session, *db);
	return true;
}
