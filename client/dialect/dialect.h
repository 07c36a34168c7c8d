/*
 * SQL text for each engine: the only place that knows how one says things.
 * A dialect builds text; it never talks to a database.
 */
#ifndef PYTHIA_DIALECT_H
#define PYTHIA_DIALECT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/schema.h"
#include "core/url.h"
#include "drivers/driver.h"

/* What to do with a value that the other side cannot hold (doc/sync.md). */
typedef enum pythia_policy
{
	PYTHIA_POLICY_ERROR,
	PYTHIA_POLICY_NULL,
	PYTHIA_POLICY_CLAMP,
	PYTHIA_POLICY_REPLACE,
	PYTHIA_POLICY_QUARANTINE
} pythia_policy;

typedef struct pythia_policies
{
	pythia_policy zero_date;
	pythia_policy infinity;
	pythia_policy nan;
	pythia_policy nul_byte;
	pythia_policy bad_utf8;
	pythia_policy out_of_range;
} pythia_policies;

/* A table that the catalog is asked for; without a name: nothing. */
typedef struct pythia_asked
{
	const char *schema; /* NULL: the default one */
	const char *name;
} pythia_asked;

typedef struct pythia_dialect
{
	pythia_engine engine;
	const char *name; /* "postgresql", "mysql", "sqlite" */

	void (*identifier)(pythia_buffer *out, const char *name); /* quoted */
	/* Any bytes as a text, quoted, under any session setting: what no text of the engine can be is an error there. */
	void (*literal)(pythia_buffer *out, const char *value, size_t length);
	void (*plain_string)(pythia_buffer *out, const char *text); /* quoted, where definitions take nothing but '…' */

	/* Catalog queries for tables, in PostgreSQL for any number of them, elsewhere for one; db->version may matter.  Their
	 * result shapes are fixed by who reads them: describe.c says the columns. */
	void (*table_query)(const pythia_db *db, pythia_buffer *out, const pythia_asked *asked, int count);
	void (*columns_query)(const pythia_db *db, pythia_buffer *out, const pythia_asked *asked, int count);
	void (*keys_query)(const pythia_db *db, pythia_buffer *out, const pythia_asked *asked, int count);
	void (*tables_query)(const pythia_db *db, pythia_buffer *out, const char *schema); /* schema, table */
	/* Of one table: kind (pythia_extra_kind), name, detail, column; the last three may be NULL (extras.h).  `own` is the
	 * dialect itself. */
	void (*extras_query)(const struct pythia_dialect *own, const pythia_db *db, pythia_buffer *out,
						 const pythia_table *table);
	/* Foreign keys within the schema: referring table, table referred to. */
	void (*references_query)(const pythia_db *db, pythia_buffer *out, const char *schema);
	/* Reads the engine's spelling of a type; total.  One that is not known becomes OTHER, with type->unread. */
	void (*parse_type)(const char *native, pythia_type *type);
	/* The spelling, in this engine, of a type that came from another one. */
	bool (*type_ddl)(const pythia_db *db, const pythia_type *type, bool in_key, pythia_buffer *out,
					 pythia_error *error);

	/* Expression over `column` (of this engine) whose text is the interchange text. `alias` may be NULL. */
	void (*read_expression)(const pythia_db *db, pythia_buffer *out, const char *alias, const pythia_column *column);
	/* The bulk statement of a pythia_load: COPY, LOAD DATA or INSERT. `temporary`: the table has no schema. */
	void (*load_statement)(const pythia_db *db, pythia_buffer *out, const char *schema, const char *table, int ncolumns,
						   const char *const *columns, const pythia_type *const *types);
	/* NULL, or for a pythia_load's `binary_sql`: appends nothing where the server or a type has none. */
	void (*binary_statement)(const pythia_db *db, pythia_buffer *out, const char *schema, const char *table,
							 int ncolumns, const char *const *columns, const pythia_type *const *types);
	/* NULL, or the same by statements that anybody may run: for a pythia_load's `insert_sql` and `insert_value`. */
	void (*insert_statement)(const pythia_db *db, pythia_buffer *out, const char *schema, const char *table,
							 int ncolumns, const char *const *columns);
	void (*insert_value)(const pythia_db *db, pythia_buffer *out, const pythia_type *type, const char *value,
						 size_t length);
	/* The interchange text of a value (NULL: SQL's NULL) as one that compares with a column of that type: the one way
	 * for values into SQL.  False, with nothing appended, where no such column can hold it; SQLite's holds anything. */
	bool (*value_literal)(const pythia_db *db, pythia_buffer *out, const pythia_type *type, const char *value,
						  size_t length);

	/* A query of one row and one column: the instant before which no open transaction can still commit a stamp (UTC,
	 * PYTHIA_FAR_PAST where the age of one is not known), NULL where they cannot be seen.  `own`: that of the session counts, too.
	 * Only PostgreSQL has it: MySQL takes more (pythia_mysql_boundary), a file of SQLite's is locked instead. */
	void (*boundary_query)(bool own, pythia_buffer *out);
	/* What holds that instant back: one row at most, of the number of its connection or process there (0:
	 * it has none) and a text that says what it is.  NULL where nothing can tell. */
	void (*holder_query)(const pythia_db *db, pythia_buffer *out);
} pythia_dialect;

