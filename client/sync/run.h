/*
 * One run of pythia_sync_table, shared by the files that carry it out; nobody else includes this.
 *
 * All functions here work on one run, whose memory they own.  Those that give a bool return false with the error filled
 * (its text in UTF-8, its class telling whether it can be tried again), and leave it to pythia_run_give_up and
 * pythia_run_undo to close what is open.  Texts of SQL are appended to buffers that the caller frees.
 */
#ifndef PYTHIA_RUN_H
#define PYTHIA_RUN_H

#include "core/retry.h"
#include "sync/plan.h"
#include "sync/watermark.h"

/* How a run goes about it: chosen before the first row, and looked at from then on. */
typedef struct pythia_way
{
	bool all_rows;         /* the whole target is this run's, whatever the condition says */
	bool replaces;         /* truncate_target: what the target holds is deleted first */
	bool staged;           /* the target may hold rows: through a stage, then UPDATE and INSERT */
	bool known_to_differ;  /* the stage's rows: no comparison before the UPDATE */
	bool ordered;          /* rows come in the key's order, so that the copy can go on after one */
	bool single;           /* all in one transaction of the target */
	bool sweep_first;      /* what is gone goes before what came: its values may be used again */
	bool refers_to_itself; /* PostgreSQL: rows have to come after, or with, those that they refer to */
	bool keys_may_meet;    /* two rows of the source may have one key in the target */
	bool by_bytes;         /* no index holds the key: texts are ordered by bytes, whatever their collation */
	int connections;       /* connections of a load into MySQL */
	bool window;           /* some keys alone, staged and applied by whoever calls (window.h) */
} pythia_way;

/* What has become of source and target so far. */
typedef struct pythia_run_state
{
	bool created;       /* the target did not exist */
	bool ours;          /* made by this attempt or one before it, and filled by nobody else */
	bool made;          /* likewise, or this run goes on with one that made it */
	bool resumed;       /* from a checkpoint */
	bool stage_empty;   /* just made */
	bool large;         /* rows of megabytes have come */
	bool writing;       /* a transaction of the target is open */
	bool reading;       /* a snapshot of the source is open */
	bool swept;         /* what is gone from the source is gone from the target */
	bool unsure;        /* a commit failed: it may have taken place, or a part of it */
	bool empty_again;   /* an attempt to fill the target may have left rows, which go before the next */
	bool unchecked;     /* MySQL's foreign key checks are off until the rows are there */
	bool keys_kept;     /* where keys may meet: those of all merges are kept beside the stage */
	bool undone;        /* what was loaded has been dropped */
	bool source_failed; /* the error at hand came from reading */
	bool placeless;     /* a row that was read has a NULL in its key: no place tells where to go on */
} pythia_run_state;

#define PYTHIA_STAGE_NAME_SIZE 32

typedef struct pythia_run
{
	const pythia_sync_job *job; /* the caller's, or `own` */
	const pythia_sync_job *given;
	pythia_sync_job own; /* the caller's with settings of our own, where the tables ask for it */
	pythia_sync_config settings;
	pythia_db *source; /* the job's, or one that was opened in its place */
	pythia_db *target;
	bool source_ours;
	bool target_ours;
	pythia_plan plan;
	pythia_table design; /* of a target that this run made, or one that it goes on with: its indexes are due */
	pythia_way way;
	pythia_run_state state;
	pythia_watermark mark;
	pythia_sync_result *result;
	pythia_sync_result committed; /* the counters as of the target's last commit */
	char *swap;                   /* MySQL: rows go into this table, which takes the target's place in the end */
	char **after;                 /* key of the last row that is safe on the target, nkey texts; NULL at the start */
	char **seen;                  /* key of the last row read */
	char **collations;            /* in SQLite, where they may not be the columns': those to order the key by, nkey */
	const char **names;           /* of the target's columns, one a pair */
	const pythia_type **types;
	pythia_retry retry;
	char **bounds;     /* in parts: where one ends and the next begins, nparts - 1 texts of the key's first column */
	int nparts;        /* 0: in one piece */
	int part;          /* in hand */
	const char *from;  /* its bounds; NULL: open */
	const char *until; /* not in it */
	char *path;        /* the statement that sets PostgreSQL's search_path while rows are written; NULL: not made yet */
	char *snapshot;    /* in PostgreSQL: the first stream's, for the others */
	pythia_sync_result counted;         /* what the host has been told of the counters */
	int64_t chunks;                     /* ended so far */
	char stage[PYTHIA_STAGE_NAME_SIZE]; /* names of its temporary tables */
	char keys[PYTHIA_STAGE_NAME_SIZE];
	const char *among; /* way.window: which rows are read, a condition; NULL: all */
	uint64_t staged;   /* way.window: rows that the stage holds */
	int64_t started;   /* host's clock, microseconds */
} pythia_run;

