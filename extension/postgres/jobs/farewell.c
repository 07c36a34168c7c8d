/*
 * Before a database is dropped: what its workers made in other databases (triggers, their logs) goes. Nobody else would
 * know of it, and the logs would grow for ever.  It takes a process in that database, as only there it is known.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "postgres/base/catalog.h"
#include "postgres/base/pg_compat.h"
#include "postgres/remote/poll.h"
#include "postgres/sync/live.h"
#include "postgres/worker/process.h"
#include "storage/ipc.h"
#include "utils/snapmgr.h"

pg_noreturn extern PGDLLEXPORT void pythia_farewell_main(Datum arg);

void pythia_farewell_main(Datum arg)
{
	pythia_process_signals();
	pythia_process_enter(DatumGetObjectId(arg), InvalidOid);
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("application_name", "pythia_db farewell", PGC_USERSET, PGC_S_SESSION);
	pythia_process_pin();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (OidIsValid(get_extension_oid("pythia_db", true)))
	{
		pythia_remote_all_triggers_go();
		pythia_sync_live_all_stay();
		/* should the database stay after all: then capture starts anew, and says so */
		(void) pythia_catalog_run("DELETE FROM pythia.cdc_state WHERE log_name IS NOT NULL", 0, NULL, NULL, NULL);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	proc_exit(0);
}
