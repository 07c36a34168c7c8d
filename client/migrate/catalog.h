/*
 * What a database has, as far as it can be moved: its tables with their indexes, foreign keys, checks, generated
 * columns and sequences, types, views.  Expressions are the catalogue's text: read by a grammar,
 * never pasted.
 */
#ifndef PYTHIA_MIGRATE_CATALOG_H
#define PYTHIA_MIGRATE_CATALOG_H

#include "dialect/dialect.h"
#include "dialect/extras.h"

/* Texts that live as long as the whole; begins as {0}. */
typedef struct pythia_texts
{
	char **items;
	int count;
	int room;
} pythia_texts;

char *pythia_texts_keep(pythia_texts *texts, const char *text);      /* a copy; NULL of NULL */
char *pythia_texts_take(pythia_texts *texts, pythia_buffer *buffer); /* what is in it, which is emptied */
void pythia_texts_free(pythia_texts *texts);

/* A column of an index, or an expression. */
typedef struct pythia_catalog_part
{
	char *column;     /* or NULL */
	char *expression; /* or NULL */
	bool descending;
	bool nulls_first;
	int64_t prefix;  /* characters or bytes; 0: all of it */
	char *collation; /* where it is another one than the column's */
	char *opclass;   /* PostgreSQL: of pg_catalog, where it is not the default one */
	bool included;   /* PostgreSQL's INCLUDE */
	char *excluded;  /* of an exclusion constraint: the operator, of pg_catalog, that no two rows may meet */
} pythia_catalog_part;

typedef struct pythia_catalog_index
{
	char *name;
	bool primary;
	bool unique;
	bool constraint; /* declared as a constraint of the table */
	bool exclusion;  /* PostgreSQL's EXCLUDE */
	bool deferrable;
	bool deferred;
	bool nulls_not_distinct;
	char *method; /* "btree", "fulltext", "gin", … */
	char *where;
	char *odd; /* what else it has that cannot be read here: then it is not carried; or NULL */
	char *comment;
	pythia_catalog_part *parts;
	int nparts;
} pythia_catalog_index;

typedef struct pythia_catalog_foreign
{
	char *name;
	char *to_schema;
	char *to_table;
	char **columns;
	char **to_columns; /* as many; SQLite's may be NULL: the key of the other table */
	int ncolumns;
	char *on_update; /* "NO ACTION", "CASCADE", … of a list */
	char *on_delete;
	bool match_full;
	bool deferrable;
	bool deferred;
	bool not_valid; /* PostgreSQL: not proven of the rows there */
	char *odd;
} pythia_catalog_foreign;

typedef struct pythia_catalog_check
{
	char *name; /* NULL: it has none */
	char *expression;
	bool not_valid;
	bool not_enforced;
} pythia_catalog_check;

/* Of one column: what is not in its description. */
typedef struct pythia_catalog_column
{
	char *name;
	char *generated; /* its expression, or NULL */
	bool stored;
	char *type_schema; /* PostgreSQL: of an enum or a domain of somebody's; else NULL */
	char *type_name;
	char *sequence_schema; /* PostgreSQL: of the sequence that its default calls; else NULL */
	char *sequence_name;
	char *on_update; /* MySQL: "current_timestamp", or NULL */
	char *collation; /* SQLite: as its definition says; or NULL */
} pythia_catalog_column;

/* PostgreSQL's sequences, and the counters of other engines' tables. */
typedef struct pythia_catalog_sequence
{
	char *schema;
	char *name;
	char *table_schema; /* of the column that it numbers; NULL: it stands alone */
	char *table;
	char *column;
	char identity; /* 'a'lways, by 'd'efault, or 0: the column's default calls it */
	char *type;
	char *start, *increment, *minimum, *maximum, *cache;
	bool cycle;
	char *last;  /* the number given last, or NULL: none is known */
	bool called; /* it was given, the next one is another */
} pythia_catalog_sequence;

typedef struct pythia_catalog_enum
{
	char *schema;
	char *name;
	char *comment;
	pythia_type labels; /* its labels alone */
} pythia_catalog_enum;

/* PostgreSQL's; in an order in which each comes after those that it is over. */
typedef struct pythia_catalog_domain
{
	char *schema;
	char *name;
	char *base;        /* as the catalog spells it */
	char *base_schema; /* of a type of somebody's; else NULL */
	char *base_name;
	char *expression; /* its default, or NULL */
	char *collation;  /* where it is another one than its base's, or NULL */
	bool required;    /* NOT NULL */
	char *comment;
	pythia_catalog_check *checks; /* over VALUE */
	int nchecks;
	bool made; /* by the plan */
} pythia_catalog_domain;

typedef struct pythia_catalog_view
{
	char *schema;
	char *name;
	char *definition; /* NULL: it is not shown */
	char *comment;
	char *odd;    /* materialized, with options */
	bool invoker; /* MySQL: it reads with the rights of whoever asks */
} pythia_catalog_view;

/* What cannot be moved at all and is only told: functions, triggers on nothing we carry, extensions, grants. */
typedef struct pythia_catalog_other
{
	char *what;
	char *schema;
	char *name;
} pythia_catalog_other;

