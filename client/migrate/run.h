/* A migration that is under way: statements, rows, statements, comparison. */
#ifndef PYTHIA_MIGRATE_RUN_H
#define PYTHIA_MIGRATE_RUN_H

#include "migrate/plan.h"
#include "validate/validate.h"

/* What is told while it runs; each may be NULL. */
typedef struct pythia_migrate_callbacks
{
	void *context;
	/* A statement is about to run: its number, of how many, and its beginning. */
	void (*statement)(void *context, bool after, int number, int count, const char *shown);
	/* One that failed behind the rows; the migration goes on. */
	void (*refused)(void *context, const char *shown, const pythia_error *error);
	void (*copying)(void *context, const char *table);
	void (*progress)(void *context, const char *phase, int64_t rows, int64_t total, int64_t bytes);
	/* A table is copied, or that failed (error). */
	void (*copied)(void *context, const char *table, const pythia_sync_result *result, const pythia_error *error);
	void (*compared)(void *context, const char *table, const pythia_validate_result *result, const pythia_error *error);
	/* Rows of the target refer to none; SQLite alone tells them only now. */
	void (*orphans)(void *context, const char *table, const char *parent, int64_t rows);
} pythia_migrate_callbacks;

typedef struct pythia_migrate_run
{
	pythia_db *source;
	pythia_db *target;
	/* As in pythia_sync_job. */
	bool (*connect)(void *context, bool target, const pythia_host *host, pythia_db **db, pythia_error *error);
	void *connect_context;
	const pythia_migrate_plan *plan; /* its copies; its statements are those below */
	const pythia_node *config;       /* the plan's */
	const char *before;              /* the files' texts */
	const char *after;
	bool validate;
	pythia_validate_method method;
	const pythia_migrate_callbacks *callbacks;
} pythia_migrate_run;

typedef struct pythia_migrate_result
{
	int tables;         /* copied now */
	int tables_before;  /* by an earlier run */
	int tables_missing; /* not there: left out of the statements */
	int tables_failed;
	int64_t rows;
	int statements;
	int statements_before;
	int statements_failed;
	int compared;
	int different;
	int64_t orphans;
	double duration_seconds;
} pythia_migrate_result;

/*
 * Runs it.  What is done is remembered in the target, in pythia_migration, until all of it is: another run goes on behind
 * that.  Fails where a statement before the rows fails, or the connection does; everything else is told and counted.
 */
bool pythia_migrate_execute(const pythia_migrate_run *run, pythia_migrate_result *result, pythia_error *error);

#endif
