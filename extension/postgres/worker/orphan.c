#include "postgres/worker/orphan.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "postgres/base/catalog.h"
#include "postgres/worker/control.h"

static void disown_workers(void)
{
	static const char sql[] = "UPDATE pythia.worker w SET owner = '-', enabled = false "
							  "WHERE owner::pg_catalog.oid <> 0 AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r "
							  "WHERE r.oid = w.owner::pg_catalog.oid) RETURNING worker_id, name";

	SPI_connect();
	pythia_catalog_execute(sql, 0, NULL, NULL, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		bool isnull;

		ereport(WARNING,
				(errmsg("worker \"%s\" is held: its owner is gone", SPI_getvalue(row, SPI_tuptable->tupdesc, 2)),
				 errhint("Give it another owner with pythia.release_worker, or drop it.")));
		pythia_control_stop(DatumGetInt32(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull)));
	}
	SPI_finish();
}

void pythia_disown_orphans(void)
{
	static const char *const sql[] = {
		"UPDATE pythia.failed_change f SET owner = '-' WHERE owner::pg_catalog.oid <> 0 "
		"AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = f.owner::pg_catalog.oid)",
		"UPDATE pythia.handler_result h SET owner = '-' WHERE owner::pg_catalog.oid <> 0 "
		"AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = h.owner::pg_catalog.oid)",
		"UPDATE pythia.quarantine q SET owner = '-' WHERE owner::pg_catalog.oid <> 0 "
		"AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = q.owner::pg_catalog.oid)",
		/* the name is for people, and follows the role's */
		"UPDATE pythia.worker w SET owner_name = r.rolname FROM pg_catalog.pg_roles r "
		"WHERE r.oid = w.owner::pg_catalog.oid AND w.owner_name <> r.rolname",
	};

	disown_workers();
	for (int i = 0; i < lengthof(sql); i++)
		(void) pythia_catalog_run(sql[i], 0, NULL, NULL, NULL);
}
