/*
 * Where a poll begins and where the next one may: never past the start of the
 * oldest open transaction, which may yet commit rows it stamped long ago.
 *
 * Stamps are compared as text in the store, so `low` is always a whole second
 * (or a day, or an integer): 'HH:MM:SS' sorts before 'HH:MM:SS.ffffff'.
 */
#include "capture/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/calendar.h"
#include "core/epoch.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/retry.h"
#include "dialect/forms.h"
#include "low_water/mark.h"

/* Who starts waits for transactions that are about to end. */
#define START_LOOK_MS 50
#define START_LOOKS   40

/* Seconds; no zone is further from UTC. */
#define FARTHEST_ZONE (2 * 86400)
#define ALL_STEPS     "NNNNNNNNNNNNN"

void pythia_capture_position_free(pythia_capture_position *position)
{
	pythia_free(position->low);
	pythia_free(position->mark);
	memset(position, 0, sizeof(*position));
}

void pythia_capture_window_free(pythia_capture_window *window)
{
	pythia_free(window->from);
	pythia_free(window->known_after);
	pythia_free(window->known_before);
	pythia_capture_position_free(&window->next);
	memset(window, 0, sizeof(*window));
}

/* --- instants and texts -------------------------------------------------------- */

static int64_t floor_to(int64_t value, int64_t unit)
{
	int64_t rest = value % unit;

	return value - (rest < 0 ? rest + unit : rest);
}

/* The text of a local time in the spelling of the timestamp column, cut to the second or the day. */
static char *text_of(const pythia_capture_table *table, int64_t local)
{
	int64_t days = floor_to(local, 86400 * PYTHIA_SECOND) / (86400 * PYTHIA_SECOND);
	int64_t seconds = (local - days * 86400 * PYTHIA_SECOND) / PYTHIA_SECOND;
	int64_t year;
	int month, day;
	char text[64];

	pythia_date_of(days, &year, &month, &day);
	if (year < 1)
		year = 1, month = day = 1, seconds = 0;
	if (pythia_capture_stamp_column(table)->type.kind == PYTHIA_KIND_DATE && table->db->engine != PYTHIA_SQLITE)
		snprintf(text, sizeof(text), "%04lld-%02d-%02d", (long long) year, month, day);
	else
		snprintf(text, sizeof(text), "%04lld-%02d-%02d %02d:%02d:%02d", (long long) year, month, day,
				 (int) (seconds / 3600), (int) (seconds / 60 % 60), (int) (seconds % 60));
	return pythia_strdup(text);
}

/* --- zones ----------------------------------------------------------------------- */

/* Times that every engine knows the offset of (MariaDB 11.8 does not of 1970's first second): before and after, that of
 * the nearest will do. */
static int64_t within(int64_t epoch)
{
	return epoch < 86400 ? 86400 : epoch > INT32_MAX ? INT32_MAX : epoch;
}

