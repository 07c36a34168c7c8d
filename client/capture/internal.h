/*
 * Shared by the files of capture; nobody else includes this.
 *
 * A function that gives a bool returns false with the error filled; its class tells whose fault it is (fault.h).  Times are
 * microseconds since 1970.  What is written to the store is in the transaction that pythia_capture_begin opened.
 */
#ifndef PYTHIA_CAPTURE_INTERNAL_H
#define PYTHIA_CAPTURE_INTERNAL_H

#include "capture/capture.h"
#include "capture/source/log.h"
#include "core/rows.h"
#include "core/stamp.h"
#include "dialect/dialect.h"

/* ---- capture/source/image.c ---- */

/*
 * Appends a field as JSON. `storage` is the class of a SQLite value ('i' integer, 'r' real,
 * 't' text, 'b' blob, 'j' text that is JSON), 0 for engines whose columns have one type.
 */
void pythia_capture_json_field(pythia_buffer *out, const pythia_capture_column *column, const pythia_type *type,
							   char storage, const pythia_field *field);

/* ---- capture/source/table.c, capture/source/scan.c ---- */

void pythia_capture_put_table(const pythia_capture_table *table, pythia_buffer *sql); /* schema.table */
/* What stands before part `i` of a chain of ||, which ")" ends: SQLite takes no expression of more than 1,000 levels. */
void pythia_capture_put_link(pythia_buffer *sql, int i);
/* Can the text be a position: an integer, or a date and time, as the timestamp column has them? */
bool pythia_capture_is_stamp(const pythia_capture_table *table, const char *stamp);
/* A literal comparable with the timestamp column (sql NULL: none); false where a position that was stored is none. */
bool pythia_capture_put_stamp(const pythia_capture_table *table, pythia_buffer *sql, const char *stamp,
							  pythia_error *error);
const pythia_column *pythia_capture_stamp_column(const pythia_capture_table *table);

/* ---- capture/source/sqlite_stamp.c ---- */

/* Whether the stamps are dates and times in a column of SQLite's, which may be written in several ways. */
bool pythia_sqlite_stamp_is_text(const pythia_capture_table *table);
/* Whether `low` is a time although the column holds integers by now. */
bool pythia_sqlite_was_text(const pythia_capture_table *table, const char *low);
/* A stamp in the one spelling that positions have (of their zone where it tells its own; a day alone stays one), into
 * `out`, cleared first.  True where rows in the order of the column are in the order of time by it, within a day. */
bool pythia_sqlite_stamp(const pythia_capture_table *table, pythia_buffer *out, const char *text, size_t length);
bool pythia_sqlite_stamp_is_zoned(const char *text, size_t length);

/* ---- capture/store/store.c ---- */

