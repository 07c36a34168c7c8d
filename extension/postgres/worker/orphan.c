#include "postgres/worker/orphan.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "postgres/base/catalog.h"
#include "postgres/base/lock_wait.h"
#include "postgres/worker/control.h"

/* Rows that are written at once: a look at the workers waits for no more. */
#define PIECE 10000

/* clang-format off */

/* Roles that are gone and own rows of a table: its index on them is leapt through, whatever each has. */
#define OWNERS_GONE(table) \
	"WITH RECURSIVE o AS (SELECT pg_catalog.min(t.owner::pg_catalog.oid) AS role FROM pythia." table " t UNION ALL " \
	"SELECT (SELECT pg_catalog.min(t.owner::pg_catalog.oid) FROM pythia." table " t WHERE t.owner::pg_catalog.oid > o.role) " \
	"FROM o WHERE o.role IS NOT NULL) SELECT o.role FROM o WHERE o.role <> 0 " \
	"AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = o.role)"
/*
 * A piece of what such a role has, but what somebody has locked: who keeps a transaction open keeps nobody from being
 * served, and is seen another time.
 */
#define PIECE_OF(table) \
	"WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT o.ctid FROM pythia." table " o " \
	"WHERE o.owner::pg_catalog.oid = $1 LIMIT $2 FOR UPDATE SKIP LOCKED))"

typedef struct owned
{
	const char *gone;
	const char *disown;
	bool workers;
} owned;

static const owned tables[] = {
	{OWNERS_GONE("worker"), "UPDATE pythia.worker SET owner = '-', enabled = false " PIECE_OF("worker") " RETURNING worker_id, name", true},
	{OWNERS_GONE("failed_change"), "UPDATE pythia.failed_change SET owner = '-' " PIECE_OF("failed_change"), false},
	{OWNERS_GONE("handler_result"), "UPDATE pythia.handler_result SET owner = '-' " PIECE_OF("handler_result"), false},
	{OWNERS_GONE("quarantine"), "UPDATE pythia.quarantine SET owner = '-' " PIECE_OF("quarantine"), false},
};

/* clang-format on */

static void stop_workers(void)
{
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

/* A piece of each role's rows; true where there may be more. */
static bool disown_some(const owned *table)
{
	Oid types[] = {OIDOID, INT8OID};
	SPITupleTable *roles;
	uint64 count;
	bool more = false;

	pythia_catalog_execute(table->gone, 0, NULL, NULL, NULL);
	roles = SPI_tuptable;
	count = SPI_processed;
	for (uint64 i = 0; i < count; i++)
	{
		bool isnull;
		Datum values[] = {SPI_getbinval(roles->vals[i], roles->tupdesc, 1, &isnull), Int64GetDatum(PIECE)};

		pythia_catalog_execute(table->disown, lengthof(types), types, values, NULL);
		more |= SPI_processed == PIECE;
		if (table->workers)
			stop_workers();
	}
	return more;
}

static void disown(void *argument)
{
	/* the name is for people, and follows the role's */
	static const char rename[] =
		"UPDATE pythia.worker w SET owner_name = r.rolname FROM pg_catalog.pg_roles r "
		"WHERE r.oid = w.owner::pg_catalog.oid AND w.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT o.ctid FROM "
		"pythia.worker o JOIN pg_catalog.pg_roles n ON n.oid = o.owner::pg_catalog.oid WHERE o.owner_name <> n.rolname "
		"LIMIT $1 FOR NO KEY UPDATE OF o SKIP LOCKED))";
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(PIECE)};
	bool *more = argument;

	*more = false;
	SPI_connect();
	for (int i = 0; i < lengthof(tables); i++)
		*more |= disown_some(&tables[i]);
	pythia_catalog_execute(rename, lengthof(types), types, values, NULL);
	*more |= SPI_processed == PIECE;
	SPI_finish();
}

bool pythia_disown_orphans(void)
{
	bool more;

	return pythia_unless_locked_out(disown, &more) && more;
}
