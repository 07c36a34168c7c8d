/* Subtransactions: work that can be undone alone. */
#ifndef PYTHIA_POSTGRES_BASE_SUBTRANSACTION_H
#define PYTHIA_POSTGRES_BASE_SUBTRANSACTION_H

#include "postgres.h"

/*
 * Runs act(argument) in a subtransaction, which is kept where that says so, and else undone, locks and all.  An error
 * undoes it, too, and goes on its way.
 */
void pythia_attempt(bool (*act)(void *argument), void *argument);

/*
 * Runs act(argument) in a subtransaction.  NULL where that was done; the error, in the caller's memory and with all
 * undone, where forgives(argument, error) says so; any other error goes on its way when all is undone.
 */
ErrorData *pythia_isolated(void (*act)(void *argument), bool (*forgives)(void *argument, const ErrorData *error),
						   void *argument);

#endif
