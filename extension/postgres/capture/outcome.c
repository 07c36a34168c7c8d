#include "postgres/capture/outcome.h"

#include "capture/fault.h"
#include "commands/async.h"
#include "postgres/worker/transaction.h"
#include "postgres/worker/worker.h"
#include "utils/builtins.h"

bool pythia_cdc_table_is_to_blame(void *unused, const ErrorData *error)
{
	return pythia_fault_of_state(unpack_sql_state(error->sqlerrcode)) == PYTHIA_FAULT_TABLE;
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
