/* Subtransactions: work that can be undone alone. */
#ifndef PYTHIA_SUBTRANSACTION_H
#define PYTHIA_SUBTRANSACTION_H

#include "postgres.h"

#include "utils/palloc.h"
#include "utils/resowner.h"

typedef struct pythia_subtransaction
{
	MemoryContext memory; /* the caller's, as before and after */
	ResourceOwner owner;
} pythia_subtransaction;

pythia_subtransaction pythia_subtransaction_begin(void);
/* Undoes it, locks and all, unless it is kept. */
void pythia_subtransaction_end(const pythia_subtransaction *begun, bool keep);

/*
 * Runs act(argument) in a subtransaction.  NULL where that was done; the error, in the caller's memory and with all
 * undone, where forgives(argument, error) says so; any other error goes on its way.  It is asked before the undoing
 * and must not raise.
 */
ErrorData *pythia_isolated(void (*act)(void *argument), bool (*forgives)(void *argument, const ErrorData *error),
						   void *argument);

#endif