const pythia_dialect *pythia_dialect_of(const pythia_db *db);
const pythia_dialect *pythia_dialect_for(pythia_engine engine);

/* Whether its TIMESTAMP ends in 2106 (MariaDB from 11.5 on), not in 2038. */
bool pythia_mysql_to_2106(const pythia_db *db);
/* Makes the statements of a load whose table, columns and types are set; freed by the other. */
void pythia_load_statements(const pythia_db *db, pythia_load *load);
void pythia_load_statements_free(pythia_load *load);

/* Splits "table", "schema.table", "\"Odd.Name\"", `x`.`y`, [z] into parts.
 * *schema is NULL where none was written; both are the caller's to free.  In PostgreSQL
 * an unquoted name is folded to lower case first, then tried as written. */
bool pythia_name_parse(const char *text, char **schema, char **table, pythia_error *error);
/* Whether a name stands for all tables of a schema: "schema.*". */
bool pythia_name_is_pattern(const char *name);
/* True where two names, schema-qualified or not, quoted or not, mean one table (as far as written). */
bool pythia_same_table_name(const char *a, const char *b);
/* SQLite: do two columns make the same of a value that they are given? */
bool pythia_sqlite_stores_alike(const pythia_type *a, const pythia_type *b);
/* How a column of SQLite keeps what it is given, by a letter: Integer, Text, Blob (as it is), Real, Numeric. */
char pythia_sqlite_affinity(const pythia_type *type);
/*
 * SQLite: appends the condition that a stamp, in a column of texts (or texts and numbers), is of `low` (YYYY-MM-DD, and a
 * time in UTC) or later, by ranges of an index.  It holds for some before it, too, and for a day alone as long as low is
 * of that day.  `local`: low is in another zone, and so are stamps that do not tell theirs.
 */
void pythia_sqlite_since(pythia_buffer *out, const pythia_column *column, const char *low, bool local);
/* "schema"."table" quoted for the dialect; schema may be NULL. */
void pythia_dialect_table(const pythia_dialect *dialect, pythia_buffer *out, const char *schema, const char *table);
/* What gives the column's value: its expression, else "column", with an alias before it where that is not NULL. */
void pythia_column_reference(const pythia_dialect *dialect, pythia_buffer *out, const char *alias,
							 const pythia_column *column);
/* The condition that two columns of a catalogue name the table: schema_column = '…' AND table_column = '…'. */
void pythia_dialect_named(const pythia_dialect *dialect, pythia_buffer *out, const char *schema_column,
						  const char *table_column, const pythia_table *table);

/* Reads what a catalogue of the engine says of a column's default (NULL or "": nothing); total. */
void pythia_default_read(pythia_engine engine, const char *expression, pythia_default *value);

