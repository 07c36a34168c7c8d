/* What PostgreSQL calls while it parses: constants are read then, with the checks of their types' domains. */
#ifndef PYTHIA_POSTGRES_BASE_TRUSTED_CALLS_H
#define PYTHIA_POSTGRES_BASE_TRUSTED_CALLS_H

#include "postgres.h"

/*
 * Runs act(argument).  Whatever that has PostgreSQL evaluate calls no function but those that come with PostgreSQL and those of
 * roles that have `role`'s rights (InvalidOid: nobody's): any other is refused (42501) before it is called.
 */
extern void pythia_with_trusted_calls(void (*act)(void *argument), void *argument, Oid role);

#endif
