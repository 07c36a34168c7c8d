#include "postgres/jobs/share.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "postgres/base/catalog.h"
#include "postgres/base/catalog_read.h"
#include "postgres/base/pg_compat.h"
#include "postgres/jobs/batch.h"
#include "postgres/worker/process.h"
#include "storage/lock.h"

static bool read_share(pythia_reading *row, pythia_share *share, FullTransactionId *segment)
{
	bool isnull;

	if (!pythia_reading_next(row))
		return false;
	share->index = DatumGetInt32(pythia_reading_value(row, "share", &isnull));
	share->count = DatumGetInt32(pythia_reading_value(row, "shares", &isnull));
	share->position = DatumGetInt64(pythia_reading_value(row, "position", &isnull));
	share->upto = DatumGetInt64(pythia_reading_value(row, "upto", &isnull));
	*segment = DatumGetFullTransactionId(pythia_reading_value(row, "segment", &isnull));
	return true;
}

/* ---- segments ---- */

/* The next entries: as many as may be, but one that concerns a whole table alone. */
typedef struct piece
{
	int64 most;
	int64 count;
	int64 last; /* number of the last one */
	bool whole;
} piece;

static bool measure(void *context, const pythia_entry *entry)
{
	piece *p = context;
	bool whole = !entry->key;

	if (whole && p->count > 0)
		return false;
	p->whole = whole;
	p->last = entry->change_id;
	return ++p->count < p->most && !whole;
}

static bool is_before_end(void *context, const pythia_entry *entry)
{
	const piece *p = context;

	return entry->change_id < p->last;
}

static void forget_shares(int32 worker_id)
{
	static const char sql[] = "DELETE FROM pythia.handler_share WHERE worker_id = $1";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};

	pythia_catalog_run(sql, lengthof(types), types, values, NULL);
}

static void divide(const pythia_consumer *consumer, const piece *p, int count)
{
	static const char sql[] = "INSERT INTO pythia.handler_share (worker_id, share, shares, segment, position, upto) "
							  "SELECT $1, i, $2, $3, $4, $5 FROM pg_catalog.generate_series(0, $2 - 1) i";
	Oid types[] = {INT4OID, INT4OID, XID8OID, INT8OID, INT8OID};
	Datum values[] = {Int32GetDatum(consumer->worker_id), Int32GetDatum(count),
					  FullTransactionIdGetDatum(consumer->segment), Int64GetDatum(consumer->position),
					  Int64GetDatum(p->last)};

	pythia_catalog_run(sql, lengthof(types), types, values, NULL);
}

/* Shares of the consumer's segment that are not done, their indexes (NULL: not wanted) as far as there is room; *last is
 * the segment's last number, or 0 without one. */
static int look_at_shares(const pythia_consumer *consumer, int *indexes, int room, int64 *last)
{
	Datum key = Int32GetDatum(consumer->worker_id);
	FullTransactionId segment;
	pythia_reading row;
	pythia_share share;
	int left = 0;

	*last = 0;
	if (!FullTransactionIdIsValid(consumer->segment))
		return 0;
	pythia_reading_begin(&row, "handler_share", "handler_share_pkey", 1, &key);
	while (left < room && read_share(&row, &share, &segment))
	{
		if (!FullTransactionIdEquals(segment, consumer->segment))
			continue;
		*last = share.upto;
		if (share.position >= share.upto)
			continue;
		if (indexes)
			indexes[left] = share.index;
		left++;
	}
	pythia_reading_end(&row);
	return left;
}

bool pythia_segment_advance(const pythia_cdc_worker *worker)
{
	piece next = {.most = worker->config.handlers * worker->config.batch_size};
	piece done = {0};
	pythia_consumer consumer;
	int64 position;

	if (!pythia_consumer_look(worker->worker_id, PYTHIA_HANDLER_CONSUMER, &consumer))
		return false;
	if (look_at_shares(&consumer, NULL, PYTHIA_MAX_HANDLERS, &done.last) > 0)
		return true;
	if (!pythia_consumer_lock(worker->worker_id, PYTHIA_HANDLER_CONSUMER, &consumer) || consumer.lost)
		return false;
	/* it may have been moved meanwhile, and is nobody's then */
	(void) look_at_shares(&consumer, NULL, PYTHIA_MAX_HANDLERS, &done.last);
	if (done.last > 0)
		(void) pythia_consumer_read(&consumer, PG_INT64_MAX, is_before_end, &done);
	forget_shares(worker->worker_id);
	consumer.segment = InvalidFullTransactionId;
	if (pythia_consumer_begin(&consumer))
	{
		position = consumer.position;
		(void) pythia_consumer_read_part(&consumer, &position, consumer.ceiling, measure, &next);
		if (next.count > 0)
		{
			consumer.segment = GetTopFullTransactionId();
			divide(&consumer, &next, next.whole ? 1 : (int) worker->config.handlers);
		}
	}
	if (next.count > 0 || done.last > 0)
		pythia_consumer_save(&consumer);
	return next.count > 0;
}

int pythia_shares_left(int32 worker_id, int *indexes, int room)
{
	pythia_consumer consumer;
	int64 ignored;

	if (!pythia_consumer_look(worker_id, PYTHIA_HANDLER_CONSUMER, &consumer))
		return 0;
	return look_at_shares(&consumer, indexes, room, &ignored);
}

/* ---- one share ---- */

static LOCKTAG tag_of(int32 worker_id, int index)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, PYTHIA_LOCK_SHARE, hash_combine((uint32) worker_id, (uint32) index),
						 PYTHIA_LOCK_CLASS);
	return tag;
}

bool pythia_share_take(int32 worker_id, int index)
{
	LOCKTAG tag = tag_of(worker_id, index);

	return LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_OK;
}

void pythia_share_give_back(int32 worker_id, int index)
{
	LOCKTAG tag = tag_of(worker_id, index);

	(void) LockRelease(&tag, ExclusiveLock, true);
}

bool pythia_share_load(int32 worker_id, pythia_share *share, pythia_consumer *consumer)
{
	static const char sql[] = "SELECT FROM pythia.handler_share WHERE worker_id = $1 AND share = $2 FOR NO KEY UPDATE";
	Oid types[] = {INT4OID, INT4OID};
	Datum key[] = {Int32GetDatum(worker_id), Int32GetDatum(share->index)};
	LOCKTAG tag = tag_of(worker_id, share->index);
	FullTransactionId segment;
	pythia_reading row;
	bool found;

	/* a handler can let go of what the session holds, but not of this */
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	if (!pythia_consumer_hold(worker_id, PYTHIA_HANDLER_CONSUMER, consumer))
		return false;
	pythia_catalog_run(sql, lengthof(types), types, key, NULL);
	pythia_reading_begin(&row, "handler_share", "handler_share_pkey", lengthof(key), key);
	found = read_share(&row, share, &segment);
	pythia_reading_end(&row);
	return found && FullTransactionIdEquals(segment, consumer->segment) && share->position < share->upto;
}

void pythia_share_save(int32 worker_id, const pythia_share *share)
{
	static const char sql[] =
		"UPDATE pythia.handler_share SET position = $3, calling = NULL WHERE worker_id = $1 AND share = $2";
	Oid types[] = {INT4OID, INT4OID, INT8OID};
	Datum values[] = {Int32GetDatum(worker_id), Int32GetDatum(share->index), Int64GetDatum(share->position)};

	pythia_catalog_run(sql, lengthof(types), types, values, NULL);
}
