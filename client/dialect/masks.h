/*
 * Masks: what stands in the place of a value that is not to leave its database.  They are expressions that the source
 * computes, so a value that is masked reaches neither the target nor anything that a sync keeps.
 */
#ifndef PYTHIA_MASKS_H
#define PYTHIA_MASKS_H

#include "dialect/dialect.h"

typedef enum pythia_mask_kind
{
	PYTHIA_MASK_HASH,    /* HMAC-SHA-256 of the text, in hex, cut to the column's length; of a UUID, as a UUID */
	PYTHIA_MASK_PARTIAL, /* the first character, and *** */
	PYTHIA_MASK_NULL,
	PYTHIA_MASK_CONSTANT /* the same for all rows */
} pythia_mask_kind;

typedef struct pythia_mask
{
	pythia_mask_kind kind;
	const char *constant; /* as interchange text of the column's type; borrowed */
	const char *key;      /* for HASH; borrowed */
} pythia_mask;

/* Appends the expression over the column, which belongs to `db`, between parentheses.  NULL stays NULL, but with a constant.  Class
 * USAGE where the type has no such mask, or there is no key. */
bool pythia_mask_put(const pythia_db *db, const pythia_mask *mask, const pythia_column *column, pythia_buffer *out,
					 pythia_error *error);

#endif
