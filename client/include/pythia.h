/*
 * libpythia: change data capture and cross-database sync as a library.
 *
 * A program makes a client, opens databases by URL through it, and moves,
 * compares and watches tables:
 *
 *     pythia_client *client = pythia_client_new();
 *     pythia_database *from, *to;
 *     pythia_sync_report report;
 *
 *     if (pythia_client_open(client, "postgresql://app@db/shop", PYTHIA_READ_ONLY, &from) != PYTHIA_OK ||
 *         pythia_client_open(client, "sqlite:////srv/shop.db", PYTHIA_CREATE, &to) != PYTHIA_OK ||
 *         pythia_client_sync(from, to, "users", "{\"mode\": \"full\"}", NULL, &report) != PYTHIA_OK)
 *         fprintf(stderr, "%s\n", pythia_client_message(client));
 *
 * Handles are opaque.  A client and everything opened through it belong to one
 * thread at a time; only pythia_client_cancel may be called from another one, or
 * from a signal handler.  Texts handed out are UTF-8, owned by the library, and
 * valid until the next call on the same client, unless said otherwise.
 *
 * Every function that can fail returns a pythia_status; the client then holds the
 * message, SQLSTATE, detail and hint of the failure until its next failure.  No
 * text ever contains a password.
 */
#ifndef PYTHIA_H
#define PYTHIA_H

#include <stdint.h>

#if defined(__GNUC__)
#define PYTHIA_API __attribute__((visibility("default")))
#else
#define PYTHIA_API
#endif

