/*
 * Reading the journal by snapshot windows.
 *
 * A consumer has read everything visible in `done`.  It takes a new snapshot
 * `reading` and reads what is visible there and not in `done`, in order of
 * change_id; when it has come through, `done` becomes `reading`.  An open
 * transaction, wherever it is, holds nothing back: its entries come in a later
 * window.  Numbers are drawn after a transaction id, so that everything of
 * transactions younger than `done` lies above the number read just before it;
 * what older ones were slow to commit is found through the index on xid.
 */
#ifndef PYTHIA_POSTGRES_JOURNAL_CONSUME_H
#define PYTHIA_POSTGRES_JOURNAL_CONSUME_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "postgres/journal/snapshot.h"
#include "storage/itemptr.h"

/* Consumers of one worker; sessions that add them at the same moment may come to some more. */
#define PYTHIA_MAX_CONSUMERS 64

/* What has been read: all that is visible in the snapshot, and of the transaction `own` (the
 * consuming one itself) all up to `upto`. */
typedef struct pythia_mark
{
	pythia_snapshot *snapshot;
	FullTransactionId own;
	int64 upto;
	int64 floor;               /* last number drawn before the snapshot was taken */
	FullTransactionId horizon; /* next id, read after floor: whoever has it or a later one draws numbers above floor */
} pythia_mark;

typedef struct pythia_table_count
{
	int32 table_id;
	int64 count;
} pythia_table_count;

typedef struct pythia_consumer
{
	int32 worker_id;
	char *name;
	ItemPointerData version; /* of its row: another one where it has moved */
	bool lost;
	pythia_mark done;
	pythia_mark reading;       /* snapshot NULL: none */
	int64 ceiling;             /* of the reading: no entry of it has a greater number */
	int64 position;            /* last number handed over in it */
	FullTransactionId segment; /* transaction that divided the next entries of it among processes; invalid: none */
	int64 handed;              /* changes handed over since it was loaded */
	bool moved;                /* worth writing down */
	int ntables;               /* how many of each table it has been handed, ever */
	pythia_table_count *tables;
} pythia_consumer;

/* One entry; Datums are valid during the callback. NULL data: (Datum) 0. */
typedef struct pythia_entry
{
	int64 change_id;
	FullTransactionId xid;
	int32 table_id;
	char kind;
	TimestampTz captured_at;
	TimestampTz stamp; /* captured_at where the row has none */
	FullTransactionId source_xid;
	Datum key;
	Datum old_data;
	Datum new_data;
} pythia_entry;

/* False stops the reading after this entry. */
typedef bool (*pythia_entry_callback)(void *context, const pythia_entry *entry);

/* Loads a consumer; false where there is none. palloc'ed in the current context. */
extern bool pythia_consumer_look(int32 worker_id, const char *name, pythia_consumer *consumer);
/* All of a worker; of pythia_consumer *, palloc'ed likewise. */
extern List *pythia_consumers_look(int32 worker_id);
/* Whether it has read an entry. */
extern bool pythia_consumer_has(const pythia_consumer *consumer, FullTransactionId xid, int64 change_id);
/* Loads and locks a consumer until the transaction ends; false where there is none. */
extern bool pythia_consumer_lock(int32 worker_id, const char *name, pythia_consumer *consumer);
/* Adds one that begins where `done` says; false where the name is taken, an error (54000) where there are too many. */
extern bool pythia_consumer_add(int32 worker_id, const char *name, const pythia_mark *done, int64 position);
/* Loads it so that nobody moves it until the transaction ends; several may. */
extern bool pythia_consumer_hold(int32 worker_id, const char *name, pythia_consumer *consumer);
/* Writes down how far it has come. */
extern void pythia_consumer_save(const pythia_consumer *consumer);
/* Whether the consumer exists, is well, and has nothing to read at this moment: tells without locking or writing. */
extern bool pythia_consumer_idle(int32 worker_id, const char *name);
/* Hands over at most `max` entries; returns how many. Position and marks move along in `consumer`. */
extern int64 pythia_consumer_read(pythia_consumer *consumer, int64 max, pythia_entry_callback callback, void *context);
/* Begins a reading where none is under way; false where nothing can be in it. */
extern bool pythia_consumer_begin(pythia_consumer *consumer);
/* Hands over the entries of that reading above *position, which moves along, up to the number `upto`; the consumer
 * stays where it is. True where it came to the end. */
extern bool pythia_consumer_read_part(const pythia_consumer *consumer, int64 *position, int64 upto,
									  pythia_entry_callback callback, void *context);
/* The mark of this moment: what is committed now has been read. */
extern pythia_mark pythia_mark_now(void);
/* Nothing has been read, and there is nothing up to the number `floor`. */
extern pythia_mark pythia_mark_beginning(int64 floor);

#endif
