/*
 * Appending to the journal: rows are gathered and written many at a time, as
 * COPY does.  The tables journal_0, _1 and _2 take turns; the one that everybody
 * has read is emptied by TRUNCATE when its turn comes again.
 */
#ifndef PYTHIA_POSTGRES_JOURNAL_JOURNAL_H
#define PYTHIA_POSTGRES_JOURNAL_JOURNAL_H

#include "postgres.h"

#include "access/transam.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "utils/jsonb.h"

/* Columns of pythia.journal, in this order. */
enum
{
	JOURNAL_CHANGE_ID,
	JOURNAL_XID,
	JOURNAL_WORKER_ID,
	JOURNAL_TABLE_ID,
	JOURNAL_CAPTURED_AT,
	JOURNAL_STAMP,
	JOURNAL_SOURCE_XID,
	JOURNAL_CHANGE_TYPE,
	JOURNAL_FIRST,
	JOURNAL_PRIMARY_KEY,
	JOURNAL_OLD_DATA,
	JOURNAL_NEW_DATA,
	JOURNAL_COLUMNS
};

typedef enum pythia_change_kind
{
	PYTHIA_CHANGE_INSERT = 'I',
	PYTHIA_CHANGE_UPDATE = 'U',
	PYTHIA_CHANGE_DELETE = 'D',
	PYTHIA_CHANGE_TRUNCATE = 'T'
} pythia_change_kind;

typedef struct pythia_journal pythia_journal;

typedef struct pythia_journal_entry
{
	int32 worker_id; /* 0: the journal's own */
	int32 table_id;
	int64 change_id;         /* 0: one is drawn */
	TimestampTz captured_at; /* 0: when the journal was opened */
	pythia_change_kind kind;
	TimestampTz stamp;            /* with has_stamp */
	FullTransactionId source_xid; /* of the transaction that wrote the row; invalid: unknown */
	bool has_stamp;
	Jsonb *key; /* these three may be NULL; they live in pythia_journal_memory */
	Jsonb *old_data;
	Jsonb *new_data;
} pythia_journal_entry;

/* Takes a transaction id first: numbers are drawn after it, which consumers rely on. Lives in the
 * current memory context, which must not outlive the (sub)transaction. */
extern pythia_journal *pythia_journal_open(int32 worker_id);
/* Where the caller makes an entry's images; emptied when rows are written. */
extern MemoryContext pythia_journal_memory(pythia_journal *journal);
extern void pythia_journal_put(pythia_journal *journal, const pythia_journal_entry *entry);
/* Writes what is left; returns the number of entries put. */
extern uint64 pythia_journal_close(pythia_journal *journal);

/*
 * Entries of a worker whose numbers lie in (after, upto], in order, as visible to a
 * snapshot of this moment.  A row is valid until the next one; NULL: there is none left.
 */
typedef struct pythia_journal_reader pythia_journal_reader;
extern pythia_journal_reader *pythia_journal_reader_open(int32 worker_id, int64 after, int64 upto);
extern TupleTableSlot *pythia_journal_reader_next(pythia_journal_reader *reader);
extern void pythia_journal_reader_close(pythia_journal_reader *reader);

/* Draws a number from journal_change_id_seq; the transaction must have its id by then. */
extern int64 pythia_journal_next_number(Oid sequence);
/* The last number drawn, by anybody: read at once, outside transactions' rules. */
extern int64 pythia_journal_last_number(void);

/* Counts what triggers have written since the last time, as far as no open transaction can add to it: so
 * that stat_cdc need not. Another session may be at it: then it does nothing. In READ COMMITTED. */
extern void pythia_journal_count(void);
/* What is left of a part that is about to be emptied, in which nobody writes any more. SPI is connected. */
extern void pythia_journal_count_part(int slot);

#endif
