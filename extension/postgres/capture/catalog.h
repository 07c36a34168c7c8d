/* What the parts of capture in PostgreSQL know of a worker and its tables. */
#ifndef PYTHIA_POSTGRES_CAPTURE_CATALOG_H
#define PYTHIA_POSTGRES_CAPTURE_CATALOG_H

#include "postgres.h"

#include "capture/config.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "postgres/journal/snapshot.h"
#include "utils/jsonb.h"

typedef enum pythia_stamp_kind
{
	PYTHIA_STAMP_NONE, /* trigger mode needs none */
	PYTHIA_STAMP_TIMESTAMPTZ,
	PYTHIA_STAMP_TIMESTAMP,
	PYTHIA_STAMP_DATE,
	PYTHIA_STAMP_INTEGER
} pythia_stamp_kind;

/* Less than every stamp, of any kind. */
#define PYTHIA_LOW_WATER_MINIMUM PG_INT64_MIN

typedef struct pythia_cdc_table
{
	int32 table_id;
	int32 worker_id;
	char *name;     /* by which options speak of it */
	char *relation; /* quoted and qualified; NULL: a table of another database */
	char *schema_name;
	char *table_name;
	Oid owner;       /* when capture was set up, or InvalidOid: it is not looked at */
	bool owner_gone; /* the role it was does not exist */
	char *timestamp_column;
	bool renamed; /* the table or that column has another name than is written down */
	pythia_stamp_kind stamp_kind;
	int nkey;
	char **key;
	char *condition;
	bool by_hash; /* a view or foreign table: its rows do not tell which transaction wrote them */
	bool foreign;
	pythia_capture_config config;

	/* state */
	bool has_state;
	Oid relid; /* of this database, when it was read last, or started; InvalidOid: not yet */
	bool active;
	char *reason;
	int64 low;                   /* in the stamp's own unit */
	TimestampTz clock_base;      /* see pythia_boundary.base: at the poll that wrote low; 0: unknown */
	pythia_snapshot *seen_until; /* NULL: nothing was captured yet */
	int nhistory;
	TimestampTz *history_at;
	int64 *history_value;
	TimestampTz polled_at; /* when a poll wrote something last; 0: never */
	TimestampTz swept_at;  /* 0: never */
	int64 journal_floor;   /* no entry of the worker has this number or a lesser one; 0: unknown */
	char *remote_low;      /* of a table in another database, as are these */
	char *remote_mark;
	int64 remote_mark_time;
	int64 round;       /* grows with each poll that wrote something down */
	bool started;      /* false: the next poll starts it */
	char *start_as;    /* "now" or "beginning", whatever the options say; or NULL */
	char *log_name;    /* of its triggers' log over there, or NULL */
	char *log_columns; /* see capture/source/log.h */
	char *key_form;    /* see pythia_capture_key_form */
} pythia_cdc_table;

typedef struct pythia_cdc_worker
{
	int32 worker_id;
	char *name;
	Oid owner;
	bool enabled;
	char *connection;     /* NULL: this database */
	Oid connection_owner; /* whose it was when it was named */
	double poll_interval; /* seconds */
	char *timestamp_column;
	char *handler;     /* quoted name with argument type, or NULL */
	Oid handler_owner; /* whose function it was when it was named */
	Jsonb *options;
	pythia_node *option_tree;
	List *patterns;               /* of char *: tables as written */
	pythia_capture_config config; /* what holds for all tables */
	int64 held_by;                /* with a connection: what held low back there at the last poll */
	char *held_why;               /* NULL: nothing */
	TimestampTz held_since;       /* 0: not known */
	int ntables;
	pythia_cdc_table *tables;
} pythia_cdc_worker;

/* Everything about a worker, palloc'ed; NULL where it is gone. SPI need not be connected. */
extern pythia_cdc_worker *pythia_cdc_load(int32 worker_id);
/* The same of one that was there a moment ago, by its name: ereports (42704) where it was dropped meanwhile. */
extern pythia_cdc_worker *pythia_cdc_reload(int32 worker_id, const char *name);
/* Its settings without its tables, and without what its source holds back. */
extern pythia_cdc_worker *pythia_cdc_load_head(int32 worker_id);
/* The same with one of its tables alone, or none where it has no such table. */
extern pythia_cdc_worker *pythia_cdc_load_table(int32 worker_id, int32 table_id);
extern const char *pythia_stamp_kind_name(pythia_stamp_kind kind);
extern pythia_stamp_kind pythia_stamp_kind_named(const char *name);
/* Polls, alterations and sweeps of one worker exclude each other until the transaction ends. */
extern void pythia_cdc_lock(int32 worker_id);
extern bool pythia_cdc_try_lock(int32 worker_id);
/*
 * The same, for who alters a worker: waits two seconds, then 55P03. Where the worker goes, its consumers are locked
 * too, and its own process is ended after two seconds and waited for again.
 */
extern void pythia_cdc_lock_soon(int32 worker_id, const char *name, bool goes);
/* Of all its tables: where the journal can hold something of the worker's. */
extern int64 pythia_cdc_journal_floor(const pythia_cdc_worker *worker);
/* Writes down the names of tables that were renamed, and warns. */
extern void pythia_cdc_note_names(pythia_cdc_worker *worker);
/* Stops the capture of one table, for a reason that stat_cdc shows, and warns. Where another session is about
 * to do so, or to start it again, it is left to that one. */
extern void pythia_cdc_give_up(const pythia_cdc_worker *worker, const pythia_cdc_table *table, const char *reason);
extern Oid pythia_tracked_relation(int32 table_id); /* InvalidOid where there is none */

/* Whether there is nothing to hand over just now; makes sure that the handler is among the consumers. */
extern bool pythia_cdc_handler_idle(const pythia_cdc_worker *worker);

extern Oid pythia_change_type_oid(void); /* pythia.database_change */
/* By its quoted name; ereports one that is missing, or another role's than it was. */
extern Oid pythia_cdc_handler_function(const pythia_cdc_worker *worker);

/* One table of this database as the options want it. */
typedef struct pythia_cdc_definition
{
	Oid relid;
	char *name;
	char *relation;
	char *schema_name;
	char *table_name;
	Oid owner;              /* of the table; InvalidOid: of another database */
	char *timestamp_column; /* "" where trigger mode goes without */
	pythia_stamp_kind stamp_kind;
	char *time_zone;      /* of stamps without one, or NULL */
	const char *versions; /* as in pythia.cdc_table */
	int nkey;
	char **key;
	char *condition;
	bool unindexed; /* the timestamp column has no index */
	char *unfit;    /* why it cannot be captured after all, or NULL */
} pythia_cdc_definition;
/* Writes it down; returns its number. */
extern int32 pythia_cdc_insert_table(int32 worker_id, const pythia_cdc_definition *definition);
/* Whether rows of the table are known one by one: triggers deliver everything themselves. */
extern bool pythia_tracks(const pythia_cdc_table *table);
/* Whether a hash of each row is known too: of what is in its image, without the stamp where images are. */
extern bool pythia_keeps_hash(const pythia_cdc_table *table);

#endif
