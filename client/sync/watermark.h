/*
 * Where the next incremental run begins.
 *
 * A watermark is the text of a stamp before which every row has been seen.  It may stand no
 * later than the point before which no open transaction can still commit a stamp.  Behind a # it
 * names its scope, a digest of what the run was about (tables, columns, key, condition): a watermark
 * of another scope says nothing of the rows before it.
 */
#ifndef PYTHIA_WATERMARK_H
#define PYTHIA_WATERMARK_H

#include "sync/plan.h"

typedef struct pythia_watermark
{
	char *low; /* rows stamped at or after it are read; NULL: all */
	char *
		boundary; /* UTC: what was committed with a stamp before it is seen by this run; NULL: nobody knows when that was */
	char *integer;       /* with an ever-growing integer: what the next run gets, without its scope */
	int64_t clock;       /* the server's, in UTC, as the run began; 0 with integers */
	int64_t local_clock; /* the same in the zone in which its sessions begin */
	char scope[9];
} pythia_watermark;

/* Digest of what is read and where it goes. */
void pythia_watermark_scope(const pythia_plan *plan, char scope[9]);
/* Reads the boundary; call it before the snapshot that reads the rows.  `stored` (of the last run, or NULL) is
 * not believed, and all is read, where its scope is another one or it lies ahead of the server's clock; a
 * notice says so. */
bool pythia_watermark_begin(pythia_db *source, const pythia_plan *plan, const pythia_sync_config *config,
							const char *stored, pythia_watermark *mark, pythia_error *error);
/* Appends the condition that selects the rows to read, if there is one; false where there is none. */
bool pythia_watermark_condition(pythia_db *source, const pythia_plan *plan, const pythia_watermark *mark,
								pythia_buffer *out);
/* The next watermark, the caller's to free; NULL where there is none yet. Call it after the rows were read,
 * within their snapshot. */
bool pythia_watermark_next(pythia_db *source, const pythia_plan *plan, const pythia_watermark *mark, char **next,
						   pythia_error *error);
void pythia_watermark_free(pythia_watermark *mark);

/* Appends the condition that a stamp, or a number, is `low` (UTC, or digits) or later; false, with nothing appended, where
 * the column holds no such value.  In SQLite, whose texts may say an offset, instants are compared; with `days`, one that
 * is a day alone counts until the day ends. */
bool pythia_stamp_since(pythia_db *db, const pythia_column *column, const char *low, bool days, pythia_buffer *out);

#endif
