/*
 * Values that another database cannot hold, and what a policy makes of them, as SQL over the column that has
 * them: so that a checksum sees what the other side was given.
 */
#ifndef PYTHIA_GUARD_H
#define PYTHIA_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/schema.h"
#include "drivers/driver.h"

typedef enum pythia_guard_test
{
	PYTHIA_GUARD_ZERO_DATE, /* a zero year, month or day */
	PYTHIA_GUARD_NO_DAY,    /* one that no calendar has, such as February's 30th */
	PYTHIA_GUARD_LATE_YEAR, /* beyond 9999 */
	PYTHIA_GUARD_BC,
	PYTHIA_GUARD_EQUAL, /* bound: infinity, NaN, 0 */
	PYTHIA_GUARD_BELOW, /* bound; the column may hold NaN or infinities, which come first */
	PYTHIA_GUARD_UPTO,
	PYTHIA_GUARD_ABOVE,
	PYTHIA_GUARD_FROM,
	PYTHIA_GUARD_CHARACTERS, /* more than length */
	PYTHIA_GUARD_BYTES,      /* likewise, of a text in UTF-8 or of bytes */
	PYTHIA_GUARD_NUL,        /* a text with a NUL byte */
	PYTHIA_GUARD_BAD_UTF8,
	PYTHIA_GUARD_MISREAD /* SQLite: a value that is none of the target's kind, named in bound */
} pythia_guard_test;

typedef enum pythia_guard_action
{
	PYTHIA_GUARD_KEEP, /* the value stays, and no later guard looks at it */
	PYTHIA_GUARD_NULL,
	PYTHIA_GUARD_VALUE,   /* `value` in its place */
	PYTHIA_GUARD_CUT,     /* before what cannot stay */
	PYTHIA_GUARD_REPLACE, /* U+FFFD for each byte that cannot stay */
	PYTHIA_GUARD_HOLD     /* the row is kept back */
} pythia_guard_action;

#define PYTHIA_GUARDS 10 /* a column's at most */

typedef struct pythia_guard
{
	pythia_guard_test test;
	pythia_guard_action action;
	char bound[100]; /* interchange texts */
	char value[100];
	int64_t length;
} pythia_guard;

/* Appends an expression of the column's own type: its value, or what the guards (the first that fits) make of it.
 * False, with nothing appended, where they change nothing. */
bool pythia_guard_value(const pythia_db *db, pythia_buffer *out, const pythia_column *column,
						const pythia_guard *guards, int nguards);
/* Appends a condition, never NULL, that is false where a guard keeps the row back; false, with nothing appended, where
 * none does. */
bool pythia_guard_condition(const pythia_db *db, pythia_buffer *out, const pythia_column *column,
							const pythia_guard *guards, int nguards);

#endif
