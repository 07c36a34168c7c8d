/* As whom the engine reads a worker's tables, and whether they still are what they were. */
#ifndef PYTHIA_POSTGRES_CAPTURE_IDENTITY_H
#define PYTHIA_POSTGRES_CAPTURE_IDENTITY_H

#include "postgres.h"

#include "postgres/capture/catalog.h"
#include "utils/relcache.h"

typedef struct pythia_cdc_identity
{
	Oid role;
	int context;
	int guc_level;
} pythia_cdc_identity;

/*
 * What is read and written from here on means the same in every session.  Returns the level for AtEOXact_GUC.
 */
extern int pythia_cdc_pin(void);

/*
 * Acts, for the length of engine work, in a security-restricted operation, pinned as above: as the
 * worker's owner, or for a table whose owner has fewer rights as that one (see postgres/base/evaluator.h).  `table` may be NULL:
 * where nothing of a table's is evaluated; else its name is its own until the transaction ends.
 */
extern void pythia_cdc_enter(const pythia_cdc_worker *worker, const pythia_cdc_table *table,
							 pythia_cdc_identity *before);
extern void pythia_cdc_leave(const pythia_cdc_identity *before);

/*
 * Opens the table of a worker by its name. Ereports where it is missing, has become something else (a view, say), or
 * belongs to another role than when its capture was set up: what is in it now was not agreed upon.
 */
extern Relation pythia_cdc_relation(const pythia_cdc_table *table);
/*
 * For statements that find a table by its name, which it keeps from here on.  The relation is locked, so that it is not
 * renamed itself; `name` is quoted and qualified, `role` whoever looks it up.  Ereports (40001) where it is another's by now.
 */
extern void pythia_cdc_hold_name(Oid relid, const char *name, Oid role);
/* What has its name just now, whatever that is; InvalidOid: nothing.  No lock is taken. */
extern Oid pythia_cdc_relid(const pythia_cdc_table *table);
/* Takes the present owners of the worker's tables as right: of those whose capture stopped, or of one (else 0). */
extern void pythia_cdc_accept_owners(int32 worker_id, int32 table_id);

#endif
