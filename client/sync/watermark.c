/*
 * Where the next incremental run begins.
 *
 * A timestamptz is compared with the boundary as it is.  A local time (PostgreSQL's timestamp,
 * MySQL's DATETIME) was stamped in a zone that we do not know, so the boundary is carried over as
 * a distance: what commits later was stamped no earlier than the newest stamp in the table less
 * the time between the boundary and now.  A stamp ahead of the server's own clock does not tell when
 * its row was written; then that clock stands in for the newest stamp.
 *
 * An ever-growing integer has no time.  But a transaction that began after the greatest one was read
 * gets greater ones, so the mark moves to a maximum once all that were open when it was read have
 * ended: until then it waits as a candidate, with the time at which it was read.
 */
#include "sync/watermark.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/epoch.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/stamp.h"
#include "dialect/forms.h"
#include "dialect/tokens.h"

/* Where open transactions cannot be seen. */
#define BLIND_LOOKBACK_SECONDS 60
#define SCOPE_MARK             " #"

static const pythia_column *stamp_column(const pythia_plan *plan)
{
	return &plan->source.columns[plan->stamp_source];
}

static bool is_integer(const pythia_column *column)
{
	return column->type.kind == PYTHIA_KIND_INT || column->type.kind == PYTHIA_KIND_UINT;
}

/* Is it a column of SQLite whose stamps may be written with offsets from UTC? */
static bool may_be_zoned(const pythia_db *db, const pythia_column *column)
{
	return db->engine == PYTHIA_SQLITE && !is_integer(column) && column->type.kind != PYTHIA_KIND_DATE;
}

bool pythia_stamp_since(pythia_db *db, const pythia_column *column, const char *low, bool days, pythia_buffer *out)
{
	const pythia_dialect *dialect = pythia_dialect_of(db);
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	size_t length = strlen(low);
	bool ok = true;

	dialect->identifier(&name, column->name);
	if (may_be_zoned(db, column) && pythia_stamp_canonical(&text, low, length, 6))
	{
		pythia_buffer_putc(out, '(');
		pythia_sqlite_since(out, column, text.data, false);
		pythia_buffer_puts(out, " AND (");
		/* rows that are stamped with a day alone come until it ends */
		if (days)
			pythia_buffer_printf(out, "length(%s) = 10 OR ", name.data);
		pythia_buffer_printf(out, "pythia_canonical('%s', %s) >= ", days ? "Z6" : "S6", name.data);
		dialect->literal(out, text.data, text.length);
		pythia_buffer_puts(out, "))");
	}
	else
	{
		/* a date has no hours to compare with */
		if (column->type.kind == PYTHIA_KIND_DATE && length > 10)
			length = 10;
		pythia_buffer_clear(&text);
		ok = dialect->value_literal(db, &text, &column->type, low, length);
		if (ok)
			pythia_buffer_printf(out, "%s >= %s", name.data, text.data);
	}
	pythia_buffer_free(&name);
	pythia_buffer_free(&text);
	return ok;
}

static bool highest_stamp(pythia_db *db, const pythia_plan *plan, char **text, pythia_error *error)
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
	/* a text in a column of integers is greater than all of them: no row would ever come behind it */
	if (db->engine == PYTHIA_SQLITE && is_integer(stamp_column(plan)))
	{
		pythia_buffer_puts(&sql, " WHERE typeof(");
		dialect->identifier(&sql, stamp_column(plan)->name);
		pythia_buffer_puts(&sql, ") = 'integer'");
	}
	pythia_buffer_puts(&sql, ") d");
	ok = pythia_db_text(db, sql.data, text, error);
	pythia_buffer_free(&sql);
	if (ok && *text != NULL && is_integer(stamp_column(plan)) && !pythia_integer_text(*text, strlen(*text)))
	{
		pythia_free(*text);
		*text = NULL;
		return pythia_fail(error, PYTHIA_E_DATA, "22P02", "the greatest \"%s\" of table \"%s\" is no integer",
						   stamp_column(plan)->name, plan->source.name);
	}
	return ok;
}

