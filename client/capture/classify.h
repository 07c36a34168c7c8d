/*
 * What a change is.  Every host asks here: what it knows of a row, or of a table that was
 * swept, goes in, and what is to be delivered comes out.  Neither stores nor hosts are known here.
 */
#ifndef PYTHIA_CAPTURE_CLASSIFY_H
#define PYTHIA_CAPTURE_CLASSIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/config.h"

/* The version of a row that was read, beside the one captured last. */
typedef enum pythia_version_seen
{
	PYTHIA_VERSION_UNKNOWN, /* none of this row is known */
	PYTHIA_VERSION_OTHER,
	PYTHIA_VERSION_SAME
} pythia_version_seen;

/* The row that was read, beside the image delivered last. */
typedef enum pythia_likeness
{
	PYTHIA_IMAGE_UNKNOWN, /* there is none, or nobody compared */
	PYTHIA_IMAGE_EQUAL,
	PYTHIA_IMAGE_RESTAMPED, /* equal but for the stamp */
	PYTHIA_IMAGE_DIFFERENT
} pythia_likeness;

/* A row that was read, and what is known of it. */
typedef struct pythia_situation
{
	pythia_track track;
	pythia_version_seen version;
	bool tracked;  /* its key is among the known ones */
	bool starting; /* what is there already is not delivered */
	bool known;    /* the scan says that it was captured before, see pythia_capture_row */
	bool aged;     /* it was made before it was stamped */
	pythia_likeness image;
} pythia_situation;

typedef enum pythia_verdict
{
	PYTHIA_ROW_KNOWN,    /* nothing is to be done */
	PYTHIA_ROW_REMEMBER, /* its version was captured, or is not worth delivering; the image delivered last stays */
	PYTHIA_ROW_INSERT,
	PYTHIA_ROW_UPDATE
} pythia_verdict;

/* Whether the verdict hangs on the images: only then they need be compared. */
extern bool pythia_classify_compares(const pythia_situation *situation);
extern pythia_verdict pythia_classify(const pythia_situation *situation);

/* Whether an update that a trigger saw is delivered: one that changed nothing of what is delivered is not. */
extern bool pythia_classify_logged(pythia_track track, pythia_likeness image);

/* What a sweep of a table delivers. */
typedef enum pythia_sweep_verdict
{
	PYTHIA_SWEEP_NOTHING,
	PYTHIA_SWEEP_TRUNCATE, /* one for all the known keys */
	PYTHIA_SWEEP_DELETES   /* one for each known key that is gone */
} pythia_sweep_verdict;

/* found: keys that are there (1 stands for some); known: whether any were tracked; conditional: of a part of the
 * table only, the rest of which may be full. */
extern pythia_sweep_verdict pythia_classify_sweep(int64_t found, bool known, bool conditional);

/* Two images as JSON objects with the same members in the same order; `stamp` is the timestamp column's name or NULL. */
extern pythia_likeness pythia_image_likeness(const char *old_image, const char *new_image, const char *stamp);

#endif
