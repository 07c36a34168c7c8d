/* create_connection, drop_connection, test_connection and the options of their servers. */
#include "postgres/connection/connection.h"

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_type.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "postgres/base/arguments.h"
#include "postgres/base/bridge.h"
#include "postgres/base/catalog.h"
#include "postgres/base/host.h"
#include "postgres/base/jsonb_node.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/verb.h"
#include "postgres/connection/url.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

PYTHIA_FUNCTION(pythia_connection_validator);

static void check_server_option(const DefElem *element)
{
	pythia_url *url;

	if (strcmp(element->defname, "url") != 0)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME), errmsg("invalid option \"%s\"", element->defname),
						errhint("A pythia_db server has the option url.")));
	url = pythia_url_read(defGetString(unconstify(DefElem *, element)));
	pythia_url_check_parameters(url, GetUserId());
	if (url->user || pythia_url_secrets(url) != NIL)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("the URL of a server must not hold a user or a secret"),
						errdetail("Everybody can read the options of a server."),
						errhint("Put them into the user mapping, or use pythia.create_connection, which does so.")));
}

static void check_mapping_option(const DefElem *element)
{
	if (strcmp(element->defname, "password_required") == 0)
	{
		if (!defGetBoolean(unconstify(DefElem *, element)) && !superuser())
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("password_required=false is superuser-only"),
					 errhint("User mappings with the password_required option set to false may only be created or "
							 "modified by the superuser.")));
	}
	/* no parameter comes in beside the URL but what a URL must not hold */
	else if (strcmp(element->defname, "user") != 0 && strcmp(element->defname, "password") != 0 &&
			 strcmp(element->defname, "sslpassword") != 0 && strcmp(element->defname, "mask_key") != 0)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME), errmsg("invalid option \"%s\"", element->defname),
						errhint("A user mapping of pythia_db has the options user, password, sslpassword, mask_key and "
								"password_required.")));
}

Datum pythia_connection_validator(PG_FUNCTION_ARGS)
{
	List *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid catalog = PG_GETARG_OID(1);
	ListCell *cell;

	foreach (cell, options)
	{
		DefElem *element = lfirst(cell);

		if (catalog == ForeignServerRelationId)
			check_server_option(element);
		else if (catalog == UserMappingRelationId)
			check_mapping_option(element);
		else
			ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME), errmsg("invalid option \"%s\"", element->defname),
							errhint("pythia_db takes options for servers and user mappings.")));
	}
	PG_RETURN_VOID();
}

/* As a command, so that event triggers see it, but with no text that holds a secret. */
static void run_utility(Node *statement, const char *text)
{
	PlannedStmt *wrapper = makeNode(PlannedStmt);

	wrapper->commandType = CMD_UTILITY;
	wrapper->canSetTag = false;
	wrapper->utilityStmt = statement;
	wrapper->stmt_location = -1;
	ProcessUtility(wrapper, text, false, PROCESS_UTILITY_QUERY, NULL, NULL, None_Receiver, NULL);
	CommandCounterIncrement();
}

static void create_server(const char *name, pythia_url *url)
{
	CreateForeignServerStmt *server = makeNode(CreateForeignServerStmt);
	CreateUserMappingStmt *mapping = makeNode(CreateUserMappingStmt);

	if (GetForeignServerByName(name, true))
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("connection \"%s\" already exists", name),
						errhint("Choose another name, or drop it with pythia.drop_connection.")));
	server->servername = pstrdup(name);
	server->fdwname = pstrdup("pythia_db");
	server->options = list_make1(makeDefElem(pstrdup("url"), (Node *) makeString(pythia_url_public(url)), -1));
	run_utility((Node *) server, "CREATE SERVER (pythia.create_connection)");

	mapping->user = makeNode(RoleSpec);
	mapping->user->roletype = ROLESPEC_CURRENT_USER;
	mapping->user->location = -1;
	mapping->servername = pstrdup(name);
	mapping->options = pythia_url_secrets(url);
	run_utility((Node *) mapping, "CREATE USER MAPPING (pythia.create_connection)");
}

