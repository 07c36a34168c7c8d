/*
 * Where the next incremental run begins.
 *
 * A watermark is the text of a stamp before which every row has been seen.  It may stand no
 * later than the point before which no open transaction can still commit a stamp.
 */
#ifndef PYTHIA_WATERMARK_H
#define PYTHIA_WATERMARK_H

#include "sync/boundary.h"
#include "sync/plan.h"

typedef struct pythia_watermark
{
	char *low;      /* rows stamped at or after it are read; NULL: all */
	char *boundary; /* of this run's start, UTC, or NULL where it is not known */
	char *highest;  /* an ever-growing integer: its maximum before we looked for open transactions */
	bool integer;
	bool quiet; /* with an integer: no other transaction was open after `highest` was read */
} pythia_watermark;

/* Reads the boundary; call it before the snapshot that reads the rows. */
bool pythia_watermark_begin(pythia_db *source, const pythia_plan *plan, const char *stored, pythia_watermark *mark,
							pythia_error *error);
/* Appends the condition that selects the rows to read, if there is one; false where there is none. */
bool pythia_watermark_condition(pythia_db *source, const pythia_plan *plan, const pythia_watermark *mark,
								pythia_buffer *out);
/* The next watermark, the caller's to free; NULL where there is none yet. Call it after the rows were read,
 * within their snapshot. */
bool pythia_watermark_next(pythia_db *source, const pythia_plan *plan, const pythia_sync_config *config,
						   const pythia_watermark *mark, char **next, pythia_error *error);
void pythia_watermark_free(pythia_watermark *mark);

#endif
