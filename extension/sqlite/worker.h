/* Sync workers as this database remembers them: pythia_sync_worker, pythia_sync_state, pythia_quarantine. */
#ifndef PYTHIA_SQLITE_WORKER_H
#define PYTHIA_SQLITE_WORKER_H

#include "endpoints.h"
#include "pythia_sqlite.h"

typedef struct pythia_sync_worker
{
	char *name;
	char *source; /* URL or NULL: local */
	char *target;
	pythia_node *config; /* NULL: defaults */
	pythia_node *tables; /* array, NULL: all of the source */
} pythia_sync_worker;

/* Makes the tables where they are missing. */
bool pythia_worker_install(pythia_sqlite *self, pythia_error *error);
/* An unknown worker is class USAGE, SQLSTATE 42704. */
bool pythia_worker_exists(pythia_sqlite *self, const char *name, pythia_error *error);
/* As it may be run: its options were checked, its tables are texts, its URLs may stand in a file of anybody's;
 * `write`: it is at home here. */
bool pythia_worker_read(pythia_sqlite *self, const char *name, bool write, pythia_sync_worker *worker,
						pythia_error *error);
void pythia_worker_free(pythia_sync_worker *worker);

/* Watermark of a table; NULL where there is none.  The caller frees. */
bool pythia_worker_watermark(pythia_sqlite *self, const char *worker, const char *table, char **watermark,
							 pythia_error *error);
/* Remembers what a run did; failure NULL where it went well. */
bool pythia_worker_remember(pythia_sqlite *self, const char *worker, const char *table,
							const pythia_sync_result *result, const pythia_error *failure, pythia_error *error);
bool pythia_worker_quarantine(pythia_sqlite *self, const char *worker, const char *table, const char *row_json,
							  const char *column, const char *reason, pythia_error *error);

/* A literal, NULL for NULL. */
void pythia_worker_literal(pythia_buffer *sql, const char *text);

#endif
