/*
 * One value on its way: from the interchange text of the source's column to that of the
 * target's.  Conversions that the kinds ask for (an array for a JSON column), and policies
 * for values that the target cannot hold.
 */
#ifndef PYTHIA_VALUE_TRANSFORM_H
#define PYTHIA_VALUE_TRANSFORM_H

#include "dialect/dialect.h"

typedef struct pythia_transform
{
	const pythia_type *from;
	const pythia_type *to;
	pythia_engine from_engine;
	pythia_engine to_engine;
	pythia_policies policies;
	bool check;   /* look for values the target cannot hold; else its own errors will do */
	bool convert; /* the kinds' texts differ */
	bool doubles; /* numbers within JSON become doubles there */
	bool to_2106; /* MySQL's TIMESTAMP ends then, not in 2038 */
	bool form;    /* look for values that are not of the source column's own type */
	bool notnull; /* the target takes no NULL, of a policy's either; set by the caller */
} pythia_transform;

typedef enum pythia_value_verdict
{
	PYTHIA_VALUE_KEEP,    /* as it is */
	PYTHIA_VALUE_CHANGED, /* the new text is in `out` */
	PYTHIA_VALUE_NULL,    /* NULL by policy */
	PYTHIA_VALUE_BAD      /* cannot be held and the policy is error or quarantine */
} pythia_value_verdict;

/* The reason where a policy says NULL and the column takes none. */
#define PYTHIA_NO_NULL "its policy says NULL, and the column takes none"

typedef struct pythia_bad_value
{
	const char *policy; /* the option that governs it, "out_of_range"; NULL: none does */
	bool quarantine;    /* by that policy; else on_bad_row decides */
	bool bounded;       /* clamp and replace would have something to put in its place */
	char reason[160];
} pythia_bad_value;

/* Prepares; the types are borrowed.  `careful`: check every value (policies set, or on_bad_row quarantine). */
void pythia_transform_init(pythia_transform *transform, const pythia_type *from, pythia_engine from_engine,
						   const pythia_type *to, pythia_engine to_engine, const pythia_policies *policies,
						   bool careful);
/* What the target's version adds to that. */
void pythia_transform_target(pythia_transform *transform, const pythia_db *target);
/* False where every value passes unchanged and unchecked. */
bool pythia_transform_needed(const pythia_transform *transform);
/* value is not NULL; `out` is cleared first; `bad` is filled with PYTHIA_VALUE_BAD only. */
pythia_value_verdict pythia_transform_value(const pythia_transform *transform, const char *value, size_t length,
											pythia_buffer *out, pythia_bad_value *bad);

#endif