static void check_name(const char *name)
{
	if (name[0] == '\0' || strcmp(name, "local") == 0 || pythia_url_like(name))
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("\"%s\" cannot be the name of a connection", name),
						errhint("Take a word other than \"local\", which means this database, and not a URL.")));
	pythia_argument_name(name, "connection");
}

/* Options are parts of the URL given apart; those that are secret go into the mapping. */
static bool apply_options(pythia_url *url, const pythia_node *options, pythia_error *error)
{
	static const char *const known[] = {"user",
										"password",
										"password_file",
										"passfile",
										"mask_key",
										"mask_key_file",
										"sslmode",
										"sslrootcert",
										"sslcert",
										"sslkey",
										"sslpassword",
										"ssl_ca",
										"ssl_cert",
										"ssl_key",
										"connect_timeout",
										"charset",
										"application_name",
										"unix_socket",
										"options",
										"target_session_attrs",
										NULL};
	List *elements = NIL;

	if (!pythia_node_only(options, known, "connection option", error))
		return false;
	for (int i = 0; known[i]; i++)
	{
		const char *value = NULL;
		const pythia_node *node = pythia_node_get(options, known[i]);

		if (node && node->type == PYTHIA_NODE_NUMBER)
			value = node->text;
		else if (!pythia_node_text(options, known[i], &value, error))
			return false;
		if (value)
			elements =
				lappend(elements, makeDefElem(pstrdup(known[i]), (Node *) makeString(pythia_from_utf8(value)), -1));
	}
	pythia_url_apply(url, elements);
	return true;
}

PYTHIA_VERB(pythia_create_connection)
{
	char *name = pythia_argument_text(fcinfo, 0);
	pythia_url *url = pythia_url_read(pythia_argument_text(fcinfo, 1));
	pythia_node *options = pythia_node_from_jsonb(DatumGetJsonbP(pythia_argument(fcinfo, 2)));
	pythia_error error = PYTHIA_ERROR_INIT;

	check_name(name);
	if (options->type != PYTHIA_NODE_OBJECT)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("options must be a JSON object"),
						errhint("For example '{\"sslmode\": \"require\"}'.")));
	if (!apply_options(url, options, &error))
		pythia_raise(&error);
	/* before anything is said of how to write what the role may not use at all */
	pythia_url_check_parameters(url, GetUserId());
	if (!pythia_db_check_url(url, &error))
		pythia_raise(&error);
	create_server(name, url);
	PG_RETURN_VOID();
}

/* Ereports where a worker uses the connection. */
static void check_unused(const char *name)
{
	static const char sql[] =
		"SELECT CASE WHEN pg_catalog.pg_has_role($2, w.owner::pg_catalog.oid, 'USAGE') THEN w.name END "
		"FROM pythia.worker w LEFT JOIN pythia.sync_worker s USING (worker_id) "
		"LEFT JOIN pythia.cdc_worker c USING (worker_id) WHERE $1 IN (s.source, s.target, c.connection) "
		"ORDER BY 1 LIMIT 1";
	Oid types[] = {TEXTOID, OIDOID};
	Datum values[] = {CStringGetTextDatum(name), ObjectIdGetDatum(GetUserId())};
	const char *worker;

	SPI_connect();
	pythia_catalog_execute(sql, 2, types, values, NULL);
	worker = SPI_processed > 0 ? SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1) : NULL;
	if (SPI_processed > 0)
		ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
						errmsg("cannot drop connection \"%s\": %s uses it", name,
							   worker ? psprintf("worker \"%s\"", worker) : "a worker of another role"),
						errhint("%s", worker ? "Drop or alter that worker first."
											 : "Let its owner drop or alter it, or ask a superuser who that is.")));
	SPI_finish();
}

