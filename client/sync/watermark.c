/*
 * Where the next incremental run begins.
 *
 * A timestamptz is compared with the boundary as it is.  A local time (PostgreSQL's timestamp,
 * MySQL's DATETIME) was stamped in a zone that we do not know, so the boundary is carried over as
 * a distance: what commits later was stamped no earlier than the newest stamp in the table less
 * the time between the boundary and now.
 */
#include "sync/watermark.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

/* Where open transactions cannot be seen. */
#define BLIND_LOOKBACK_SECONDS 60
/* No zone's clock is further ahead of UTC: a later stamp does not tell when its row was written. */
#define AHEAD_OF_UTC ((int64_t) 14 * 3600 * 1000000)

static const pythia_column *stamp_column(const pythia_plan *plan)
{
	return &plan->source.columns[plan->stamp_source];
}

static bool is_integer(const pythia_column *column)
{
	return column->type.kind == PYTHIA_KIND_INT || column->type.kind == PYTHIA_KIND_UINT;
}

static bool scalar(pythia_db *db, const char *sql, char **text, pythia_error *error)
{
	pythia_result result;

	*text = NULL;
	memset(&result, 0, sizeof(result));
	if (!pythia_db_query(db, sql, &result, error))
		return false;
	if (result.nrows > 0)
		*text = pythia_strdup(pythia_result_get(&result, 0, 0));
	pythia_result_free(&result);
	return true;
}

/* A date has no hours to compare with; a SQLite text may be written with a T. */
static void stamp_literal(pythia_db *source, const pythia_plan *plan, const char *low, pythia_buffer *out)
{
	const pythia_column *column = stamp_column(plan);
	size_t length = strlen(low);

	if (column->type.kind == PYTHIA_KIND_DATE && length > 10)
		length = 10;
	pythia_dialect_of(source)->value_literal(source, out, &column->type, low, length);
}

/* The greatest of those up to `limit`, or of all where that is NULL. */
static bool highest_stamp(pythia_db *db, const pythia_plan *plan, const char *limit, char **text, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(db);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_column highest = *stamp_column(plan);
	bool ok;

	/* the interchange text of the greatest: the expression goes over a derived table's column */
	pythia_buffer_puts(&sql, "SELECT ");
	highest.name = "m";
	dialect->read_expression(db, &sql, "d", &highest);
	pythia_buffer_puts(&sql, " FROM (SELECT max(");
	dialect->identifier(&sql, stamp_column(plan)->name);
	pythia_buffer_puts(&sql, ") AS m FROM ");
	pythia_dialect_table(dialect, &sql, plan->source.schema, plan->source.name);
	if (limit != NULL)
	{
		pythia_buffer_puts(&sql, " WHERE ");
		dialect->identifier(&sql, stamp_column(plan)->name);
		pythia_buffer_puts(&sql, " <= ");
		stamp_literal(db, plan, limit, &sql);
	}
	pythia_buffer_puts(&sql, ") d");
	ok = scalar(db, sql.data, text, error);
	pythia_buffer_free(&sql);
	return ok;
}

/* *quiet: no other transaction is open in the source. */
static bool others_open(pythia_db *source, bool *quiet, pythia_error *error)
{
	char *text = NULL;
	bool ok;

	*quiet = false;
	if (source->engine == PYTHIA_SQLITE)
	{
		ok = pythia_boundary(source, &text, error);
		*quiet = text != NULL;
	}
	else
	{
		ok = scalar(source,
					source->engine == PYTHIA_POSTGRESQL
						? "SELECT (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname ="
						  " pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid() AND (xact_start IS NOT"
						  " NULL OR query = '<insufficient privilege>') AND backend_type <> 'autovacuum worker')"
						  " + (SELECT count(*) FROM pg_catalog.pg_prepared_xacts"
						  " WHERE database = pg_catalog.current_database())"
						: "SELECT COUNT(*) FROM information_schema.INNODB_TRX"
						  " WHERE trx_mysql_thread_id <> CONNECTION_ID()",
					&text, error);
		*quiet = ok && text != NULL && strcmp(text, "0") == 0;
		if (!ok && source->engine == PYTHIA_MYSQL && !source->broken)
		{
			pythia_error_reset(error);
			ok = true;
		}
	}
	pythia_free(text);
	return ok;
}

