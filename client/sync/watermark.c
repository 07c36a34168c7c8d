/*
 * Where the next incremental run begins.
 *
 * A timestamptz is compared with the boundary as it is (low_water/mark.h has its rules).  A local time (PostgreSQL's timestamp,
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
#include "low_water/mark.h"

#define SCOPE_MARK " #"

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
static bool both_clocks(pythia_db *db, pythia_watermark *mark, pythia_error *error)
{
	const char *sql = db->engine == PYTHIA_POSTGRESQL
						  ? "SELECT pg_catalog.to_char(c AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),"
							" pg_catalog.to_char(c AT TIME ZONE s.reset_val, 'YYYY-MM-DD HH24:MI:SS.US')"
							" FROM pg_catalog.clock_timestamp() c, pg_catalog.pg_settings s WHERE s.name = 'TimeZone'"
						  : "SELECT DATE_FORMAT(c, '%Y-%m-%d %H:%i:%s.%f'), DATE_FORMAT(COALESCE(CONVERT_TZ(c,"
							" '+00:00', @@global.time_zone), c), '%Y-%m-%d %H:%i:%s.%f')"
							" FROM (SELECT UTC_TIMESTAMP(6) AS c) d";
	pythia_result result;
	bool ok;

	/* SQLite's is in UTC */
	if (db->engine == PYTHIA_SQLITE)
		return true;
	ok = pythia_db_query(db, sql, "1tt", &result, error);
	if (ok && (!pythia_instant_read(pythia_result_text(&result, 0, 0), &mark->clock) ||
			   !pythia_instant_read(pythia_result_text(&result, 0, 1), &mark->local_clock)))
		ok = pythia_db_bad_answer(db, error, "the server's clock cannot be read");
	pythia_result_free(&result);
	return ok;
}

static bool read_clock(pythia_db *source, bool own, pythia_clock *clock, pythia_error *error)
{
	if (!pythia_clock_read(source, own, clock, error))
		return false;
	if (clock->boundary == PYTHIA_OPEN_UNKNOWN)
		pythia_host_log(source->host, PYTHIA_LOG_NOTICE,
						"open transactions of %s cannot be seen: incremental runs rely on \"lookback\"",
						source->display != NULL ? source->display : "the source");
	return true;
}

/* --- scope ------------------------------------------------------------------- */

void pythia_watermark_scope(const pythia_plan *plan, char scope[9])
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	char hex[33];

	for (int i = 0; i < 2; i++)
		pythia_buffer_printf(&text, "%s\n", plan->endpoints[i] != NULL ? plan->endpoints[i] : "");
	pythia_buffer_printf(&text, "%s\n%s\n%s\n%s\n", plan->source.schema, plan->source.name, plan->target.schema,
						 plan->target.name);
	for (int i = 0; i < plan->npairs; i++)
	{
		const pythia_column *column = pythia_pair_source(plan, i);

		pythia_buffer_printf(&text, "%s\n%s\n", column->name, pythia_pair_target(plan, i)->name);
		if (column->expression != NULL)
			pythia_buffer_printf(&text, "= %s\n", column->expression);
	}
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

static bool begin_integer(pythia_db *source, const pythia_plan *plan, const pythia_sync_config *config,
						  const char *stored, pythia_watermark *mark, pythia_error *error)
{
	double slack = pythia_lookback(source->engine, config->lookback, false);
	pythia_buffer next = PYTHIA_BUFFER_INIT;
	pythia_clock clock;
	char *highest = NULL;
	char *candidate = NULL;
	char *low = NULL;
	char stamp[PYTHIA_INSTANT_SIZE];
	int64_t read_at = 0;
	int64_t until;

	read_integer(stored, &mark->low, &candidate, &read_at);
	/* a transaction of our own gives out no more of them */
	if (!highest_stamp(source, plan, &highest, error) || !read_clock(source, false, &clock, error))
	{
		pythia_free(highest);
		pythia_free(candidate);
		return false;
	}
	until = pythia_seen_until(source->engine, &clock, config->lookback);
	if (highest == NULL)
		low = pythia_strdup(mark->low != NULL ? mark->low : "");
	/* nobody's transaction is open */
	else if (clock.boundary >= clock.now)
		low = pythia_number_bound(highest, clock.now, slack);
	else
	{
		bool ended = candidate == NULL || read_at <= until;
		char *believed = pythia_number_mark(mark->low, candidate, read_at, until, slack);

		/* one that waits is kept until it may be believed: newer ones would wait for ever */
		pythia_buffer_printf(&next, "%s (%s at %s)", believed != NULL ? believed : "-", ended ? highest : candidate,
							 pythia_instant_write(stamp, ended ? clock.now : read_at));
		low = pythia_buffer_take(&next);
		pythia_free(believed);
	}
	mark->integer = low;
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
static void doubt(pythia_db *source, const pythia_plan *plan, pythia_watermark *mark)
{
	int64_t low = 0;

	if (mark->low == NULL || !pythia_instant_read(mark->low, &low) || low <= mark->local_clock)
		return;
	pythia_host_log(source->host, PYTHIA_LOG_NOTICE,
					"table \"%s\": the watermark %s lies ahead of the server's clock: all rows are read",
					plan->source.name, mark->low);
	pythia_free(mark->low);
	mark->low = NULL;
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

static bool begin_stamps(pythia_db *source, const pythia_plan *plan, const pythia_sync_config *config,
						 pythia_watermark *mark, pythia_error *error)
{
	char stamp[PYTHIA_INSTANT_SIZE];
	pythia_clock clock;
	int64_t until;

	/* what we stamp later in the caller's transaction has its now() */
	if (!read_clock(source, source->local, &clock, error))
		return false;
	mark->clock = mark->local_clock = clock.now;
	until = pythia_seen_until(source->engine, &clock, config->lookback);
	if (until != PYTHIA_OPEN_HELD)
		mark->boundary = pythia_strdup(pythia_instant_write(stamp, until));
	if (!exact(plan) && !both_clocks(source, mark, error))
		return false;
	doubt(source, plan, mark);
	return true;
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
	return begin_stamps(source, plan, config, mark, error);
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

/* *known is false where nothing new may be taken for seen. */
static bool next_stamp(pythia_db *source, const pythia_plan *plan, const pythia_watermark *mark, int64_t *next,
					   bool *known, pythia_error *error)
{
	int64_t until = 0;
	int64_t highest = 0;
	char *text = NULL;

	*known = mark->boundary != NULL && pythia_instant_read(mark->boundary, &until);
	if (!*known)
		return true;
	*next = until;
	if (!exact(plan))
	{
		if (!highest_stamp(source, plan, &text, error))
			return false;
		*known = read_stamp(text, &highest);
		if (highest > mark->local_clock)
			highest = mark->local_clock;
		*next = pythia_subtract(highest, pythia_subtract(mark->clock, until));
		pythia_free(text);
	}
	if (source->engine == PYTHIA_SQLITE)
		*next -= *next % PYTHIA_SECOND;
	return true;
}

bool pythia_watermark_next(pythia_db *source, const pythia_plan *plan, const pythia_watermark *mark, char **next,
						   pythia_error *error)
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
	else if (!next_stamp(source, plan, mark, &low, &known, error))
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
