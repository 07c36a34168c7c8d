#include "subtransaction.h"

#include "access/xact.h"
#include "utils/memutils.h"

pythia_subtransaction pythia_subtransaction_begin(void)
{
	pythia_subtransaction begun = {CurrentMemoryContext, CurrentResourceOwner};

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(begun.memory);
	return begun;
}

void pythia_subtransaction_end(const pythia_subtransaction *begun, bool keep)
{
	if (keep)
		ReleaseCurrentSubTransaction();
	else
		RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(begun->memory);
	CurrentResourceOwner = begun->owner;
}

ErrorData *pythia_isolated(void (*act)(void *argument), bool (*forgives)(void *argument, const ErrorData *error),
						   void *argument)
{
	pythia_subtransaction begun = pythia_subtransaction_begin();
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		act(argument);
		pythia_subtransaction_end(&begun, true);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(begun.memory);
		error = CopyErrorData();
		if (!forgives(argument, error))
			PG_RE_THROW();
		FlushErrorState();
		pythia_subtransaction_end(&begun, false);
	}
	PG_END_TRY();
	return error;
}
