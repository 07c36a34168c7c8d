/* Housekeeping of the journal: its three parts take turns. */
#include "cdc_journal.h"

#include "cdc.h"

#include "access/xact.h"
#include "catalog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pg_compat.h"
#include "pythia_db.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

static Datum single(const char *sql, int count, const Oid *types, const Datum *values, bool *isnull)
{
	pythia_catalog_execute(sql, count, types, values, NULL);
	if (SPI_processed == 0)
	{
		*isnull = true;
		return (Datum) 0;
	}
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, isnull);
}

/* clang-format off */

/* Of a part: entries that a consumer c has not read yet, or may not have. */
#define FROM_UNREAD(slot) \
	"WHERE NOT c.lost AND EXISTS (SELECT FROM pythia.journal_" slot " j " \
	"WHERE j.worker_id OPERATOR(pg_catalog.=) c.worker_id " \
	"AND (j.change_id OPERATOR(pg_catalog.>) c.done_floor OR NOT pg_catalog.pg_visible_in_snapshot(j.xid, c.done)) " \
	"AND (j.xid OPERATOR(pg_catalog.=) c.done_own AND j.change_id OPERATOR(pg_catalog.<=) c.done_upto) IS NOT TRUE) "

#define UNREAD(slot) "SELECT true FROM pythia.consumer c " FROM_UNREAD(slot) "LIMIT 1"
#define LOSE(slot)	 "UPDATE pythia.consumer c SET lost = true " FROM_UNREAD(slot) "RETURNING c.name"
#define NEWEST(slot) "SELECT pg_catalog.max(captured_at) FROM pythia.journal_" slot

static const char *const unread_sql[] = {UNREAD("0"), UNREAD("1"), UNREAD("2")};
static const char *const lose_sql[] = {LOSE("0"), LOSE("1"), LOSE("2")};
static const char *const newest_sql[] = {NEWEST("0"), NEWEST("1"), NEWEST("2")};

/* clang-format on */

static const char *const truncate_sql[] = {"TRUNCATE pythia.journal_0", "TRUNCATE pythia.journal_1",
										   "TRUNCATE pythia.journal_2"};

/* The journal is kept as long as the worker that wants it longest, in microseconds. */
static int64 longest_retention(void)
{
	static const char sql[] =
		"SELECT worker_id FROM pythia.cdc_worker WHERE options OPERATOR(pg_catalog.?) 'retention'";
	double seconds = pythia_guc_retention * 60.0;
	SPITupleTable *found;
	uint64 count;
	bool isnull;

	pythia_catalog_execute(sql, 0, NULL, NULL, NULL);
	found = SPI_tuptable;
	count = SPI_processed;
	for (uint64 i = 0; i < count; i++)
	{
		pythia_cdc_worker *worker =
			pythia_cdc_load(DatumGetInt32(SPI_getbinval(found->vals[i], found->tupdesc, 1, &isnull)));

		if (worker && worker->config.retention >= 0)
			seconds = Max(seconds, worker->config.retention);
	}
	return (int64) (seconds * USECS_PER_SEC);
}

void pythia_journal_rotate(void)
{
	static const char state_sql[] = "SELECT slot FROM pythia.journal_state WHERE since OPERATOR(pg_catalog.<) $1 "
									"FOR UPDATE SKIP LOCKED";
	static const char next_sql[] = "UPDATE pythia.journal_state SET slot = $1, since = pg_catalog.clock_timestamp()";
	Oid time_type[] = {TIMESTAMPTZOID};
	Oid int_type[] = {INT4OID};
	int64 retention;
	TimestampTz now = GetCurrentTimestamp();
	Datum values[1];
	bool isnull;
	Oid relation;
	int slot;
	Datum newest;
	char name[NAMEDATALEN];

	SPI_connect();
	retention = longest_retention();
	values[0] = TimestampTzGetDatum(now - retention / 2);
	slot = DatumGetInt32(single(state_sql, 1, time_type, values, &isnull));
	if (isnull)
	{
		SPI_finish();
		return;
	}
	slot = (slot + 1) % 3;
	snprintf(name, sizeof(name), "journal_%d", slot);
	relation = pythia_relation(name);
	/* nobody who still writes to it or reads it shall be in our way, nor we in theirs */
	if (!ConditionalLockRelationOid(relation, AccessExclusiveLock))
	{
		SPI_finish();
		return;
	}
	newest = single(newest_sql[slot], 0, NULL, NULL, &isnull);
	if (!isnull)
	{
		TimestampTz written = DatumGetTimestampTz(newest);
		bool unread;

		(void) single(unread_sql[slot], 0, NULL, NULL, &isnull);
		unread = !isnull;
		/* read by all: kept for a while; unread: kept up to the cap */
		if (now - written < retention || (unread && now - written < retention * PYTHIA_RETENTION_CAP))
		{
			SPI_finish();
			return;
		}
		if (unread)
		{
			pythia_catalog_execute(lose_sql[slot], 0, NULL, NULL, NULL);
			for (uint64 i = 0; i < SPI_processed; i++)
				ereport(
					WARNING,
					(errmsg("consumer \"%s\" is lost: it fell too far behind, and changes it had not read are dropped",
							SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1)),
					 errhint("Bring what it feeds up to date, then move it with pythia.seek.")));
		}
		pythia_catalog_execute(truncate_sql[slot], 0, NULL, NULL, NULL);
	}
	values[0] = Int32GetDatum(slot);
	pythia_catalog_execute(next_sql, 1, int_type, values, NULL);
	SPI_finish();
}

PYTHIA_FUNCTION(pythia_rotate_journal);

Datum pythia_rotate_journal(PG_FUNCTION_ARGS)
{
	pythia_journal_rotate();
	PG_RETURN_VOID();
}