/* The server's clock in UTC, and in the zone that its sessions have unless they ask for another: ours did. */
static bool server_clock(pythia_db *db, int64_t *clock, int64_t *local, pythia_error *error)
{
	const char *sql = db->engine == PYTHIA_POSTGRESQL
						  ? "SELECT pg_catalog.to_char(c AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),"
							" pg_catalog.to_char(c AT TIME ZONE s.reset_val, 'YYYY-MM-DD HH24:MI:SS.US')"
							" FROM pg_catalog.clock_timestamp() c, pg_catalog.pg_settings s WHERE s.name = 'TimeZone'"
					  : db->engine == PYTHIA_MYSQL
						  ? "SELECT DATE_FORMAT(c, '%Y-%m-%d %H:%i:%s.%f'), DATE_FORMAT(COALESCE(CONVERT_TZ(c,"
							" '+00:00', @@global.time_zone), c), '%Y-%m-%d %H:%i:%s.%f')"
							" FROM (SELECT UTC_TIMESTAMP(6) AS c) d"
						  : "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now'), strftime('%Y-%m-%d %H:%M:%f', 'now')";
	pythia_result result;
	bool ok;

	memset(&result, 0, sizeof(result));
	ok = pythia_db_query(db, sql, "1tt", &result, error);
	if (ok && (!pythia_instant_read(pythia_result_text(&result, 0, 0), clock) ||
			   !pythia_instant_read(pythia_result_text(&result, 0, 1), local)))
		ok = pythia_db_bad_answer(db, error, "the server's clock cannot be read");
	pythia_result_free(&result);
	return ok;
}

static double lookback_of(const pythia_db *source, const pythia_sync_config *config, bool blind)
{
	if (config->lookback >= 0)
		return config->lookback;
	if (blind)
		return BLIND_LOOKBACK_SECONDS;
	return source->engine == PYTHIA_MYSQL ? 2 : 1;
}

/* --- scope ------------------------------------------------------------------- */

void pythia_watermark_scope(const pythia_plan *plan, char scope[9])
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	char hex[33];

	for (int i = 0; i < 2; i++)
		pythia_buffer_printf(&text, "%s\n", plan->places[i] != NULL ? plan->places[i] : "");
	pythia_buffer_printf(&text, "%s\n%s\n%s\n%s\n", plan->source.schema, plan->source.name, plan->target.schema,
						 plan->target.name);
	for (int i = 0; i < plan->npairs; i++)
		pythia_buffer_printf(&text, "%s\n%s\n", pythia_pair_source(plan, i)->name, pythia_pair_target(plan, i)->name);
	pythia_buffer_puts(&text, "key\n");
	for (int i = 0; i < plan->nkey; i++)
		pythia_buffer_printf(&text, "%s\n", pythia_pair_source(plan, plan->key[i])->name);
	pythia_buffer_printf(&text, "stamp\n%s\nwhere\n%s", plan->stamp_source >= 0 ? stamp_column(plan)->name : "",
						 plan->where != NULL ? plan->where : "");
	pythia_md5(text.data, text.length, hex);
	memcpy(scope, hex, 8);
	scope[8] = '\0';
	pythia_buffer_free(&text);
}

/* The stored watermark without its scope; NULL where that is another one. */
static char *stored_mark(pythia_db *source, const pythia_plan *plan, const char *stored, const char *scope)
{
	const char *mark = stored != NULL ? strstr(stored, SCOPE_MARK) : NULL;
	char *text = pythia_strdup(stored);

	if (mark == NULL)
		return text;
	text[mark - stored] = '\0';
	if (strcmp(mark + strlen(SCOPE_MARK), scope) == 0)
		return text;
	pythia_free(text);
	pythia_host_log(
		source->host, PYTHIA_LOG_NOTICE,
		"table \"%s\": what is carried (databases, columns, names, key or condition) is not what it was in the last"
		" run: all rows are read",
		plan->source.name);
	return NULL;
}

/* --- integers ------------------------------------------------------------------ */

