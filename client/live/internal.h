/* Shared by the files of live; nobody else includes this. */
#ifndef PYTHIA_LIVE_INTERNAL_H
#define PYTHIA_LIVE_INTERNAL_H

#include "capture/capture.h"
#include "capture/source/log.h"
#include "core/retry.h"
#include "live/live.h"
#include "sync/window.h"

#define PYTHIA_LIVE_TOKEN_SIZE 33 /* 32 hexadecimal digits */

/* One side's part of the chain. */
typedef struct pythia_live_position
{
	bool there;
	int64_t number;
	char token[PYTHIA_LIVE_TOKEN_SIZE];
	char previous[PYTHIA_LIVE_TOKEN_SIZE]; /* at the source: what the target may have still; "" once it has committed */
} pythia_live_position;

/* A table that is followed. */
typedef struct pythia_live_table
{
	const char *name; /* the job's */
	pythia_log log;
	char *schema; /* where log and table are, at the source */
	char *stored; /* its name when the log was made */
	bool copied;
	bool whole; /* the next window compares all of it */
	pythia_capture_table source;
	bool open;
	pythia_node *options; /* sync_config of the window's, owned; the key may have been added */
	pythia_sync_config config;
	pythia_sync_job job;
	pythia_sync_window *window;
	pythia_log_numbers numbers; /* of the window in hand */
	bool staged;                /* likewise */
	char *key;                  /* names of its columns, one a line, and the condition */
	char *scope;                /* what is carried, and where to */
	char *columns;              /* what the catalog said at the last look (catalog.c); NULL: nobody has looked */
	char *rest;
	char *types;   /* of the source's columns, a JSON object; the target's have followed; NULL: nobody knows */
	char *witness; /* a row's key, a JSON array of texts (witness.c); or NULL */
	bool unsaved;  /* the witness is another one than the source keeps */
	/* aside.c */
	pythia_error problem; /* with which it began; for live.c */
	bool aside;           /* it takes no part in windows */
	bool
		was_copied; /* before that: then a window compares it, and nobody copies it beside those that are bound to it */
	int cause;      /* which table's failure that is, by number */
	char *failure;  /* why; stays until it is live again, so that one cause is told once; or NULL */
	int64_t failed_at;  /* microseconds since 1970 */
	int64_t retry_at;   /* of the one that failed; monotonic milliseconds */
	pythia_retry retry; /* likewise */
} pythia_live_table;

struct pythia_live
{
	pythia_live_job job;
	char *name;
	pythia_live_table *tables; /* parents first */
	int ntables;
	pythia_live_position source;
	pythia_live_position target;
	int64_t looked_at;     /* monotonic milliseconds */
	int64_t written_at;    /* likewise: applied_until in the target */
	bool *empty;           /* logs, as of the last look */
	pythia_live_table *at; /* what is being done is done for this table; NULL: for all */
	bool check_each; /* constraints that are checked at the end are checked by table, to find the one that fails */
	pythia_log_place *places;
	pythia_live_status status;
};

/* position.c: the chain of windows.  Tables of ours, in the default schema of each side. */
bool pythia_live_position_install(pythia_live *live, pythia_error *error);
/* Reads both sides and tells whether they go together; *anew: a worker that is new, or begins anew, is to be written. */
bool pythia_live_position_begin(pythia_live *live, bool *anew, pythia_error *error);
/* To both sides, once what is kept of the tables says that none is copied. */
bool pythia_live_position_anew(pythia_live *live, pythia_error *error);
/* Within the target's transaction: the window that is about to end there.  `next` gets its number and token. */
bool pythia_live_position_target(pythia_live *live, pythia_live_position *next, pythia_error *error);
/* A transaction of the source's own: the same, before the target commits. */
bool pythia_live_position_source(pythia_live *live, const pythia_live_position *next, pythia_error *error);
/* Likewise, once it has, and before anything leaves the logs. */
bool pythia_live_position_confirm(pythia_live *live, pythia_error *error);
/* applied_until alone, on both sides; transactions of their own. */
bool pythia_live_position_beat(pythia_live *live, pythia_error *error);
/* Forgets it; no error where nothing is kept. */
bool pythia_live_position_forget(pythia_db *db, bool source, const char *name, pythia_error *error);

