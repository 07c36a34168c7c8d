#include "postgres/journal/consume.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "postgres/base/catalog.h"
#include "postgres/base/pg_compat.h"
#include "postgres/journal/journal.h"
#include "postgres/journal/snapshot.h"
#include "tcop/dest.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

/* Numbers of other workers' entries that an idle reading may pass over again. */
#define FAR_BACK 10000

static bool has(const pythia_mark *mark, FullTransactionId xid, int64 change_id)
{
	if (FullTransactionIdIsValid(mark->own) && FullTransactionIdEquals(mark->own, xid))
		return change_id <= mark->upto;
	return pythia_snapshot_has(mark->snapshot, xid);
}

bool pythia_consumer_has(const pythia_consumer *consumer, FullTransactionId xid, int64 change_id)
{
	return has(&consumer->done, xid, change_id) ||
		   (consumer->reading.snapshot && change_id <= consumer->position && has(&consumer->reading, xid, change_id));
}

static void read_entry(TupleTableSlot *slot, pythia_entry *entry)
{
	const Datum *values = slot->tts_values;
	const bool *nulls = slot->tts_isnull;

	entry->change_id = DatumGetInt64(values[JOURNAL_CHANGE_ID]);
	entry->xid = DatumGetFullTransactionId(values[JOURNAL_XID]);
	entry->table_id = DatumGetInt32(values[JOURNAL_TABLE_ID]);
	entry->kind = DatumGetChar(values[JOURNAL_CHANGE_TYPE]);
	entry->captured_at = DatumGetTimestampTz(values[JOURNAL_CAPTURED_AT]);
	entry->stamp = nulls[JOURNAL_STAMP] ? entry->captured_at : DatumGetTimestampTz(values[JOURNAL_STAMP]);
	entry->source_xid =
		nulls[JOURNAL_SOURCE_XID] ? InvalidFullTransactionId : DatumGetFullTransactionId(values[JOURNAL_SOURCE_XID]);
	entry->key = nulls[JOURNAL_PRIMARY_KEY] ? (Datum) 0 : values[JOURNAL_PRIMARY_KEY];
	entry->old_data = nulls[JOURNAL_OLD_DATA] ? (Datum) 0 : values[JOURNAL_OLD_DATA];
	entry->new_data = nulls[JOURNAL_NEW_DATA] ? (Datum) 0 : values[JOURNAL_NEW_DATA];
}

static void count_table(pythia_consumer *consumer, int32 table_id)
{
	pythia_table_count *last = consumer->tables + consumer->ntables - 1;

	/* the one counted last stands last */
	if (consumer->ntables > 0 && last->table_id == table_id)
	{
		last->count++;
		return;
	}
	for (int i = 0; i < consumer->ntables; i++)
		if (consumer->tables[i].table_id == table_id)
		{
			pythia_table_count found = consumer->tables[i];

			found.count++;
			consumer->tables[i] = *last;
			*last = found;
			return;
		}
	consumer->tables = consumer->tables
						   ? repalloc(consumer->tables, sizeof(pythia_table_count) * (consumer->ntables + 1))
						   : palloc(sizeof(pythia_table_count));
	consumer->tables[consumer->ntables++] = (pythia_table_count){table_id, 1};
}

/* Hands over the window's entries, up to `max`. True where the window was read to its end. */
static bool read_window(pythia_consumer *consumer, int64 max, pythia_entry_callback callback, void *context,
						int64 *count)
{
	pythia_journal_reader *reader =
		pythia_journal_reader_open(consumer->worker_id, consumer->position, consumer->ceiling);
	TupleTableSlot *slot;
	bool more = true;

	while (more && (slot = pythia_journal_reader_next(reader)))
	{
		pythia_entry entry;

		read_entry(slot, &entry);
		if (!has(&consumer->reading, entry.xid, entry.change_id) || has(&consumer->done, entry.xid, entry.change_id))
			continue;
		more = callback(context, &entry);
		consumer->position = entry.change_id;
		count_table(consumer, entry.table_id);
		more &= ++*count < max;
	}
	pythia_journal_reader_close(reader);
	return more;
}

/*
 * The number before the first entry of transactions that were open when `done` was
 * taken and have ended since; or `best`.  They are those in its running list and
 * those it does not list because no later one had ended: from its xmax up to the horizon.
 */