typedef struct pythia_catalog_table
{
	pythia_table table;
	char *quoted;                   /* as pythia_name_parse reads it */
	pythia_catalog_column *columns; /* as many as the table's */
	pythia_catalog_index *indexes;
	int nindexes;
	pythia_catalog_foreign *foreigns;
	int nforeigns;
	pythia_catalog_check *checks;
	int nchecks;
	pythia_extras extras;
	bool autoincrement; /* SQLite */
	bool strict;        /* SQLite */
	bool without_rowid; /* SQLite */
	char *collation;    /* MySQL: what its texts have by themselves */
	char *storage;      /* how it is stored, where that is no usual way: a text for people */
} pythia_catalog_table;

typedef struct pythia_catalog
{
	pythia_texts texts;
	pythia_catalog_table *tables; /* parents first, as far as there are no rings */
	int ntables;
	pythia_catalog_sequence *sequences;
	int nsequences;
	pythia_catalog_enum *enums;
	int nenums;
	pythia_catalog_domain *domains;
	int ndomains;
	pythia_catalog_view *views;
	int nviews;
	pythia_catalog_other *others;
	int nothers;
	char **schemas; /* borrowed texts: those that were read */
	int nschemas;
} pythia_catalog;

/* Reads it all; `schemas` NULL or empty: PostgreSQL's all but its own, elsewhere the database.  Freed on failure as
 * well. */
bool pythia_catalog_read(pythia_db *db, char *const *schemas, int nschemas, pythia_catalog *catalog,
						 pythia_error *error);
void pythia_catalog_free(pythia_catalog *catalog);

pythia_catalog_table *pythia_catalog_find(const pythia_catalog *catalog, const char *schema, const char *name);
/* The column of a table, by its exact name; NULL. */
pythia_catalog_column *pythia_catalog_column_of(const pythia_catalog_table *table, const char *name);

/* --- for the engines' readers ---------------------------------------------------------- */

pythia_catalog_table *pythia_catalog_add_table(pythia_catalog *catalog);
void pythia_catalog_add_schema(pythia_catalog *catalog, const char *name);
pythia_catalog_index *pythia_catalog_add_index(pythia_catalog_table *table);
pythia_catalog_part *pythia_catalog_add_part(pythia_catalog_index *index);
pythia_catalog_foreign *pythia_catalog_add_foreign(pythia_catalog_table *table);
void pythia_catalog_add_pair(pythia_catalog_foreign *foreign, char *column, char *to_column);
pythia_catalog_check *pythia_catalog_add_check(pythia_catalog_table *table);
pythia_catalog_sequence *pythia_catalog_add_sequence(pythia_catalog *catalog);
pythia_catalog_enum *pythia_catalog_add_enum(pythia_catalog *catalog);
pythia_catalog_domain *pythia_catalog_add_domain(pythia_catalog *catalog);
pythia_catalog_check *pythia_catalog_add_domain_check(pythia_catalog_domain *domain);
pythia_catalog_view *pythia_catalog_add_view(pythia_catalog *catalog);
pythia_catalog_other *pythia_catalog_add_other(pythia_catalog *catalog);
/* One of the five actions, in our own words; "NO ACTION" for any other text. */
const char *pythia_catalog_action(const char *text);

/* A query over a server's catalog, and where its rows are. */
typedef struct pythia_catalog_query
{
	pythia_db *db;
	pythia_catalog *catalog;
	pythia_error *error;
	pythia_result result;
	pythia_catalog_table *last; /* the table of the row looked at last */
} pythia_catalog_query;

/* Asks `select`, in which `mark` stands for `meaning`; the answer before it is freed. */
bool pythia_catalog_ask(pythia_catalog_query *query, const char *select, const char *mark, const char *meaning,
						const char *shape);
/* Whether a row is of the same thing as the one before it: they have the same texts in the first columns, so many. */
bool pythia_catalog_goes_on(const pythia_catalog_query *query, int64_t row, int columns);
/* A text of the answer, kept with the catalog; NULL where it is NULL or empty. */
char *pythia_catalog_text(pythia_catalog_query *query, int64_t row, int column);
/* The table of that name that is being read; NULL. */
pythia_catalog_table *pythia_catalog_whose(pythia_catalog_query *query, const char *schema, const char *name);

bool pythia_catalog_schemas_postgres(pythia_db *db, pythia_catalog *catalog, pythia_error *error);
bool pythia_catalog_postgres(pythia_db *db, pythia_catalog *catalog, pythia_error *error);
bool pythia_catalog_mysql(pythia_db *db, pythia_catalog *catalog, pythia_error *error);
bool pythia_catalog_sqlite(pythia_db *db, pythia_catalog *catalog, pythia_error *error);
/* Reads what the text of a CREATE TABLE, or CREATE INDEX, of SQLite's says beyond its pragmas; any text is read. */
void pythia_catalog_sqlite_table(pythia_catalog *catalog, pythia_catalog_table *table, const char *sql);
void pythia_catalog_sqlite_index(pythia_catalog *catalog, pythia_catalog_index *index, const char *sql);

#endif
