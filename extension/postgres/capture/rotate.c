#include "postgres/capture/rotate.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "postgres/base/catalog.h"
#include "postgres/base/lock_wait.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/settings.h"
#include "postgres/capture/catalog.h"
#include "postgres/journal/consume.h"
#include "postgres/journal/journal.h"
#include "postgres/journal/unread.h"
#include "postgres/worker/transaction.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* How often a part that may not be emptied yet is looked at again: as a share of retention, and at most. */
#define LOOK_SHARE 50
#define LOOK_MOST  (10 * USECS_PER_MINUTE)
/* What nobody has read is kept so long at least. */
#define LEAST_CAP (1 * USECS_PER_DAY)
/* Results that one transaction forgets. */
#define RESULTS_A_TIME 10000

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

static const char *const truncate_sql[] = {"TRUNCATE pythia.journal_0", "TRUNCATE pythia.journal_1",
										   "TRUNCATE pythia.journal_2"};

/* In microseconds, of seconds that may be NULL. No worker's option goes beyond what the server allows. */
static int64 retention_of(Datum seconds, bool isnull)
{
	double wanted = isnull ? pythia_guc_retention * 60.0 : DatumGetFloat8(seconds);

	return (int64) (Min(wanted, pythia_guc_max_retention * 60.0) * USECS_PER_SEC);
}

static int64 cap_of(int64 retention)
{
	int64 most = (int64) pythia_guc_max_retention * USECS_PER_MINUTE;

	return Min(most, Max(retention > most / PYTHIA_RETENTION_CAP ? most : retention * PYTHIA_RETENTION_CAP, LEAST_CAP));
}

/* The parts take turns as the worker wants that keeps changes longest; where there is none, as the server does. */
static int64 longest_retention(void)
{
	static const char sql[] = "SELECT pg_catalog.max(COALESCE(retention, $1)) FROM pythia.cdc_worker";
	Oid types[] = {FLOAT8OID};
	Datum values[] = {Float8GetDatum(pythia_guc_retention * 60.0)};
	bool isnull;
	Datum seconds = single(sql, 1, types, values, &isnull);

	return retention_of(seconds, isnull);
}

/* Bytes on disk: of one part, or of all (-1). */
static int64 size_of(int slot)
{
	static const char sql[] = "SELECT pg_catalog.sum(pg_catalog.pg_total_relation_size(c.oid))::pg_catalog.int8 "
							  "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
							  "WHERE n.nspname = 'pythia' AND c.relname LIKE 'journal\\__' "
							  "AND c.relkind = 'r' AND ($1 < 0 OR c.relname = 'journal_' || $1)";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(slot)};
	bool isnull;
	Datum result = single(sql, 1, types, values, &isnull);

	return isnull ? 0 : DatumGetInt64(result);
}

static bool too_large(int slot, int parts)
{
	int64 most = (int64) pythia_guc_max_journal_size * 1024;

	return most > 0 && size_of(slot) > most / parts;
}

/* Whether a part has served its time: for each worker, what is read its retention, what is not the cap. */
static bool served(HTAB *workers, TimestampTz now)
{
	static const char sql[] = "SELECT retention FROM pythia.cdc_worker WHERE worker_id OPERATOR(pg_catalog.=) $1";
	Oid types[] = {INT4OID};
	HASH_SEQ_STATUS status;
	pythia_part_worker *worker;

	hash_seq_init(&status, workers);
	while ((worker = hash_seq_search(&status)))
	{
		Datum values[] = {Int32GetDatum(worker->worker_id)};
		int64 age = now - worker->newest;
		int64 retention;
		bool isnull;
		Datum seconds = single(sql, 1, types, values, &isnull);

		/* what a worker that is gone has left nobody keeps */
		if (SPI_processed == 0)
			continue;
		retention = retention_of(seconds, isnull);
		if (age < retention || (age < cap_of(retention) && worker->behind))
		{
			hash_seq_term(&status);
			return false;
		}
	}
	return true;
}

/* $1: the worker, $2: the names of its consumers that are behind. */
static void execute_of_behind(const char *sql, const pythia_part_worker *worker)
{
	Oid types[] = {INT4OID, TEXTARRAYOID};
	Datum values[] = {Int32GetDatum(worker->worker_id), (Datum) 0};
	Datum *names = palloc(sizeof(Datum) * list_length(worker->behind));
	int count = 0;
	ListCell *cell;

	foreach (cell, worker->behind)
		names[count++] = CStringGetTextDatum(((pythia_consumer *) lfirst(cell))->name);
	values[1] = PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
	pythia_catalog_execute(sql, lengthof(types), types, values, NULL);
}

/* Whether one of them has this version of its row. */
static bool is_version(List *consumers, ItemPointer version)
{
	ListCell *cell;

	foreach (cell, consumers)
		if (ItemPointerEquals(&((pythia_consumer *) lfirst(cell))->version, version))
			return true;
	return false;
}

/*
 * Locks those that are behind; false where one has moved since it was looked at. Whoever has one locked (seek,
 * drop_cdc_worker) may keep it so for long, and we keep every reader out of the part: no waiting here.
 */
static bool claim(HTAB *workers)
{
	static const char sql[] = "SELECT ctid FROM pythia.consumer WHERE worker_id OPERATOR(pg_catalog.=) $1 "
							  "AND name OPERATOR(pg_catalog.=) ANY ($2) AND NOT lost FOR NO KEY UPDATE NOWAIT";
	HASH_SEQ_STATUS status;
	pythia_part_worker *worker;
	bool same = true;

	hash_seq_init(&status, workers);
	while ((worker = hash_seq_search(&status)))
	{
		if (!worker->behind)
			continue;
		execute_of_behind(sql, worker);
		same &= SPI_processed == (uint64) list_length(worker->behind);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			bool isnull;
			Datum version = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

			same &= is_version(worker->behind, (ItemPointer) DatumGetPointer(version));
		}
	}
	return same;
}

