/*
 * Is it equal?  Answered by checksums computed inside each engine.
 */
#ifndef PYTHIA_VALIDATE_H
#define PYTHIA_VALIDATE_H

#include "sync/sync.h"

typedef enum pythia_validate_method
{
	PYTHIA_VALIDATE_CHECKSUM,
	PYTHIA_VALIDATE_COUNT,
	PYTHIA_VALIDATE_ROWS
} pythia_validate_method;

typedef struct pythia_validate_options
{
	pythia_validate_method method;
	const char *where;       /* of the source; on both sides where names agree */
	const char *since;       /* a stamp: only rows at or after it */
	double sample;           /* share of the rows, 0 < sample <= 1 */
	int64_t segment_rows;    /* about 50,000 */
	int64_t max_differences; /* stop listing after that many; 0: no limit */
	int64_t max_changes;     /* repair refuses beyond it; -1: no limit */
	bool dry_run;            /* repair */
	double recheck_after;    /* seconds before a difference is looked at again */
	bool sha256;
	const pythia_node *checks; /* name -> SQL condition, counted on the target */
} pythia_validate_options;

bool pythia_validate_options_read(const pythia_node *tree, pythia_validate_options *options, pythia_error *error);

typedef struct pythia_validate_result
{
	bool is_valid;
	int64_t source_count;
	int64_t target_count;
	int64_t difference; /* missing + extra + differing */
	int64_t missing;
	int64_t extra;
	int64_t differing;
	const char *method;
	double duration_seconds;
} pythia_validate_result;

typedef enum pythia_difference_kind
{
	PYTHIA_MISSING, /* in the source only */
	PYTHIA_EXTRA,   /* in the target only */
	PYTHIA_DIFFERING
} pythia_difference_kind;

/* Valid during the callback. JSON objects as text; NULL where there is no such row. */
typedef struct pythia_difference
{
	pythia_difference_kind kind;
	const char *primary_key;
	const char *source_row;
	const char *target_row;
	const char *const *columns; /* the source's names of those that differ */
	int ncolumns;
} pythia_difference;

typedef bool (*pythia_difference_callback)(void *context, const pythia_difference *difference, pythia_error *error);

/* job: source, target, table and config (columns, maps, where, policies).  `found` may be
 * NULL; with it the differing rows are looked up and named. */
bool pythia_validate_table(const pythia_sync_job *job, const pythia_validate_options *options,
						   pythia_difference_callback found, void *context, pythia_validate_result *result,
						   pythia_error *error);
/* Makes the target's differing rows equal to the source's; counts as in a sync. */
bool pythia_repair_table(const pythia_sync_job *job, const pythia_validate_options *options, pythia_sync_result *result,
						 pythia_error *error);

#endif
