#include "postgres/worker/orphan.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "postgres/base/catalog.h"
#include "postgres/base/lock_wait.h"
#include "postgres/worker/control.h"

/*
 * Rows of a role that is gone, but those that somebody has locked: who keeps a transaction open keeps nobody from being
 * served, and is seen another time.
 */
#define GONE(table)                                                                                                    \
	"WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT o.ctid FROM pythia." table " o "                              \
	"WHERE o.owner::pg_catalog.oid <> 0 AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r "                            \
	"WHERE r.oid = o.owner::pg_catalog.oid) FOR UPDATE SKIP LOCKED))"

static void disown_workers(void)
{
	static const char sql[] =
		"UPDATE pythia.worker SET owner = '-', enabled = false " GONE("worker") " RETURNING worker_id, name";

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
}

static void disown(void *unused)
{
	static const char *const sql[] = {
		"UPDATE pythia.failed_change SET owner = '-' " GONE("failed_change"),
		"UPDATE pythia.handler_result SET owner = '-' " GONE("handler_result"),
		"UPDATE pythia.quarantine SET owner = '-' " GONE("quarantine"),
		/* the name is for people, and follows the role's */
		"UPDATE pythia.worker w SET owner_name = r.rolname FROM pg_catalog.pg_roles r "
		"WHERE r.oid = w.owner::pg_catalog.oid AND w.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT o.ctid FROM "
		"pythia.worker o JOIN pg_catalog.pg_roles n ON n.oid = o.owner::pg_catalog.oid WHERE o.owner_name <> n.rolname "
		"FOR NO KEY UPDATE OF o SKIP LOCKED))",
	};

	SPI_connect();
	disown_workers();
	for (int i = 0; i < lengthof(sql); i++)
		pythia_catalog_execute(sql[i], 0, NULL, NULL, NULL);
	SPI_finish();
}

void pythia_disown_orphans(void)
{
	(void) pythia_unless_locked_out(disown, NULL);
}
