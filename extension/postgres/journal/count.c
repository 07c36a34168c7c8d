/* How many changes triggers have captured, counted behind them. */
#include "postgres/journal/journal.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "postgres/base/catalog.h"
#include "postgres/journal/snapshot.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

/* clang-format off */

/* Polls count for themselves. $1 < numbers <= $2. */
#define COUNT(journal) "INSERT INTO pythia.journal_count AS k (table_id, captured) " \
	"SELECT j.table_id, j.n FROM (SELECT table_id, pg_catalog.count(*) AS n FROM pythia." journal " " \
		"WHERE change_id OPERATOR(pg_catalog.>) $1 AND change_id OPERATOR(pg_catalog.<=) $2 " \
		"AND EXISTS (SELECT FROM pythia.cdc_worker WHERE connection IS NULL " \
			"AND options OPERATOR(pg_catalog.->>) 'capture' OPERATOR(pg_catalog.=) 'trigger') GROUP BY table_id) j " \
	"JOIN pythia.cdc_table t ON t.table_id OPERATOR(pg_catalog.=) j.table_id AND t.relation IS NOT NULL " \
	"JOIN pythia.cdc_worker c ON c.worker_id OPERATOR(pg_catalog.=) t.worker_id " \
		"AND c.options OPERATOR(pg_catalog.->>) 'capture' OPERATOR(pg_catalog.=) 'trigger' " \
	"ON CONFLICT (table_id) DO UPDATE SET captured = k.captured OPERATOR(pg_catalog.+) EXCLUDED.captured"

static const char count_sql[] = COUNT("journal");
static const char *const part_sql[] = {COUNT("journal_0"), COUNT("journal_1"), COUNT("journal_2")};

/* clang-format on */

static void count_between(const char *sql, int64 after, int64 upto)
{
	Oid types[] = {INT8OID, INT8OID};
	Datum values[] = {Int64GetDatum(after), Int64GetDatum(upto)};

	pythia_catalog_execute(sql, 2, types, values, NULL);
}

typedef struct counting
{
	int64 counted;
	int64 upto;
	FullTransactionId horizon;
} counting;

/* Locked; false where another session has it. */
static bool read_counting(bool lock, counting *state)
{
	static const char sql[] = "SELECT counted, counting, counting_horizon FROM pythia.journal_state";
	static const char lock_sql[] =
		"SELECT counted, counting, counting_horizon FROM pythia.journal_state FOR NO KEY UPDATE SKIP LOCKED";
	bool isnull;

	pythia_catalog_execute(lock ? lock_sql : sql, 0, NULL, NULL, NULL);
	if (SPI_processed == 0)
		return false;
	state->counted = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	state->upto = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	state->horizon = DatumGetFullTransactionId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3, &isnull));
	return true;
}

static void save_counting(const counting *state)
{
	static const char sql[] = "UPDATE pythia.journal_state SET counted = $1, counting = $2, counting_horizon = $3";
	Oid types[] = {INT8OID, INT8OID, XID8OID};
	Datum values[] = {Int64GetDatum(state->counted), Int64GetDatum(state->upto),
					  FullTransactionIdGetDatum(state->horizon)};

	pythia_catalog_execute(sql, 3, types, values, NULL);
}

/* Whether every transaction before it has ended, for the snapshots to come. */
static bool all_ended(FullTransactionId horizon)
{
	bool result;

	PushActiveSnapshot(GetTransactionSnapshot());
	result = FullTransactionIdFollowsOrEquals(pythia_snapshot_take(false)->xmin, horizon);
	PopActiveSnapshot();
	return result;
}

void pythia_journal_count(void)
{
	/* in this order: transactions from the horizon on draw greater numbers */
	int64 last = pythia_journal_last_number();
	FullTransactionId horizon = ReadNextFullTransactionId();
	counting state;

	SPI_connect();
	/* at rest nothing is written, nor locked */
	if (read_counting(false, &state) && state.counted < last && read_counting(true, &state))
	{
		if (state.upto > state.counted && all_ended(state.horizon))
		{
			count_between(count_sql, state.counted, state.upto);
			state.counted = state.upto;
		}
		if (state.upto == state.counted)
		{
			state.upto = last;
			state.horizon = horizon;
		}
		/* most often nobody is in the way */
		if (state.upto > state.counted && all_ended(state.horizon))
		{
			count_between(count_sql, state.counted, state.upto);
			state.counted = state.upto;
		}
		save_counting(&state);
	}
	SPI_finish();
}

void pythia_journal_count_part(int slot)
{
	static const char forget_sql[] =
		"DELETE FROM pythia.journal_count k WHERE NOT EXISTS (SELECT FROM pythia.cdc_table t "
		"WHERE t.table_id OPERATOR(pg_catalog.=) k.table_id)";
	counting state;

	/* what is counted ahead is gone when the rest is */
	if (read_counting(false, &state))
		count_between(part_sql[slot], state.counted, PG_INT64_MAX);
	pythia_catalog_execute(forget_sql, 0, NULL, NULL, NULL);
}