#ifdef __cplusplus
extern "C"
{
#endif

	typedef struct pythia_client pythia_client;
	typedef struct pythia_database pythia_database;
	typedef struct pythia_watch pythia_watch;

	typedef enum pythia_status
	{
		PYTHIA_OK = 0,
		PYTHIA_WRONG_USAGE,   /* an argument: option, name, URL, JSON */
		PYTHIA_NO_CONNECTION, /* a database cannot be reached or entered */
		PYTHIA_LOST,          /* a connection broke midway; try again */
		PYTHIA_TRY_AGAIN,     /* deadlock, lock timeout, serialization failure */
		PYTHIA_REFUSED,       /* a database refused a statement */
		PYTHIA_BAD_DATA,      /* a value that the other side cannot hold */
		PYTHIA_CANCELLED,     /* pythia_client_cancel was called */
		PYTHIA_FAULT          /* a fault of the library's own */
	} pythia_status;

	/* The library's version, as "1.0.0"; static. */
	PYTHIA_API const char *pythia_version(void);

	/* ---- the client ---- */

	/* Never NULL: memory running out ends the process. */
	PYTHIA_API pythia_client *pythia_client_new(void);
	/* Close its databases and watches first.  NULL is allowed, here and in every close. */
	PYTHIA_API void pythia_client_free(pythia_client *client);
	/* Makes whatever the client is doing fail with PYTHIA_CANCELLED as soon as it can. */
	PYTHIA_API void pythia_client_cancel(pythia_client *client);
	/* Lets a cancelled client work again.  Databases that were at work are to be closed. */
	PYTHIA_API void pythia_client_resume(pythia_client *client);

	/* Of the last failure: never NULL; "" where there is none. */
	PYTHIA_API const char *pythia_client_message(const pythia_client *client);
	PYTHIA_API const char *pythia_client_sqlstate(const pythia_client *client);
	PYTHIA_API const char *pythia_client_detail(const pythia_client *client);
	PYTHIA_API const char *pythia_client_hint(const pythia_client *client);
	PYTHIA_API const char *pythia_client_context(const pythia_client *client);

	/* Called after each chunk of a sync: rows and bytes so far, the total or -1. */
	typedef void (*pythia_progress)(void *context, const char *phase, int64_t rows, int64_t total, int64_t bytes);
	/* Called with warnings of the databases; without one they are dropped. */
	typedef void (*pythia_notice)(void *context, const char *message);

	PYTHIA_API void pythia_client_on_progress(pythia_client *client, pythia_progress callback, void *context);
	PYTHIA_API void pythia_client_on_notice(pythia_client *client, pythia_notice callback, void *context);

	/* ---- databases ---- */

	enum
	{
		PYTHIA_READ_ONLY = 1,    /* the session refuses to write */
		PYTHIA_CREATE = 2,       /* SQLite: make the file where it is missing */
		PYTHIA_USER_DEFAULTS = 4 /* MySQL: look into ~/.my.cnf and MYSQL_PWD */
	};

	/*
 * Opens postgresql://, mysql://, mariadb:// or sqlite:// URLs as SQLAlchemy writes
 * them.  *database is NULL on failure, else to be closed before the client is freed.
 */
	PYTHIA_API pythia_status pythia_client_open(pythia_client *client, const char *url, unsigned flags,
												pythia_database **database);
	PYTHIA_API void pythia_client_close(pythia_database *database);
	/* "PostgreSQL 15.18", "MariaDB 10.11.19", "SQLite 3.40.1"; valid while the database is open. */
	PYTHIA_API const char *pythia_client_server(const pythia_database *database);
	/* The URL without its secrets; valid while the database is open. */
	PYTHIA_API const char *pythia_client_display(const pythia_database *database);

	/* ---- sync ---- */

	typedef struct pythia_sync_report
	{
		int64_t rows_read;
		int64_t rows_inserted;
		int64_t rows_updated;
		int64_t rows_deleted;
		int64_t rows_skipped;
		int64_t bytes;
		double seconds;
		/* Where the next incremental sync begins: keep it and hand it in then.  "" where the
	 * table has no timestamp column.  Valid until the client's next call. */
		const char *watermark;
	} pythia_sync_report;

	/*
 * Brings `table` of the source to the target.  `config` is sync_config as JSON text
 * (NULL: its defaults), `watermark` that of the last run or NULL.  A target in SQLite
 * or on a server is written in transactions; what fails can simply be run again.
 * *report is filled on success.
 */
	PYTHIA_API pythia_status pythia_client_sync(pythia_database *source, pythia_database *target, const char *table,
												const char *config, const char *watermark, pythia_sync_report *report);

	/* ---- validation ---- */

	typedef struct pythia_validation
	{
		int is_valid;
		int64_t source_rows;
		int64_t target_rows;
		int64_t missing;   /* rows of the source that the target lacks */
		int64_t extra;     /* rows of the target that the source lacks */
		int64_t differing; /* rows that both have and that differ */
		double seconds;
	} pythia_validation;

	/* A row that differs: kind is "missing", "extra" or "differing", the rows JSON objects or
 * NULL, columns a NULL-terminated list.  Texts are valid during the call.  Return 0 to go on. */
	typedef int (*pythia_difference_found)(void *context, const char *kind, const char *primary_key,
										   const char *source_row, const char *target_row, const char *const *columns);

	/*
 * Compares a table by checksums computed inside both databases, down to rows where they
 * differ.  `config` as for a sync (maps, where, policies), `options` are those of
 * validate_sync; both JSON text or NULL.  `found` may be NULL.  A difference is a result, not a
 * failure: PYTHIA_OK with is_valid 0.
 */
	PYTHIA_API pythia_status pythia_client_validate(pythia_database *source, pythia_database *target, const char *table,
													const char *config, const char *options,
													pythia_difference_found found, void *context,
													pythia_validation *result);
	/* Makes the rows that differ equal to the source's, in one transaction, and no others. */
	PYTHIA_API pythia_status pythia_client_repair(pythia_database *source, pythia_database *target, const char *table,
												  const char *config, const char *options, pythia_sync_report *report);

	/* ---- changes ---- */

	/* One change; texts are valid during the callback, those that may be NULL are said. */
	typedef struct pythia_change
	{
		const char *schema;
		const char *table;
		const char *type;        /* INSERT, UPDATE, DELETE, TRUNCATE */
		const char *primary_key; /* JSON object; NULL for TRUNCATE */
		const char *old_data;    /* JSON object or NULL */
		const char *new_data;    /* JSON object or NULL */
		const char *timestamp;
		const char *transaction_id; /* or NULL */
	} pythia_change;

	/* Return 0 when the change is dealt with; anything else ends the poll, and it is delivered again. */
	typedef int (*pythia_on_change)(void *context, const pythia_change *change);

	/*
 * Watches tables (a NULL-terminated list) of `source` by polling their timestamp column (NULL:
 * updated_at).  `state` is a SQLite database, opened with PYTHIA_CREATE, that remembers under `name`
 * what was delivered; the next program to open the same watch goes on where this one stopped.
 * `options` are those of create_cdc_worker, as JSON text or NULL; they count when the watch is new.
 */
	PYTHIA_API pythia_status pythia_client_watch(pythia_database *source, pythia_database *state, const char *name,
												 const char *const *tables, const char *timestamp_column,
												 const char *options, pythia_watch **watch);
	/* In a copy of a state nothing is watched, for that would take the original's changes; after this the
 * watch goes on there, in the original's place. */
	PYTHIA_API pythia_status pythia_client_release(pythia_database *state, const char *name);
	/* Looks once, and delivers each change at least once: the state is saved after all were dealt with.
 * *count (may be NULL) gets their number. */
	PYTHIA_API pythia_status pythia_client_poll(pythia_watch *watch, pythia_on_change callback, void *context,
												int64_t *count);
	/* Before its databases. */
	PYTHIA_API void pythia_client_unwatch(pythia_watch *watch);

#ifdef __cplusplus
}
#endif

#endif
