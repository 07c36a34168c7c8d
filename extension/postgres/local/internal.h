/*
 * Shared by the files of the local driver, whose calls come from the engine: what PostgreSQL raises is caught and given back
 * as a pythia_error, and a false return means that it is filled.
 */
#ifndef PYTHIA_POSTGRES_LOCAL_INTERNAL_H
#define PYTHIA_POSTGRES_LOCAL_INTERNAL_H

#include "postgres/local/driver.h"

#include "nodes/pg_list.h"
#include "utils/resowner.h"
#include "utils/snapshot.h"

struct pythia_session
{
	bool nested;   /* within a caller's transaction */
	bool failed;   /* nested: the session's own subtransaction is gone */
	bool aborted;  /* the innermost level is rolled back already, and waits to be left */
	bool implicit; /* a transaction that lasts for an operation, a stream or a load */
	int holds;     /* streams and loads that keep the implicit one open */
	List *levels;  /* names of begin ("") and of savepoints, innermost last */
	int begins;    /* databases between begin and commit */
	List *dbs;
	List *tables; /* of looked_up: those in use, looked at anew in each transaction */
	char *default_schema;
	Oid writer; /* who has written in the present transaction, where that is not the session's role */
	MemoryContext memory;
	MemoryContext context_before;
	ResourceOwner owner_before;
};

/* A table that the engine reads or writes. */
typedef struct looked_up
{
	char *schema;
	char *name;
	bool write;
} looked_up;

typedef struct pythia_local
{
	pythia_db base;
	bool writes; /* it is the target */
	pythia_session *session;
	MemoryContext scratch; /* emptied after each operation */
	bool begun;
	Snapshot snapshot; /* of PYTHIA_BEGIN_SNAPSHOT */
	char *sent;        /* by send, for receive */
	struct local_load *load;
} pythia_local;

/* One operation: body may ereport. */
typedef void (*local_body)(pythia_local *local, void *arg);
/* In a transaction of the session's (one of its own where none is begun), as the role that the tables in use want, and in
 * local->scratch.  After an error the innermost level is rolled back. */
extern bool local_run(pythia_local *local, local_body body, void *arg, pythia_error *error);
/* A stream or a load keeps a transaction that lasts for an operation open, until it is let go of. */
extern void local_hold(pythia_local *local);
extern void local_unhold(pythia_local *local);

/* Levels are subtransactions: `name` is a savepoint's, or "" for begin.  Release and rollback are of the innermost of that
 * name; `leave`: it is gone after the rollback, else it goes on as a new one. */
extern bool local_level_begin(pythia_local *local, const char *name, pythia_error *error);
extern bool local_level_release(pythia_local *local, const char *name, pythia_error *error);
extern bool local_level_rollback(pythia_local *local, const char *name, bool leave, pythia_error *error);
/* Leaves what is still begun; part of closing. */
extern void local_forget(pythia_local *local);

/* Ereports where a table in use would have others' functions run with the rights of the session's role. */
extern void local_check_table(const looked_up *table);

/* Pushes the snapshot statements of this database read with; pop it with PopActiveSnapshot. */
extern void local_push_snapshot(pythia_local *local);

/* What the interface of drivers (drivers/driver.h) says of its members of these names. */
extern bool local_stream_open(pythia_db *db, const char *sql, int ncolumns, const pythia_kind *kinds,
							  pythia_stream **stream, pythia_error *error);
extern bool local_stream_next(pythia_stream *stream, pythia_rows *chunk, pythia_error *error);
extern void local_stream_close(pythia_stream *stream);
extern bool local_load_begin(pythia_db *db, const pythia_load *load, pythia_error *error);
extern bool local_load_put(pythia_db *db, const pythia_rows *chunk, pythia_error *error);
extern bool local_load_end(pythia_db *db, uint64_t *rows, pythia_error *error);
extern void local_load_abandon(pythia_db *db);

#endif