/* "LOW", or "LOW (CANDIDATE at TIME)"; LOW is - where there is none. */
static void read_integer(const char *text, char **low, char **candidate, int64_t *read_at)
{
	const char *open = text != NULL ? strstr(text, " (") : NULL;
	const char *at = open != NULL ? strstr(open, " at ") : NULL;
	pythia_buffer part = PYTHIA_BUFFER_INIT;

	*low = *candidate = NULL;
	if (text != NULL && text[0] != '-')
	{
		pythia_buffer_append(&part, text, open != NULL ? (size_t) (open - text) : strlen(text));
		*low = pythia_buffer_take(&part);
	}
	if (at != NULL && pythia_instant_read(at + 4, read_at))
	{
		pythia_buffer_append(&part, open + 2, (size_t) (at - open - 2));
		*candidate = pythia_buffer_take(&part);
	}
	pythia_buffer_free(&part);
}

/* A mark is kept in a file or a table that others may have written: what is none is not believed. */
static bool is_mark(const pythia_plan *plan, const char *text)
{
	char *low;
	char *candidate;
	int64_t read_at;
	bool is;

	if (!is_integer(stamp_column(plan)))
		return pythia_stamp_text(text, strlen(text));
	read_integer(text, &low, &candidate, &read_at);
	is = (low == NULL || pythia_integer_text(low, strlen(low))) &&
		 (candidate == NULL || pythia_integer_text(candidate, strlen(candidate)));
	pythia_free(low);
	pythia_free(candidate);
	return is;
}

static char *believable_mark(pythia_db *source, const pythia_plan *plan, char *mark)
{
	if (mark == NULL || is_mark(plan, mark))
		return mark;
	pythia_host_log(source->host, PYTHIA_LOG_NOTICE,
					"table \"%s\": the stored watermark is none of column \"%s\": all rows are read", plan->source.name,
					stamp_column(plan)->name);
	pythia_free(mark);
	return NULL;
}

/* No transaction that is open now began before *since; the greatest integer was read earlier. */
static bool open_since(pythia_db *source, const pythia_sync_config *config, int64_t clock, int64_t *since,
					   pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char *text = NULL;
	bool blind;
	bool ok;

	if (source->engine == PYTHIA_POSTGRESQL)
	{
		/* our own transaction gives out no more of them */
		pythia_dialect_of(source)->boundary_query(source, &sql);
		pythia_buffer_puts(&sql, " AND a.pid <> pg_catalog.pg_backend_pid()");
		ok = pythia_db_text(source, sql.data, &text, error);
	}
	else
		ok = pythia_source_boundary(source, &text, error);
	blind = text == NULL || !pythia_instant_read(text, since);
	if (blind)
		*since = pythia_subtract(clock, (int64_t) (lookback_of(source, config, true) * 1000000));
	else if (source->engine == PYTHIA_SQLITE)
		*since = strcmp(text, PYTHIA_FAR_PAST) == 0 ? *since : clock; /* it was us who could write */
	else if (source->engine == PYTHIA_MYSQL || config->lookback > 0)
		*since = pythia_subtract(*since, (int64_t) (lookback_of(source, config, false) * 1000000));
	pythia_free(text);
	pythia_buffer_free(&sql);
	return ok;
}

/* A number that is a time, and ahead of the clock, hides those that come behind it no longer than it is; who stamps by
 * such a number commits later. */
static void bound_by_clock(char **number, int64_t clock, double lookback)
{
	char text[24];
	int64_t value;

	if (*number == NULL || !pythia_int64_read(*number, strlen(*number), &value))
		return;
	pythia_int64_text(text, pythia_epoch_seen(value, clock, lookback));
	pythia_free(*number);
	*number = pythia_strdup(text);
}

