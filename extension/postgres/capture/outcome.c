#include "postgres/capture/outcome.h"

#include "capture/fault.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "dialect/short_name.h"
#include "postgres/base/catalog.h"
#include "postgres/worker/transaction.h"
#include "postgres/worker/worker.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#define LOCK_TIMEOUT "1s"

bool pythia_cdc_table_is_to_blame(void *unused, const ErrorData *error)
{
	return pythia_fault_of_state(unpack_sql_state(error->sqlerrcode)) == PYTHIA_FAULT_TABLE;
}

bool pythia_cdc_table_is_busy(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE || sqlerrcode == ERRCODE_OUT_OF_MEMORY ||
		   sqlerrcode == ERRCODE_INTERNAL_ERROR || ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_SYSTEM_ERROR;
}

int pythia_cdc_wait_briefly(void)
{
	int settings = NewGUCNestLevel();

	if (pythia_in_job())
		(void) set_config_option("lock_timeout", LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
	return settings;
}

void pythia_cdc_tell(int32 worker_id)
{
	char number[16];

	pythia_wake_at_commit(worker_id);
	/* a hint for clients; not in a session's own transaction, which might be prepared */
	if (!pythia_in_job())
		return;
	pg_ltoa(worker_id, number);
	Async_Notify("pythia_cdc", number);
}

void pythia_cdc_note_reason(const pythia_cdc_table *table, const char *reason)
{
	static const char sql[] =
		"UPDATE pythia.cdc_state SET reason = $2 WHERE table_id OPERATOR(pg_catalog.=) $1 AND active "
		"AND reason IS DISTINCT FROM $2";
	Oid types[] = {INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(table->table_id), reason ? CStringGetTextDatum(reason) : (Datum) 0};

	/* one that has not begun has no row to keep it in */
	if ((pythia_catalog_run(sql, 2, types, values, reason ? NULL : " n") > 0 || !table->has_state) && reason)
		ereport(WARNING, (errmsg("table \"%s\" could not be polled: %s",
								 pythia_name_shown(table->name, (char[PYTHIA_NAME_ROOM]){0}), reason),
						  errhint("It is tried again at the next poll.")));
}
