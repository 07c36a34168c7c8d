/* Shared by the dialects' own files; nobody else includes this. */
#ifndef PYTHIA_DIALECT_INTERNAL_H
#define PYTHIA_DIALECT_INTERNAL_H

#include "dialect/canonical.h"
#include "dialect/dialect.h"
#include "dialect/extras.h"
#include "dialect/forms.h"

/* A type's spelling taken apart: "character varying(20)" is base "character varying", one number;
 * "timestamp(3) with time zone" has rest "with time zone".  Everything is lower-case. */
typedef struct pythia_type_words
{
	char base[96];
	char rest[96];
	int64_t numbers[2];
	int nnumbers;
	bool word_argument;     /* a word stands among the numbers: geometry(Point,4326) */
	bool fraction;          /* one of them is no integer */
	bool array;             /* [] at its end */
	pythia_buffer schema;   /* the name before the type's own, where there is one */
	pythia_buffer spelling; /* the type written anew, without the schema */
} pythia_type_words;

/* False where the text is anything but words, then at most two numbers in parentheses, then words, then []. */
bool pythia_type_split(pythia_engine engine, const char *native, pythia_type_words *words);
void pythia_type_words_free(pythia_type_words *words);
/* Empties `type` for a text that is no type which the engine is known to have. */
void pythia_type_unread(pythia_type *type, const char *native);
/* The spelling is right: it is the type's. */
void pythia_type_read(pythia_type *type, pythia_type_words *words);
/* Appends the labels of 'a','b'; false, and none, where the text is no list of strings. */
bool pythia_read_labels(pythia_engine engine, const char *text, pythia_type *type);
bool pythia_word_in(const char *word, const char *const *list);
/* Lower-case copy of at most size - 1 bytes. */
void pythia_lower(char *out, size_t size, const char *text);
/* A part of a name as users write it; `text` is NULL where none was written. */
typedef struct pythia_name_part
{
	char *text;
	bool quoted;
} pythia_name_part;

/* As pythia_name_parse; both texts are the caller's to free. */
bool pythia_name_split(const char *text, pythia_name_part *schema, pythia_name_part *table, pythia_error *error);

/* ("a", "b") */
void pythia_column_list(const pythia_dialect *dialect, pythia_buffer *out, int ncolumns, const char *const *columns);

/* Writes it between quotes, those within doubled. */
void pythia_put_quoted(pythia_buffer *out, const char *text, size_t length, char quote);
/* Kinds whose values are texts of any characters. */
bool pythia_kind_is_textual(pythia_kind kind);
/* The item's reference between prefix and suffix. */
void pythia_canonical_around(const pythia_db *db, pythia_buffer *out, const char *prefix,
							 const pythia_canonical_item *item, const char *suffix);

/* Writes what the output function of whatever type makes of `subject`, NULL of NULL. */
void pythia_postgres_output(pythia_buffer *out, const char *subject);

/* Kind of a row of an extras_query that is not told, but read: SQLite's CREATE TABLE. */
#define PYTHIA_EXTRA_DEFINITION PYTHIA_EXTRA_KINDS

void pythia_postgres_extras_query(const pythia_dialect *own, const pythia_db *db, pythia_buffer *out,
								  const pythia_table *table);
void pythia_mysql_extras_query(const pythia_dialect *own, const pythia_db *db, pythia_buffer *out,
							   const pythia_table *table);
void pythia_sqlite_extras_query(const pythia_dialect *own, const pythia_db *db, pythia_buffer *out,
								const pythia_table *table);

bool pythia_mysql_boundary(pythia_db *db, char **text, pythia_error *error);
void pythia_mysql_holder_query(const pythia_db *db, pythia_buffer *out);
/* Are its numbers shown with leading zeros (ZEROFILL)?  Beside 0 they are not. */
bool pythia_mysql_is_padded(const pythia_type *type);
/* A geometry, by its name, as WKB with its SRID. */
void pythia_mysql_geometry(pythia_buffer *out, const char *reference);

extern const pythia_dialect pythia_dialect_postgres;
extern const pythia_dialect pythia_dialect_mysql;
extern const pythia_dialect pythia_dialect_sqlite;

void pythia_postgres_parse_type(const char *native, pythia_type *type);
bool pythia_postgres_type_ddl(const pythia_db *db, const pythia_type *type, bool in_key, pythia_buffer *out,
							  pythia_error *error);
void pythia_mysql_parse_type(const char *native, pythia_type *type);
/* A string where only a plain one may stand. */
void pythia_mysql_string(pythia_buffer *out, const char *text);
bool pythia_mysql_type_ddl(const pythia_db *db, const pythia_type *type, bool in_key, pythia_buffer *out,
						   pythia_error *error);
void pythia_sqlite_parse_type(const char *native, pythia_type *type);
bool pythia_sqlite_type_ddl(const pythia_db *db, const pythia_type *type, bool in_key, pythia_buffer *out,
							pythia_error *error);

#endif
