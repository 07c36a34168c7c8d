/* Shared by the files of a validation; nobody else includes this. */
#ifndef PYTHIA_VALIDATE_INTERNAL_H
#define PYTHIA_VALIDATE_INTERNAL_H

#include "dialect/canonical.h"
#include "sync/plan.h"
#include "validate/validate.h"

enum
{
	PYTHIA_SOURCE,
	PYTHIA_TARGET
};

/* What is asked of one side, as SQL. */
typedef struct pythia_side
{
	pythia_db *db;
	const pythia_dialect *dialect;
	const pythia_table *table;
	pythia_digest sums_digest;
	pythia_canonical_item *items; /* the row: key first */
	pythia_buffer name;           /* the quoted table */
	pythia_buffer filter;         /* " WHERE …" or empty: which rows are compared at all */
	pythia_buffer lookup_filter;  /* the same for rows looked up by key */
	pythia_buffer first;          /* the key's first column, quoted */
	pythia_buffer identity;       /* expression: what tells a row (digest of the key, or the integer key itself) */
} pythia_side;

/* A key that is to be looked at (again): what tells it, and its columns' text on the side that has it. */
typedef struct pythia_candidate
{
	char *identity;
	char **values;    /* nkey of them, NULL for SQL NULL */
	int side;         /* whose words the values are in */
	uint64_t seen[2]; /* a hash of each side's row when it was last seen to differ; 0: not there */
} pythia_candidate;

typedef struct pythia_candidates
{
	pythia_candidate *list;
	int count;
	int capacity;
	size_t bytes;
} pythia_candidates;

typedef struct pythia_validation_state
{
	const pythia_sync_job *job;
	const pythia_validate_options *options;
	pythia_sync_config config; /* the job's, for a comparison */
	pythia_plan plan;
	pythia_node *own_key;       /* made here for a table without a key */
	pythia_type *agreed;        /* a pair */
	pythia_digest digest;       /* of single rows and keys */
	int *order;                 /* pairs, key first */
	char **values;              /* a pair, in that order: what policies make of the source's column, or NULL */
	pythia_buffer kept;         /* " WHERE …" or empty: the source's rows that no policy keeps back */
	bool keyless;               /* every column is the key */
	bool by_range;              /* segments are ranges of the key's first column, an integer */
	bool by_literal;            /* keys can be looked up by their columns' values */
	bool literals_tried;        /* whether SQLite's keys can is looked at before the first lookup */
	pythia_transform *backward; /* target to source, a key column */
	pythia_side sides[2];
	pythia_candidates pending; /* differ by value; to be looked at once more */
	int64_t looked_at;         /* host's clock: when they were last */
	int unsummed;              /* segments looked at since then */
	bool prefer_rows;          /* digests differ nearly everywhere for nothing: compare values at once */
	int64_t rows_done;
	int64_t rows_expected;
	/* where differences go */
	pythia_difference_callback found;
	void *found_context;
	bool (*mend)(void *context, pythia_difference_kind kind, const pythia_candidate *key, pythia_error *error);
	bool mending;                                        /* the target's transaction is open, and holds changes */
	bool (*between)(void *context, pythia_error *error); /* called now and then, while nothing is being read */
	void *mend_context;
	int64_t named;
	pythia_validate_result *result;
} pythia_validation_state;

/* plan.c */
bool pythia_validation_begin(pythia_validation_state *v, const pythia_sync_job *job,
							 const pythia_validate_options *options, pythia_error *error);
void pythia_validation_end(pythia_validation_state *v);
/* Appends " WHERE"/" AND" as fits `filter`, to which a condition is then added. */
void pythia_and(pythia_buffer *filter);
bool pythia_both_query(pythia_validation_state *v, const pythia_buffer sql[2], const char *shape,
					   pythia_result results[2], pythia_error *error);
/* columns.c */
bool pythia_validation_columns(pythia_validation_state *v, pythia_error *error);
bool pythia_side_never_null(const pythia_side *side, const pythia_column *column);
/* Whether the PostgreSQL behind db has our extension's function, and we may call it. */
bool pythia_postgres_offers(pythia_db *db, const char *function, bool *offered, pythia_error *error);

/* validate.c */
/* Compares and checks; fills `result`, which the caller zeroed. */
bool pythia_validation_run(pythia_validation_state *v, pythia_validate_result *result, pythia_error *error);

/* plan.c */
void pythia_validation_progress(pythia_validation_state *v, const char *phase);

/* segments.c: sums, and which rows to look at */
bool pythia_compare_segments(pythia_validation_state *v, pythia_error *error);

/* recheck.c */
/* Compares rows by digest, then those that differ by value. `condition` (of each side) narrows the filter. */
bool pythia_compare_digests(pythia_validation_state *v, const pythia_buffer condition[2], pythia_error *error);
/* By value at once; `rows` (may be NULL) gets how many each side has. */
bool pythia_compare_values(pythia_validation_state *v, const pythia_buffer condition[2], int64_t rows[2],
						   pythia_error *error);
/* Looks once more at what differs, and reports what still does. */
bool pythia_recheck(pythia_validation_state *v, pythia_error *error);
/* Looks at keys by value, at once, and reports what differs. */
bool pythia_look_finally(pythia_validation_state *v, const pythia_candidates *keys, pythia_error *error);
void pythia_candidates_copy(pythia_candidates *candidates, const pythia_candidate *candidate, int nkey);
void pythia_candidates_clear(pythia_candidates *candidates, int nkey);
void pythia_candidates_free(pythia_candidates *candidates, int nkey);

/* keys.c */
/* To be called before keys are looked up: v->by_literal goes where a SQLite file holds keys that are not found so. */
bool pythia_try_literals(pythia_validation_state *v, pythia_error *error);
/* Appends a condition that finds these keys (of either side) on `side`. */
void pythia_key_condition(const pythia_validation_state *v, int side, const pythia_candidate *keys, int count,
						  pythia_buffer *out);
/* The same for who changes rows: a column's equality may take other texts for the key's, where a unique index of another
 * collation tells them apart. */
void pythia_key_condition_exact(const pythia_validation_state *v, int side, const pythia_candidate *keys, int count,
								pythia_buffer *out);
/* Appends "name": value of a JSON object. */
void pythia_json_column(pythia_buffer *out, const pythia_column *column, const pythia_field *field, bool first);

/* With what the allocator takes for each piece. */
size_t pythia_candidate_bytes(const pythia_candidate *candidate, int nkey);

/* ---- validate/key_check.c: fails where the option "key" names columns that two rows have alike. ---- */
bool pythia_validation_key_tells(const pythia_validation_state *v, pythia_error *error);
/* Fails where rows of a target that has no such constraint have the same key, for who is about to mend rows by it. */
bool pythia_repair_key_tells(const pythia_validation_state *v, pythia_error *error);

#endif
