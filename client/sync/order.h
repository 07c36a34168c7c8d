/* Which tables come before which, by foreign keys, where several are synchronised. */
#ifndef PYTHIA_ORDER_H
#define PYTHIA_ORDER_H

#include "sync/sync.h"

/*
 * (*waits)[i * count + j] (in size_t) is true where table i of the source, or its target, refers to table j by a foreign
 * key and j comes before i in `names` (pythia_list_tables puts parents first; in a ring the order decides).
 * Tables are told by their names alone: a stranger of the same name costs a wait, nothing else.  `config` is the
 * whole sync_config, or NULL.  *waits is the caller's.
 */
bool pythia_tables_waits(pythia_db *source, pythia_db *target, const pythia_node *config, char *const *names, int count,
						 bool **waits, pythia_error *error);

/* Puts the names in an order in which a table comes after those that it, or its target, refers to; otherwise, and in a
 * ring, they keep theirs. */
bool pythia_tables_order(pythia_db *source, pythia_db *target, const pythia_node *config, char **names, int count,
						 pythia_error *error);

#endif
