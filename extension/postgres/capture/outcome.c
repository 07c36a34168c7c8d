#include "postgres/capture/outcome.h"

#include "commands/async.h"
#include "postgres/worker/transaction.h"
#include "postgres/worker/worker.h"
#include "utils/builtins.h"

bool pythia_cdc_table_is_to_blame(void *unused, const ErrorData *error)
{
	int sqlerrcode = error->sqlerrcode;

	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_FEATURE_NOT_SUPPORTED:
		case ERRCODE_WRONG_OBJECT_TYPE:
			return true;
		default:
			return sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED || sqlerrcode == ERRCODE_DATA_CORRUPTED ||
				   sqlerrcode == ERRCODE_INDEX_CORRUPTED;
	}
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