static int64 before_late_entries(const pythia_consumer *consumer, int64 best)
{
	static const char sql[] =
		"SELECT LEAST((SELECT pg_catalog.min(j.change_id) FROM pg_catalog.unnest($2) x "
		"JOIN pythia.journal j ON j.xid OPERATOR(pg_catalog.=) x::pg_catalog.xid8 "
		"WHERE j.worker_id OPERATOR(pg_catalog.=) $1 AND j.first), "
		"(SELECT pg_catalog.min(j.change_id) FROM pythia.journal j WHERE j.worker_id OPERATOR(pg_catalog.=) $1 "
		"AND j.first AND j.xid OPERATOR(pg_catalog.>=) $3 AND j.xid OPERATOR(pg_catalog.<) $4))";
	const pythia_mark *done = &consumer->done;
	FullTransactionId from = done->snapshot->xmax;
	Oid types[] = {INT4OID, TEXTARRAYOID, XID8OID, XID8OID};
	Datum *ended = palloc(sizeof(Datum) * Max(done->snapshot->running_count, 1));
	int count = 0;
	Datum values[4];
	bool isnull;
	Datum first;

	/* the one that took the mark has read its own: what it wrote afterwards has numbers above the floor */
	for (uint32 i = 0; i < done->snapshot->running_count; i++)
		if (!FullTransactionIdEquals(done->snapshot->running[i], done->own) &&
			has(&consumer->reading, done->snapshot->running[i], 0))
			ended[count++] =
				CStringGetTextDatum(psprintf(UINT64_FORMAT, U64FromFullTransactionId(done->snapshot->running[i])));
	if (FullTransactionIdEquals(from, done->own))
		FullTransactionIdAdvance(&from);
	if (count == 0 && !FullTransactionIdPrecedes(from, done->horizon))
		return best;
	values[0] = Int32GetDatum(consumer->worker_id);
	values[1] = PointerGetDatum(construct_array(ended, count, TEXTOID, -1, false, TYPALIGN_INT));
	values[2] = FullTransactionIdGetDatum(from);
	values[3] = FullTransactionIdGetDatum(done->horizon);
	SPI_connect();
	pythia_catalog_execute(sql, 4, types, values, NULL);
	first = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (!isnull)
		best = Min(best, DatumGetInt64(first) - 1);
	SPI_finish();
	return best;
}

/* A window from `done` to this moment. False where nothing can be in it. */
static bool open_window(pythia_consumer *consumer)
{
	pythia_mark now = pythia_mark_now();
	int64 ceiling = pythia_journal_last_number();

	consumer->reading = now;
	consumer->ceiling = ceiling;
	consumer->position = before_late_entries(consumer, consumer->done.floor);
	return consumer->position < ceiling;
}

static void close_window(pythia_consumer *consumer)
{
	consumer->done = consumer->reading;
	consumer->reading = (pythia_mark){0};
	consumer->ceiling = 0;
}

static void check(const pythia_consumer *consumer)
{
	pythia_snapshot_check(consumer->done.snapshot, psprintf("consumer \"%s\"", consumer->name),
						  "Move it with pythia.seek to a new start.");
}

bool pythia_consumer_begin(pythia_consumer *consumer)
{
	check(consumer);
	if (consumer->reading.snapshot || open_window(consumer))
		return true;
	consumer->reading = (pythia_mark){0};
	return false;
}

bool pythia_consumer_read_part(const pythia_consumer *consumer, int64 *position, int64 upto,
							   pythia_entry_callback callback, void *context)
{
	pythia_consumer part = *consumer;
	int64 count = 0;
	bool ended;

	part.position = *position;
	part.ceiling = upto;
	/* they are counted when the consumer itself comes by */
	part.tables = NULL;
	part.ntables = 0;
	ended = read_window(&part, PG_INT64_MAX, callback, context, &count);
	*position = part.position;
	return ended;
}

int64 pythia_consumer_read(pythia_consumer *consumer, int64 max, pythia_entry_callback callback, void *context)
{
	int64 count = 0;

	check(consumer);
	/* who moves on alone has no use for it */
	consumer->segment = InvalidFullTransactionId;
	if (consumer->reading.snapshot)
	{
		consumer->moved = true;
		if (!read_window(consumer, max, callback, context, &count))
		{
			consumer->handed += count;
			return count; /* moved is set */
		}
		close_window(consumer);
	}
	if (count < max)
	{
		int64 before;

		/* a reading that finds nothing writes nothing: the old mark is as good, until it lies far back */
		if (!open_window(consumer))
			consumer->reading = (pythia_mark){0};
		else
		{
			before = consumer->position;
			if (read_window(consumer, max, callback, context, &count))
			{
				consumer->moved |= consumer->ceiling - before > FAR_BACK;
				close_window(consumer);
			}
		}
	}
	consumer->handed += count;
	consumer->moved |= count > 0;
	return count;
}

static bool note(void *context, const pythia_entry *entry)
{
	return false;
}

bool pythia_consumer_idle(int32 worker_id, const char *name)
{
	pythia_consumer consumer;
	int64 count = 0;

	/* what is amiss, or half read, is for whoever locks it */
	if (!pythia_consumer_look(worker_id, name, &consumer) || consumer.lost || consumer.reading.snapshot)
		return false;
	if (!open_window(&consumer))
		return true;
	return consumer.ceiling - consumer.position <= FAR_BACK && read_window(&consumer, 1, note, NULL, &count);
}