static bool begin_integer(pythia_db *source, const pythia_plan *plan, const pythia_sync_config *config,
						  const char *stored, pythia_watermark *mark, pythia_error *error)
{
	pythia_buffer next = PYTHIA_BUFFER_INIT;
	char *highest = NULL;
	char *candidate = NULL;
	char stamp[PYTHIA_INSTANT_SIZE];
	int64_t read_at = 0;
	int64_t since = 0;

	read_integer(stored, &mark->low, &candidate, &read_at);
	if (!highest_stamp(source, plan, &highest, error) ||
		!server_clock(source, &mark->clock, &mark->local_clock, error) ||
		!open_since(source, config, mark->clock, &since, error))
	{
		pythia_free(highest);
		pythia_free(candidate);
		return false;
	}
	bound_by_clock(&highest, mark->clock, lookback_of(source, config, false));
	if (highest == NULL)
		pythia_buffer_puts(&next, mark->low != NULL ? mark->low : "");
	else if (since >= mark->clock)
		pythia_buffer_puts(&next, highest);
	else
	{
		bool ended = candidate != NULL && since >= read_at;
		const char *low = ended ? candidate : mark->low;

		/* one that waits is kept until it may be believed: newer ones would wait for ever */
		pythia_buffer_printf(&next, "%s (%s at %s)", low != NULL ? low : "-",
							 candidate == NULL || ended ? highest : candidate,
							 pythia_instant_write(stamp, candidate == NULL || ended ? mark->clock : read_at));
	}
	mark->integer = pythia_buffer_take(&next);
	pythia_free(highest);
	pythia_free(candidate);
	return true;
}

/* --- stamps ---------------------------------------------------------------------- */

static bool exact(const pythia_plan *plan)
{
	return stamp_column(plan)->type.kind == PYTHIA_KIND_TIMESTAMPTZ;
}

/* What was stored ahead of the clock, by a row stamped in the future or a clock that was set back. */
static bool doubt(pythia_db *source, const pythia_plan *plan, pythia_watermark *mark, pythia_error *error)
{
	int64_t low = 0;
	int64_t boundary = 0;

	if (mark->low == NULL || !pythia_instant_read(mark->low, &low))
		return true;
	if (mark->clock == 0)
	{
		if (mark->boundary != NULL && pythia_instant_read(mark->boundary, &boundary) && low <= boundary)
			return true;
		if (!server_clock(source, &mark->clock, &mark->local_clock, error))
			return false;
	}
	if (low <= (exact(plan) ? mark->clock : mark->local_clock))
		return true;
	pythia_host_log(source->host, PYTHIA_LOG_NOTICE,
					"table \"%s\": the watermark %s lies ahead of the server's clock: all rows are read",
					plan->source.name, mark->low);
	pythia_free(mark->low);
	mark->low = NULL;
	return true;
}

