/*
 * Capture over the driver interface: any database as source, a SQLite database
 * as store (the extension's own file, or the state file of `pythia cdc`).
 *
 * For tables of its own database the PostgreSQL extension has a path of its own
 * (extension/postgres/cdc_*.c), which the tuple headers make cheaper; for remote
 * sources it uses the source half below with its own store.
 *
 * Order of a poll, always: boundary first, then one scan, then, in one
 * transaction of the store, changes + versions seen + the new low.
 */
#ifndef PYTHIA_CAPTURE_H
#define PYTHIA_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/config.h"
#include "core/buffer.h"
#include "core/error.h"
#include "core/schema.h"
#include "drivers/driver.h"

/* ---- the source half: source.c ---- */

/* One table of a source, as a worker reads it. */
typedef struct pythia_capture_table
{
	pythia_db *db;
	pythia_table table;
	pythia_capture_config config;
	int *columns; /* positions (in table) of the columns that an image holds; key columns are always in the scan */
	int ncolumns;
	int *key; /* positions of the key's columns */
	int nkey;
	int timestamp; /* position of the timestamp column */
	bool numeric;  /* it holds integers: an ever-growing id or version */
} pythia_capture_table;

/* Describes the table and checks the options against it: unknown column, no key
 * (hint: options.key), no timestamp column, or one of another type: class USAGE. */
bool pythia_capture_table_open(pythia_db *db, const char *name, const char *timestamp_column,
							   const pythia_capture_config *config, pythia_capture_table *table, pythia_error *error);
void pythia_capture_table_close(pythia_capture_table *table);

/* Where the next `low` may stand, as literal text of the timestamp column's kind,
 * already less the lookback; NULL where it must stay.  Run BEFORE the scan. The caller frees. */
bool pythia_capture_boundary(pythia_capture_table *table, const char *low, char **boundary, pythia_error *error);

/* One row of a scan; valid during the callback. */
typedef struct pythia_capture_row
{
	const char *version;        /* what tells one version of a row from another: xmin, or a hash of the row */
	const char *stamp;          /* the timestamp column's text */
	const char *key;            /* JSON object */
	const char *image;          /* JSON object; NULL in a sweep */
	const char *transaction_id; /* or NULL */
} pythia_capture_row;

typedef bool (*pythia_capture_row_callback)(void *context, const pythia_capture_row *row, pythia_error *error);

/* Rows with stamp >= low (NULL: all) in order of stamp, in one statement. */
bool pythia_capture_scan(pythia_capture_table *table, const char *low, pythia_capture_row_callback callback,
						 void *context, pythia_error *error);
/* Every key, in key order, in one pass: what a sweep for deletes compares with. */
bool pythia_capture_keys(pythia_capture_table *table, pythia_capture_row_callback callback, void *context,
						 pythia_error *error);

/* ---- the store half: store.c (SQLite) ---- */

typedef struct pythia_capture_change
{
	int64_t change_id;
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

typedef bool (*pythia_capture_emit)(void *context, const pythia_capture_change *change, pythia_error *error);

/* Makes the pythia_* tables where they are missing. */
bool pythia_capture_install(pythia_db *store, pythia_error *error);

/* tables: NULL-terminated; connection NULL: the store itself; options_json is stored, options (its tree) checked. */
bool pythia_capture_create(pythia_db *store, pythia_db *source, const char *name, const char *const *tables,
						   const char *connection, double poll_interval, const char *timestamp_column,
						   const pythia_node *options, const char *options_json, pythia_error *error);
bool pythia_capture_drop(pythia_db *store, pythia_db *source, const char *name, pythia_error *error);

/*
 * Polls every table of a worker; *captured gets the number of changes.  With
 * `emit` NULL they go to the journal, else to the callback, and the state is
 * committed after `flush` (may be NULL) has returned true: at least once.
 */
bool pythia_capture_poll(pythia_db *store, pythia_db *source, const char *name, const pythia_node *options,
						 pythia_capture_emit emit, bool (*flush)(void *context, pythia_error *error), void *context,
						 int64_t *captured, pythia_error *error);

/* Hands over at most `max` changes after the consumer's position, without moving it; ack moves it. */
bool pythia_capture_consume(pythia_db *store, const char *name, const char *consumer, int64_t max,
							pythia_capture_emit emit, void *context, pythia_error *error);
bool pythia_capture_ack(pythia_db *store, const char *name, const char *consumer, int64_t change_id,
						pythia_error *error);
/* start: "now", "beginning" or a timestamp. */
bool pythia_capture_consumer_create(pythia_db *store, const char *name, const char *consumer, const char *start,
									pythia_error *error);
bool pythia_capture_consumer_drop(pythia_db *store, const char *name, const char *consumer, pythia_error *error);
/* position: "now", "beginning", a change_id or a timestamp. */
bool pythia_capture_seek(pythia_db *store, const char *name, const char *consumer, const char *position,
						 pythia_error *error);

#endif
