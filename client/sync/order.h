/* Which tables come before which, by foreign keys, where several are synchronised. */
#ifndef PYTHIA_ORDER_H
#define PYTHIA_ORDER_H

#include "core/references.h"
#include "sync/sync.h"

/*
 * Which tables each has to wait for: those that it, or its target, refers to by a foreign key and that come before it in
 * `names` (pythia_list_tables puts parents first; in a ring the order decides).
 * Tables are told by their names alone: a stranger of the same name costs a wait, nothing else.  `config` is the
 * whole sync_config, or NULL.  *waits is the caller's, empty after an error.
 */
bool pythia_tables_waits(pythia_db *source, pythia_db *target, const pythia_node *config, char *const *names, int count,
						 pythia_references *waits, pythia_error *error);

/* Puts the names in an order in which a table comes after those that it, or its target, refers to; otherwise, and in a
 * ring, they keep theirs. */
bool pythia_tables_order(pythia_db *source, pythia_db *target, const pythia_node *config, char **names, int count,
						 pythia_error *error);

/* Sets bound[i] for `table` and those that foreign keys bind to it in either way, directly or through others of `names`, in
 * the source or among the targets. */
bool pythia_tables_bound(pythia_db *source, pythia_db *target, const pythia_node *config, char *const *names, int count,
						 int table, bool *bound, pythia_error *error);

#endif
