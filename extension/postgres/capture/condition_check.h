/*
 * What a condition may consist of: columns, constants, and functions and operators
 * of PostgreSQL itself.  So it means the same whoever evaluates it, and nothing of
 * a user's runs with the rights of a writer, of a table's or of a worker's owner.
 */
#ifndef PYTHIA_POSTGRES_CAPTURE_CONDITION_CHECK_H
#define PYTHIA_POSTGRES_CAPTURE_CONDITION_CHECK_H

#include "postgres.h"

#include "nodes/nodes.h"
#include "utils/relcache.h"

/* Whether only a superuser can have made the type: PostgreSQL's own, and base types as those of extensions are. */
extern bool pythia_type_is_superusers(Oid type);

/*
 * Before it is analysed, which already makes values of its constants: ereports what
 * has no place in it and types whose values may call a function of a user's.  Type
 * names become the types' numbers, so that they cannot be given to others meanwhile.
 * `written`: it was written down by us, and names no type of a user's at all.
 */
extern void pythia_condition_check_raw(Node *raw, Relation relation, bool written);
/* After it was analysed: ereports functions that do not come with PostgreSQL, and those that may look elsewhere. */
extern void pythia_condition_check_tree(Node *condition);

#endif
