/*
 * Capture over the driver interface: any database as source, a SQLite database
 * as store (the extension's own file, or the state file of `pythia cdc`).
 *
 * For tables of its own database the PostgreSQL extension has a path of its own
 * (extension/postgres/cdc_*.c), which the tuple headers make cheaper; for remote
 * sources it uses the source half below with its own store.
 *
 * Order of a poll, always: the window (where low may go next) first, then one
 * scan, then, in one transaction of the store, changes + versions seen + position.
 */
#ifndef PYTHIA_CAPTURE_H
#define PYTHIA_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/config.h"
#include "core/buffer.h"
#include "core/error.h"
#include "core/schema.h"
#include "dialect/dialect.h"
#include "drivers/driver.h"
#include "low_water/clock.h"
#include "low_water/zone.h"

/* ---- the source half: capture/source/table.c, capture/source/window.c, capture/source/scan.c, capture/source/image.c ---- */

/* One column of a scan. */
typedef struct pythia_capture_column
{
	int position;  /* in table.columns */
	bool in_image; /* of new_data; key columns and the stamp are read in any case */
	bool whole;    /* its text is JSON already */
	char *label;   /* `"name": ` */
	size_t label_length;
} pythia_capture_column;

/* One table of a source, as a worker reads it. */
typedef struct pythia_capture_table
{
	pythia_db *db;
	pythia_table table;
	pythia_capture_config config;   /* borrows from the options' tree */
	pythia_capture_column *columns; /* what a scan reads */
	int ncolumns;
	int *key; /* places in `columns` of the key's columns */
	int nkey;
	int timestamp;      /* place in `columns` of the timestamp column */
	int created;        /* place of a column that tells when the row was made, or -1 */
	bool numeric;       /* the stamp is an integer: an ever-growing id or version, or an epoch */
	bool indexed;       /* an index begins with the timestamp column; a poll reads the whole table where not */
	bool has_xmin;      /* versions are PostgreSQL's xmin, else a hash of the row */
	int64_t local;      /* microseconds from UTC to the zone that the window is of: for stamps that tell their own */
	int64_t offsets_at; /* microseconds; the quarter of an hour for which the zone's offsets are known */
	int64_t offsets[PYTHIA_ZONE_STEPS]; /* microseconds; of that quarter and those that follow */
} pythia_capture_table;

/* Describes the table (by `described` where it is among them; may be NULL) and checks the options against it: unknown
 * column, no key (hint: options.key), no timestamp column, or one of another type: class USAGE. */
bool pythia_capture_table_open(pythia_db *db, pythia_descriptions *described, const char *name,
							   const char *timestamp_column, const pythia_capture_config *config,
							   pythia_capture_table *table, pythia_error *error);
void pythia_capture_table_close(pythia_capture_table *table);

/* How the table's keys are spelled, by name and type of their columns; the caller's.  Keys of another form cannot be
 * compared with known ones: each of those would pass for deleted. */
char *pythia_capture_key_form(const pythia_capture_table *table);
/* False, class USAGE, where the table's keys have another form than those that are known (NULL: none are).  With
 * triggers, and without tracked keys, nothing is compared. */
bool pythia_capture_key_fits(const pythia_capture_table *table, const char *known_form, pythia_error *error);

/* How far a table has been read; kept by the store. */
typedef struct pythia_capture_position
{
	char *low;         /* every row stamped before it has been seen; NULL: nothing has */
	char *mark;        /* integer stamps: becomes low when all transactions older than mark_time have ended; or NULL */
	int64_t mark_time; /* microseconds since 1970 by the source's clock */
	int64_t age;       /* microseconds since it was stored, by the store's clock; negative: not known */
} pythia_capture_position;

void pythia_capture_position_free(pythia_capture_position *position);

/* What one poll of a table reads and where it leads. */
typedef struct pythia_capture_window
{
	char *from;         /* rows with stamp >= from are read; NULL: all that have a stamp */
	char *known_after;  /* the clock was set back: rows stamped in (known_after, known_before) were captured */
	char *known_before; /* before; both NULL otherwise */
	pythia_capture_position next; /* to be stored together with the scan's changes */
} pythia_capture_window;

