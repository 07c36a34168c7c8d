/* Whose the connections of a worker were when they were named. */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "postgres/base/catalog.h"
#include "postgres/base/pg_compat.h"
#include "postgres/connection/connection.h"
#include "utils/acl.h"

/* All that a worker's rows name, with whose it was and whose it is. */
#define NAMED                                                                                                          \
	"FROM (SELECT worker_id, connection AS name, connection_owner AS owner FROM pythia.cdc_worker "                    \
	"UNION ALL SELECT worker_id, source, source_owner FROM pythia.sync_worker "                                        \
	"UNION ALL SELECT worker_id, target, target_owner FROM pythia.sync_worker) n "                                     \
	"JOIN pg_catalog.pg_foreign_server s ON s.srvname = n.name "

void pythia_connection_note_owner(int32 worker_id, pythia_connection_use use)
{
	static const char *const sql[] = {
		[PYTHIA_USE_CAPTURE] = "UPDATE pythia.cdc_worker SET connection_owner = (SELECT srvowner::pg_catalog.regrole "
							   "FROM pg_catalog.pg_foreign_server WHERE srvname = connection) WHERE worker_id = $1",
		[PYTHIA_USE_SOURCE] = "UPDATE pythia.sync_worker SET source_owner = (SELECT srvowner::pg_catalog.regrole "
							  "FROM pg_catalog.pg_foreign_server WHERE srvname = source) WHERE worker_id = $1",
		[PYTHIA_USE_TARGET] = "UPDATE pythia.sync_worker SET target_owner = (SELECT srvowner::pg_catalog.regrole "
							  "FROM pg_catalog.pg_foreign_server WHERE srvname = target) WHERE worker_id = $1",
	};
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};

	(void) pythia_catalog_run(sql[use], lengthof(types), types, values, NULL);
}

bool pythia_connection_strayed(int32 worker_id)
{
	static const char sql[] =
		"SELECT " NAMED "WHERE n.worker_id = $1 AND n.owner::pg_catalog.oid IS DISTINCT FROM s.srvowner";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};

	return pythia_catalog_run(sql, lengthof(types), types, values, NULL) > 0;
}

pythia_target *pythia_target_resolve_stored(const char *name_or_url, Oid owner, bool write)
{
	ForeignServer *server = GetForeignServerByName(name_or_url, true);

	if (!server || server->owner == owner || has_privs_of_role(server->owner, GetUserId()))
		return pythia_target_resolve(name_or_url, write);
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("connection \"%s\" belongs to role \"%s\" now, and did not when the worker was told of it",
						   name_or_url, GetUserNameFromId(server->owner, false)),
					errdetail("The worker's rows would go to whatever that role names."),
					errhint("Call pythia.release_worker with the worker's name where that is meant.")));
}
