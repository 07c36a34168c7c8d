/* Whose the connections of a worker were when they were named. */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "postgres/base/catalog.h"
#include "postgres/connection/connection.h"

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
		"SELECT FROM (SELECT worker_id, connection AS name, connection_owner AS owner FROM pythia.cdc_worker "
		"UNION ALL SELECT worker_id, source, source_owner FROM pythia.sync_worker "
		"UNION ALL SELECT worker_id, target, target_owner FROM pythia.sync_worker) n "
		"JOIN pg_catalog.pg_foreign_server s ON s.srvname = n.name AND n.name <> 'local' AND n.name NOT LIKE '%://%' "
		"WHERE n.worker_id = $1 AND n.owner::pg_catalog.oid IS DISTINCT FROM s.srvowner";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};

	return pythia_catalog_run(sql, lengthof(types), types, values, NULL) > 0;
}
