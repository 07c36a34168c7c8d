/* Making the target table: design, CREATE TABLE, and what is put on after the load. */
#ifndef PYTHIA_SYNC_CREATE_CREATE_H
#define PYTHIA_SYNC_CREATE_CREATE_H

#include "sync/sync.h"

struct pythia_plan;

/* What the target of `source` would be: columns whose names[i] is not NULL under that name, types
 * spelled for the target, key, indexes.  Looks at the source's data where a type depends on it. */
bool pythia_target_design(const pythia_sync_job *job, const pythia_table *source, const char *const *names,
						  const int *key, int nkey, const char *schema, const char *name, pythia_table *target,
						  pythia_error *error);
/* Creates plan->target, without its secondary indexes. */
bool pythia_target_create(const pythia_sync_job *job, const struct pythia_plan *plan, pythia_error *error);
/* Secondary indexes of `design`, which pythia_target_design made for the source's table `source`, after the
 * load; those that `there` (the same table, as it is now) has already are left out.  One that the target refuses is told
 * to the host, and no error. */
bool pythia_target_create_indexes(const pythia_sync_job *job, const pythia_table *source, const pythia_table *design,
								  const pythia_table *there, pythia_error *error);
/* ALTER TABLE … ADD COLUMN for each column of the source that the target lacks. */
bool pythia_target_add_columns(const pythia_sync_job *job, const struct pythia_plan *plan, pythia_error *error);

/* Writes a default that means the same in the target; false, and nothing, where there is none. */
bool pythia_default_ddl(const pythia_default *value, const pythia_db *target, const pythia_type *type,
						pythia_buffer *out);
/* Tells the host what a column that was made lacks of the source's: a type that nobody knows, a default. */
void pythia_target_tell(const pythia_sync_job *job, const pythia_table *source, const pythia_column *from,
						const pythia_column *made);

#endif
