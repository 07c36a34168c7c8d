#include "sync/boundary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/memory.h"
#include "dialect/dialect.h"

bool pythia_stamp_read(const char *text, int64_t *microseconds)
{
	struct tm tm;
	const char *point;
	int64_t unit = 100000;
	int64_t fraction = 0;

	memset(&tm, 0, sizeof(tm));
	tm.tm_mday = 1;
	/* with widths, so that no number is beyond what it goes into */
	if (sscanf(text, "%6d-%3d-%3d%*[ T]%3d:%3d:%3d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
			   &tm.tm_sec) < 3)
		return false;
	point = strchr(text, '.');
	for (point = point != NULL ? point + 1 : ""; *point >= '0' && *point <= '9'; point++, unit /= 10)
		fraction += (*point - '0') * unit;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return !__builtin_mul_overflow((int64_t) timegm(&tm), 1000000, microseconds) &&
		   !__builtin_add_overflow(*microseconds, fraction, microseconds);
}

char *pythia_stamp_write(int64_t microseconds)
{
	int64_t seconds = microseconds / 1000000;
	int64_t fraction = microseconds % 1000000;
	time_t clock;
	struct tm tm;
	char text[64];

	if (fraction < 0)
	{
		fraction += 1000000;
		seconds--;
	}
	clock = (time_t) seconds;
	gmtime_r(&clock, &tm);
	snprintf(text, sizeof(text), "%04d-%02d-%02d %02d:%02d:%02d.%06d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
			 tm.tm_hour, tm.tm_min, tm.tm_sec, (int) fraction);
	return pythia_strdup(text);
}

/* SQLite shows no open transactions, but only one can write: with the write lock in hand there is none. */
static bool sqlite_boundary(pythia_db *db, char **text, pythia_error *error)
{
	pythia_error busy = PYTHIA_ERROR_INIT;
	bool ok;

	if (db->read_only || !db->driver->begin(db, PYTHIA_BEGIN_IMMEDIATE, &busy))
	{
		bool cancelled = busy.error_class == PYTHIA_E_CANCELLED;

		if (cancelled)
			return pythia_error_move(error, &busy);
		pythia_error_reset(&busy);
		return true;
	}
	ok = pythia_open_boundary(db, text, error);
	return db->driver->rollback(db, ok ? error : &busy) && ok;
}

bool pythia_source_boundary(pythia_db *db, char **text, pythia_error *error)
{
	bool ok;

	*text = NULL;
	ok = db->engine == PYTHIA_SQLITE ? sqlite_boundary(db, text, error) : pythia_open_boundary(db, text, error);
	if (ok && *text == NULL)
		pythia_host_log(db->host, PYTHIA_LOG_NOTICE,
						"open transactions of %s cannot be seen: incremental runs rely on \"lookback\"",
						db->display != NULL ? db->display : "the source");
	return ok;
}