/* Offsets from UTC at the quarter of an hour `bucket` and those that follow. */
static bool read_offsets(pythia_capture_table *table, int64_t bucket, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(table->db);
	const char *zone = table->config.time_zone;
	bool own_zone = table->db->engine == PYTHIA_POSTGRESQL && !zone;
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool ok = true;

	if (zone)
		dialect->literal(&name, zone, strlen(zone));
	/* our session is in UTC: put back to its default for as long as it takes to ask */
	pythia_buffer_puts(&sql, own_zone ? "SELECT q.*, pg_catalog.set_config('timezone', 'UTC', true) FROM (SELECT "
									  : "SELECT ");
	for (int i = 0; i < PYTHIA_ZONE_STEPS; i++)
	{
		long long epoch = within((bucket + i * PYTHIA_ZONE_STEP) / PYTHIA_SECOND);

		pythia_buffer_puts(&sql, i > 0 ? ", " : "");
		if (table->db->engine == PYTHIA_POSTGRESQL)
			pythia_buffer_printf(&sql,
								 "EXTRACT(epoch FROM pg_catalog.timezone(%s, pg_catalog.to_timestamp(%lld)))::bigint",
								 own_zone ? "z.zone" : name.data, epoch);
		else if (table->db->engine == PYTHIA_MYSQL)
			pythia_buffer_printf(&sql,
								 "TIMESTAMPDIFF(SECOND, '1970-01-01', CONVERT_TZ(FROM_UNIXTIME(%lld), '+00:00', %s))",
								 epoch, zone ? name.data : "@@global.time_zone");
		else
			pythia_buffer_printf(&sql, "CAST(strftime('%%s', %lld, 'unixepoch', %s) AS INTEGER)", epoch, name.data);
	}
	if (own_zone)
		pythia_buffer_puts(&sql, " FROM (SELECT pg_catalog.set_config('timezone', NULL, true) AS zone OFFSET 0) z"
								 " OFFSET 0) q");
	_Static_assert(PYTHIA_ZONE_STEPS == sizeof(ALL_STEPS) - 1, "a letter for each");
	ok = pythia_db_query(table->db, sql.data, own_zone ? "1" ALL_STEPS "t" : "1" ALL_STEPS, &result, error);
	for (int i = 0; ok && i < PYTHIA_ZONE_STEPS; i++)
	{
		int64_t epoch = within((bucket + i * PYTHIA_ZONE_STEP) / PYTHIA_SECOND);
		int64_t local = pythia_result_number_or(&result, 0, i, INT64_MIN);

		if (local == INT64_MIN)
		{
			ok = pythia_fail(error, PYTHIA_E_USAGE, "22023", "time zone \"%s\" is not known to %s", zone ? zone : "",
							 table->db->display);
			pythia_error_hint(error, table->db->engine == PYTHIA_POSTGRESQL
										 ? "Set options.time_zone to a zone's name."
										 : "Set options.time_zone to an offset such as \"+02:00\".");
			break;
		}
		if (local < epoch - FARTHEST_ZONE || local > epoch + FARTHEST_ZONE)
		{
			ok = pythia_db_bad_answer(table->db, error, "a time zone that is days away");
			break;
		}
		table->offsets[i] = (local - epoch) * PYTHIA_SECOND;
	}
	if (ok)
		table->offsets_at = bucket;
	pythia_result_free(&result);
	pythia_buffer_free(&sql);
	pythia_buffer_free(&name);
	return ok;
}

/*
 * The least local time that a stamp taken at `instant` or later can show, and the
 * greatest that one taken at `instant` or before can.  Clocks that are put back for
 * winter show an hour twice: the least of the offsets ahead counts.
 */
static bool local_bounds(pythia_capture_table *table, int64_t instant, int64_t *least, int64_t *greatest,
						 pythia_error *error)
{
	const char *zone = table->config.time_zone;
	int64_t bucket = pythia_zone_start(instant);

	*least = *greatest = instant;
	table->local = 0;
	if (pythia_capture_stamp_column(table)->type.kind == PYTHIA_KIND_TIMESTAMPTZ ||
		(table->db->engine == PYTHIA_SQLITE && !zone))
		return true;
	if (zone && strcmp(zone, "any") == 0)
	{
		*least += table->local = PYTHIA_ZONE_WEST;
		*greatest += PYTHIA_ZONE_EAST;
		return true;
	}
	if (table->offsets_at != bucket && !read_offsets(table, bucket, error))
		return false;
	*least = pythia_zone_least(instant, table->offsets);
	*greatest = instant + table->offsets[0];
	table->local = table->offsets[0];
	return true;
}

/* --- windows --------------------------------------------------------------------- */

static int64_t seen_until(const pythia_capture_table *table, const pythia_clock *clock)
{
	return pythia_seen_until(table->db->engine, clock, table->config.lookback);
}

/* What numbers that are times are taken back by. */
static double slack(const pythia_capture_table *table)
{
	return pythia_lookback(PYTHIA_SQLITE, table->config.lookback, false);
}

/* The greatest integer stamp, and a moment after it was read. */
static bool read_mark(pythia_capture_table *table, char **mark, int64_t *time, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_clock clock;
	bool ok;

	pythia_buffer_puts(&sql, "SELECT max(");
	pythia_dialect_of(table->db)->identifier(&sql, pythia_capture_stamp_column(table)->name);
	pythia_buffer_puts(&sql, ") FROM ");
	pythia_capture_put_table(table, &sql);
	/* a text in a column of integers is greater than all of them, and none that is to come would be behind it */
	if (table->db->engine == PYTHIA_SQLITE)
	{
		pythia_buffer_puts(&sql, " WHERE typeof(");
		pythia_dialect_of(table->db)->identifier(&sql, pythia_capture_stamp_column(table)->name);
		pythia_buffer_puts(&sql, ") = 'integer'");
	}
	ok = pythia_db_text(table->db, sql.data, mark, error) && pythia_clock_now(table->db, &clock.now, error);
	pythia_buffer_free(&sql);
	if (ok && *mark && !pythia_capture_is_stamp(table, *mark))
		ok = pythia_fail(error, PYTHIA_E_DATA, "22P02", "the greatest \"%s\" of table \"%s\" is no integer",
						 pythia_capture_stamp_column(table)->name, table->table.name);
	if (!ok)
	{
		pythia_free(*mark);
		*mark = NULL;
		return false;
	}
	/* SQLite's clock shows whole seconds */
	*time = clock.now + (table->db->engine == PYTHIA_SQLITE ? PYTHIA_SECOND : 0);
	return true;
}

