/* Rows of both sides beside each other; for the files of a validation. */
#ifndef PYTHIA_VALIDATE_MERGE_H
#define PYTHIA_VALIDATE_MERGE_H

#include "validate/internal.h"

/* One side's rows: identity, key columns, then the digest or the other columns. */
typedef struct pythia_cursor
{
	pythia_side *side;
	pythia_stream *stream;
	pythia_rows chunk;
	pythia_rows_reader reader;
	pythia_kind *kinds;
	int nfields;
	pythia_buffer sql;
	bool by_range;    /* the first key column, an integer, is the second field, and rows come in its order */
	bool by_identity; /* in the order of the first field; behind the integer's, where both are */
	bool row;         /* on a row */
	/* of the last row */
	pythia_buffer identity;
	pythia_buffer integer;
} pythia_cursor;

bool pythia_cursor_open(pythia_validation_state *v, pythia_cursor *cursor, int side, bool digest, const char *where,
						pythia_error *error);
/* Moves to the next row; cursor->row is false at the end. */
bool pythia_cursor_next(pythia_cursor *cursor, pythia_error *error);
void pythia_cursor_close(pythia_cursor *cursor);
/* Which side's row comes first: negative, 0 (the same key), positive. */
int pythia_cursor_order(const pythia_cursor cursors[2]);
/* Of the row's columns; never 0. */
uint64_t pythia_cursor_hash(const pythia_cursor *cursor);

typedef enum pythia_comparison
{
	PYTHIA_BY_DIGEST, /* collects what differs */
	PYTHIA_BY_VALUE,  /* likewise */
	PYTHIA_AGAIN,     /* by value: reports what differs just as it did before, collects what has changed since */
	PYTHIA_FINALLY    /* by value, and reports */
} pythia_comparison;

typedef struct pythia_merge
{
	pythia_validation_state *v;
	pythia_comparison how;
	pythia_candidates *into;       /* collected */
	const pythia_candidate *known; /* in a lookup: what is looked up, in the order of their identities; else NULL */
	int nknown;
	int64_t rows[2]; /* read */
	/* stops where `into` is full, and says after which place to go on */
	bool bounded;
	bool finished;
	pythia_buffer resume[2];
	/* its own */
	pythia_cursor cursors[2];
	pythia_buffer *changed; /* a column: what the source's value becomes */
	const char **names;     /* of the differing columns */
} pythia_merge;

/* Opens both sides with their conditions, merges until their ends or until it has to stop, closes. */
bool pythia_merge_rows(pythia_merge *merge, const pythia_buffer where[2], pythia_error *error);
/* Appends " AND the place is behind the one in resume"; false where that is no key. */
bool pythia_merge_after(const pythia_validation_state *v, const pythia_side *side, const pythia_buffer resume[2],
						pythia_buffer *where, pythia_error *error);

/* True where a list should be rechecked before it grows further. */
bool pythia_candidates_full(const pythia_candidates *candidates);
/* Adds the row a cursor is on, unless it was the last that was added. */
pythia_candidate *pythia_candidates_add(pythia_candidates *candidates, const pythia_cursor *cursor, int side, int nkey);

#endif