bool pythia_watermark_begin(pythia_db *source, const pythia_plan *plan, const char *stored, pythia_watermark *mark,
							pythia_error *error)
{
	memset(mark, 0, sizeof(*mark));
	mark->low = pythia_strdup(stored);
	if (plan->stamp_source < 0)
		return true;
	mark->integer = is_integer(stamp_column(plan));
	if (mark->integer)
		return highest_stamp(source, plan, NULL, &mark->highest, error) && others_open(source, &mark->quiet, error);
	return pythia_boundary(source, &mark->boundary, error);
}

bool pythia_watermark_condition(pythia_db *source, const pythia_plan *plan, const pythia_watermark *mark,
								pythia_buffer *out)
{
	const pythia_dialect *dialect = pythia_dialect_of(source);

	if (mark->low == NULL || plan->stamp_source < 0)
		return false;
	dialect->identifier(out, stamp_column(plan)->name);
	pythia_buffer_puts(out, " >= ");
	stamp_literal(source, plan, mark->low, out);
	return true;
}

static double lookback_of(const pythia_db *source, const pythia_sync_config *config, bool blind)
{
	if (config->lookback >= 0)
		return config->lookback;
	if (blind)
		return BLIND_LOOKBACK_SECONDS;
	return source->engine == PYTHIA_MYSQL ? 2 : 1;
}

static bool server_clock(pythia_db *db, int64_t *clock, pythia_error *error)
{
	const char *sql = db->engine == PYTHIA_POSTGRESQL
						  ? "SELECT pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC',"
							" 'YYYY-MM-DD HH24:MI:SS.US')"
					  : db->engine == PYTHIA_MYSQL ? "SELECT DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%d %H:%i:%s.%f')"
												   : "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')";
	char *text;
	bool ok = scalar(db, sql, &text, error);

	if (ok && (text == NULL || !pythia_stamp_read(text, clock)))
		ok = pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "the server's clock cannot be read");
	pythia_free(text);
	return ok;
}

/* Whole numbers grow with the transactions: the maximum counts where no other one was open after it was read. */
static void next_integer(const pythia_watermark *mark, char **next)
{
	*next = pythia_strdup(mark->quiet && mark->highest != NULL ? mark->highest : mark->low);
}

static bool next_stamp(pythia_db *source, const pythia_plan *plan, const pythia_sync_config *config,
					   const pythia_watermark *mark, int64_t *next, bool *known, pythia_error *error)
{
	bool exact = stamp_column(plan)->type.kind == PYTHIA_KIND_TIMESTAMPTZ;
	int64_t boundary = 0;
	int64_t clock = 0;
	int64_t highest = 0;
	char *text = NULL;
	bool blind = mark->boundary == NULL || !pythia_stamp_read(mark->boundary, &boundary);
	bool ok = true;

	*known = true;
	if (exact && !blind)
		*next = boundary;
	else
	{
		ok = highest_stamp(source, plan, NULL, &text, error) && server_clock(source, &clock, error);
		*known = ok && text != NULL && pythia_stamp_read(text, &highest);
		if (*known && highest > clock + AHEAD_OF_UTC)
		{
			char *limit = pythia_stamp_write(clock + AHEAD_OF_UTC);

			pythia_free(text);
			ok = highest_stamp(source, plan, limit, &text, error);
			*known = ok && text != NULL && pythia_stamp_read(text, &highest);
			pythia_free(limit);
		}
		*next = blind ? highest : highest - (clock - boundary);
		if (blind && exact && highest > clock)
			*next = clock;
		pythia_free(text);
	}
	*next -= (int64_t) (lookback_of(source, config, blind) * 1000000);
	if (source->engine == PYTHIA_SQLITE)
		*next -= *next % 1000000;
	return ok;
}

bool pythia_watermark_next(pythia_db *source, const pythia_plan *plan, const pythia_sync_config *config,
						   const pythia_watermark *mark, char **next, pythia_error *error)
{
	int64_t low;
	int64_t old;
	bool known;

	*next = NULL;
	if (plan->stamp_source < 0)
		return true;
	if (mark->integer)
	{
		next_integer(mark, next);
		return true;
	}
	if (!next_stamp(source, plan, config, mark, &low, &known, error))
		return false;
	/* what has been seen stays seen */
	if (mark->low != NULL && (!known || (pythia_stamp_read(mark->low, &old) && old > low)))
		*next = pythia_strdup(mark->low);
	else if (known)
		*next = pythia_stamp_write(low);
	return true;
}

void pythia_watermark_free(pythia_watermark *mark)
{
	pythia_free(mark->low);
	pythia_free(mark->boundary);
	pythia_free(mark->highest);
	memset(mark, 0, sizeof(*mark));
}
