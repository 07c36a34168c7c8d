#include "drivers/common.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/digest.h"
#include "core/number.h"
#include "core/secret.h"

bool pythia_db_expect(const pythia_db *db, pythia_db_state state, pythia_db_state wanted, pythia_error *error)
{
	static const char *const doing[] = {"idle", "waiting for a result", "reading a stream", "loading rows"};

	if (db->broken)
	{
		pythia_fail(error, PYTHIA_E_LOST, "08003", "the connection to %s is broken", db->display);
		return pythia_error_hint(error, "Open it again.");
	}
	if (state != wanted)
		return pythia_fail(error, PYTHIA_E_INTERNAL, "55006", "the connection to %s is %s, not %s", db->display,
						   doing[state], doing[wanted]);
	return true;
}

bool pythia_db_fresh(pythia_db *db, pythia_error *error)
{
	if (!db->others_ran || db->broken || !db->driver->reset)
		return true;
	if (!db->driver->reset(db, error))
		return false;
	db->others_ran = db->waits_briefly = false;
	return true;
}

bool pythia_db_wait_briefly(pythia_db *db, pythia_error *error)
{
	if (db->waits_briefly || db->local || db->engine == PYTHIA_SQLITE)
		return true;
	db->waits_briefly = pythia_db_exec(
		db, db->engine == PYTHIA_MYSQL ? "SET SESSION lock_wait_timeout = 2" : "SET lock_timeout = '2s'", NULL, error);
	return db->waits_briefly;
}

bool pythia_fail_cancelled(pythia_error *error)
{
	return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "canceled on request");
}

/* A statement that masks values has the key in it. */
static void put_statement(pythia_error *error, const char *sql)
{
	char *shown = pythia_strdup(sql);

	pythia_secret_mask(shown, false);
	pythia_secret_squeeze(shown);
	pythia_error_statement(error, shown);
	pythia_free(shown);
}

void pythia_error_statement(pythia_error *error, const char *sql)
{
	const char *key = strstr(sql, PYTHIA_MASK_MARK);
	size_t length = strlen(sql);

	if (key != NULL && isxdigit((unsigned char) key[strlen(PYTHIA_MASK_MARK)]))
		put_statement(error, sql);
	else if (length <= PYTHIA_CONTEXT_BYTES)
		pythia_error_context(error, "statement: %s", sql);
	else
	{
		/* not in the middle of a UTF-8 sequence */
		length = PYTHIA_CONTEXT_BYTES;
		while (length > 0 && ((unsigned char) sql[length] & 0xc0) == 0x80)
			length--;
		pythia_error_context(error, "statement: %.*s ...", (int) length, sql);
	}
}

bool pythia_url_seconds(const pythia_url *url, const char *name, int64_t fallback, int64_t *seconds,
						pythia_error *error)
{
	const char *text = pythia_url_parameter_get(url, name);

	*seconds = fallback;
	if (!text)
		return true;
	if (pythia_whole_number(text, 86400, seconds))
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid value for the URL parameter \"%s\": \"%s\"", name, text);
	return pythia_error_hint(error, "It takes a whole number of seconds.");
}
