/*
 * Moving a table from one database to another, and telling whether they are equal.
 * Hosts parse nothing: they hand over a tree of options and open databases.
 */
#ifndef PYTHIA_SYNC_H
#define PYTHIA_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/node.h"
#include "dialect/dialect.h"
#include "drivers/driver.h"

typedef enum pythia_sync_mode
{
	PYTHIA_SYNC_INCREMENTAL,
	PYTHIA_SYNC_FULL
} pythia_sync_mode;

typedef enum pythia_conflict
{
	PYTHIA_CONFLICT_SOURCE_WINS,
	PYTHIA_CONFLICT_TARGET_WINS,
	PYTHIA_CONFLICT_NEWEST_WINS,
	PYTHIA_CONFLICT_OLDEST_WINS,
	PYTHIA_CONFLICT_ERROR,
	PYTHIA_CONFLICT_SKIP,
	PYTHIA_CONFLICT_FUNCTION
} pythia_conflict;

typedef enum pythia_deletes
{
	PYTHIA_DELETES_IGNORE,
	PYTHIA_DELETES_HARD,
	PYTHIA_DELETES_SOFT
} pythia_deletes;

/* What to do with a column that the source has and the target lacks. */
typedef enum pythia_new_columns
{
	PYTHIA_NEW_COLUMNS_ADD,
	PYTHIA_NEW_COLUMNS_IGNORE,
	PYTHIA_NEW_COLUMNS_ERROR
} pythia_new_columns;

/* Where options are said: of all tables, of one, of this run. */
#define PYTHIA_CONFIG_LEVELS 3

/* One table's settings, defaults filled in; texts are borrowed from the tree. */
typedef struct pythia_sync_config
{
	int64_t batch_size; /* rows a chunk asks for at least; chunks are bounded by bytes */
	pythia_sync_mode mode;
	pythia_conflict conflict;
	const char *conflict_function;
	const char *timestamp_column;
	bool timestamp_given; /* named by the user: its absence is an error */
	bool may_fall_back;   /* set by the host: the table was taken with all others, and without that column it is
						   * synchronised in full */
	bool idle_told;       /* set by the host: options without effect have been told */
	bool truncate_target;
	bool create_target;
	pythia_new_columns new_columns;
	pythia_deletes deletes;
	const char *soft_delete_column;
	const pythia_node *columns;
	const pythia_node *exclude_columns;
	const char *where;
	const char *target_where; /* the same in the target's names, for the rows that may be deleted there */
	const pythia_node *table_map;
	const pythia_node *column_map;
	const pythia_node *type_map;    /* a source's type, or a column, to a type of the target */
	const pythia_node *default_map; /* a column to its default in the target; null: none */
	/* A column to what the source computes in its place: a text, or {expression, type}; and to hash, partial, null, none or
	 * {constant}.  What is said of one table adds to what is said of all: of each column the last that names it counts. */
	const pythia_node *expressions[PYTHIA_CONFIG_LEVELS];
	const pythia_node *masks[PYTHIA_CONFIG_LEVELS];
	const pythia_node *key;
	const pythia_node *search_path; /* of the target's triggers and checks, in PostgreSQL; NULL: the ordinary one */
	int64_t parallel;               /* connections of one load; 0: as many as pay */
	int64_t max_bytes_per_second;
	double lookback; /* seconds; negative: the engine's default */
	bool dry_run;
	bool quarantine; /* on_bad_row */
	pythia_policies policies;
	const pythia_node *validate; /* true or an object of validation options: after each run in the background */
	double validate_every;       /* seconds between two of them */
} pythia_sync_config;

/* All options there are; NULL-terminated. */
extern const char *const pythia_sync_option_names[];
/* Reads sync_config for one table (overrides under "tables" applied, then `overrides`,
 * which may be NULL).  `table` NULL checks the whole tree only.  Unknown names and bad
 * values fail with class USAGE and name the option. */
bool pythia_sync_config_read(const pythia_node *tree, const pythia_node *overrides, const char *table,
							 pythia_sync_config *config, pythia_error *error);

/* Fails with class USAGE where "tables" or "table_map" names a table that is none of `tables` (those to be
 * synchronised; "schema.*" is any).  With a `source`, a table that it has is right as well: the config is shared
 * with other runs; a query a name that is not among them. */
bool pythia_sync_config_names(const pythia_node *tree, char *const *tables, int count, pythia_db *source,
							  pythia_error *error);
/* Looks whether the source has the tables of a worker that is being defined ("schema.*" is passed over), and those
 * that its options name. */
bool pythia_sync_look(pythia_db *source, const pythia_node *config, char *const *tables, int count,
					  pythia_error *error);
/* conflict_resolution alone, of a worker's options or of those of one of its tables; else the config stays as it is. */
bool pythia_sync_read_conflict(const pythia_node *options, pythia_sync_config *config, pythia_error *error);
/* Hands the functions for conflict_resolution to `find`, of all tables and of each that has its own options. */
typedef bool (*pythia_sync_find_function)(void *context, const char *name, pythia_error *error);
bool pythia_sync_functions(const pythia_node *config, pythia_sync_find_function find, void *context,
						   pythia_error *error);
/* Fails: this host calls no functions. */
bool pythia_sync_no_function(const char *name, pythia_error *error);
/* True for an error of pythia_sync_look or of opening the source that says nothing of the definition: it cannot be
 * reached now. */
bool pythia_sync_later(const pythia_error *error);
/* Tells which of the given options have no effect.  Where tables have options of their own (pythia_sync_config_one is
 * false) most depends on them, and their runs tell it. */
