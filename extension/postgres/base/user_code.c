#include "postgres/base/user_code.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/guc.h"
#include "utils/syscache.h"

static int settings = 0; /* nest level of the current transaction's, or 0 */

void pythia_transaction_begun(void)
{
	settings = NewGUCNestLevel();
}

void pythia_run_deferred_triggers(void)
{
	ConstraintsSetStmt all = {.type = T_ConstraintsSetStmt, .constraints = NIL, .deferred = false};

	AfterTriggerSetState(&all);
}

void pythia_transaction_ends(void)
{
	pythia_run_deferred_triggers();
	/* as if rolled back: also what was SET without LOCAL */
	AtEOXact_GUC(false, settings);
	settings = 0;
}

void pythia_user_call_begin(pythia_user_call *call)
{
	GetUserIdAndSecContext(&call->role, &call->context);
	call->settings = NewGUCNestLevel();
}

void pythia_user_call_end(const pythia_user_call *call)
{
	AtEOXact_GUC(false, call->settings);
	SetUserIdAndSecContext(call->role, call->context);
}
