/* Order within a key: which changes wait for an earlier one that has not been handled, and whose share each is. */
#include "postgres/jobs/batch.h"

#include "common/hashfn.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* Marks beside the keys: something of the table waits; something that concerns all of the table waits. */
enum
{
	MARK_SOMETHING = 1,
	MARK_EVERYTHING = 2
};

static uint64 mark_of(int32 table_id, int mark)
{
	return hash_combine64(~(uint64) table_id, (uint64) mark);
}

void pythia_batch_set_key(pythia_batch_item *item, Datum key)
{
	Jsonb *json;

	item->whole = !key;
	if (item->whole)
	{
		item->key = mark_of(item->table_id, MARK_EVERYTHING);
		return;
	}
	json = DatumGetJsonbP(key);
	item->key =
		hash_combine64((uint64) item->table_id,
					   DatumGetUInt64(hash_any_extended((unsigned char *) VARDATA(json), VARSIZE(json) - VARHDRSZ, 0)));
}

bool pythia_batch_has(const pythia_batch *b, const pythia_batch_item *item)
{
	const pythia_share *share = b->handling->share;

	/* what concerns all keys is the first share's */
	return !share || (item->whole ? 0 : (int) (item->key % (uint64) share->count)) == share->index;
}

void pythia_batch_add_waiting(pythia_batch *b, const pythia_batch_item *item)
{
	uint64 something = mark_of(item->table_id, MARK_SOMETHING);

	(void) hash_search(b->waiting, &item->key, HASH_ENTER, NULL);
	(void) hash_search(b->waiting, &something, HASH_ENTER, NULL);
	b->any_waiting = true;
}

static bool waits(const pythia_batch *b, uint64 key)
{
	return hash_search(b->waiting, &key, HASH_FIND, NULL) != NULL;
}

bool pythia_batch_must_wait(const pythia_batch *b, const pythia_batch_item *item)
{
	if (!b->any_waiting)
		return false;
	if (b->worker->config.ordered)
		return true;
	if (b->worker->config.on_error != PYTHIA_ON_ERROR_BLOCK_KEY)
		return false;
	if (item->whole)
		return waits(b, mark_of(item->table_id, MARK_SOMETHING));
	return waits(b, item->key) || waits(b, mark_of(item->table_id, MARK_EVERYTHING));
}

bool pythia_batch_is_late(const pythia_batch *b)
{
	return TimestampDifferenceExceeds(b->began, GetCurrentTimestamp(), PYTHIA_TURN_MS);
}
