/* Transactions of a connection of ours; savepoints within those of a wrapped handle's owner. */
#include "drivers/sqlite/wrapped.h"

#include <stdio.h>

#include "drivers/sqlite/internal.h"

/*
 * A wrapped handle may be in its owner's transaction: savepoints nest in it.  It may
 * be wrapped twice, as source and as target: the names differ, and a snapshot, which
 * has nothing to undo, is released, never rolled back, lest it undo the other's work.
 */
static bool savepoint(sqlite_db *db, const char *verb, int depth, pythia_error *error)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "%s pythia_%d_%d", verb, db->serial, depth);
	return pythia_sqlite_run(db, sql, NULL, error);
}

static void note_snapshot(sqlite_db *db, pythia_begin_mode mode)
{
	if (mode == PYTHIA_BEGIN_SNAPSHOT)
		db->snapshots |= 1u << db->depth;
	else
		db->snapshots &= ~(1u << db->depth);
}

/* While a statement that writes is at work SQLite opens and ends no savepoint: what was changed is counted instead. */
static bool begin_inside(sqlite_db *db, pythia_begin_mode mode, pythia_error *error)
{
	if (db->depth + 1 >= PYTHIA_SQLITE_DEPTH)
		return pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "too many transactions within each other");
	db->changes[++db->depth] = sqlite3_total_changes(db->handle);
	note_snapshot(db, mode);
	return true;
}

static bool rollback_inside(sqlite_db *db, pythia_error *error)
{
	bool unchanged;

	if (db->depth == 0)
		return true;
	/* a snapshot has nothing to undo; what was changed meanwhile is another's, who writes through the same handle */
	unchanged = db->snapshots & 1u << db->depth || db->changes[db->depth] == sqlite3_total_changes(db->handle);
	db->depth--;
	if (unchanged)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "25001",
				"the statement that calls this writes, so a part of it cannot be undone");
	return pythia_error_hint(error, "SELECT it by itself.");
}

static bool begin_now(sqlite_db *db, pythia_begin_mode mode, pythia_error *error)
{
	sqlite_db *waiting = db->twin_of != NULL ? db->twin_of : db; /* whom SQLite asks */
	int64_t busy_ms = waiting->busy_ms;
	bool begun;

	if (mode == PYTHIA_BEGIN_TRY)
		waiting->busy_ms = -1;
	begun = pythia_sqlite_run(
		db, mode == PYTHIA_BEGIN_IMMEDIATE || mode == PYTHIA_BEGIN_TRY ? "BEGIN IMMEDIATE" : "BEGIN", NULL, error);
	waiting->busy_ms = busy_ms;
	return begun;
}

/* Ends the outermost transaction of a shared handle. */
static bool end_outer(sqlite_db *db, const char *verb, pythia_error *error)
{
	if (!pythia_sqlite_run(db, verb, NULL, error))
		return false;
	db->outer = false;
	db->depth = 0;
	return true;
}

bool pythia_sqlite_begin(pythia_db *base, pythia_begin_mode mode, pythia_error *error)
{
	sqlite_db *db = pythia_sqlite_of(base);

	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error))
		return false;
	if (db->inside)
		return begin_inside(db, mode, error);
	if (!db->owned || db->shared)
	{
		if (db->shared && mode != PYTHIA_BEGIN_SNAPSHOT && mode != PYTHIA_BEGIN_WRITE &&
			sqlite3_get_autocommit(db->handle))
		{
			if (!begin_now(db, mode, error))
				return false;
			db->outer = true;
		}
		else if (!savepoint(db, "SAVEPOINT", db->depth + 1, error))
			return false;
		db->depth++;
		note_snapshot(db, mode);
	}
	else if (!begin_now(db, mode, error))
		return false;
	/* SQLite takes its snapshot with the first read */
	if (mode != PYTHIA_BEGIN_SNAPSHOT || pythia_sqlite_run(db, "SELECT 1 FROM sqlite_master LIMIT 1", NULL, error))
		return true;
	base->driver->rollback(base, NULL);
	return false;
}

/* It may be gone already, with one of the other wrap's around it. */
static bool release_snapshot(sqlite_db *db)
{
	savepoint(db, "RELEASE", db->depth, NULL);
	db->depth--;
	return true;
}

bool pythia_sqlite_commit(pythia_db *base, pythia_error *error)
{
	sqlite_db *db = pythia_sqlite_of(base);

	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error))
		return false;
	if (db->owned && !db->shared)
		return pythia_sqlite_run(db, "COMMIT", NULL, error);
	if (db->outer && db->depth == 1)
		return end_outer(db, "COMMIT", error);
	if (!db->inside)
	{
		if (db->snapshots & 1u << db->depth)
			return release_snapshot(db);
		if (!savepoint(db, "RELEASE", db->depth, error))
			return false;
	}
	db->depth--;
	return true;
}

bool pythia_sqlite_rollback(pythia_db *base, pythia_error *error)
{
	sqlite_db *db = pythia_sqlite_of(base);

	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error))
		return false;
	if (db->inside)
		return rollback_inside(db, error);
	/* after a full disk or an I/O error SQLite may have rolled back by itself */
	if (sqlite3_get_autocommit(db->handle))
	{
		db->depth = 0;
		db->outer = false;
		return true;
	}
	if (db->owned && !db->shared)
		return pythia_sqlite_run(db, "ROLLBACK", NULL, error);
	if (db->outer && db->depth == 1)
		return end_outer(db, "ROLLBACK", error);
	if (db->depth == 0)
		return true;
	if (db->snapshots & 1u << db->depth)
		return release_snapshot(db);
	db->depth--;
	return savepoint(db, "ROLLBACK TO", db->depth + 1, error) && savepoint(db, "RELEASE", db->depth + 1, error);
}

void pythia_sqlite_enter(pythia_db *base, bool nested, bool undecided, bool inside)
{
	sqlite_db *db = pythia_sqlite_of(base);

	base->nested = nested;
	base->undecided = undecided;
	db->inside = inside;
	db->depth = 0;
}

bool pythia_sqlite_leave(pythia_db *base)
{
	sqlite_db *db = pythia_sqlite_of(base);
	bool clean = db->state == PYTHIA_IDLE && db->depth == 0;

	if (db->state == PYTHIA_LOADING)
		pythia_sqlite_load_abandon(base);
	if (db->stream)
		pythia_sqlite_stream_close(db->stream);
	sqlite3_finalize(db->pending);
	db->pending = NULL;
	db->state = PYTHIA_IDLE;
	db->depth = 0;
	db->inside = base->nested = base->undecided = false;
	return clean;
}