/* tables.c: which tables are logged, and what is kept of that at the source. */
bool pythia_live_tables_install(pythia_db *source, pythia_error *error);
/* Reads what is known, makes the logs that are missing, takes away those of tables that are not asked for any more. */
bool pythia_live_tables_begin(pythia_live *live, pythia_error *error);
/* What has become of it, to be found by the next process. */
bool pythia_live_table_save(pythia_live *live, const pythia_live_table *table, pythia_error *error);
/* Describes source and target anew, and makes the stage. */
bool pythia_live_table_open(pythia_live *live, pythia_live_table *table, pythia_error *error);
/* Forgets the stage. */
void pythia_live_table_unopen(pythia_live_table *table);
void pythia_live_table_close(pythia_live_table *table);
/* Brings triggers and log in line with the table. */
bool pythia_live_table_fit(pythia_live *live, pythia_live_table *table, pythia_error *error);
bool pythia_live_tables_drop(pythia_db *source, const char *name, pythia_error *error);

/* types.c: alters columns of the target whose types have changed at the source since table->types; *changed: that is new, and
 * to be saved. */
bool pythia_live_types_follow(pythia_live *live, pythia_live_table *table, bool *changed, pythia_error *error);

/* aside.c: tables that cannot be followed for now. */
/* Puts the table aside for `failure`, which it takes, with those that foreign keys bind to it.  Outside of transactions. */
bool pythia_live_put_aside(pythia_live *live, pythia_live_table *table, pythia_error *failure, pythia_error *error);
/* Those whose time has come take part again, to be compared as a whole. */
void pythia_live_try_again(pythia_live *live);
/* It has been compared as a whole. */
void pythia_live_rejoin(pythia_live *live, pythia_live_table *table);

/* catalog.c: for each table its number, a text that changes when its columns do, one that does when its rows may have
 * changed without a trigger, and whether they may just have done so, whatever the texts are. */
bool pythia_live_catalog_read(pythia_live *live, pythia_result *result, pythia_error *error);
/* Keeps what it says of the tables that nobody has looked at yet, and of the rest of those that were `followed` (by table; or
 * NULL: none). */
bool pythia_live_catalog_keep(pythia_live *live, const bool *followed, pythia_error *error);

/* witness.c: whether the table was emptied without a trigger; sets table->whole.  In the snapshot of a window. */
bool pythia_live_witness(pythia_live_table *table, pythia_error *error);

/* own.c: tables of ours, in a side's default schema.  Makes one where it is missing; in PostgreSQL one that belongs to
 * another role, no superuser, is refused (42501).  `why` says what it is for. */
bool pythia_live_make(pythia_db *db, const char *table, const char *columns, const char *why, pythia_error *error);
/* Whether an error of what was done for one table is that table's alone. */
bool pythia_live_is_tables(const pythia_live *live, const pythia_error *error);
/* Takes the worker out of one, and the table away when nobody is in it any more. */
bool pythia_live_put_away(pythia_db *db, const char *table, const char *name, pythia_error *error);
/* Runs a statement that was built, and frees it; *affected may be NULL. */
bool pythia_live_run(pythia_db *db, pythia_buffer *sql, int64_t *affected, pythia_error *error);
/* Of a table that may not be there: *there. The statement is freed. */
bool pythia_live_query(pythia_db *db, pythia_buffer *sql, const char *shape, pythia_result *result, bool *there,
					   pythia_error *error);
/* Appends its name. */
void pythia_live_put_own(const pythia_db *db, const char *table, pythia_buffer *out);
void pythia_live_put_literal(const pythia_db *db, const char *text, pythia_buffer *out);

#endif