/* Those that have been claimed. */
static void lose_consumers(HTAB *workers)
{
	static const char sql[] = "UPDATE pythia.consumer c SET lost = true FROM pythia.worker w "
							  "WHERE w.worker_id OPERATOR(pg_catalog.=) c.worker_id "
							  "AND c.worker_id OPERATOR(pg_catalog.=) $1 AND c.name OPERATOR(pg_catalog.=) ANY ($2) "
							  "AND NOT c.lost RETURNING c.name, w.name";
	HASH_SEQ_STATUS status;
	pythia_part_worker *worker;

	hash_seq_init(&status, workers);
	while ((worker = hash_seq_search(&status)))
	{
		if (!worker->behind)
			continue;
		execute_of_behind(sql, worker);
		for (uint64 i = 0; i < SPI_processed; i++)
			ereport(WARNING,
					(errmsg("consumer \"%s\" of CDC worker \"%s\" is lost: it fell too far behind, and changes it "
							"had not read are dropped",
							SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1),
							SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2)),
					 errhint("Bring what it feeds up to date, then move it with pythia.seek.")));
	}
}

static void rotate(void *unused)
{
	static const char look_sql[] = "SELECT slot FROM pythia.journal_state";
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
	HTAB *workers = NULL;
	int slot;
	bool full;
	bool over;
	bool claimed = false;
	char name[NAMEDATALEN];
	static TimestampTz look_at = 0;

	if (now < look_at && look_at - now <= LOOK_MOST && pythia_in_job() && pythia_guc_max_journal_size == 0)
		return;
	SPI_connect();
	retention = longest_retention();
	/* a part that has its share of the size makes way as one that has served its time; beyond the whole, nothing that
	 * is old is kept */
	over = too_large(-1, 1);
	full = over ||
		   (pythia_guc_max_journal_size > 0 && too_large(DatumGetInt32(single(look_sql, 0, NULL, NULL, &isnull)), 3));
	values[0] = TimestampTzGetDatum(full ? now : now - retention / 2);
	slot = DatumGetInt32(single(state_sql, 1, time_type, values, &isnull));
	if (isnull)
	{
		SPI_finish();
		return;
	}
	slot = (slot + 1) % 3;
	snprintf(name, sizeof(name), "journal_%d", slot);
	relation = pythia_relation(name);
	/* most looks end here: nobody is kept out while the part is read */
	if (!over && !served(pythia_part_look(slot), now))
	{
		look_at = now + Min(retention / LOOK_SHARE, LOOK_MOST);
		SPI_finish();
		return;
	}
	/* nobody who still writes to it or reads it shall be in our way, nor we in theirs */
	if (!ConditionalLockRelationOid(relation, AccessExclusiveLock))
	{
		SPI_finish();
		return;
	}
	/* who has moved between the look and the claim is looked at again, and cannot move any more */
	for (int i = 0; i < 2 && !claimed; i++)
	{
		workers = pythia_part_look(slot);
		if (!over && !served(workers, now))
		{
			SPI_finish();
			return;
		}
		claimed = claim(workers);
	}
	/* it moves on and on: another time will do */
	if (!claimed)
	{
		SPI_finish();
		return;
	}
	lose_consumers(workers);
	pythia_journal_count_part(slot);
	pythia_catalog_execute(truncate_sql[slot], 0, NULL, NULL, NULL);
	values[0] = Int32GetDatum(slot);
	pythia_catalog_execute(next_sql, 1, int_type, values, NULL);
	SPI_finish();
}

void pythia_journal_rotate(void)
{
	/* what is read and what is not is decided by what is committed now */
	if (IsolationUsesXactSnapshot())
		ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION), errmsg("the journal is kept in READ COMMITTED only")));
	/* where somebody's row is in our way, another time will do */
	(void) pythia_unless_locked_out(rotate, NULL);
}

/* Those of a worker that somebody is dropping stay. */
static void forget_results(void *argument)
{
	static const char sql[] =
		"DELETE FROM pythia.handler_result WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT ctid FROM "
		"pythia.handler_result WHERE handled_at OPERATOR(pg_catalog.<) $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";
	Oid types[] = {TIMESTAMPTZOID, INT8OID};
	Datum values[] = {(Datum) 0, Int64GetDatum(RESULTS_A_TIME)};
	bool *more = argument;

	SPI_connect();
	values[0] = TimestampTzGetDatum(GetCurrentTimestamp() - longest_retention());
	pythia_catalog_execute(sql, lengthof(types), types, values, NULL);
	*more = SPI_processed == RESULTS_A_TIME;
	SPI_finish();
}

bool pythia_results_forget(void)
{
	bool more;

	return pythia_unless_locked_out(forget_results, &more) && more;
}

PYTHIA_FUNCTION(pythia_rotate_journal);

Datum pythia_rotate_journal(PG_FUNCTION_ARGS)
{
	pythia_journal_rotate();
	pythia_journal_count();
	(void) pythia_results_forget();
	PG_RETURN_VOID();
}

PYTHIA_FUNCTION(pythia_longest_retention);

Datum pythia_longest_retention(PG_FUNCTION_ARGS)
{
	Interval *result = palloc0(sizeof(Interval));

	SPI_connect();
	result->time = longest_retention();
	SPI_finish();
	PG_RETURN_INTERVAL_P(result);
}