/* Run BEFORE the snapshot too.  Where other sessions' transactions cannot be seen, low follows the clock
 * less options.lookback (60 s unless set). */
bool pythia_capture_window_make(pythia_capture_table *table, const pythia_clock *clock,
								const pythia_capture_position *position, pythia_capture_window *window,
								pythia_error *error);
/* The window of a worker that starts: position as options.start_from says. What is in it already (start `now`)
 * must be recorded as seen without being delivered. */
bool pythia_capture_window_start(pythia_capture_table *table, const pythia_clock *clock, pythia_capture_window *window,
								 pythia_error *error);
void pythia_capture_window_free(pythia_capture_window *window);

/* True where a row of this stamp must be kept among the versions seen when low is `low`. */
bool pythia_capture_stamp_kept(const pythia_capture_table *table, const char *stamp, const char *low);

/* One row of a scan; valid during the callback. */
typedef struct pythia_capture_row
{
	const char *version; /* what tells one version of a row from another: xmin, or a hash of the row */
	const char *stamp;   /* the timestamp column's text; NULL in a sweep or where it is NULL */
	const char *key;     /* JSON object */
	size_t key_length;
	const char *image; /* JSON object; NULL in a sweep of keys */
	size_t image_length;
	const char *transaction_id; /* or NULL */
	bool fresh;                 /* stamped when it was made: an INSERT, as well as can be told */
	bool aged;                  /* made before it was stamped: an UPDATE, as well as can be told */
	bool unsorted;              /* rows that follow may have lesser stamps */
	bool known; /* captured before the clock was set back: to be recorded as seen, not to be delivered */
} pythia_capture_row;

typedef bool (*pythia_capture_row_callback)(void *context, const pythia_capture_row *row, pythia_error *error);

/* Rows of the window in order of stamp and key, in one statement. */
bool pythia_capture_scan(pythia_capture_table *table, const pythia_capture_window *window,
						 pythia_capture_row_callback callback, void *context, pythia_error *error);
/* Every key (with `images`: every row, and its version as a scan tells it) in one pass: what a sweep for
 * deletes compares with.  With `before` only rows stamped before it or not at all. */
bool pythia_capture_keys(pythia_capture_table *table, bool images, const char *before,
						 pythia_capture_row_callback callback, void *context, pythia_error *error);
/* Rows whose stamp is NULL, or a part of their key: polling cannot see them. */
bool pythia_capture_nulls(pythia_capture_table *table, int64_t *count, pythia_error *error);

/* ---- the store half (SQLite) ---- */

typedef struct pythia_capture_change
{
	int64_t change_id; /* 0 where it is not in a journal */
	const char *schema;
	const char *table;
	const char *change_type; /* INSERT, UPDATE, DELETE, TRUNCATE */
	const char *primary_key; /* JSON, or NULL */
	const char *old_data;    /* JSON, or NULL */
	const char *new_data;    /* JSON, or NULL */
	const char *timestamp;
	const char *transaction_id;
	const char *captured_at;
} pythia_capture_change;

/* The change_type of what a trigger could not log, which stops the capture of its table: new_data is the reason. */
#define PYTHIA_NOT_LOGGED "ERROR"

typedef bool (*pythia_capture_emit)(void *context, const pythia_capture_change *change, pythia_error *error);

/* Makes the pythia_* tables where they are missing. */
bool pythia_capture_install(pythia_db *store, pythia_error *error);

/*
 * tables: NULL-terminated, `schema.*` for all of a schema; connection (NULL: the store itself) and
 * options_json are stored as given.  Checks everything, takes the starting positions, installs triggers
 * where options.capture is "trigger", and creates the consumer "default".  The source must be another
 * pythia_db than the store, also where both are one database (a second pythia_sqlite_wrap of the handle).
 */
bool pythia_capture_create(pythia_db *store, pythia_db *source, const char *name, const char *const *tables,
						   const char *connection, double poll_interval, const char *timestamp_column,
						   const pythia_node *options, const char *options_json, pythia_error *error);
