#include "postgres/journal/journal.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "executor/spi.h"
#include "postgres/base/catalog.h"
#include "postgres/base/table_writer.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#define LOOK_EVERY (10 * USECS_PER_SEC)

struct pythia_journal
{
	pythia_table_writer *writer;
	Oid sequence;
	int32 worker_id;
	int32 last_worker;
	FullTransactionId xid;
	TimestampTz now;
	uint64 count;
};

/*
 * Any part will do, even the one before the current one: a part is emptied only under a
 * lock that excludes writers, and only when all in it has been read.  So a look from
 * time to time is enough.
 */
static Oid current_child(void)
{
	static const char sql[] = "SELECT slot FROM pythia.journal_state";
	static TimestampTz looked_at = 0;
	static int slot = 0;
	TimestampTz now = GetCurrentTimestamp();
	char name[NAMEDATALEN];
	bool isnull;

	if (now - looked_at > LOOK_EVERY || now < looked_at)
	{
		SPI_connect();
		pythia_catalog_execute(sql, 0, NULL, NULL, NULL);
		if (SPI_processed != 1)
			elog(ERROR, "pythia.journal_state must hold one row");
		slot = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
		SPI_finish();
		looked_at = now;
	}
	snprintf(name, sizeof(name), "journal_%d", slot);
	return pythia_relation(name);
}

pythia_journal *pythia_journal_open(int32 worker_id)
{
	pythia_journal *journal = palloc0(sizeof(pythia_journal));

	journal->xid = GetTopFullTransactionId();
	journal->worker_id = worker_id;
	journal->sequence = pythia_relation("journal_change_id_seq");
	journal->now = GetCurrentTimestamp();
	journal->writer = pythia_table_writer_open(current_child(), JOURNAL_COLUMNS);
	return journal;
}

MemoryContext pythia_journal_memory(pythia_journal *journal)
{
	return pythia_table_writer_memory(journal->writer);
}

void pythia_journal_put(pythia_journal *journal, const pythia_journal_entry *entry)
{
	Datum values[JOURNAL_COLUMNS];
	bool nulls[JOURNAL_COLUMNS] = {false};
	int32 worker_id = entry->worker_id ? entry->worker_id : journal->worker_id;

	values[JOURNAL_CHANGE_ID] =
		Int64GetDatum(entry->change_id ? entry->change_id : nextval_internal(journal->sequence, false));
	values[JOURNAL_XID] = FullTransactionIdGetDatum(journal->xid);
	/* of each worker, one entry is found by the transaction: the least number of what is written together */
	values[JOURNAL_FIRST] = BoolGetDatum(journal->count == 0 || worker_id != journal->last_worker);
	journal->last_worker = worker_id;
	values[JOURNAL_WORKER_ID] = Int32GetDatum(worker_id);
	values[JOURNAL_TABLE_ID] = Int32GetDatum(entry->table_id);
	values[JOURNAL_CAPTURED_AT] = TimestampTzGetDatum(entry->captured_at ? entry->captured_at : journal->now);
	values[JOURNAL_STAMP] = TimestampTzGetDatum(entry->stamp);
	nulls[JOURNAL_STAMP] = !entry->has_stamp;
	values[JOURNAL_SOURCE_XID] = FullTransactionIdGetDatum(entry->source_xid);
	nulls[JOURNAL_SOURCE_XID] = !FullTransactionIdIsValid(entry->source_xid);
	values[JOURNAL_CHANGE_TYPE] = CharGetDatum((char) entry->kind);
	values[JOURNAL_PRIMARY_KEY] = JsonbPGetDatum(entry->key);
	nulls[JOURNAL_PRIMARY_KEY] = !entry->key;
	values[JOURNAL_OLD_DATA] = JsonbPGetDatum(entry->old_data);
	nulls[JOURNAL_OLD_DATA] = !entry->old_data;
	values[JOURNAL_NEW_DATA] = JsonbPGetDatum(entry->new_data);
	nulls[JOURNAL_NEW_DATA] = !entry->new_data;
	journal->count++;
	pythia_table_writer_insert(journal->writer, values, nulls);
}

uint64 pythia_journal_close(pythia_journal *journal)
{
	uint64 count = journal->count;

	pythia_table_writer_close(journal->writer);
	pfree(journal);
	return count;
}

int64 pythia_journal_next_number(Oid sequence)
{
	return nextval_internal(sequence, false);
}

int64 pythia_journal_last_number(void)
{
	LOCAL_FCINFO(call, 1);
	pythia_identity before;
	FmgrInfo function;
	Datum last;

	fmgr_info(F_PG_SEQUENCE_LAST_VALUE, &function);
	InitFunctionCallInfoData(*call, &function, 1, InvalidOid, NULL, NULL);
	call->args[0].value = ObjectIdGetDatum(pythia_relation("journal_change_id_seq"));
	call->args[0].isnull = false;
	pythia_catalog_enter(&before);
	last = FunctionCallInvoke(call);
	pythia_catalog_leave(&before);
	return call->isnull ? 0 : DatumGetInt64(last);
}