/* Appends a quoted literal, or NULL. */
void pythia_store_text(pythia_buffer *sql, const char *text);
/* Formats a statement and runs it; free of user's text. */
bool pythia_store_exec(pythia_db *store, pythia_error *error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Runs and frees a statement that was built. */
bool pythia_store_run(pythia_db *store, pythia_buffer *sql, pythia_error *error);
/* Bulk insert by a statement with ?1 … ?n over columns of these kinds. */
bool pythia_store_load(pythia_db *store, const char *sql, int ncolumns, const pythia_kind *kinds,
					   const pythia_rows_writer *rows, pythia_error *error);
/* A file of ours alone: a last commit that is lost with the machine only means that changes are delivered twice.
 * Outside of transactions. */
bool pythia_store_tune(pythia_db *store, pythia_error *error);
/* A table of a worker, by the name it was given; its own names follow when it is described. */
bool pythia_store_table(pythia_db *store, int64_t worker_id, const char *name, pythia_error *error);
/* Those of its names that are patterns, one a line: tables that come under `schema.*` later are captured, too. */
bool pythia_store_patterns(pythia_db *store, int64_t worker_id, const char *const *tables, pythia_error *error);
bool pythia_store_worker(pythia_db *store, const char *name, int64_t *worker_id, pythia_error *error);

/* ---- a worker at work ---- */

/* A table of a worker. */
typedef struct pythia_captured
{
	int64_t table_id;
	char *name;     /* as the user wrote it */
	char *schema;   /* where it was when the worker was made; "" or NULL: not known */
	pythia_log log; /* trigger capture; else its name is NULL */
	pythia_capture_config config;
	pythia_capture_table table;
	bool open;
	bool failed;   /* as the store says */
	bool retrying; /* the same: passed over by the last poll */
	bool lost;     /* the same: failed, as a change could not be logged; it stays so until the next change */
	bool unfit;    /* the log could not be brought in line with the table: another time */
	bool started;
	char *key_form; /* of the keys that are known, see pythia_capture_key_form; NULL: none are yet */
	pythia_capture_position position;
	int64_t saved_at;   /* microseconds; when the position was stored */
	int64_t last_sweep; /* microseconds, 0: never */
	bool unswept;       /* polled since */
	int64_t null_stamps;
	int64_t changes;  /* in the present poll */
	int64_t counted;  /* of those, what the stored counter has */
	bool touched;     /* something to store besides the position */
	char *not_logged; /* why a trigger could not log a change, of the present poll; or NULL */
} pythia_captured;

struct pythia_capture
{
	pythia_db *store;
	pythia_db *source;
	const pythia_node *options;
	int64_t worker_id;
	char *timestamp_column;
	char *patterns; /* `schema.*`, each on a line; or NULL */
	pythia_captured *tables;
	int ntables;
	pythia_descriptions *described; /* of those that are about to be opened; or NULL */
	int64_t described_at;
	int64_t data_version;   /* of a SQLite source, after the last whole poll; 0: none */
	int64_t schema_version; /* of a SQLite source */
	bool warned_blind;
	/* of the present poll */
	pythia_capture_emit emit;
	bool (*flush)(void *context, pythia_error *error);
	void *context;
	char captured_at[PYTHIA_INSTANT_SIZE];
	int left_out; /* tables */
	int64_t now;
	bool in_caller;  /* the whole poll is in one transaction of the caller's */
	bool refused;    /* by the callback */
	bool in_store;   /* a transaction of ours is open there */
	bool store_busy; /* reading: nothing can be written just now */
};

/* Bounds of what is held in memory before it goes to the store. */
#define PYTHIA_BATCH_ROWS  4096
#define PYTHIA_BATCH_BYTES (1024 * 1024)
/* Changes between two commits of a poll. */
#define PYTHIA_CHECKPOINT_ROWS 50000

/* ---- capture/store/sink.c ---- */

/* Collects changes for the journal, or hands them to the callback. */
typedef struct pythia_sink
{
	pythia_capture *capture;
	pythia_captured *captured;
	pythia_rows_writer journal;
} pythia_sink;

/* `change_type` as in pythia.database_change; key and rows are JSON objects in UTF-8, NULL where there is none.  All is
 * copied. */
bool pythia_sink_put(pythia_sink *sink, const char *change_type, const char *key, const char *old_data,
					 const char *new_data, const char *timestamp, const char *transaction_id, pythia_error *error);
/* Writes what was collected; frees nothing. */
bool pythia_sink_write(pythia_sink *sink, pythia_error *error);
void pythia_sink_free(pythia_sink *sink);

/* ---- batch.c, sweep.c ---- */

/* Reads the window, delivers what is new, records it, stores the position. */
bool pythia_captured_poll(pythia_capture *capture, pythia_captured *captured, const pythia_capture_window *window,
						  pythia_error *error);
/* The first time: what is there already is recorded, not delivered. */
bool pythia_captured_start(pythia_capture *capture, pythia_captured *captured, const pythia_capture_window *window,
						   pythia_error *error);
/* Takes the keys of a first scan among the tracked ones; before those are looked at. */
bool pythia_tracked_merge(pythia_capture *capture, const pythia_captured *captured, pythia_error *error);
/* Delivers the tracked keys that are gone. */
bool pythia_captured_sweep(pythia_capture *capture, pythia_captured *captured, pythia_error *error);

/* ---- capture/source/trigger_fit.c ---- */

/* Where the log holds each of the table's columns (-1: nowhere) and from which number on (entries of
 * columns without a place stay as they are); returns the number of places. */
int pythia_log_places(const pythia_capture_table *table, const pythia_log *log, int *place, int64_t *first);

/* ---- drain.c ---- */

/* Delivers what the log has, in rounds, each committed in the store and then deleted from the log. */
bool pythia_captured_drain(pythia_capture *capture, pythia_captured *captured, pythia_error *error);

/* ---- capture/store/captured.c ---- */

/* Stores position, counters and state. */
bool pythia_captured_save(pythia_capture *capture, pythia_captured *captured, const pythia_capture_position *position,
						  pythia_error *error);
/* ---- start.c ---- */

/* Takes the starting positions of a new worker's tables and installs its triggers, all in the caller's transaction,
 * after which the capture may be run. */
bool pythia_capture_start(pythia_db *store, pythia_db *source, const char *name, const pythia_node *options,
						  pythia_capture **capture, pythia_error *error);
/* ---- discovered.c ---- */

/* Takes in the tables that have come under a pattern since: all that is in them is new. */
bool pythia_capture_add_discovered(pythia_capture *capture, pythia_error *error);
/* ---- capture/store/captured.c ---- */

/* Reads the worker's tables from the store, anew. */
bool pythia_capture_tables(pythia_capture *capture, pythia_error *error);
/* Reads what opening the tables needs that are not open, for all of them at once; the second forgets what is left. */
bool pythia_captured_describe(pythia_capture *capture, pythia_error *error);
void pythia_captured_forget_described(pythia_capture *capture);
/* Describes the source's table and checks the options against it. */
bool pythia_captured_open(pythia_capture *capture, pythia_captured *captured, pythia_error *error);
/* Gives an open table its log and triggers, and remembers them. */
bool pythia_captured_install(pythia_capture *capture, pythia_captured *captured, pythia_error *error);
/* What it holds, not itself. */
void pythia_captured_free(pythia_captured *captured);
/* Forgets what was read of the source's table; it can be opened again. */
void pythia_captured_close(pythia_captured *captured);
void pythia_captured_free_all(pythia_capture *capture);

/* ---- poll.c ---- */

/* As pythia_capture_open; in_caller: all is done in one transaction of the caller's. */
bool pythia_capture_open_in_caller(pythia_db *store, pythia_db *source, const char *name, const pythia_node *options,
								   bool in_caller, pythia_capture **capture, pythia_error *error);
/* One poll of all tables; strict: a table that fails fails it, else the store's state of the table says why. */
bool pythia_capture_turn(pythia_capture *capture, bool strict, pythia_error *error);

/* ---- capture/store/retention.c ---- */

/* Drops the changes that the worker's retention does not keep. */
bool pythia_capture_retain(pythia_capture *capture, pythia_error *error);

/* ---- capture/store/captured.c ---- */

/* Begin and commit of the store: real ones, but savepoints where it is the host's own database. */
bool pythia_capture_begin(pythia_capture *capture, pythia_error *error);
bool pythia_capture_commit(pythia_capture *capture, pythia_error *error); /* after the callback's flush */
void pythia_capture_undo(pythia_capture *capture);

#endif
