/*
 * Stamps in SQLite, whose columns hold what they are given: of one column some may be written with a blank and some
 * with a T, with a zone or without, as a day or a minute alone, as text or as a number: see core/epoch.h.  A
 * position is YYYY-MM-DD HH:MM:SS whatever they are.
 */
#include <string.h>

#include "capture/internal.h"
#include "core/epoch.h"
#include "core/number.h"
#include "dialect/forms.h"

/* Of YYYY-MM-DDTHH:MM, behind which an offset from UTC may follow. */
#define MINUTES 16
/* Of a day alone. */
#define DAY 10

bool pythia_sqlite_stamp_is_text(const pythia_capture_table *table)
{
	return table->db->engine == PYTHIA_SQLITE && !table->numeric;
}

bool pythia_sqlite_was_text(const pythia_capture_table *table, const char *low)
{
	return table->db->engine == PYTHIA_SQLITE && table->numeric && low && pythia_stamp_text(low, strlen(low));
}

static void put_instant(pythia_buffer *out, int64_t instant)
{
	char text[PYTHIA_INSTANT_SIZE];

	pythia_buffer_clear(out);
	pythia_instant_write(text, instant);
	(void) pythia_stamp_canonical(out, text, strlen(text), 6);
}

bool pythia_sqlite_stamp(const pythia_capture_table *table, pythia_buffer *out, const char *text, size_t length)
{
	int64_t instant;
	bool zoned;

	pythia_buffer_clear(out);
	if (pythia_number_instant(text, length, &instant))
	{
		put_instant(out, pythia_subtract(instant, -table->local));
		return false;
	}
	/* until it ends, see pythia_capture_stamp_kept */
	if (length <= DAY || !pythia_stamp_canonical(out, text, length, 6))
	{
		pythia_buffer_clear(out);
		pythia_buffer_append(out, text, length);
		return false;
	}
	zoned = pythia_sqlite_stamp_is_zoned(text, length);
	if (table->local != 0 && (zoned || text[length - 1] == 'Z') && pythia_instant_read(out->data, &instant))
		put_instant(out, pythia_subtract(instant, -table->local));
	/* one of a minute alone likewise */
	if (length == MINUTES || (length > MINUTES && text[MINUTES] != ':'))
		out->data[out->length = MINUTES] = '\0';
	return text[DAY] == ' ' && !zoned;
}

bool pythia_sqlite_stamp_is_zoned(const char *text, size_t length)
{
	return length > MINUTES && (memchr(text + MINUTES, '+', length - MINUTES) != NULL ||
								memchr(text + MINUTES, '-', length - MINUTES) != NULL);
}
