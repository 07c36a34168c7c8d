/*
 * The options of a CDC worker, as every host reads them (doc/capture.md, "Options").
 */
#ifndef PYTHIA_CAPTURE_CONFIG_H
#define PYTHIA_CAPTURE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/node.h"

typedef enum pythia_capture_method
{
	PYTHIA_CAPTURE_POLL,
	PYTHIA_CAPTURE_TRIGGER
} pythia_capture_method;

typedef enum pythia_track
{
	PYTHIA_TRACK_NONE, /* no state per row: no deletes, INSERT or UPDATE as well as can be told */
	PYTHIA_TRACK_KEYS, /* the known keys: INSERT, UPDATE, DELETE and TRUNCATE are right */
	PYTHIA_TRACK_ROWS  /* the last image too: old_data, and no event where nothing changed */
} pythia_track;

typedef enum pythia_start
{
	PYTHIA_START_NOW,
	PYTHIA_START_BEGINNING,
	PYTHIA_START_AT /* start_at holds the time (or the number, for an integer column) */
} pythia_start;

/* Processes that may call a handler at once. */
#define PYTHIA_MAX_HANDLERS 64

typedef enum pythia_on_error
{
	PYTHIA_ON_ERROR_SKIP,     /* later changes go on */
	PYTHIA_ON_ERROR_BLOCK_KEY /* later changes of the same key wait for the failed one */
} pythia_on_error;

/* One table's settings, defaults filled in; texts and nodes are borrowed from the tree. */
typedef struct pythia_capture_config
{
	pythia_capture_method capture;
	pythia_track track;
	pythia_start start;
	const char *start_at;
	int64_t batch_size;                 /* changes handed over at once */
	double lookback;                    /* seconds; negative: the engine's default */
	const char *time_zone;              /* of stamps without a zone: a name, "any", or NULL for the session's */
	const pythia_node *columns;         /* array of names, or NULL */
	const pythia_node *exclude_columns; /* array of names, or NULL */
	const char *where;                  /* condition over the table's columns, in the source's SQL */
	const char *timestamp_column;       /* of this table by timestamp_columns, or NULL: the worker's */
	const pythia_node *key;             /* of this table: array of names, or NULL: its primary key */
	double delete_interval;             /* seconds between two sweeps for deletes */
	double retention;                   /* seconds that consumed changes are kept; negative: the host's default */
	int64_t max_attempts;
	double retry_delay; /* seconds before a failed change is tried again at first; doubles each time */
	pythia_on_error on_error;
	int64_t handlers; /* processes that call the handler at once (PostgreSQL) */
	bool ordered;     /* a failed change holds back every later one */
	bool keep_result; /* what a handler returns is kept */
	bool keys_only;   /* no option: triggers log keys alone, and whoever reads them looks at the rows (live/) */
} pythia_capture_config;

/*
 * Reads a worker's options (NULL: all defaults) for one table.  `columns`,
 * `exclude_columns`, `where` and `key` may also be objects from table name to
 * value, as timestamp_columns is; `table` is the name as the user wrote it in
 * the worker's list of tables, and NULL checks the whole tree only.  Unknown
 * names and bad values fail with class USAGE, SQLSTATE 22023, and name the option.
 */
bool pythia_capture_config_read(const pythia_node *options, const char *table, pythia_capture_config *config,
								pythia_error *error);
/* Refuses an option for a table that is none of `tables` (ended by NULL, as written): a name misspelt would leave
 * the option without effect. */
bool pythia_capture_config_names(const pythia_node *options, const char *const *tables, pythia_error *error);

/*
 * Tells which of the given options have no effect, for how the worker captures, or because (`handled` is false) nobody
 * calls a handler.
 */
extern void pythia_capture_config_idle(const pythia_node *options, bool handled, pythia_option_idle tell,
									   void *context);

#endif