/* source may be NULL where it cannot be reached: its triggers, if any, stay. */
bool pythia_capture_drop(pythia_db *store, pythia_db *source, const char *name, pythia_error *error);

/* A worker's definition as stored; the caller frees it. An unknown worker is class USAGE, SQLSTATE 42704. */
typedef struct pythia_capture_settings
{
	int64_t worker_id;
	char *connection; /* NULL: the store itself */
	char *timestamp_column;
	char *options; /* JSON text */
	double poll_interval;
} pythia_capture_settings;

bool pythia_capture_settings_read(pythia_db *store, const char *name, pythia_capture_settings *settings,
								  pythia_error *error);
void pythia_capture_settings_free(pythia_capture_settings *settings);

/* What is to be different of a worker. */
typedef struct pythia_capture_changes
{
	const char *const *tables;    /* NULL-terminated; NULL: as they are */
	double poll_interval;         /* 0: as it is */
	const char *timestamp_column; /* NULL: as it is */
	const pythia_node *options;   /* all of them, as they shall be */
	const char *options_json;
	const pythia_node *options_before;
} pythia_capture_changes;

/* To be polled before and after.  Tables that stay keep their positions, unless what is recorded of them does not hold
 * under the new options: those begin anew, now.  Those that come start as options.start_from says. */
bool pythia_capture_alter(pythia_db *store, pythia_db *source, const char *name, const pythia_capture_changes *changes,
						  pythia_error *error);

/* A worker opened for polling; it borrows store, source and options until it is closed. */
typedef struct pythia_capture pythia_capture;

/* pythia_capture_create, and the worker stays open, its tables described: *capture as of pythia_capture_open. */
bool pythia_capture_create_open(pythia_db *store, pythia_db *source, const char *name, const char *const *tables,
								const char *connection, double poll_interval, const char *timestamp_column,
								const pythia_node *options, const char *options_json, pythia_capture **capture,
								pythia_error *error);
bool pythia_capture_open(pythia_db *store, pythia_db *source, const char *name, const pythia_node *options,
						 pythia_capture **capture, pythia_error *error);
/*
 * Polls every table; *captured (may be NULL) gets the number of changes.  With `emit` NULL they go to the
 * journal, else to the callback, and the state is committed after `flush` (may be NULL) has returned
 * true: at least once.  A table that fails is marked so and skipped, as is one that cannot be had for now (a lock);
 * false where the source or the store fails, or every table does.
 */
bool pythia_capture_run(pythia_capture *capture, pythia_capture_emit emit,
						bool (*flush)(void *context, pythia_error *error), void *context, int64_t *captured,
						pythia_error *error);
/* How many tables the last run has left out; why is in the store, and was logged when it began. */
int pythia_capture_left_out(const pythia_capture *capture);
void pythia_capture_close(pythia_capture *capture); /* NULL-safe */

/* open, run, close. */
bool pythia_capture_poll(pythia_db *store, pythia_db *source, const char *name, const pythia_node *options,
						 pythia_capture_emit emit, bool (*flush)(void *context, pythia_error *error), void *context,
						 int64_t *captured, pythia_error *error);

/* Hands over at most `max` changes after the consumer's position, without moving it; ack moves it. */
bool pythia_capture_consume(pythia_db *store, const char *name, const char *consumer, int64_t max,
							pythia_capture_emit emit, void *context, pythia_error *error);
bool pythia_capture_ack(pythia_db *store, const char *name, const char *consumer, int64_t change_id,
						pythia_error *error);
/* start: "now", "beginning", a change_id or a timestamp. */
bool pythia_capture_consumer_create(pythia_db *store, const char *name, const char *consumer, const char *start,
									pythia_error *error);
bool pythia_capture_consumer_drop(pythia_db *store, const char *name, const char *consumer, pythia_error *error);
/* position: "now", "beginning", a change_id or a timestamp. */
bool pythia_capture_seek(pythia_db *store, const char *name, const char *consumer, const char *position,
						 pythia_error *error);

#endif