/* A job whose source and target are one SQLite file, as `own` over one connection; *twin is to be closed.  Any other job
 * as it is. */
const pythia_sync_job *pythia_job_apart(const pythia_sync_job *job, pythia_sync_job *own, pythia_db **twin);
/* sync.c: a run of a job, and its plan with the target as it is to be.  *result is the caller's and cleared. */
void pythia_run_init(pythia_run *run, const pythia_sync_job *job, pythia_sync_result *result);
bool pythia_run_plan(pythia_run *run, pythia_error *error);
/* session.c: transactions, and databases that were lost. */
/* Opens a transaction of the target, with the settings that loading wants; none may be open. */
bool pythia_run_begin_write(pythia_run *run, pythia_error *error);
/* Commits it and notes the counters as committed; rolls back in a dry run.  After a failure run->state.unsure says whether
 * it may have taken place all the same. */
bool pythia_run_commit(pythia_run *run, pythia_error *error);
/* Takes a snapshot of the source, in which all rows of the run are read until pythia_run_end_read. */
bool pythia_run_begin_read(pythia_run *run, pythia_error *error);
bool pythia_run_end_read(pythia_run *run, pythia_error *error);
/* Begins to read in run->snapshot, where that is to be had still. */
bool pythia_run_join_snapshot(pythia_run *run, pythia_error *error);
/* Forgets the keys of the last rows: what is read next begins at its start. */
void pythia_run_forget_place(pythia_run *run);
/* After an error: rolls back what is open; the error's own text is what matters. */
void pythia_run_give_up(pythia_run *run, bool keep_writing);
/* Waits and opens again what was lost.  False with the error that was there, or a worse one,
 * where it cannot be tried again; true with the error cleared. */
bool pythia_run_recover(pythia_run *run, pythia_error *error);
/* Frees all that the run holds, and closes databases that it opened itself. */
void pythia_run_close(pythia_run *run);
/* Runs a statement on the target and adds the rows it touched to *count (may be NULL). */
bool pythia_run_exec(pythia_run *run, const char *sql, int64_t *count, pythia_error *error);
/* Tells the host how far the run has come; `phase` is a word such as "copy". */
void pythia_run_progress(const pythia_run *run, const char *phase);

/* source.c: the query over the source; false where a place of the run is none of its key. */
bool pythia_source_query(const pythia_run *run, bool ordered, pythia_buffer *out, pythia_error *error);
/* Only the key's columns, all rows that the run is about. */
void pythia_source_keys_query(const pythia_run *run, pythia_buffer *out);

/* place.c: where a copy goes on. */
/* Looks at the order that the key has on both sides; before anything is read by it. */
bool pythia_place_begin(pythia_run *run, pythia_error *error);
/* What key column i is ordered by and compared as; and the text of a place in it, compared with that: false, class DATA,
 * where it is none. */
void pythia_place_order(const pythia_run *run, int i, pythia_buffer *out);
bool pythia_place_literal(const pythia_run *run, int i, const char *value, pythia_buffer *out, pythia_error *error);
/* The expression whose text is the place, over the column or, where `name` is given, alias.name; and its type. */
void pythia_place_read(const pythia_run *run, int i, const char *alias, const char *name, pythia_buffer *out);
/* Borrowed. */
const pythia_type *pythia_place_type(const pythia_run *run, int i);
/* Remembers the place of the last row of a chunk in run->seen; one with a NULL in its key has none. */
void pythia_place_remember(pythia_run *run, const pythia_rows *chunk);