static void drop_server(Oid server)
{
	ObjectAddress object = {.classId = ForeignServerRelationId, .objectId = server};

	/* its user mappings depend on it */
	performDeletion(&object, DROP_CASCADE, PERFORM_DELETION_QUIETLY);
	CommandCounterIncrement();
}

PYTHIA_VERB(pythia_drop_connection)
{
	char *name = pythia_argument_text(fcinfo, 0);
	ForeignServer *server = GetForeignServerByName(name, true);

	if (!server || strcmp(GetForeignDataWrapper(server->fdwid)->fdwname, "pythia_db") != 0)
		pythia_no_connection(name,
							 "Connections are the servers of the foreign data wrapper pythia_db, see \\des in psql.");
	if (!pythia_server_owned(server->serverid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FOREIGN_SERVER, name);
	check_unused(name);
	drop_server(server->serverid);
	PG_RETURN_VOID();
}

char *pythia_connection_adopt(const char *name_or_url, const char *suggested)
{
	pythia_url *url;
	pythia_error error = PYTHIA_ERROR_INIT;

	if (strcmp(name_or_url, "local") == 0)
		return pstrdup("local");
	if (!pythia_url_like(name_or_url))
	{
		(void) pythia_endpoint_resolve(name_or_url, false);
		return pstrdup(name_or_url);
	}
	url = pythia_url_read(name_or_url);
	if (!pythia_db_check_url(url, &error))
		pythia_raise(&error);
	if (!url->password && pythia_url_secrets(url) == NIL)
		return pstrdup(name_or_url);
	check_name(suggested);
	create_server(suggested, url);
	return pstrdup(suggested);
}

void pythia_connection_disown(const char *stored, const char *suggested, Oid worker_owner)
{
	ForeignServer *server;

	if (strcmp(stored, suggested) != 0)
		return;
	server = GetForeignServerByName(stored, true);
	/* another role's of that name was made for something else */
	if (server && server->owner == worker_owner && pythia_server_owned(server->serverid, GetUserId()))
		drop_server(server->serverid);
}

typedef struct probe
{
	bool reachable;
	bool tls;
	char *version;
	int64_t round_trip; /* microseconds */
} probe;

static bool run_probe(pythia_session *session, const pythia_endpoint *target, probe *found, pythia_error *error)
{
	pythia_db *db;
	int64_t start;
	int64_t one;
	bool ok;

	if (!pythia_connection_open(session, target, NULL, &db, error))
		return false;
	start = pythia_host_now(pythia_backend_host());
	ok = pythia_db_number(db, "SELECT 1", &one, error);
	found->round_trip = pythia_host_now(pythia_backend_host()) - start;
	found->reachable = ok;
	found->tls = db->encrypted;
	found->version = pythia_message_from_utf8(db->version_text ? db->version_text : "");
	pythia_db_close(db);
	return ok;
}

PYTHIA_VERB(pythia_test_connection)
{
	pythia_endpoint *target = pythia_endpoint_resolve(pythia_argument_text(fcinfo, 0), false);
	pythia_session *session = pythia_session_begin(NULL);
	pythia_error error = PYTHIA_ERROR_INIT;
	probe found = {0};
	TupleDesc desc;
	Datum values[5];
	bool nulls[5] = {false};
	bool ok = run_probe(session, target, &found, &error);

	pythia_session_end(session, ok);
	if (!ok && error.error_class == PYTHIA_E_CANCELLED)
		pythia_raise(&error);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = BoolGetDatum(found.reachable);
	nulls[1] = nulls[2] = nulls[3] = !found.reachable;
	nulls[4] = ok;
	if (found.reachable)
	{
		Interval *round_trip = palloc0(sizeof(Interval));

		round_trip->time = found.round_trip;
		values[1] = CStringGetTextDatum(found.version);
		values[2] = IntervalPGetDatum(round_trip);
		values[3] = BoolGetDatum(found.tls);
	}
	if (!ok)
		values[4] = CStringGetTextDatum(pythia_message_from_utf8(pythia_error_line(&error)));
	pythia_error_reset(&error);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
