/*
 * Stamps in SQLite, whose columns hold what they are given: of one column some may be written with a blank and some
 * with a T, with a zone or without, as text or as seconds, milliseconds or microseconds since 1970.  A position is
 * YYYY-MM-DD HH:MM:SS whatever they are.
 */
#include <stdio.h>
#include <string.h>

#include "capture/internal.h"
#include "core/calendar.h"
#include "core/number.h"

/* Seconds: no zone is further from UTC. */
#define FARTHEST 50400

/* Numbers below are seconds, or milliseconds, since 1970: of years up to 5138. */
#define SECONDS INT64_C(100000000000)
#define MILLIS  (SECONDS * 1000)

static void put_instant(pythia_buffer *out, int64_t seconds, const char *separator)
{
	int64_t days = seconds / 86400 - (seconds % 86400 < 0);
	int64_t rest = seconds - days * 86400;
	int64_t year;
	int month, day;

	pythia_date_of(days, &year, &month, &day);
	pythia_buffer_printf(out, "%04lld-%02d-%02d%s%02d:%02d:%02d", (long long) year, month, day, separator,
						 (int) (rest / 3600), (int) (rest / 60 % 60), (int) (rest % 60));
}

bool pythia_sqlite_stamp_is_text(const pythia_capture_table *table)
{
	return table->db->engine == PYTHIA_SQLITE && !table->numeric;
}

void pythia_sqlite_put_since(const pythia_capture_table *table, pythia_buffer *sql, const char *low)
{
	const pythia_dialect *dialect = pythia_dialect_of(table->db);
	pythia_buffer column = PYTHIA_BUFFER_INIT;
	pythia_buffer blank = PYTHIA_BUFFER_INIT;
	pythia_buffer letter = PYTHIA_BUFFER_INIT;
	int64_t instant = 0;
	long long seconds;

	dialect->identifier(&column, table->table.columns[table->columns[table->timestamp].position].name);
	/* years before 1 and of five digits are not told apart by it: all of them are read */
	if (!pythia_instant_read(low, &instant))
		instant = -62135596800 * PYTHIA_SECOND;
	seconds = instant / PYTHIA_SECOND - (instant % PYTHIA_SECOND < 0);
	if (table->zoned)
		seconds -= FARTHEST;
	put_instant(&blank, seconds, " ");
	put_instant(&letter, seconds, "T");
	/* a day is a stamp of its first second */
	pythia_buffer_printf(sql, "((%s >= '%.*s' AND %s < '%.10sT') OR %s >= '%s'", column.data,
						 strcmp(blank.data + 10, " 00:00:00") == 0 ? 10 : 19, blank.data, column.data, blank.data,
						 column.data, letter.data);
	/* what is given without a zone is of the writers' */
	if (table->config.time_zone)
		seconds -= FARTHEST;
	seconds = seconds < 0 ? 0 : seconds;
	pythia_buffer_printf(
		sql, " OR (%s >= %lld AND %s < %lld) OR (%s >= %lld AND %s < %lld) OR (%s >= %lld AND %s <= %lld)", column.data,
		seconds, column.data, (long long) SECONDS, column.data, seconds * 1000, column.data, (long long) MILLIS,
		column.data, seconds * 1000000, column.data, (long long) INT64_MAX);
	/* numbers in a column of texts */
	pythia_buffer_printf(sql, " OR (%s >= '%lld' AND %s < '2'))", column.data, seconds, column.data);
	pythia_buffer_free(&column);
	pythia_buffer_free(&blank);
	pythia_buffer_free(&letter);
}

static bool put_number(pythia_buffer *out, const char *text, size_t length)
{
	int64_t number;
	int64_t unit;

	if (!pythia_int64_read(text, length, &number) || number < 0)
		return false;
	unit = number < SECONDS ? 1 : number < MILLIS ? 1000 : PYTHIA_SECOND;
	put_instant(out, number / unit, " ");
	if (number % unit != 0)
		pythia_buffer_printf(out, unit == 1000 ? ".%03lld" : ".%06lld", (long long) (number % unit));
	return true;
}

bool pythia_sqlite_stamp(pythia_buffer *out, const char *text, size_t length)
{
	pythia_buffer_clear(out);
	if (put_number(out, text, length))
		return false;
	if (!pythia_stamp_canonical(out, text, length, 6))
		pythia_buffer_append(out, text, length);
	return length > 10 && text[10] == ' ' && !pythia_sqlite_stamp_is_zoned(text, length);
}

bool pythia_sqlite_stamp_is_zoned(const char *text, size_t length)
{
	return length > 19 && (memchr(text + 19, '+', length - 19) != NULL || memchr(text + 19, '-', length - 19) != NULL);
}