/* sync/merge/stage.c: a temporary table of the target beside the real one. */
/* Names a run's temporary tables: 0 where it has the target's connection to itself, else another number for each. */
void pythia_stage_name(pythia_run *run, unsigned serial);
/* Where the engine puts temporary tables; borrowed. */
const char *pythia_stage_schema(const pythia_run *run);
/* With those of the target's columns that are carried; it lasts as long as the connection. */
bool pythia_stage_create(pythia_run *run, pythia_error *error);
/* Takes its rows out, within the transaction that is open. */
bool pythia_stage_clear(pythia_run *run, pythia_error *error);
/* No error where there is none. */
bool pythia_stage_drop(pythia_run *run, pythia_error *error);
/* Makes a temporary table of some of the target's columns; `pairs` are positions in plan->pairs. */
bool pythia_stage_make(pythia_run *run, const char *name, const int *pairs, int npairs, pythia_error *error);
/* For names of which there may be several: SQLite's indexes live on with a stage that was set aside. */
unsigned pythia_stage_serial(void);
bool pythia_stage_drop_named(pythia_run *run, const char *name, pythia_error *error);

/* sync/merge/merge.c: the stage's rows put into the target by the conflict rule, and counted. */
/* `rows`: how many the stage holds. */
bool pythia_stage_apply(pythia_run *run, uint64_t rows, pythia_error *error);
/* Texts of statements over stage s and target t, for those who write more of them: the key's columns compared; */
void pythia_merge_key_join(const pythia_run *run, pythia_buffer *out);
bool pythia_merge_keys_are_loose(const pythia_run *run); /* two of the source's may be one there */
/* any other column differs; */
void pythia_merge_difference(const pythia_run *run, pythia_buffer *out);
/* the name of the stage, or of the target; */
void pythia_merge_table(const pythia_run *run, bool stage, pythia_buffer *out);
/* " AND (…)" by conflict_resolution, or nothing; */
void pythia_merge_rule(const pythia_run *run, pythia_buffer *out);
/* alias."column" of the target's, for the pair; and all of them. */
void pythia_merge_column(const pythia_run *run, pythia_buffer *out, const char *alias, int pair);
void pythia_merge_columns(const pythia_run *run, pythia_buffer *out, const char *alias);
/* The key's columns, each with `after` behind it ("": nothing). */
void pythia_merge_key_columns(const pythia_run *run, pythia_buffer *out, const char *alias, const char *after);
/* Updates rows of the target that are in the stage and differ, by_rule: where the rule lets it; adds their number to *count. */
bool pythia_merge_update(pythia_run *run, bool by_rule, int64_t *count, pythia_error *error);

/* sync/merge/unique_swap.c: rows of the stage that collide with one another in a unique key. */
bool pythia_may_swap_unique(const pythia_run *run); /* the target has such a key */
/* Takes what differs out and puts it back as the source has it; *count gets their number. */
bool pythia_unique_swap(pythia_run *run, int64_t *count, pythia_error *error);

/* sync/merge/unique.c: rows of the source that come to one key of the target. */
/* Sets run->way.keys_may_meet; *constrained: the target itself refuses the second of them. */
void pythia_keys_look(pythia_run *run, bool *constrained);
/* Makes the table, beside the stage, that keeps the keys of all merges. */
bool pythia_keys_begin(pythia_run *run, pythia_error *error);
/* Keeps the stage's; class DATA, 23505, where one of them is there already. */
bool pythia_keys_keep(pythia_run *run, pythia_error *error);
bool pythia_keys_end(pythia_run *run, pythia_error *error);

/* sync/merge/resolve.c: differing rows decided by the host's function. */
/* *updated gets how many rows were set to what the function returned. */
bool pythia_resolve_rows(pythia_run *run, int64_t *updated, pythia_error *error);

/* load.c: rows on their way into the target or its stage. */
typedef struct pythia_loader
{
	pythia_run *run;
	pythia_load load;
	bool open;
	bool holding;   /* rows are kept until the chunk ends, to find those that are refused */
	uint64_t rows;  /* in the open chunk */
	uint64_t bytes; /* likewise */
	pythia_rows_reader reader;
	pythia_rows_writer writer;
	pythia_rows_writer held;
	pythia_buffer scratch;
	pythia_buffer ended; /* a value that was left in place, with a NUL */
} pythia_loader;

void pythia_loader_init(pythia_loader *loader, pythia_run *run);
/* Transforms the rows of a chunk (of the source, one field a pair) and sends them on. */
bool pythia_loader_put(pythia_loader *loader, const pythia_rows *chunk, pythia_error *error);
/* Ends the chunk: stored, applied where staged, counted.  The transaction is the caller's. */
bool pythia_loader_finish(pythia_loader *loader, pythia_error *error);
void pythia_loader_free(pythia_loader *loader); /* abandons what is open */
/* Notes what was stored; false, class INTERNAL, where it is not what was sent. */
bool pythia_loader_stored(pythia_loader *loader, uint64_t stored, uint64_t sent, pythia_error *error);
/* Stores rows in one go: begin, put, end, and apply where staged. */
bool pythia_loader_store(pythia_loader *loader, const pythia_rows *rows, pythia_error *error);

