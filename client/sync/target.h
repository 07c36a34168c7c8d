/*
 * Which table of the target a table of the source goes to.
 */
#ifndef PYTHIA_TARGET_H
#define PYTHIA_TARGET_H

#include "sync/sync.h"

/* Describes the target of `source`: by table_map, its own name, or the one name that is the same but for
 * case and underscores.  *missing where there is none and create_target allows that; *wanted_schema (NULL:
 * the default one) and *wanted_name are what it would be called.  The caller frees them and *target, also
 * after a failure. */
bool pythia_target_find(const pythia_sync_job *job, const pythia_table *source, pythia_table *target, bool *missing,
						char **wanted_schema, char **wanted_name, pythia_error *error);

/* True in *same where both are one table of one database. */
bool pythia_target_is_source(const pythia_sync_job *job, const pythia_table *source, const pythia_table *target,
							 bool *same, pythia_error *error);

/* Could two of these tables of the source be, or go to, one table?  Asks no database. `others` are tables that
 * the same worker synchronises at other times. */
bool pythia_tables_alike(const pythia_node *config, char *const *names, int count, char *const *others, int nothers);
/*
 * Before tables are synchronised: takes out of `names` what names a table once more (and says so), and
 * fails with class USAGE, SQLSTATE 42712, where two tables, the others among them, would go to one of the
 * target.  `config` is the whole sync_config, or NULL.  A table that cannot be found is left to its own run.
 */
bool pythia_tables_check(pythia_db *source, pythia_db *target, const pythia_node *config, char **names, int *count,
						 char *const *others, int nothers, pythia_error *error);

#endif