/* What is no whole number is of before all of them. */
static int64_t number_of(const char *text)
{
	int64_t number;

	return pythia_int64_read(text, strlen(text), &number) ? number : INT64_MIN;
}

static bool integer_window(pythia_capture_table *table, const pythia_clock *clock,
						   const pythia_capture_position *position, pythia_capture_window *window, pythia_error *error)
{
	int64_t safe = seen_until(table, clock);

	window->from = pythia_strdup(position->low);
	window->next.low = pythia_number_mark(position->low, position->mark, position->mark_time, safe, slack(table));
	if (!position->mark || position->mark_time <= safe)
		return read_mark(table, &window->next.mark, &window->next.mark_time, error);
	window->next.mark = pythia_strdup(position->mark);
	window->next.mark_time = position->mark_time;
	return true;
}

/* Positions are kept where others may write. */
static bool believable(const pythia_capture_table *table, const char *stamp, pythia_error *error)
{
	pythia_buffer literal = PYTHIA_BUFFER_INIT;
	bool good = !stamp || pythia_capture_put_stamp(table, &literal, stamp, error);

	pythia_buffer_free(&literal);
	return good;
}

bool pythia_capture_window_make(pythia_capture_table *table, const pythia_clock *clock,
								const pythia_capture_position *position, pythia_capture_window *window,
								pythia_error *error)
{
	pythia_capture_position anew = {.age = position->age};
	int64_t safe = seen_until(table, clock);
	int64_t least;
	int64_t greatest;
	int64_t now_least;
	int64_t now_greatest;
	char *next;
	char *now;

	memset(window, 0, sizeof(*window));
	/* a column of SQLite's that had no stamps at first, and might have been one of times: all that is there came since */
	if (pythia_sqlite_was_text(table, position->low))
		position = &anew;
	if (!believable(table, position->low, error) || !believable(table, position->mark, error))
		return false;
	if (table->numeric)
		return integer_window(table, clock, position, window, error);
	window->from = pythia_strdup(position->low);
	if (!local_bounds(table, clock->now, &now_least, &now_greatest, error))
		return false;
	if (safe == PYTHIA_OPEN_HELD)
	{
		window->next.low = pythia_strdup(position->low);
		return true;
	}
	/* last: low is of its offset, and what says its own is compared with low */
	if (!local_bounds(table, safe, &least, &greatest, error))
		return false;
	next = text_of(table, least);
	now = text_of(table, now_greatest);
	if (!position->low || strcmp(next, position->low) >= 0)
		window->next.low = next;
	else if (strcmp(now, position->low) < 0)
	{
		char *soon = text_of(table, now_greatest + PYTHIA_ZONE_MINUTE);

		/* The clock was set back.  What is stamped later than it shows was stamped, and captured, before; what
		 * was stamped since, before we noticed or while we look, was not. */
		window->next.low = next;
		pythia_free(window->from);
		window->from = text_of(table, least - pythia_unnoticed(position->age));
		pythia_free(now);
		window->known_after = soon;
		window->known_before = pythia_strdup(position->low);
		return true;
	}
	else
	{
		window->next.low = pythia_strdup(position->low);
		pythia_free(next);
	}
	pythia_free(now);
	return true;
}

/*
 * Once all have ended that were open when the greatest number was read, none that is less comes any more.  Where one stays
 * open it may hold any number: then all that is there is remembered.
 */
