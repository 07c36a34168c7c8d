/* What a statement that is run for a user calls of other users'. */
#ifndef PYTHIA_POSTGRES_LOCAL_STATEMENT_CODE_H
#define PYTHIA_POSTGRES_LOCAL_STATEMENT_CODE_H

#include "postgres.h"

#include "nodes/parsenodes.h"

/*
 * Ereports (42501) where a statement, of which these are the analysed queries, calls a function of somebody who has not
 * `role`'s rights, by its name, by a cast, or by a type of his that a function of PostgreSQL makes something of.
 */
extern void local_statement_refuse(List *queries, Oid role);

#endif