void pythia_sync_config_idle(const pythia_node *tree, pythia_option_idle tell, void *context);
bool pythia_sync_config_one(const pythia_node *tree);
/* Refuses source and target, as a worker's definition names them, where every table would be its own target. */
bool pythia_sync_config_endpoints(const pythia_node *tree, const char *source, const char *target, pythia_error *error);

/* Tells the host of options that were given and have no effect beside the others, where it has not been told. */
void pythia_sync_config_tell(const pythia_sync_config *config, const pythia_host *host, const char *table);

typedef struct pythia_sync_result
{
	const char *sync_mode; /* "full" or "incremental" */
	int64_t rows_synced;   /* rows read from the source and applied or found equal */
	int64_t rows_inserted;
	int64_t rows_updated;
	int64_t rows_deleted;
	int64_t rows_skipped;
	int64_t rows_quarantined;
	int64_t rows_left;    /* gone from the source, but other tables of the target refer to them (job->others_follow) */
	int64_t source_count; /* rows read */
	int64_t bytes;
	double duration_seconds;
	int64_t start_time; /* microseconds since 1970, UTC */
	int64_t end_time;
	bool undone;     /* it failed, and there is nothing to go on from: a checkpoint can be forgotten */
	char *watermark; /* where the next incremental run begins, or NULL */
} pythia_sync_result;

void pythia_sync_result_free(pythia_sync_result *result);
void pythia_sync_result_add(pythia_sync_result *sum, const pythia_sync_result *counted); /* the counters */

/* What a run tells its host, and asks it.  Each may be NULL. */
typedef struct pythia_sync_callbacks
{
	void *context;
	/* Called after each chunk; total is an estimate or -1. */
	void (*progress)(void *context, const char *phase, int64_t rows, int64_t total, int64_t bytes);
	/* A row that cannot be carried; row is its JSON.  False stops the run. */
	bool (*quarantine)(void *context, const char *table, const char *row_json, const char *column, const char *reason,
					   pythia_error *error);
	/* Called when everything up to `checkpoint` (a JSON text the host stores and hands
	 * back to resume) is committed on the target, or will be with the host's own commit. */
	bool (*checkpoint)(void *context, const char *checkpoint, pythia_error *error);
	/* conflict_resolution by function: two rows as JSON objects (the source's under the target's names);
	 * *row gets the row to keep, a tree the engine frees, or NULL to keep the target's.  NULL where the host
	 * has no functions. */
	bool (*resolve)(void *context, const char *function, const char *source_row, const char *target_row,
					pythia_node **row, pythia_error *error);
} pythia_sync_callbacks;

/*
 * Several streams over one table: its parts are ranges of the key, and who is free takes one.  What a host
 * offers here it keeps, beside the checkpoint, until the run has ended well: the ticket, which says what the
 * parts are and is the table's checkpoint, and how far each part has come.  Called outside transactions of
 * the host's own database.
 */
typedef struct pythia_sync_streams
{
	void *context;
	int most;    /* streams that the user asked for, this one included; below 2 nothing is cut */
	int at_work; /* streams at work on this table, as far as the host knows (0: one): they share its rate */
	/* Keeps the ticket and the number of its parts, none of them begun unless `again`, and the counters at
	 * nought; from now on other streams may come in by pythia_sync_stream. */
	bool (*open)(void *context, const char *ticket, int nparts, bool again, pythia_error *error);
	/* How many of those that will come in have not taken a part yet: their snapshot may not be open. */
	bool (*awaited)(void *context, int *streams, pythia_error *error);
	/* Takes a part that is not done and that nobody has, and gives back the one before; *part is -1 where there
	 * is none.  *begun: somebody had it before; *checkpoint (the caller's to free): what was last saved of it. */
	bool (*take)(void *context, int *part, bool *begun, char **checkpoint, pythia_error *error);
	/* Keeps what is committed of a part, and adds what was counted since the last call; fails where the run is
	 * over, for other streams. */
	bool (*save)(void *context, int part, const char *checkpoint, bool done, const pythia_sync_result *counted,
				 pythia_error *error);
	/* How many parts are not done, and what was counted over all of them since open. */
	bool (*look)(void *context, int *left, pythia_sync_result *counted, pythia_error *error);
} pythia_sync_streams;

typedef struct pythia_sync_job
{
	/* Opens a further connection to the source or target where parallel work wants one, or one was lost; may be NULL.
	 * It waits by `host`, or where that is NULL as the others do. */
	bool (*connect)(void *context, bool target, const pythia_host *host, pythia_db **db, pythia_error *error);
	void *connect_context;
	pythia_db *source;
	pythia_db *target;
	const char *table; /* the source's name of it */
	const pythia_sync_config *config;
	const char *watermark;  /* of the last run, or NULL */
	const char *checkpoint; /* of an interrupted run, or NULL */
	const pythia_sync_callbacks *callbacks;
	pythia_sync_streams *streams; /* NULL: one, and checkpoints of one */
	bool
		others_follow; /* rows that other tables still refer to are left: the host has them deleted by pythia_sync_sweep
						 * when those other tables are done */
} pythia_sync_job;

/* Synchronises one table.  On failure nothing half-done is left that a second run
 * would not mend: a local target is the caller's transaction, a remote one is rolled
 * back to its last committed chunk. */
bool pythia_sync_table(const pythia_sync_job *job, pythia_sync_result *result, pythia_error *error);

/* Deletes what a run left (result->rows_left > 0), of the last table first.  The result has the rows that went. */
bool pythia_sync_sweep(const pythia_sync_job *job, pythia_sync_result *result, pythia_error *error);

/* A further stream of a run that is under way: over the job's own connections it copies parts until none is
 * left to take.  What it did is in the host's counters (streams->save), not in a result. */
bool pythia_sync_stream(const pythia_sync_job *job, const char *ticket, pythia_error *error);

#endif
