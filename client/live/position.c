/*
 * The chain of windows: a number and a random token on both sides.
 *
 * The source's row is committed before the target's transaction.  So the target has the source's token, or, where its
 * commit failed, the one before; anything else means that one side is not what it was.  Before what was applied leaves the
 * logs, the source forgets the token before: a target that has it then was restored.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"
#include "core/stamp.h"
#include "live/internal.h"

#define SOURCE_TABLE "pythia_live_source"
#define TARGET_TABLE "pythia_live_target"
/* How often two sides that move are looked at, and how long after one another. */
#define LOOKS_MOST    40
#define LOOK_AGAIN_MS 50

static bool random_token(char token[PYTHIA_LIVE_TOKEN_SIZE], pythia_error *error)
{
	unsigned char bytes[16];

	if (getentropy(bytes, sizeof(bytes)) != 0)
		return pythia_fail(error, PYTHIA_E_INTERNAL, "58000", "the system gives no random numbers");
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(token + 2 * i, 3, "%02x", bytes[i]);
	return true;
}

bool pythia_live_position_install(pythia_live *live, pythia_error *error)
{
	return pythia_live_make(
			   live->job.source, SOURCE_TABLE,
			   "worker VARCHAR(100) NOT NULL PRIMARY KEY, number BIGINT NOT NULL, token VARCHAR(40) NOT NULL,"
			   " previous VARCHAR(40) NOT NULL, applied_until VARCHAR(40)",
			   "Live sync keeps the number of its last window in the source", error) &&
		   pythia_live_make(
			   live->job.target, TARGET_TABLE,
			   "worker VARCHAR(100) NOT NULL PRIMARY KEY, number BIGINT NOT NULL, token VARCHAR(40) NOT NULL,"
			   " source VARCHAR(500) NOT NULL, applied_until VARCHAR(40)",
			   "Live sync keeps its position in the target, in the transaction of the rows", error);
}

static bool read_side(pythia_db *db, bool source, const char *name, pythia_live_position *position, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result = {0};
	bool ok;

	memset(position, 0, sizeof(*position));
	pythia_buffer_printf(&sql, "SELECT number, token, %s FROM ", source ? "previous" : "token");
	pythia_live_put_own(db, source ? SOURCE_TABLE : TARGET_TABLE, &sql);
	pythia_buffer_puts(&sql, " WHERE worker = ");
	pythia_live_put_literal(db, name, &sql);
	ok = pythia_db_query(db, sql.data, "ntt", &result, error);
	if (ok && result.nrows == 1)
	{
		position->there = true;
		position->number = pythia_result_number(&result, 0, 0);
		snprintf(position->token, sizeof(position->token), "%s", pythia_result_text(&result, 0, 1));
		snprintf(position->previous, sizeof(position->previous), "%s", pythia_result_text(&result, 0, 2));
	}
	pythia_result_free(&result);
	pythia_buffer_free(&sql);
	return ok;
}

/* Both begin at nought. */
static bool write_new(pythia_live *live, bool source, const pythia_live_position *position, pythia_error *error)
{
	pythia_db *db = source ? live->job.source : live->job.target;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	pythia_buffer_puts(&sql, "DELETE FROM ");
	pythia_live_put_own(db, source ? SOURCE_TABLE : TARGET_TABLE, &sql);
	pythia_buffer_puts(&sql, " WHERE worker = ");
	pythia_live_put_literal(db, live->name, &sql);
	if (!pythia_live_run(db, &sql, NULL, error))
		return false;
	pythia_buffer_puts(&sql, "INSERT INTO ");
	pythia_live_put_own(db, source ? SOURCE_TABLE : TARGET_TABLE, &sql);
	pythia_buffer_printf(&sql, " (worker, number, token, %s) VALUES (", source ? "previous" : "source");
	pythia_live_put_literal(db, live->name, &sql);
	pythia_buffer_printf(&sql, ", %" PRId64 ", ", position->number);
	pythia_live_put_literal(db, position->token, &sql);
	pythia_buffer_puts(&sql, ", ");
	pythia_live_put_literal(db, source ? "" : live->job.source->display, &sql);
	pythia_buffer_putc(&sql, ')');
	return pythia_live_run(db, &sql, NULL, error);
}

bool pythia_live_position_anew(pythia_live *live, pythia_error *error)
{
	pythia_live_position position = {.there = true};

	if (!random_token(position.token, error) || !write_new(live, true, &position, error) ||
		!write_new(live, false, &position, error))
		return false;
	live->source = live->target = position;
	return true;
}

static bool held(const pythia_live *live, const char *why, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "55000", "live sync \"%s\" is held: %s", live->name, why);
	return pythia_error_hint(error,
							 "Where the two are meant to go on together, begin anew with --refresh: all tables are"
							 " compared as a whole, and what differs is mended.");
}

static bool goes_on(const pythia_live_position *source, const pythia_live_position *target)
{
	return strcmp(source->token, target->token) == 0 || strcmp(source->previous, target->token) == 0;
}

/* The target first, which is the later of the two to move.  Another process may move both between the two looks: what
 * does not fit is looked at again, until it stays as it is. */
static bool read_both(pythia_live *live, pythia_error *error)
{
	char seen[PYTHIA_LIVE_TOKEN_SIZE] = "";
	bool moves = true;

	for (int i = 0; moves && i < LOOKS_MOST; i++)
	{
		if (i > 0 && pythia_host_wait(live->job.source->host, -1, 0, LOOK_AGAIN_MS) == PYTHIA_WAIT_CANCELLED)
			return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "interrupted");
		if (!read_side(live->job.target, false, live->name, &live->target, error) ||
			!read_side(live->job.source, true, live->name, &live->source, error))
			return false;
		moves = live->source.there && live->target.there && !goes_on(&live->source, &live->target) &&
				strcmp(seen, live->source.token) != 0;
		memcpy(seen, live->source.token, sizeof(seen));
	}
	return true;
}