static bool start_at_number(pythia_capture_table *table, pythia_capture_window *window, pythia_error *error)
{
	pythia_retry looks = {.base_ms = START_LOOK_MS, .cap_ms = START_LOOK_MS, .seed = 1};
	pythia_clock clock;
	bool ended;

	if (!read_mark(table, &window->next.mark, &window->next.mark_time, error))
		return false;
	for (int look = 1;; look++)
	{
		if (!pythia_clock_read(table->db, false, &clock, error))
			return false;
		/* with the lock of a SQLite file in hand nobody writes */
		ended = table->db->engine == PYTHIA_SQLITE ? clock.boundary != PYTHIA_OPEN_HELD
												   : clock.boundary >= window->next.mark_time;
		/* what has been open for long stays so */
		if (ended || look == START_LOOKS || clock.boundary < window->next.mark_time - 4 * PYTHIA_SECOND)
			break;
		if (pythia_host_wait(table->db->host, -1, 0, (long) pythia_retry_next(&looks)) == PYTHIA_WAIT_CANCELLED)
			return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "cancelled");
	}
	if (ended)
		window->next.low = pythia_number_bound(window->next.mark, clock.now, slack(table));
	window->from = pythia_strdup(window->next.low);
	return true;
}

static bool start_now(pythia_capture_table *table, const pythia_clock *clock, pythia_capture_window *window,
					  pythia_error *error)
{
	pythia_capture_position none = {0};
	pythia_clock since = *clock;

	if (table->numeric)
		return start_at_number(table, window, error);
	if (since.boundary == PYTHIA_OPEN_HELD)
		since.boundary = 0;
	if (!pythia_capture_window_make(table, &since, &none, window, error))
		return false;
	window->from = pythia_strdup(window->next.low);
	return true;
}

static bool bad_start(const pythia_capture_table *table, const char *at, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid value for option \"start_from\": \"%s\"", at);
	return pythia_error_hint(error,
							 table->numeric ? "The timestamp column of \"%s\" holds integers: give a number."
											: "Give \"now\", \"beginning\" or YYYY-MM-DD HH:MM:SS, with Z or an offset "
											  "such as +02:00 where it is of that zone (table \"%s\").",
							 table->table.name);
}

/* A time that tells its zone is an instant, whatever zone stamps are in; another one is as stamps are. */
static bool start_at(pythia_capture_table *table, const char *at, char **low, pythia_error *error)
{
	size_t length = strlen(at);
	pythia_buffer utc = PYTHIA_BUFFER_INIT;
	int64_t instant;
	int64_t least;
	int64_t greatest;
	bool ok;

	if (table->numeric)
	{
		*low = pythia_strdup(at);
		return pythia_int64_read(at, length, &instant) || bad_start(table, at, error);
	}
	if (!pythia_stamp_canonical(&utc, at, length, 6) || !pythia_instant_read(utc.data, &instant) ||
		!pythia_stamp_text(utc.data, utc.length))
		ok = bad_start(table, at, error);
	else if (length <= 10 || (at[length - 1] != 'Z' && !pythia_sqlite_stamp_is_zoned(at, length)))
	{
		ok = true;
		*low = pythia_strdup(at);
		if (length > 10)
			(*low)[10] = ' ';
	}
	else
	{
		ok = local_bounds(table, instant, &least, &greatest, error);
		if (ok)
			*low = text_of(table, least);
	}
	pythia_buffer_free(&utc);
	return ok;
}

bool pythia_capture_window_start(pythia_capture_table *table, const pythia_clock *clock, pythia_capture_window *window,
								 pythia_error *error)
{
	memset(window, 0, sizeof(*window));
	switch (table->config.start)
	{
		case PYTHIA_START_NOW:
			return start_now(table, clock, window, error);
		case PYTHIA_START_BEGINNING:
			return true;
		case PYTHIA_START_AT:
			break;
	}
	if (!start_at(table, table->config.start_at, &window->next.low, error))
		return false;
	window->from = pythia_strdup(window->next.low);
	return true;
}

bool pythia_capture_stamp_kept(const pythia_capture_table *table, const char *stamp, const char *low)
{
	if (!low || !stamp)
		return true;
	/* in SQLite a text may stand among integers: it is read by every poll */
	if (table->numeric)
		return !pythia_integer_text(stamp, strlen(stamp)) || number_of(stamp) >= number_of(low);
	/* infinity and years of five digits do not sort as text: they stay */
	if (strlen(stamp) < 10 || stamp[4] != '-' || stamp[0] == '-')
		return true;
	/* one that is a day, or a minute, alone may be given until that ends */
	if (strlen(stamp) == strlen("YYYY-MM-DD") || strlen(stamp) == strlen("YYYY-MM-DD HH:MM"))
		return strncmp(stamp, low, strlen(stamp)) >= 0;
	return strncmp(stamp, low, sizeof("YYYY-MM-DD HH:MM:SS.ffffff")) >= 0;
}
