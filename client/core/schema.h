/*
 * What the engine knows of a table, whatever database it lives in.
 */
#ifndef PYTHIA_SCHEMA_H
#define PYTHIA_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "core/url.h"

/*
 * Neutral kinds and the interchange text of their values (see rows.h):
 *   BOOL 1/0; INT, UINT digits; DECIMAL plain digits or NaN/Infinity/-Infinity;
 *   FLOAT, DOUBLE shortest text that reads back to the same value;
 *   TEXT, CHAR (blank padded), ENUM, SET (comma list), JSON, XML, ARRAY
 *   (PostgreSQL's array literal), OTHER: UTF-8;
 *   BYTES \x and lower hex; DATE YYYY-MM-DD; TIME [-]HH:MM:SS[.ffffff] (hours
 *   may exceed 24 where the type allows); TIMESTAMP YYYY-MM-DD HH:MM:SS[.ffffff],
 *   a local time; TIMESTAMPTZ the same, in UTC, without a zone suffix;
 *   UUID lower-case with hyphens; BIT a string of 0 and 1; YEAR digits;
 *   INTERVAL PostgreSQL's text; GEOMETRY \x and hex of WKB; STORED whatever SQLite
 *   stores, with its storage class (classed.h): no type of a column, but how one
 *   is carried between two files of SQLite.
 */
typedef enum pythia_kind
{
	PYTHIA_KIND_BOOL,
	PYTHIA_KIND_INT,
	PYTHIA_KIND_UINT,
	PYTHIA_KIND_DECIMAL,
	PYTHIA_KIND_FLOAT,
	PYTHIA_KIND_DOUBLE,
	PYTHIA_KIND_TEXT,
	PYTHIA_KIND_CHAR,
	PYTHIA_KIND_BYTES,
	PYTHIA_KIND_DATE,
	PYTHIA_KIND_TIME,
	PYTHIA_KIND_TIMESTAMP,
	PYTHIA_KIND_TIMESTAMPTZ,
	PYTHIA_KIND_INTERVAL,
	PYTHIA_KIND_UUID,
	PYTHIA_KIND_BIT,
	PYTHIA_KIND_ENUM,
	PYTHIA_KIND_SET,
	PYTHIA_KIND_JSON,
	PYTHIA_KIND_ARRAY,
	PYTHIA_KIND_YEAR,
	PYTHIA_KIND_GEOMETRY,
	PYTHIA_KIND_STORED,
	PYTHIA_KIND_OTHER /* anything else, as its text */
} pythia_kind;

typedef struct pythia_type
{
	pythia_kind kind;
	int size;       /* bytes of an integer or float; 0 elsewhere */
	int precision;  /* digits of a decimal, -1 unlimited; fractional seconds 0..6 of a time */
	int scale;      /* of a decimal */
	int64_t length; /* characters, bytes or bits; -1 unlimited */
	bool is_unsigned;
	bool zone; /* TIME with time zone */
	/* The engine's spelling of the type, written anew by the dialect from words and numbers that it knows, never the
	 * catalogue's own text; NULL where that is none it knows. */
	char *native;
	char *unread;  /* then what the catalogue says instead, made fit to be shown: for messages alone; else NULL */
	char **labels; /* ENUM and SET: the labels themselves, not quoted; NULL where they are not known */
	int nlabels;
} pythia_type;

typedef enum pythia_default_kind
{
	PYTHIA_DEFAULT_NONE,
	PYTHIA_DEFAULT_TEXT,       /* text: the value, not quoted */
	PYTHIA_DEFAULT_NUMBER,     /* text: sign, digits, point, exponent */
	PYTHIA_DEFAULT_BOOL,       /* text: 1 or 0 */
	PYTHIA_DEFAULT_BITS,       /* text: digits 0 and 1 */
	PYTHIA_DEFAULT_BYTES,      /* text: \x and hex */
	PYTHIA_DEFAULT_NOW,        /* the current time */
	PYTHIA_DEFAULT_EXPRESSION, /* text: SQL for the same engine, written anew from what was read */
	PYTHIA_DEFAULT_UNREAD      /* an expression that means nothing elsewhere; text: it, for messages alone */
} pythia_default_kind;

/* The longest bit string that a default is made of. */
#define PYTHIA_DEFAULT_MOST_BITS 4096

/* A column's default as a value: what a catalogue says of it is never SQL for anybody else. */
typedef struct pythia_default
{
	pythia_default_kind kind;
	char *text;
	pythia_engine engine; /* whose spelling of a value the text is */
} pythia_default;

typedef struct pythia_column
{
	char *name;
	pythia_type type;
	bool nullable;
	bool generated;       /* computed from others: never copied */
	bool identity;        /* identity, serial or auto_increment */
	bool invisible;       /* MySQL: not in SELECT * */
	pythia_default value; /* its default */
	char *collation;      /* or NULL */
	char *comment;        /* or NULL */
	/* SQL of its engine, between parentheses, that gives the value in the column's place wherever it is read, or NULL; the
	 * column itself need not be there then. */
	char *expression;
} pythia_column;

typedef struct pythia_index
{
	char *name;
	bool unique;
	int *columns;     /* positions in the table's columns */
	bool *descending; /* as many */
	int ncolumns;
} pythia_index;

typedef enum pythia_relation_kind
{
	PYTHIA_RELATION_TABLE,
	PYTHIA_RELATION_PARTITIONED,
	PYTHIA_RELATION_VIEW,
	PYTHIA_RELATION_FOREIGN
} pythia_relation_kind;

typedef struct pythia_table
{
	char *schema; /* never NULL: "public", the MySQL database, "main" */
	char *name;
	pythia_relation_kind relation;
	pythia_column *columns;
	int ncolumns;
	int *key;              /* positions of the primary key's columns, in key order */
	bool *key_descending;  /* as many, or NULL: none is */
	int nkey;              /* 0 where there is no key */
	pythia_index *indexes; /* secondary ones; those over expressions are left out */
	int nindexes;
	bool other_unique;      /* a unique index that `indexes` leaves out: partial, over expressions, of other texts */
	int64_t estimated_rows; /* -1 unknown */
	char *comment;
} pythia_table;

void pythia_table_free(pythia_table *table); /* frees what it holds and clears it */
void pythia_type_copy(pythia_type *to, const pythia_type *from);
void pythia_type_free(pythia_type *type);
void pythia_type_add_label(pythia_type *type, const char *label);
/* From here on they are not known. */
void pythia_type_forget_labels(pythia_type *type);
/* Numbers, whole ones or not, and what is written as one: truth values and years. */
bool pythia_kind_is_number(pythia_kind kind);
const char *pythia_type_shown(const pythia_type *type); /* for messages alone; never NULL */
void pythia_default_copy(pythia_default *to, const pythia_default *from);
void pythia_default_free(pythia_default *value);
/* Position of a column, or -1. Exact match first, then case-insensitive if only one matches. */
int pythia_table_column(const pythia_table *table, const char *name);
const char *pythia_kind_name(pythia_kind kind); /* "int", "timestamptz", … */

#endif
