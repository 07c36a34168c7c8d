/*
 * The keys that a trigger's log (log.h) names, as SQL over the source: for who reads the rows themselves again, and cares
 * for no image.  Whatever order the changes had, and however often one is looked at again: a row is what its table has.
 */
#ifndef PYTHIA_CAPTURE_SOURCE_LOG_KEYS_H
#define PYTHIA_CAPTURE_SOURCE_LOG_KEYS_H

#include "capture/source/log.h"

typedef struct pythia_log_summary
{
	bool whole;   /* the keys do not tell all: the table was emptied, or a change could not be logged */
	bool gone;    /* some keys may be gone from the table */
	char *reason; /* why a change could not be logged, the caller's to free; or NULL */
} pythia_log_summary;

/* What the log's rows say together, in the snapshot that is open. */
bool pythia_log_summarize(pythia_capture_table *table, const pythia_log *log, pythia_log_summary *summary,
						  pythia_error *error);
/* Appends the condition that a row of the table, its columns named without an alias, has a key that the log names; it may
 * hold for some others. */
bool pythia_log_put_changed(const pythia_capture_table *table, const pythia_log *log, pythia_buffer *out,
							pythia_error *error);
/* Appends a query of the keys, each once, in interchange text, whose rows may be gone. */
bool pythia_log_put_gone(const pythia_capture_table *table, const pythia_log *log, pythia_buffer *out,
						 pythia_error *error);

/* What table and log say of one key. */
typedef struct pythia_log_trace
{
	bool there; /* the table has it */
	bool came;  /* the log has a row that came by it, */
	bool went;  /* or one that went */
} pythia_log_trace;

/* MySQL: asks for the key of these texts, nkey of them; a key that cannot be one of the table's is there. */
bool pythia_log_trace_key(pythia_capture_table *table, const pythia_log *log, const char *const *key,
						  pythia_log_trace *trace, pythia_error *error);

#endif
