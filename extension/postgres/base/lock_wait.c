#include "postgres.h"

#include "postgres/base/lock_wait.h"

#include "postgres/base/subtransaction.h"
#include "storage/proc.h"
#include "utils/guc.h"

int pythia_lock_wait_limit(void)
{
	int settings = NewGUCNestLevel();

	if (LockTimeout == 0 || LockTimeout > PYTHIA_LOCK_WAIT_MS)
		(void) set_config_option("lock_timeout", psprintf("%d", PYTHIA_LOCK_WAIT_MS), PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	return settings;
}

static bool is_locked_out(void *unused, const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

bool pythia_unless_locked_out(void (*act)(void *argument), void *argument)
{
	int settings = pythia_lock_wait_limit();
	bool done = !pythia_isolated(act, is_locked_out, argument);

	AtEOXact_GUC(true, settings);
	return done;
}
