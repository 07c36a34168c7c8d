/*
 * Rows as jsonb, as to_jsonb would write them, but with everything that depends
 * on the row's type looked up once: keys are sorted and laid out beforehand, so
 * that a row costs little more than the text of its values.
 */
#ifndef PYTHIA_POSTGRES_CAPTURE_IMAGE_H
#define PYTHIA_POSTGRES_CAPTURE_IMAGE_H

#include "postgres.h"

#include "capture/classify.h"
#include "access/tupdesc.h"
#include "utils/jsonb.h"

typedef struct pythia_image pythia_image;

/* A maker of objects out of the given attributes (zero-based positions) of rows of
 * type `desc`.  Lives in the current memory context.  names may be NULL: the attributes' own. */
extern pythia_image *pythia_image_make(TupleDesc desc, int nattributes, const int *attributes,
									   const char *const *names);

/* Of a key: an array or a row of a user's type is its text too, for that is what is known of a row that is gone. */
extern void pythia_image_flatten(pythia_image *image);

/* The object of one row, palloc'ed in the current memory context. */
extern Jsonb *pythia_image_of(pythia_image *image, const Datum *values, const bool *nulls);

/* Whether the session's settings show in its objects as they are now. */
extern bool pythia_image_is_bent(const pythia_image *image);
/* Whether any of those settings is not as pythia_cdc_pin would have it; `local`: those of lc_*, too. */
extern bool pythia_session_is_bent(bool local);

/* The attribute (position in the row) that hash and comparison leave out: a row that was
 * only stamped anew has not changed.  -1: none. */
extern void pythia_image_skip(pythia_image *image, int attribute);
/* Of the object made last by pythia_image_of, without the attribute left out. */
extern int64 pythia_image_hash(pythia_image *image);
/* pythia_image_likeness of images here; any of the three may be NULL. */
extern pythia_likeness pythia_jsonb_likeness(Jsonb *old_image, Jsonb *new_image, const char *stamp);

/* Whether a value of the columns' types, and not only one that is too large, may fail to become JSON. */
extern bool pythia_image_may_fail(const pythia_image *image);

/* Raises that a row's image would be larger than jsonb can be. */
extern void pythia_image_too_big(void);

#endif
