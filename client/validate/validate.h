/*
 * Is it equal?  Answered by checksums computed inside each engine, to the row,
 * and mended.
 */
#ifndef PYTHIA_VALIDATE_VALIDATE_H
#define PYTHIA_VALIDATE_VALIDATE_H

#include "dialect/canonical.h"
#include "sync/sync.h"

typedef enum pythia_validate_method
{
	PYTHIA_VALIDATE_CHECKSUM, /* sums of row digests a segment; rows only where they differ */
	PYTHIA_VALIDATE_COUNT,    /* rows counted, nothing else */
	PYTHIA_VALIDATE_ROWS      /* every row fetched from both sides */
} pythia_validate_method;

typedef struct pythia_validate_options
{
	pythia_validate_method method;
	const char *where;         /* besides the sync's own; on both sides, unless target_where is given */
	const char *target_where;  /* the same in the target's words, where its names differ */
	const char *since;         /* a stamp: only rows at or after it */
	double sample;             /* share of the rows, 0 < sample <= 1, by a hash of the key */
	int64_t seed;              /* of the sample; another one takes other rows */
	int64_t segment_rows;      /* rows summed by one statement */
	int64_t max_differences;   /* stop naming after that many, counting goes on; 0: no limit */
	int64_t max_changes;       /* repair refuses beyond it; -1: no limit */
	bool dry_run;              /* repair */
	double recheck_after;      /* seconds before a difference is looked at again; 0: not at all */
	pythia_digest digest;      /* HASH, the default: MD5, but see choose_digests() */
	const pythia_node *checks; /* object: name -> SQL condition, counted on the target; or a list of conditions */
} pythia_validate_options;

/* All options there are; NULL-terminated. */
extern const char *const pythia_validate_option_names[];
/* Fills in the defaults and what `tree` (may be NULL) says.  Unknown names and bad values are class USAGE. */
bool pythia_validate_options_read(const pythia_node *tree, pythia_validate_options *options, pythia_error *error);
/* The first of such checks, with a name or without one; `next` goes on. */
const pythia_node *pythia_validate_checks(const pythia_node *checks);

typedef struct pythia_validate_result
{
	bool is_valid; /* no difference and no failed check */
	int64_t source_count;
	int64_t target_count;
	int64_t difference; /* missing + extra + differing; method count: how far the counts are apart */
	int64_t missing;
	int64_t extra;
	int64_t differing;
	int64_t suspected; /* rows that were looked at because a digest differed */
	const char *method;
	double duration_seconds;
	double sample;         /* share of the rows that was looked at: 1 for all */
	double confidence;     /* of the next: 0.95 with a sample, else 1 */
	double max_difference; /* at that confidence, at most this share of all rows differs */
	int64_t failed_checks; /* rows of the target that break a condition, once a condition */
	char *checks;          /* JSON: {"name": rows that break it, …}; NULL without checks */
} pythia_validate_result;

void pythia_validate_result_free(pythia_validate_result *result);

typedef enum pythia_difference_kind
{
	PYTHIA_MISSING, /* in the source only */
	PYTHIA_EXTRA,   /* in the target only */
	PYTHIA_DIFFERING
} pythia_difference_kind;

const char *pythia_difference_name(pythia_difference_kind kind); /* "missing", "extra", "differing" */

/* Valid during the callback. JSON objects as text; NULL where there is no such row. */
typedef struct pythia_difference
{
	pythia_difference_kind kind;
	const char *primary_key; /* by the source's names */
	const char *source_row;
	const char *target_row;
	const char *const *columns; /* the source's names of those that differ; none for missing and extra */
	int ncolumns;
} pythia_difference;

/* False stops the validation with the error it filled. */
typedef bool (*pythia_difference_callback)(void *context, const pythia_difference *difference, pythia_error *error);

/* job: source, target, table, callbacks (progress) and config (columns, maps, key, where, deletes, policies).
 * A table without a key is compared as a bag of rows.  `found` may be NULL.  Neither database may be in use. */
bool pythia_validate_table(const pythia_sync_job *job, const pythia_validate_options *options,
						   pythia_difference_callback found, void *context, pythia_validate_result *result,
						   pythia_error *error);

/* Makes the target's differing rows equal to the source's, in one transaction of the target, and looks at them
 * again; counts as in a sync.  More differences than max_changes: class USAGE, and nothing is changed.
 * `found` (may be NULL) hears of each row that is, or with dry_run would be, mended. */
bool pythia_repair_table(const pythia_sync_job *job, const pythia_validate_options *options,
						 pythia_difference_callback found, void *context, pythia_sync_result *result,
						 pythia_error *error);
/* Of tables that are repaired together: deletes those extra rows that no other table refers to, and no more, so that
 * children are rid of theirs before parents are.  result->rows_left tells how many rows still differ.  Then
 * pythia_repair_table has its turn, parents first; with job->others_follow it leaves extra rows that others refer to
 * still, and tells how many in rows_left: they go when those others are mended, again children first. */
bool pythia_repair_extra(const pythia_sync_job *job, const pythia_validate_options *options,
						 pythia_difference_callback found, void *context, pythia_sync_result *result,
						 pythia_error *error);
/* False where an option under "validate" of a sync's configuration is wrong; nothing is kept. */
bool pythia_validate_config_check(const pythia_sync_config *config, pythia_error *error);

#endif
