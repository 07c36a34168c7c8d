/* Making the target table: design, CREATE TABLE, and what is put on after the load. */
#ifndef PYTHIA_SYNC_CREATE_CREATE_H
#define PYTHIA_SYNC_CREATE_CREATE_H

#include "dialect/extras.h"
#include "sync/sync.h"

struct pythia_plan;

/* What the target of `source` would be: columns whose names[i] is not NULL under that name, types
 * spelled for the target, key, indexes.  Looks at the source's data where a type depends on it. */
bool pythia_target_design(const pythia_sync_job *job, const pythia_table *source, const char *const *names,
						  const int *key, int nkey, const char *schema, const char *name, pythia_table *target,
						  pythia_error *error);
/* Creates plan->target, without its secondary indexes, and tells what it lacks of the source's. */
bool pythia_target_create(const pythia_sync_job *job, const struct pythia_plan *plan, pythia_error *error);
/* Does the column of `table`, of `target`, count on by itself where it is created so? */
bool pythia_target_counts(const pythia_db *target, const pythia_table *table, int position);

/* What a definition has besides its table's description; all may be NULL.  Lists are by the position of columns. */
typedef struct pythia_definition
{
	const char *const *types;     /* instead of the column's own */
	const char *const *generated; /* GENERATED ALWAYS AS (…), instead of numbering and default */
	const char *const *numbering; /* instead of how the target counts, and of the default */
	const char *const *tails;     /* ON UPDATE … */
	const char *primary;          /* the name of the primary key */
	const char *constraints;      /* behind it: ", CONSTRAINT …" */
	const char *options;          /* of the table, behind the parenthesis; in MySQL instead of ours */
	bool autoincrement;           /* SQLite's */
	bool null_keys;               /* SQLite: columns of the key may hold NULL */
	bool lines;                   /* one for each column */
} pythia_definition;

/* CREATE TABLE; without its schema where the table has none.  `definition` may be NULL. */
void pythia_target_ddl(const pythia_db *db, const pythia_table *table, const pythia_definition *definition,
					   pythia_buffer *out);
void pythia_target_column_ddl(const pythia_db *db, const pythia_table *table, int position, pythia_buffer *out);
/* PostgreSQL's COMMENT ON the column, or with -1 on the table; false, and nothing, where there is no comment. */
bool pythia_target_comment(const pythia_table *table, int position, pythia_buffer *out);
/* A name that is too long for the target is class USAGE; the hint names the option that gives another one. */
bool pythia_target_name_fits(const pythia_db *db, const char *name, const char *option, pythia_error *error);

/* How a kind of what is not carried is told. */
typedef struct pythia_extra_words
{
	const char *one;
	const char *many; /* NULL: it is not counted */
	const char *why;
} pythia_extra_words;

const pythia_extra_words *pythia_extra_words_of(pythia_extra_kind kind);
/* What plan->source has and plan->target, as it is designed, would not get, in the order of kinds; types and defaults of
 * columns are pythia_target_tell's, an index that the target refuses pythia_target_create_indexes'.  One query to the
 * source; `lacks` is to be freed, on failure as well. */
bool pythia_target_lacks(const pythia_sync_job *job, const struct pythia_plan *plan, pythia_extras *lacks,
						 pythia_error *error);
/* Tells them to the target's host, a warning for each kind, with their names. */
void pythia_target_tell_lacks(const pythia_sync_job *job, const pythia_table *source, const pythia_extras *lacks);

/* Secondary indexes of `design`, which pythia_target_design made for the source's table `source`, after the
 * load; those that `there` (the same table, as it is now) has already are left out.  One that the target refuses is told
 * to the host, and no error. */
bool pythia_target_create_indexes(const pythia_sync_job *job, const pythia_table *source, const pythia_table *design,
								  const pythia_table *there, pythia_error *error);
/* ALTER TABLE … ADD COLUMN for each column of the source that the target lacks. */
bool pythia_target_add_columns(const pythia_sync_job *job, const struct pythia_plan *plan, pythia_error *error);

/*
 * Columns of the source that are of another type than they were: `was` has the native spelling by name.  The target's that are
 * narrower than what would be made now, or of another kind, as the source's was, are altered, each told; in a transaction of
 * its own.  Class USAGE where the engine cannot.
 */
bool pythia_target_widen(const pythia_sync_job *job, const pythia_node *was, pythia_error *error);

/*
 * MySQL's catalogue is kept in utf8mb3 and shows "?" for what that has not: whether a text of it that belongs to the column
 * may be such a one, and whether one of the column's labels is.
 */
bool pythia_catalog_blurs(const pythia_db *source, const pythia_column *column, const char *text);
bool pythia_labels_are_blurred(const pythia_db *source, const pythia_column *column);

/* How many characters, or bytes, of a column of such a type an index of the design takes in MySQL; 0: all of it. */
int64_t pythia_index_prefix(const pythia_table *design, const pythia_index *index, const pythia_type *type);

/* A text, as long as it likes, in a key or a unique index of MySQL's: the shorter of two lengths that holds its values.
 * Where none does, it is kept as it is, and *in_key is false: there is no such index; a primary key has to be. */
bool pythia_key_text(const pythia_sync_job *job, const pythia_table *source, const pythia_column *column, bool primary,
					 bool *in_key, pythia_type *type, pythia_error *error);
/* Shortens the columns of the target's key, which were made of the source's columns `key`, until MySQL takes them; fails
 * where values are too long for that. */
bool pythia_key_share(const pythia_sync_job *job, const pythia_table *source, const int *key, pythia_table *target,
					  pythia_error *error);

/* Writes a default that means the same in the target; false, and nothing, where there is none. */
bool pythia_default_ddl(const pythia_default *value, const pythia_db *target, const pythia_type *type,
						pythia_buffer *out);
/* Tells the host what a column that was made lacks of the source's: a type that nobody knows, a default. */
void pythia_target_tell(const pythia_sync_job *job, const pythia_table *source, const pythia_column *from,
						const pythia_column *made);

#endif
