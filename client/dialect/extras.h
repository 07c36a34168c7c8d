/*
 * What a table has besides its columns, its key and its plain indexes: what another table made from its description
 * does not get by itself.
 */
#ifndef PYTHIA_EXTRAS_H
#define PYTHIA_EXTRAS_H

#include "core/schema.h"
#include "drivers/driver.h"

/* In the order in which they are told. */
typedef enum pythia_extra_kind
{
	PYTHIA_EXTRA_UNREAD, /* more, but what it is could not be read */
	PYTHIA_EXTRA_GENERATED,
	PYTHIA_EXTRA_NUMBERING, /* a column that counts on */
	PYTHIA_EXTRA_SEQUENCE, /* where a column's numbers come from, if that is not a sequence of its own, counting by 1 */
	PYTHIA_EXTRA_AUTOINCREMENT,
	PYTHIA_EXTRA_DEFAULT, /* of a domain */
	PYTHIA_EXTRA_ON_UPDATE,
	PYTHIA_EXTRA_INVISIBLE,
	PYTHIA_EXTRA_COLLATION,
	PYTHIA_EXTRA_COMMENT,
	PYTHIA_EXTRA_PRIMARY_KEY,
	PYTHIA_EXTRA_PARTIAL_INDEX,
	PYTHIA_EXTRA_EXPRESSION_INDEX,
	PYTHIA_EXTRA_PREFIX_INDEX,
	PYTHIA_EXTRA_OTHER_INDEX,      /* no b-tree */
	PYTHIA_EXTRA_INCOMPLETE_INDEX, /* over a column that is not there */
	PYTHIA_EXTRA_INDEX_OPTION,
	PYTHIA_EXTRA_EXCLUSION,
	PYTHIA_EXTRA_CHECK,
	PYTHIA_EXTRA_CONFLICT, /* SQLite's ON CONFLICT */
	PYTHIA_EXTRA_STRICT,
	PYTHIA_EXTRA_FOREIGN_KEY,
	PYTHIA_EXTRA_TRIGGER,
	PYTHIA_EXTRA_RULE,
	PYTHIA_EXTRA_ROW_SECURITY,
	PYTHIA_EXTRA_PARTITIONING,
	PYTHIA_EXTRA_INHERITANCE,
	PYTHIA_EXTRA_VERSIONING,
	PYTHIA_EXTRA_KINDS /* how many there are */
} pythia_extra_kind;

typedef struct pythia_extra
{
	pythia_extra_kind kind;
	char *name;   /* as the source has it: any bytes; NULL where the table can have but one */
	char *detail; /* what else is worth knowing (a method, the table referred to), or NULL */
	char *column; /* the source's column that it is a part of; NULL: the table's */
} pythia_extra;

/* A list's most: beyond it one UNREAD stands for the rest, since many loops go over pairs of them. */
#define PYTHIA_EXTRAS 16384

/* Begins as {0}; freed by pythia_extras_free. */
typedef struct pythia_extras
{
	pythia_extra *items;
	int count;
} pythia_extras;

/* Asks the catalogue, by one query, for what `table` (of pythia_describe) has besides; a view has nothing.  What the
 * description tells itself (generated columns, comments, PostgreSQL's collations) is not in the list, nor are the
 * triggers of our own capture. */
bool pythia_extras_read(pythia_db *db, const pythia_table *table, pythia_extras *extras, pythia_error *error);
/* Texts are copied. */
void pythia_extras_add(pythia_extras *extras, pythia_extra_kind kind, const char *name, const char *detail,
					   const char *column);
/* Keeps of them, in their order, those for which `keep` is true. */
void pythia_extras_filter(pythia_extras *extras, bool (*keep)(const void *context, const pythia_extra *extra),
						  const void *context);
/* In the order of kinds, within one in that of their coming. */
void pythia_extras_sort(pythia_extras *extras);
/* Adds what a CREATE TABLE of SQLite's says and no pragma tells: checks, collations and the like.  Any text is read, what
 * is none says nothing; one that cannot be read to its end adds UNREAD, with the reason as its detail. */
void pythia_sqlite_read_definition(const char *sql, pythia_extras *extras);
void pythia_extras_free(pythia_extras *extras);

#endif
