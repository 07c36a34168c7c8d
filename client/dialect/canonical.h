/*
 * Canonical text: one spelling of a value whichever engine holds it, so that
 * engines can hash their own rows and only sums need travel.  It is made for
 * speed: what differs is only a suspicion, which decoded values then confirm.
 *
 *   BOOL INT UINT YEAR  digits
 *   DECIMAL             with exactly `scale` digits where the precision is known,
 *                       else without trailing zeros
 *   FLOAT DOUBLE        the sixteen hex digits of the IEEE double, most significant first; with
 *                       is_unsigned in the agreed type, zero has no sign
 *   DATE                YYYY-MM-DD
 *   TIME, TIMESTAMP(TZ) as interchange, the fraction without trailing zeros
 *   UUID                lower hex with hyphens;  BIT  0s and 1s
 *   BYTES GEOMETRY      the hex digits of their digest
 *   STORED              a letter for the storage class (i, r, t, b) and the value as INT, DOUBLE, TEXT, BYTES
 *   JSON                in one of the forms below, as both sides can
 *   the others          their text; CHAR without trailing blanks
 *
 * A row's encoding is its values joined by ';', in the order of the pairs.  NULL
 * is N.  A value that can hold neither ';' nor N stands alone; any other is
 * <bytes>;<text>.  Which of the two is fixed by the pair, so the encoding is
 * injective.  The digest is the MD5 (SHA-256) of it in lower hex; two slices of
 * 15 hex digits are summed exactly.
 */
#ifndef PYTHIA_CANONICAL_H
#define PYTHIA_CANONICAL_H

#include <stdbool.h>

#include "core/buffer.h"
#include "core/schema.h"
#include "drivers/driver.h"

/* How JSON is spelled; what a form does not even out is settled by decoded values. */
typedef enum pythia_json_form
{
	PYTHIA_JSON_TEXT,      /* as it is */
	PYTHIA_JSON_JSONB,     /* as PostgreSQL writes jsonb: PostgreSQL and SQLite */
	PYTHIA_JSON_NORMALIZED /* as MariaDB's JSON_NORMALIZE: MariaDB, SQLite, PostgreSQL with our extension */
} pythia_json_form;

/* One column of the row that is hashed. */
typedef struct pythia_canonical_item
{
	const pythia_column *column; /* of this side */
	const pythia_type *agreed;
	const char *value; /* an expression of the column's own type in its place, or NULL */
	pythia_json_form json;
	bool plain;   /* for both sides */
	bool sha256;  /* bytes by SHA-256, not by MD5; for both sides */
	bool notnull; /* this side never holds NULL */
} pythia_canonical_item;

/* Canonical text of a column as an SQL expression; NULL stays NULL. */
void pythia_canonical_postgres(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item);
void pythia_canonical_mysql(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item);
void pythia_canonical_sqlite(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item);
void pythia_canonical_text(const pythia_db *db, pythia_buffer *out,
						   const pythia_canonical_item *item); /* of db's engine */

/* True where a column of type `own` in db, written as `agreed`, can never hold ';' nor be 'N'. */
bool pythia_canonical_plain(const pythia_db *db, const pythia_type *own, const pythia_type *agreed);

typedef enum pythia_digest
{
	PYTHIA_DIGEST_MD5,
	PYTHIA_DIGEST_SHA256,
	PYTHIA_DIGEST_SERVER, /* MD5, in sums only, by the aggregate pythia._sums of the PostgreSQL extension */
	PYTHIA_DIGEST_HASH    /* between PostgreSQL and PostgreSQL: hashtextextended with two seeds, in sums only */
} pythia_digest;

/* The digest in lower hex, MD5 or SHA-256, of an expression that gives text or bytes. */
void pythia_canonical_hash(const pythia_db *db, pythia_buffer *out, bool sha256, bool is_text, const char *expression);
/* False for a server that has no MD5(). */
bool pythia_canonical_has_md5(const pythia_db *db);
/* Expression of the digest (lower hex; never HASH) of a row, or of its key; SQL NULL where the engine could not
 * build it. */
void pythia_canonical_digest(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *items, int nitems,
							 pythia_digest digest);
/* A statement that returns count(*), count(digest) and the sums of the two slices (digits, maybe with
 * leading zeros; NULL for no rows), one row, or one row a group with the group's value first.  group is an expression or
 * NULL; source is "FROM … WHERE …". */
void pythia_canonical_sums(const pythia_db *db, pythia_buffer *out, const char *group, const char *source,
						   const pythia_canonical_item *items, int nitems, pythia_digest digest);

/* Appends the item's value, or else its column, quoted for the engine of db. */
void pythia_canonical_reference(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item);
/* How a kind is told to our functions in SQLite: a letter and a number, "n2". */
void pythia_canonical_sqlite_spec(pythia_buffer *out, const pythia_canonical_item *item);

#endif