bool pythia_live_position_begin(pythia_live *live, bool *anew, pythia_error *error)
{
	pythia_live_position *source = &live->source;
	pythia_live_position *target = &live->target;
	bool copied = false;

	*anew = false;
	if (!read_both(live, error))
		return false;
	for (int i = 0; i < live->ntables; i++)
		copied = copied || live->tables[i].copied;
	*anew = live->job.refresh || (!copied && !target->there);
	if (*anew)
		return true;
	if (!target->there)
		return held(live, "the target does not have its position: it was made anew, or restored to an earlier state",
					error);
	if (!source->there)
		return held(live,
					"the source does not have its position: it was restored to an earlier state, or is another one",
					error);
	if (goes_on(source, target))
		return true;
	return held(
		live,
		source->number > target->number
			? "the target is not where the source last knew it: it was restored to an earlier state, or another"
			  " process brings changes to another target under this name"
			: "the source is behind the target: it was restored to an earlier state, or another server has taken"
			  " its place",
		error);
}

static void put_until(const pythia_live *live, const pythia_db *db, pythia_buffer *sql)
{
	char text[PYTHIA_INSTANT_SIZE];

	pythia_instant_write(text, live->status.applied_until);
	pythia_buffer_puts(sql, ", applied_until = ");
	pythia_live_put_literal(db, text, sql);
}

/* Of the worker's row on a side: UPDATE … SET, and behind that the condition that it is where we left it. */
static void put_update(const pythia_live *live, bool source, pythia_buffer *sql)
{
	pythia_buffer_puts(sql, "UPDATE ");
	pythia_live_put_own(source ? live->job.source : live->job.target, source ? SOURCE_TABLE : TARGET_TABLE, sql);
	pythia_buffer_puts(sql, " SET ");
}

static void put_condition(const pythia_live *live, bool source, pythia_buffer *sql)
{
	const pythia_db *db = source ? live->job.source : live->job.target;

	pythia_buffer_puts(sql, " WHERE worker = ");
	pythia_live_put_literal(db, live->name, sql);
	pythia_buffer_puts(sql, " AND token = ");
	pythia_live_put_literal(db, source ? live->source.token : live->target.token, sql);
}

static void put_next(const pythia_db *db, const pythia_live_position *next, pythia_buffer *sql)
{
	pythia_buffer_printf(sql, "number = %" PRId64 ", token = ", next->number);
	pythia_live_put_literal(db, next->token, sql);
}

/* Runs it, and fails where the row is not as we left it. */
static bool move(pythia_live *live, bool source, pythia_buffer *sql, pythia_error *error)
{
	int64_t affected = 0;

	put_condition(live, source, sql);
	if (!pythia_live_run(source ? live->job.source : live->job.target, sql, &affected, error))
		return false;
	if (affected == 1)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "55006",
				"live sync \"%s\" is held: its position in the %s has been moved by somebody else", live->name,
				source ? "source" : "target");
	return pythia_error_hint(error,
							 "Is the same sync running twice?  End one of the two, or give them names (--name).");
}

bool pythia_live_position_target(pythia_live *live, pythia_live_position *next, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	*next = (pythia_live_position){.there = true, .number = live->source.number + 1};
	snprintf(next->previous, sizeof(next->previous), "%s", live->target.token);
	if (!random_token(next->token, error))
		return false;
	put_update(live, false, &sql);
	put_next(live->job.target, next, &sql);
	put_until(live, live->job.target, &sql);
	return move(live, false, &sql, error);
}

bool pythia_live_position_source(pythia_live *live, const pythia_live_position *next, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	put_update(live, true, &sql);
	put_next(live->job.source, next, &sql);
	pythia_buffer_puts(&sql, ", previous = ");
	pythia_live_put_literal(live->job.source, next->previous, &sql);
	return move(live, true, &sql, error);
}

/* From now on a target that has the token before is one that was restored. */
bool pythia_live_position_confirm(pythia_live *live, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	put_update(live, true, &sql);
	pythia_buffer_puts(&sql, "previous = ''");
	put_until(live, live->job.source, &sql);
	return move(live, true, &sql, error);
}

static void beat(const pythia_live *live, bool source, pythia_buffer *sql)
{
	put_update(live, source, sql);
	pythia_buffer_printf(sql, "number = %" PRId64, source ? live->source.number : live->target.number);
	put_until(live, source ? live->job.source : live->job.target, sql);
	put_condition(live, source, sql);
}

bool pythia_live_position_beat(pythia_live *live, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_error ignored = PYTHIA_ERROR_INIT;

	beat(live, true, &sql);
	if (!pythia_live_run(live->job.source, &sql, NULL, &ignored))
	{
		if (live->job.source->broken || ignored.error_class == PYTHIA_E_CANCELLED)
			return pythia_error_move(error, &ignored);
		/* it only tells whoever looks from there */
		pythia_error_reset(&ignored);
	}
	beat(live, false, &sql);
	return pythia_live_run(live->job.target, &sql, NULL, error);
}

bool pythia_live_position_forget(pythia_db *db, bool source, const char *name, pythia_error *error)
{
	return pythia_live_put_away(db, source ? SOURCE_TABLE : TARGET_TABLE, name, error);
}
