/*
 * As whom a relation is read or written.
 *
 * Whoever plans and runs a statement evaluates what the relation's owner has put
 * there: expressions of indexes, checks of children, functions of views, triggers,
 * defaults.  So it runs as a role whose rights that owner has anyway.
 */
#ifndef PYTHIA_POSTGRES_BASE_EVALUATOR_H
#define PYTHIA_POSTGRES_BASE_EVALUATOR_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"

/*
 * For a relation that is open (and locked): `role` itself, where everybody whose
 * expressions are evaluated has its rights; else the relation's owner, where
 * `role` may be given what he may see; ereports (42501) where neither will do.
 */
extern Oid pythia_evaluator(Relation relation, Oid role);

/*
 * As whom a statement runs that concerns several relations, which it has locked: as one of their owners whose rights
 * `role` and all the others have; else as `role`.  Whether `role` may do what the statement does is to be
 * checked apart.
 */
extern Oid pythia_evaluator_among(List *relids, Oid role);

/* Before a statement on a relation, which is open, is parsed: ereports (54001) for a view that reads so much that nobody
 * could interrupt it.  The functions above have looked at that, too. */
extern void pythia_evaluator_check_size(Relation relation);

/* The security context in which `evaluator` acts for `role`, beside the present one. */
extern int pythia_evaluator_context(int present, Oid evaluator, Oid role);

/*
 * Where a statement has to run as `role`: ereports (42501) where somebody without its rights has put something into the
 * relation, or its children, that would be evaluated then.  `write`: rows are written, so triggers, defaults, rules and
 * the checks of domains count, too.  Takes a lock under which nothing of it can come meanwhile.
 */
extern void pythia_evaluator_refuse(Relation relation, Oid role, bool write);

/*
 * Before a command that opens the partitions of a table as the current role, such as CREATE TRIGGER: ereports (42501) where
 * the key by which they are found calls what somebody without its rights has made.  Locks them all.
 */
extern void pythia_evaluator_refuse_partitions(Oid relid, LOCKMODE mode);

/* Before names are looked up as `role`: keeps the name of a schema that somebody without its rights might rename. */
extern void pythia_evaluator_hold_schema(Oid schema, Oid role);

#endif
