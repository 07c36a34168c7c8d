/* One run of pythia_sync_table, shared by the files that carry it out; nobody else includes this. */
#ifndef PYTHIA_RUN_H
#define PYTHIA_RUN_H

#include "sync/plan.h"
#include "sync/watermark.h"

typedef struct pythia_run
{
	const pythia_sync_job *job;
	pythia_db *source; /* the job's, or one that was opened in its place */
	pythia_db *target;
	bool source_ours;
	bool target_ours;
	pythia_plan plan;
	pythia_watermark mark;
	pythia_sync_result *result;
	bool created;         /* the target did not exist */
	bool staged;          /* the target may hold rows: through a stage, then UPDATE and INSERT */
	bool known_to_differ; /* the stage's rows: no comparison before the UPDATE */
	bool single;          /* all in one transaction of the target */
	bool writing;         /* a transaction of the target is open */
	bool reading;         /* a snapshot of the source is open */
	char **after;         /* key of the last row committed on the target, nkey texts; NULL at the start */
	char **seen;          /* key of the last row read */
	const char **names;   /* of the target's columns, one a pair */
	const pythia_type **types;
	int64_t started; /* host's clock, microseconds */
} pythia_run;

/* source.c: the query over the source. */
void pythia_source_query(const pythia_run *run, bool ordered, pythia_buffer *out);
/* Remembers the key of the last row of a chunk in run->seen. */
void pythia_source_remember(pythia_run *run, const pythia_rows *chunk);

/* stage.c: a temporary table of the target beside the real one. */
bool pythia_stage_create(pythia_run *run, pythia_error *error);
bool pythia_stage_clear(pythia_run *run, pythia_error *error);
bool pythia_stage_drop(pythia_run *run, pythia_error *error);
/* Puts the stage's rows into the target by the conflict rule, and counts. */
bool pythia_stage_apply(pythia_run *run, uint64_t rows, pythia_error *error);
const char *pythia_stage_schema(const pythia_run *run);
#define PYTHIA_STAGE_NAME "pythia_stage"

/* load.c: rows on their way into the target or its stage. */
typedef struct pythia_loader
{
	pythia_run *run;
	pythia_buffer sql;
	pythia_load load;
	bool open;
	uint64_t rows;  /* in the open chunk */
	uint64_t bytes; /* likewise */
	pythia_rows_reader reader;
	pythia_rows_writer writer;
	pythia_buffer scratch;
} pythia_loader;

void pythia_loader_init(pythia_loader *loader, pythia_run *run);
bool pythia_loader_put(pythia_loader *loader, const pythia_rows *chunk, pythia_error *error);
/* Ends the chunk: stored, applied where staged, counted.  The transaction is the caller's. */
bool pythia_loader_finish(pythia_loader *loader, pythia_error *error);
void pythia_loader_free(pythia_loader *loader); /* abandons what is open */

/* row_json.c: the fields of one row, in the order of the pairs, as a JSON object. */
void pythia_row_json(const pythia_plan *plan, const pythia_field *fields, bool target_names, pythia_buffer *out);

/* finish.c: what comes after the rows. */
bool pythia_finish_sequences(pythia_run *run, pythia_error *error);

/* A bare query for one text; *text is the caller's, NULL for no row or NULL. */
bool pythia_run_scalar(pythia_db *db, const char *sql, char **text, pythia_error *error);
/* Runs a statement on the target and adds the rows it touched to *count (may be NULL). */
bool pythia_run_exec(pythia_run *run, const char *sql, int64_t *count, pythia_error *error);

#endif
