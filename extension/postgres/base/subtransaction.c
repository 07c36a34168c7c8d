#include "postgres/base/subtransaction.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

typedef struct subtransaction
{
	MemoryContext memory; /* the caller's, as before and after */
	ResourceOwner owner;
} subtransaction;

static subtransaction begin(void)
{
	subtransaction begun = {CurrentMemoryContext, CurrentResourceOwner};

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(begun.memory);
	return begun;
}

static void end(const subtransaction *begun, bool keep)
{
	if (keep)
		ReleaseCurrentSubTransaction();
	else
		RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(begun->memory);
	CurrentResourceOwner = begun->owner;
}

/* Who aborts a transaction for an error ends the innermost one only: each subtransaction has to be ended here. */
static ErrorData *undo(const subtransaction *begun)
{
	ErrorData *error;

	MemoryContextSwitchTo(begun->memory);
	error = CopyErrorData();
	FlushErrorState();
	end(begun, false);
	return error;
}

void pythia_attempt(bool (*act)(void *argument), void *argument)
{
	subtransaction begun = begin();
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		end(&begun, act(argument));
	}
	PG_CATCH();
	{
		error = undo(&begun);
	}
	PG_END_TRY();
	if (error)
		ReThrowError(error);
}

ErrorData *pythia_isolated(void (*act)(void *argument), bool (*forgives)(void *argument, const ErrorData *error),
						   void *argument)
{
	subtransaction begun = begin();
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		act(argument);
		end(&begun, true);
	}
	PG_CATCH();
	{
		error = undo(&begun);
	}
	PG_END_TRY();
	if (error && !forgives(argument, error))
		ReThrowError(error);
	return error;
}