/* No mark will ever find rows without a stamp: that is said, as long as there are some. */
static bool tell_unstamped(pythia_db *source, const pythia_plan *plan, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool found;
	bool ok;

	if (!stamp_column(plan)->nullable)
		return true;
	pythia_buffer_puts(&sql, "SELECT 1 FROM ");
	pythia_dialect_table(pythia_dialect_of(source), &sql, plan->source.schema, plan->source.name);
	pythia_buffer_puts(&sql, " WHERE ");
	pythia_dialect_of(source)->identifier(&sql, stamp_column(plan)->name);
	pythia_buffer_puts(&sql, " IS NULL");
	if (plan->where != NULL)
	{
		pythia_buffer_puts(&sql, " AND ");
		pythia_condition_put(&sql, plan->where);
	}
	pythia_buffer_puts(&sql, " LIMIT 1");
	ok = pythia_db_any(source, sql.data, &found, error);
	if (found)
		pythia_host_log(source->host, PYTHIA_LOG_NOTICE,
						"table \"%s\": incremental runs do not see rows whose \"%s\" is NULL, and there are some",
						plan->source.name, stamp_column(plan)->name);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_watermark_begin(pythia_db *source, const pythia_plan *plan, const pythia_sync_config *config,
							const char *stored, pythia_watermark *mark, pythia_error *error)
{
	char *believed;
	bool ok;

	memset(mark, 0, sizeof(*mark));
	pythia_watermark_scope(plan, mark->scope);
	if (plan->stamp_source < 0)
		return true;
	believed = believable_mark(source, plan, stored_mark(source, plan, stored, mark->scope));
	if (believed != NULL && !tell_unstamped(source, plan, error))
	{
		pythia_free(believed);
		return false;
	}
	if (is_integer(stamp_column(plan)))
	{
		ok = begin_integer(source, plan, config, believed, mark, error);
		pythia_free(believed);
		return ok;
	}
	mark->low = believed;
	return pythia_source_boundary(source, &mark->boundary, error) &&
		   ((exact(plan) && mark->boundary != NULL) || server_clock(source, &mark->clock, &mark->local_clock, error)) &&
		   doubt(source, plan, mark, error);
}

bool pythia_watermark_condition(pythia_db *source, const pythia_plan *plan, const pythia_watermark *mark,
								pythia_buffer *out)
{
	/* a mark beyond what the column can hold says nothing: all rows are read */
	return mark->low != NULL && plan->stamp_source >= 0 &&
		   pythia_stamp_since(source, stamp_column(plan), mark->low, true, out);
}

/* The instant of a stamp, whose offset is taken off; false where it is none. */
static bool read_stamp(const char *text, int64_t *instant)
{
	pythia_buffer utc = PYTHIA_BUFFER_INIT;
	bool known;

	if (text == NULL)
		return false;
	known = pythia_number_instant(text, strlen(text), instant) ||
			pythia_instant_read(pythia_stamp_canonical(&utc, text, strlen(text), 6) ? utc.data : text, instant);
	pythia_buffer_free(&utc);
	return known;
}

static bool next_stamp(pythia_db *source, const pythia_plan *plan, const pythia_sync_config *config,
					   const pythia_watermark *mark, int64_t *next, bool *known, pythia_error *error)
{
	int64_t boundary = 0;
	int64_t highest = 0;
	int64_t limit = exact(plan) ? mark->clock : mark->local_clock;
	char *text = NULL;
	bool blind = mark->boundary == NULL || !pythia_instant_read(mark->boundary, &boundary);
	bool ok = true;

	*known = true;
	if (exact(plan) && !blind)
		*next = boundary;
	else
	{
		ok = highest_stamp(source, plan, &text, error);
		*known = ok && read_stamp(text, &highest);
		if (highest > limit)
			highest = limit;
		*next = blind ? highest : pythia_subtract(highest, pythia_subtract(mark->clock, boundary));
		pythia_free(text);
	}
	*next = pythia_subtract(*next, (int64_t) (lookback_of(source, config, blind) * 1000000));
	if (source->engine == PYTHIA_SQLITE)
		*next -= *next % 1000000;
	return ok;
}

bool pythia_watermark_next(pythia_db *source, const pythia_plan *plan, const pythia_sync_config *config,
						   const pythia_watermark *mark, char **next, pythia_error *error)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	int64_t low;
	int64_t old;
	bool known;

	*next = NULL;
	if (plan->stamp_source < 0)
		return true;
	if (mark->integer != NULL)
		pythia_buffer_puts(&out, mark->integer);
	else if (!next_stamp(source, plan, config, mark, &low, &known, error))
		return false;
	/* what has been seen stays seen */
	else if (mark->low != NULL && (!known || (pythia_instant_read(mark->low, &old) && old > low)))
		pythia_buffer_puts(&out, mark->low);
	else if (known)
	{
		char stamp[PYTHIA_INSTANT_SIZE];

		pythia_buffer_puts(&out, pythia_instant_write(stamp, low));
	}
	if (out.length > 0)
	{
		pythia_buffer_printf(&out, SCOPE_MARK "%s", mark->scope);
		*next = pythia_buffer_take(&out);
	}
	pythia_buffer_free(&out);
	return true;
}

void pythia_watermark_free(pythia_watermark *mark)
{
	pythia_free(mark->low);
	pythia_free(mark->boundary);
	pythia_free(mark->integer);
	memset(mark, 0, sizeof(*mark));
}
