/*
 * As whom a statement on tables is planned and run, and whether it may be.
 *
 * Planning and running evaluate what a table's owner has put there.  What is there already is refused (base/evaluator.h).  But
 * he may add to it while we work: statistics, an index, a child, for which no lock of ours makes him wait.  So where
 * the session's role has all his rights, and he not all of its, the statement runs as him: then nobody gains by it.
 */
#ifndef PYTHIA_POSTGRES_LOCAL_STAND_IN_H
#define PYTHIA_POSTGRES_LOCAL_STAND_IN_H

#include "postgres.h"

#include "executor/spi.h"
#include "postgres/base/user_code.h"
#include "utils/relcache.h"

typedef struct local_stand_in
{
	Oid role; /* who evaluates; InvalidOid: the session's role, nothing is to be done */
	pythia_user_call before;
} local_stand_in;

/* Tables and views that a statement concerns; none of the catalog's, and no temporary ones. */
typedef struct local_concerned
{
	List *read;
	List *written;
} local_concerned;

/* What a statement that SPI has prepared concerns; locked, as parsing it did. */
extern local_concerned local_concerned_by(SPIPlanPtr plan);

/*
 * Prepares one statement and looks at the tables that it concerns: ereports (42501) where what others have put there would
 * run with the rights of the current role, 42601 for several statements in one.  *role: who runs it.
 */
extern SPIPlanPtr local_stand_in_prepare(const char *sql, int cursor_options, local_concerned *concerned, Oid *role);

/* Likewise of a relation that is open, locked, and about to be written. */
extern Oid local_stand_in_at(Relation relation);
/*
 * A number that is another one once anything may have changed that local_stand_in_at asks for: a table, a function, a type,
 * a role, by this session or by another one whose commit it has seen.
 */
extern uint64 local_stand_in_moment(void);
/* After it was written: what came meanwhile may have left something for the end of the transaction. */
extern void local_stand_in_look_again(Oid relid);

/*
 * Between these the process acts as `role`, unless that is InvalidOid.  After an error, rolling back ends it.  Not
 * restricted: a security-restricted operation in which triggers may be deferred, as it is not one.
 */
extern void local_stand_in_begin(local_stand_in *in, Oid role, bool restricted);
extern void local_stand_in_end(const local_stand_in *in);

/* SPI_execute_plan(plan, NULL, NULL, read_only, 0) of what was prepared, as `role`. */
extern int local_stand_in_execute(SPIPlanPtr plan, const local_concerned *concerned, Oid role, bool read_only);

/* Before a transaction commits in which `role` has written: runs the triggers that were deferred as it. */
extern void local_stand_in_check(Oid role);

#endif
