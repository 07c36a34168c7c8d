/* What a manager reads: the workers of its database that shall run. */
#ifndef PYTHIA_POSTGRES_WORKER_WANTED_H
#define PYTHIA_POSTGRES_WORKER_WANTED_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "postgres/worker/worker.h"

typedef struct pythia_wanted
{
	int32 worker_id;
	Oid owner;
	bool exempt; /* that is a superuser */
	pythia_job_kind kind;
	char *name;
	const char *fault; /* why it is held, or NULL */
	const char *hint;
} pythia_wanted;

/*
 * In a transaction of its own: of pythia_wanted *, in `memory`; NIL where there are none or the extension is not here
 * (*installed). Notes where the database is, and which owners are gone; *more: that took too long for one transaction.
 */
extern List *pythia_wanted_read(MemoryContext memory, bool *installed, bool *more);

#endif
