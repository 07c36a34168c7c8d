#include "postgres/worker/database_hold.h"

#include "postgres/worker/process.h"
#include "storage/lock.h"

/* Holders do not keep each other out, nor do those who look; a holder and one who looks do. */
#define HOLD RowExclusiveLock
#define LOOK ShareLock

static LOCKTAG hold_of(Oid database)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, InvalidOid, PYTHIA_LOCK_HOLD, database, PYTHIA_LOCK_CLASS);
	return tag;
}

void pythia_hold_take(Oid database)
{
	LOCKTAG tag = hold_of(database);

	(void) LockAcquire(&tag, HOLD, true, false);
}

void pythia_hold_release(Oid database)
{
	LOCKTAG tag = hold_of(database);

	(void) LockRelease(&tag, HOLD, true);
}

bool pythia_database_held(Oid database)
{
	LOCKTAG tag = hold_of(database);

	if (LockAcquire(&tag, LOOK, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	(void) LockRelease(&tag, LOOK, true);
	return false;
}
