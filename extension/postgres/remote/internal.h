/*
 * Between the parts of capture from other databases.
 *
 * A poll has two halves.  First everything is fetched (fetch.c), in a
 * background worker outside of any transaction: clock and open transactions,
 * then each table's rows at or after low, or what its triggers logged; into
 * tuplestores, which go to disk when they grow.  Then, in a short transaction a
 * table, sets are compared here and the journal is written (digest.c),
 * unless another session was faster: cdc_state.round tells.
 */
#ifndef PYTHIA_POSTGRES_REMOTE_INTERNAL_H
#define PYTHIA_POSTGRES_REMOTE_INTERNAL_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "capture/capture.h"
#include "capture/source/log.h"
#include "postgres/capture/catalog.h"
#include "postgres/connection/connection.h"
#include "utils/tuplestore.h"

/* ---- source.c: the connection, and what is known of the tables over there ---- */

typedef struct pythia_remote_source pythia_remote_source;
typedef struct pythia_fetched pythia_fetched;

/* The worker's database, as the worker's owner; ereports. `write`: triggers will be made there. */
extern pythia_endpoint *pythia_remote_target(const pythia_cdc_worker *worker, bool write);
/* Opens it. In a background worker (outside of transactions) it stays open, and comes back the next time. */
extern pythia_remote_source *pythia_remote_source_open(const pythia_cdc_worker *worker, const pythia_endpoint *target,
													   pythia_error *error);
/* After use; `ok`: it may be used again. NULL-safe. */
extern void pythia_remote_source_done(pythia_remote_source *source, bool ok);
extern pythia_db *pythia_remote_source_db(pythia_remote_source *source);
/* Reads at once what the next calls of pythia_remote_source_table need for these (pythia_fetched), where nothing is known
 * or it is `wanted` at any rate. */
extern bool pythia_remote_source_describe(pythia_remote_source *source, List *all,
										  bool (*wanted)(const pythia_fetched *fetched), pythia_error *error);
/* The table described, from some seconds ago unless *fresh; *fresh tells whether it was just now. NULL: an error. */
extern pythia_capture_table *pythia_remote_source_table(pythia_remote_source *source, const pythia_cdc_worker *worker,
														const pythia_fetched *fetched, bool *fresh,
														pythia_error *error);
/* Forgets the description, after a failure. */
extern void pythia_remote_source_forget(pythia_remote_source *source, const pythia_fetched *fetched);
/* A SQLite file in which nothing was committed since the last call of pythia_remote_source_polled. */
extern bool pythia_remote_source_idle(pythia_remote_source *source, bool *idle, pythia_error *error);
extern void pythia_remote_source_polled(pythia_remote_source *source);
/* Says once that open transactions cannot be seen. */
extern void pythia_remote_source_blind(pythia_remote_source *source);

/* ---- define.c: tables that come under a pattern (schema.*) later ---- */

/* What is captured already. */
typedef struct pythia_remote_known
{
	List *patterns; /* NIL: nothing can come */
	List *names;
} pythia_remote_known;

/* In a transaction. */
extern void pythia_remote_note_known(const pythia_cdc_worker *worker, pythia_remote_known *known);
/* Asks the source; *found gets definitions of what is new, for adopt. */
extern bool pythia_remote_find(const pythia_cdc_worker *worker, pythia_remote_source *source,
							   const pythia_remote_known *known, List **found, pythia_error *error);
/* In a transaction: they are the worker's tables from the next poll on, from their first row. */
extern void pythia_remote_add_discovered(const pythia_cdc_worker *worker, List *found);

/* ---- fetch.c ---- */

/* Columns of a fetched row; of a logged change: key, stamp, image, transaction, kind, old. */
enum
{
	STAGE_NUMBER,
	STAGE_KEY,
	STAGE_VERSION,
	STAGE_STAMP,
	STAGE_IMAGE,
	STAGE_TRANSACTION,
	STAGE_AGED,
	STAGE_KNOWN,
	STAGE_KIND, /* of a logged change: its journal kind */
	STAGE_OLD,
	STAGE_COLUMNS
};

/* What was fetched of one table. */
struct pythia_fetched
{
	pythia_cdc_table *table;
	char *name; /* of the table, in UTF-8, as are the next three */
	char *schema;
	char *log_name;
	char *known_columns;
	bool lasting;
	bool starting;
	bool again;   /* it was stopped: triggers that are gone are made anew */
	bool failed;  /* it stops */
	bool away;    /* it could not be read this time */
	char *reason; /* why, in UTF-8 */
	Tuplestorestate *rows;
	Tuplestorestate *keys; /* NULL: no sweep is due */
	Tuplestorestate *into; /* one of both */
	TupleDesc desc;
	MemoryContext scratch; /* of one row; NULL: none came yet */
	int64 count;
	int64 key_count;
	int64 nulls;
	bool counting_keys;
	char *low;
	char *mark;
	int64 mark_time;
	TimestampTz low_at; /* the instant low stands for; 0: not known */
	bool held;          /* low stays where it stands */
	char *key_form;     /* of the keys that were read, in UTF-8 */

	/* of a table with triggers */
	pythia_log_numbers delivered; /* delivered by transactions that have committed: may be deleted over there */
	pythia_log_numbers own;       /* delivered by this very transaction */
	bool empty;                   /* nothing was in the log when this poll began */
	bool deleted;                 /* the delivered ones are gone there */
	pythia_log_numbers fresh;     /* read now, and delivered with this */
	char *log_columns;            /* as they are now; NULL: as they were */
	char *not_logged;             /* why a change could not be logged, in UTF-8; or NULL */
};

/* Makes ready for one table; `lasting`: across transactions. In the current memory context. */
extern pythia_fetched *pythia_fetched_make(pythia_cdc_table *table, bool lasting);
extern void pythia_fetched_free(pythia_fetched *fetched);
/* True where there is nothing to write down. */
extern bool pythia_fetched_idle(const pythia_fetched *fetched);
/* What was seen of the source as a whole. */
typedef struct pythia_source_status
{
	pythia_clock clock; /* its `now` is 0 where nobody needed to ask */
	pythia_holder holder;
	TimestampTz at; /* when it was read, by the clock here */
} pythia_source_status;

/*
 * Reads what all of them (pythia_fetched) need.  With `isolate` a table's own failure is noted in it.
 * What it allocates is in the current memory context.
 */
extern bool pythia_fetch_all(const pythia_cdc_worker *worker, pythia_remote_source *source, List *all, bool isolate,
							 pythia_source_status *status, pythia_error *error);
/* The instant that the boundary stands for, by the clock here; 0: not known. */
extern TimestampTz pythia_remote_boundary(const pythia_source_status *status);

/* ---- hold.c ---- */

/* Whether stat_cdc should tell something else than it does. */
extern bool pythia_remote_hold_changed(const pythia_cdc_worker *worker, const pythia_source_status *status);
/* Writes it down. Within a transaction. */
extern void pythia_remote_hold_save(const pythia_cdc_worker *worker, const pythia_source_status *status);

/* ---- digest.c ---- */

/* Compares, journals and saves; returns the number of changes. Within a transaction. */
extern int64 pythia_digest_fetched(const pythia_cdc_worker *worker, pythia_fetched *fetched);

/* ---- delivered.c: triggers over there that follow a transaction here ---- */

/* Numbers delivered and perhaps still in the log, into fetched->delivered and ->own. */
extern void pythia_remote_delivered_load(pythia_fetched *fetched);
/* Writes down the fresh ones, and forgets those that were deleted. */
extern void pythia_remote_delivered_save(const pythia_fetched *fetched);

#endif
