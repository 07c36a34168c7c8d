#include "postgres/sync/parallel.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "core/memory.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postgres/base/bridge.h"
#include "postgres/base/catalog.h"
#include "postgres/base/pg_compat.h"
#include "postgres/connection/cache.h"
#include "postgres/worker/process.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "sync/order.h"
#include "utils/memutils.h"

/* Between two looks whether a table that is waited for is done. */
#define LOOK_MS 50L

/* --- who has a table ------------------------------------------------------- */

/* Two names that fall together have to take turns, nothing else. */
static LOCKTAG tag_of(int32 worker_id, const char *name)
{
	uint32 hash = hash_bytes((const unsigned char *) name, (int) strlen(name));
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, PYTHIA_LOCK_TABLE, hash_combine(hash, (uint32) worker_id),
						 PYTHIA_LOCK_CLASS);
	return tag;
}

bool pythia_table_take(int32 worker_id, const char *name)
{
	LOCKTAG tag = tag_of(worker_id, name);

	return LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_OK;
}

void pythia_table_give_back(int32 worker_id, const char *name)
{
	LOCKTAG tag = tag_of(worker_id, name);

	(void) LockRelease(&tag, ExclusiveLock, true);
}

int pythia_table_taker(int32 worker_id, const char *name)
{
	static const char sql[] =
		"SELECT l.pid FROM pg_catalog.pg_locks l WHERE l.locktype = 'advisory' AND l.granted "
		"AND l.mode = 'ExclusiveLock' AND (l.database, l.classid, l.objid, l.objsubid) = ($1, $2, $3, $4)";
	LOCKTAG tag = tag_of(worker_id, name);
	Oid types[] = {OIDOID, OIDOID, OIDOID, INT2OID};
	Datum values[] = {ObjectIdGetDatum(tag.locktag_field1), ObjectIdGetDatum(tag.locktag_field2),
					  ObjectIdGetDatum(tag.locktag_field3), Int16GetDatum((int16) tag.locktag_field4)};
	int pid = 0;
	bool isnull;

	SPI_connect();
	pythia_catalog_execute(sql, 4, types, values, NULL);
	if (SPI_processed > 0)
		pid = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	return pid;
}

/* No transaction is open meanwhile: one that only waits would hold back what others capture. */
static void wait_for(int32 worker_id, const char *name)
{
	LOCKTAG tag = tag_of(worker_id, name);
	uint32 event = pythia_wait_event("PythiaTableWait");

	while (LockAcquire(&tag, ShareLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
	{
		pgstat_report_activity(STATE_RUNNING, psprintf("waiting for %s", name));
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOOK_MS, event);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	(void) LockRelease(&tag, ShareLock, true);
}

void pythia_table_wait(int32 worker_id, const pythia_table_order *order, int position)
{
	int64 n;
	const int *before = pythia_references_of(&order->waits, position, &n);

	for (int64 i = 0; i < n; i++)
		wait_for(worker_id, list_nth(order->names, before[i]));
}

/* --- which waits for which ------------------------------------------------- */

static bool ask_sides(pythia_session *session, const pythia_sides *sides, char **names, int count,
					  pythia_references *waits, pythia_error *error)
{
	pythia_db *source = NULL;
	pythia_db *target = NULL;
	bool ok = pythia_connection_take(session, sides->source, &source, error) &&
			  pythia_connection_take(session, sides->target, &target, error) &&
			  pythia_tables_waits(source, target, sides->spec->config, names, count, waits, error);

	pythia_connection_give_back(sides->target, target, ok);
	pythia_connection_give_back(sides->source, source, ok);
	return ok;
}

static void *copy_huge(const void *from, Size size)
{
	return memcpy(MemoryContextAllocHuge(CurrentMemoryContext, Max(size, 1)), from, size);
}

pythia_table_order *pythia_table_order_plain(List *names)
{
	pythia_table_order *order = palloc0(sizeof(pythia_table_order));

	order->names = names;
	order->count = list_length(names);
	return order;
}

pythia_table_order *pythia_table_order_make(const pythia_sides *sides, List *tables)
{
	pythia_table_order *order = palloc0(sizeof(pythia_table_order));
	char **names = palloc0(sizeof(char *) * (list_length(tables) + 1));
	MemoryContext caller = CurrentMemoryContext;
	pythia_session *session;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_references waits = {0};
	ListCell *cell;
	bool ok;

	order->names = tables;
	foreach (cell, tables)
		names[order->count++] = pythia_to_utf8(lfirst(cell));
	session = pythia_session_begin(sides->spec->default_schema);
	MemoryContextSwitchTo(caller);
	ok = ask_sides(session, sides, names, order->count, &waits, &error);
	pythia_session_end(session, ok);
	if (!ok)
		pythia_raise(&error);
	order->waits.first = copy_huge(waits.first, sizeof(int64) * ((Size) order->count + 1));
	order->waits.to = copy_huge(waits.to, sizeof(int) * (Size) waits.first[order->count]);
	pythia_references_free(&waits);
	return order;
}
