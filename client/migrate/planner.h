/* What the makers of a plan share. */
#ifndef PYTHIA_MIGRATE_PLANNER_H
#define PYTHIA_MIGRATE_PLANNER_H

#include "dialect/formula.h"
#include "migrate/plan.h"
#include "sync/create/create.h"

/* Names that are taken in the target. */
typedef struct pythia_names
{
	char **items;
	int count;
} pythia_names;

/* A table of the catalogue, and what becomes of it. */
typedef struct planned_table
{
	const pythia_catalog_table *from;
	bool made;    /* it is carried */
	char *schema; /* in the target; NULL where names there have none */
	char *name;   /* in the target */
	char *shown;  /* the source's name for people */
	pythia_table design;
	int *position;      /* by the source's columns: the target's, or -1 */
	const char **names; /* by the source's columns: the target's name, or NULL */
	/* what stands for a column besides its description: `generated` by the source's columns, the others by the target's */
	const char **generated;
	const char **types;
	const char **numbering;
	const char **tails;
	bool *mapped;
} planned_table;

typedef struct planner
{
	pythia_db *source;
	pythia_db *target;
	const pythia_migrate_options *options;
	pythia_catalog *catalog;
	pythia_migrate_plan *plan;
	pythia_node *table_map; /* of all tables */
	planned_table *tables;  /* as many as the catalogue's, in its order */
	pythia_names relations; /* tables, indexes, sequences, views of the target, as "schema.name" */
	pythia_names foreigns;  /* MySQL's names of foreign keys and checks */
	pythia_error *error;
} planner;

static inline bool planner_same_engine(const planner *p)
{
	return p->source->engine == p->target->engine && p->source->is_mariadb == p->target->is_mariadb;
}

/* Which of the target's engines it is. */
static inline bool planner_to(const planner *p, pythia_engine engine)
{
	return p->target->engine == engine;
}

/* --- planner.c --- */

/* `why` (with printf's arguments, or NULL) is copied. */
void planner_note(planner *p, pythia_migrate_fate fate, const char *what, const char *table, const char *name,
				  const char *why, ...) __attribute__((format(printf, 6, 7)));
/* Takes what is in `sql`. */
void planner_step(planner *p, bool after, const char *what, const char *name, pythia_buffer *sql);
/* The planned table of the source's schema and name; NULL where there is none that is made. */
planned_table *planner_find(const planner *p, const char *schema, const char *name);
/* The target's name of a column of the source's table; NULL where it is not carried. */
const char *planner_column(const planned_table *table, const char *name);
/* "schema"."table", as the target's statements write it. */
void planner_put_table(const planner *p, const planned_table *table, pythia_buffer *out);
void planner_put_name(const planner *p, const char *name, pythia_buffer *out);
/* Is it the one that the source's own names mean? */
bool planner_usual_schema(const planner *p, const char *schema);
/* The target's schema for one of the source; NULL where its names have none. */
const char *planner_schema(const planner *p, const char *schema);

/* --- names.c --- */

/* The wanted name where it is free in the schema (NULL: of all), else table_wanted, with a number or a digest; it is
 * taken from now on. */
char *planner_take_name(planner *p, pythia_names *names, const char *schema, const char *table, const char *wanted);
void planner_names_free(pythia_names *names);

/* --- the parts: each adds its notes and steps --- */

bool planner_tables(planner *p);  /* tables.c: schemas, types, sequences, tables and their comments */
void planner_domains(planner *p); /* domains.c: before the tables */
/* The source's domain of that name, where the plan makes it; NULL. */
pythia_catalog_domain *planner_domain(const planner *p, const char *schema, const char *name);
bool planner_indexes(planner *p);  /* indexes.c */
bool planner_foreigns(planner *p); /* foreign.c */
/* UNIQUE constraints between two SQLites, which have no names. */
void planner_put_uniques(planner *p, const planned_table *table, pythia_buffer *out);
/* SQLite has its foreign keys in CREATE TABLE: appends them, and notes them. */
void planner_put_foreigns(planner *p, const planned_table *table, pythia_buffer *out);
bool planner_checks(planner *p); /* checks.c */
void planner_put_checks(planner *p, const planned_table *table, pythia_buffer *out);
bool planner_views(planner *p);     /* views.c */
bool planner_sequences(planner *p); /* sequences.c */
void planner_rest(planner *p);      /* rest.c: what nobody has carried */

/*
 * Writes an expression of the source's catalogue, over columns of `table`, for the target.  `condition`: its value is a
 * truth value.  False, with *why (a text that need not be freed) where there is no way to say it; *found, which may be NULL, is what it is there.
 */
bool planner_expression(planner *p, const planned_table *table, const char *expression, bool condition,
						pythia_buffer *out, pythia_class *found, const char **why);

#endif
