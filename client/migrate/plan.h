/*
 * A migration: the statements that make the target before and after its rows come, and what is to be told of them.
 */
#ifndef PYTHIA_MIGRATE_PLAN_H
#define PYTHIA_MIGRATE_PLAN_H

#include "core/node.h"
#include "migrate/catalog.h"

typedef enum pythia_migrate_fate
{
	PYTHIA_MIGRATE_CARRIED,
	PYTHIA_MIGRATE_CHANGED, /* carried, but not as it was: `why` is the rule */
	PYTHIA_MIGRATE_LEFT     /* not carried, and why */
} pythia_migrate_fate;

/* What happens to one thing of the source. */
typedef struct pythia_migrate_note
{
	pythia_migrate_fate fate;
	char *what;  /* "table", "index", "foreign key", … */
	char *table; /* of the source, with its schema where that is not the default one; NULL: it belongs to none */
	char *name;
	char *why; /* NULL: it is as it was */
} pythia_migrate_note;

/* A statement, without its semicolon. */
typedef struct pythia_migrate_step
{
	bool after;       /* when the rows are there */
	const char *what; /* as a note has it; "setting": nothing that is carried */
	char *name;       /* for messages */
	char *sql;
	char *table; /* one that lets a table count on: the source's, as a note has it; NULL: any other, and of no table */
} pythia_migrate_step;

/* A table whose rows are copied. */
typedef struct pythia_migrate_copy
{
	char *source; /* as pythia_name_parse reads them */
	char *target;
	char *shown; /* the source's, for people */
	bool has_key;
} pythia_migrate_copy;

typedef struct pythia_migrate_plan
{
	pythia_texts texts;
	pythia_migrate_note *notes;
	int nnotes;
	pythia_migrate_step *steps; /* in the order in which they run; all that come before the rows first */
	int nsteps;
	pythia_migrate_copy *copies;
	int ncopies;
} pythia_migrate_plan;

typedef struct pythia_migrate_options
{
	const pythia_node *config; /* a sync_config: table_map, column_map, policies; may be NULL */
	char *const *schemas;      /* PostgreSQL's; none: all of them */
	int nschemas;
} pythia_migrate_options;

/* Whether every option of the config, also of single tables, means something for a migration.  Class USAGE. */
bool pythia_migrate_check_config(const pythia_node *config, pythia_error *error);
/* Reads the source and says what is to be done; nothing is changed.  The plan is freed on failure as well. */
bool pythia_migrate_make_plan(pythia_db *source, pythia_db *target, const pythia_migrate_options *options,
							  pythia_migrate_plan *plan, pythia_error *error);
void pythia_migrate_plan_free(pythia_migrate_plan *plan);
/* How many notes have that fate. */
int pythia_migrate_count(const pythia_migrate_plan *plan, pythia_migrate_fate fate);

/* The files' texts: the statements before, or after, the rows; and the report, in Markdown. */
void pythia_migrate_put_sql(const pythia_migrate_plan *plan, const pythia_db *target, bool after, pythia_buffer *out);
void pythia_migrate_put_report(const pythia_migrate_plan *plan, const pythia_db *source, const pythia_db *target,
							   pythia_buffer *out);

#endif