/* bisect.c: stores rows, and gives those that the target refuses to quarantine. */
bool pythia_bisect_store(pythia_loader *loader, const pythia_rows *rows, pythia_error *error);

/* row_json.c: the fields of one row, in the order of the pairs, as a JSON object; the values are the source's, or have
 * become the target's. */
void pythia_row_json(const pythia_plan *plan, const pythia_field *fields, bool target_names, bool target_values,
					 pythia_buffer *out);

/* copy.c: all the rows, in chunks, again after what can be retried. */
bool pythia_copy_rows(pythia_run *run, pythia_error *error);
/* Deletes what is gone before what came is stored: its values may be used again. */
bool pythia_sweep_now(pythia_run *run, pythia_error *error);

/* sweep.c: rows that the source no longer has. */
bool pythia_sweep(pythia_run *run, pythia_error *error);
/* Appends " AND (…)": which rows of the target are this run's to delete; nothing where all are. */
bool pythia_sweep_own_rows(const pythia_run *run, pythia_buffer *out, pythia_error *error);

/* keys.c: a temporary table of keys (run->keys), which pythia_stage_make has made. */
/* Fills it with what a query over the source gives, a key's columns in their order: those that the target can hold. */
bool pythia_key_table_load(pythia_run *run, const char *query, pythia_error *error);
/* What a hash join needs not, but SQLite has none. */
bool pythia_key_table_index(pythia_run *run, pythia_error *error);
void pythia_key_table_put(const pythia_run *run, pythia_buffer *out);
/* EXISTS, or what `exists` says instead, (SELECT a row of it that is the row t of the target). */
void pythia_key_table_exists(const pythia_run *run, const char *exists, pythia_buffer *out);

/* checkpoint.c: how far the run has come, as a JSON array of texts. */
char *pythia_checkpoint_write(const pythia_run *run); /* the caller's */
/* Goes on from there, where it is about the same rows and the target is not empty; else begins anew. */
void pythia_checkpoint_read(pythia_run *run, const char *text, bool empty);
/* Of a run in parts: what the parts are, for other streams and the next attempt; and run->after of one part. */
char *pythia_ticket_write(const pythia_run *run);
bool pythia_ticket_read(pythia_run *run, const char *text, pythia_error *error);
char *pythia_checkpoint_write_key(const pythia_run *run);
bool pythia_checkpoint_read_key(pythia_run *run, const char *text); /* false where it is none */

/* ranges.c: several streams over one table. */
/* Cuts the table where that can be right and pays: run->nparts. */
bool pythia_ranges_cut(pythia_run *run, pythia_error *error);
/* Copies the parts that nobody else takes, until all are done. */
bool pythia_ranges_copy(pythia_run *run, pythia_error *error);
/* Copies parts until there is none to take. */
bool pythia_ranges_take(pythia_run *run, pythia_error *error);
/* Tells the host how far the part in hand has come. */
bool pythia_ranges_save(pythia_run *run, bool done, pythia_error *error);

/* swap.c: MySQL's truncate_target. */
/* Makes the table that is to take the target's place and sets run->swap, where that can be right; else the target
 * is emptied and filled in one transaction. */
bool pythia_swap_begin(pythia_run *run, pythia_error *error);
/* Both change places by one RENAME, and the old one is dropped. */
bool pythia_swap_end(pythia_run *run, pythia_error *error);
/* After a failure: drops what was made. */
bool pythia_swap_undo(pythia_run *run, pythia_error *error);

/* undo.c: after a failure, when transactions have been given up; says in the error what has become of the table. */
void pythia_run_undo(pythia_run *run, pythia_error *error);

/* finish.c: what comes after the rows. */
/* Sets the sequences of a PostgreSQL target behind the greatest value that came. */
bool pythia_finish_sequences(pythia_run *run, pythia_error *error);
/* merge/sql.c: a key column that is the same wherever a row has a counterpart. */
bool pythia_merge_is_fixed(const pythia_run *run, int pair);

#endif