/* Reads a table's columns, key and indexes.  An unknown table is class USAGE, SQLSTATE
 * 42P01, with a hint naming a close match; name as in pythia_name_parse. */
bool pythia_describe(pythia_db *db, const char *name, pythia_table *table, pythia_error *error);
/*
 * Reads many at once where that is cheaper (PostgreSQL, where planning the queries for one takes longer than all tables'
 * rows).  *many is to be freed, on failure as well; fails where the connection does, or is canceled.  pythia_describe_next takes one out of
 * it, quickest in the order of `names`, and asks for it alone where it was not found; `many` may be NULL.
 */
typedef struct pythia_descriptions pythia_descriptions;
bool pythia_describe_many(pythia_db *db, const char *const *names, int count, pythia_descriptions **many,
						  pythia_error *error);
bool pythia_describe_next(pythia_db *db, pythia_descriptions *many, const char *name, pythia_table *table,
						  pythia_error *error);
void pythia_descriptions_free(pythia_descriptions *many); /* NULL-safe */
/* MySQL's catalogue shows a user the columns alone that he has some right on: where there may be others, that is an error
 * (DATABASE, 42501), for the tables of which he has not named the columns that he wants. */
bool pythia_check_columns_seen(pythia_db *db, const pythia_table *table, pythia_error *error);
/* Logs of capture's triggers, what is known of workers, what a sync leaves for its next run: names that begin with
 * pythia_ are ours, in each engine. */
bool pythia_own_table(const char *name);
/* Names ("schema"."table" as pythia_name_parse reads them) of the tables of a schema (NULL: the default one),
 * a table after those that its foreign keys refer to; our own are left out. */
bool pythia_list_tables(pythia_db *db, const char *schema, char ***names, int *count, pythia_error *error);
/* The same in the order of names: one query, and cheaper. */
bool pythia_list_table_names(pythia_db *db, const char *schema, char ***names, int *count, pythia_error *error);

/* *path is the file of a database of SQLite's, the caller's to free; NULL where it has none. */
bool pythia_sqlite_file(pythia_db *db, char **path, pythia_error *error);

/* *text is the instant (UTC, `YYYY-MM-DD HH:MM:SS.ffffff`) before which no open transaction of a server of MySQL's can still
 * commit a stamp, the caller's to free; NULL where the privilege to see them is missing.  Call it outside a transaction. */
bool pythia_mysql_boundary(pythia_db *db, char **text, pythia_error *error);
/* Such an instant where a transaction of unknown age is open: nothing is later. */
#define PYTHIA_FAR_PAST "0001-01-01 00:00:00.000000"

typedef enum pythia_replica_state
{
	PYTHIA_REPLICA_NONE,
	PYTHIA_REPLICA_APPLIES, /* what comes from its primary */
	PYTHIA_REPLICA_IDLE     /* its applier, or one of several, is stopped, or lags on purpose before it begins */
} pythia_replica_state;

typedef struct pythia_replica
{
	pythia_replica_state state;
	int64_t lag; /* how old the last event was that it applied, in microseconds */
} pythia_replica;

/* What a server of MySQL's is; any other one is none here.  False where it cannot be asked. */
bool pythia_replica_read(pythia_db *db, pythia_replica *replica, pythia_error *error);

/* The kind and precision in which two columns are compared: the narrower of both, where a's values go to b. */
void pythia_type_agree(const pythia_type *a, const pythia_type *b, pythia_type *agreed);

/*
 * PostgreSQL: writes `subject`, a value of a column of type `type`, as text, or as jsonb (of a type that is not
 * PostgreSQL's own its text, and an array of texts), calling no cast that a user could have made.
 */
void pythia_postgres_text(pythia_buffer *out, const pythia_type *type, const char *subject);
void pythia_postgres_json(pythia_buffer *out, const pythia_type *type, const char *subject);
/* Whether a column's type comes with PostgreSQL. */
bool pythia_postgres_is_builtin(const pythia_type *type);

#endif
