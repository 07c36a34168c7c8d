/* Entries of the journal that are gathered before they are written (gather.h). */
#include "postgres/capture/gather.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define MAX_BYTES (256 * 1024)

/* Entries gathered by one subtransaction. */
struct pythia_gathered
{
	SubTransactionId owner;
	MemoryContext memory;
	List *entries;               /* of pythia_journal_entry */
	SubTransactionId written_in; /* written within this inner one, so not for certain; 0: not written */
	pythia_gathered *outer;
};

static pythia_gathered *innermost = NULL; /* in TopTransactionContext */

static void write_out(pythia_gathered *part)
{
	pythia_journal *journal = NULL;
	MemoryContext before;
	ListCell *cell;
	bool pushed = false;

	if (part->entries == NIL)
		return;
	/* at a commit there is none */
	if (!ActiveSnapshotSet())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		pushed = true;
	}
	before = MemoryContextSwitchTo(part->memory);
	foreach (cell, part->entries)
	{
		pythia_journal_entry *entry = lfirst(cell);

		if (!journal)
			journal = pythia_journal_open(entry->worker_id);
		pythia_journal_put(journal, entry);
	}
	pythia_journal_close(journal);
	MemoryContextSwitchTo(before);
	if (pushed)
		PopActiveSnapshot();
}

static void forget_entries(pythia_gathered *part)
{
	part->entries = NIL;
	part->written_in = InvalidSubTransactionId;
	MemoryContextReset(part->memory);
}

static void flush_part(pythia_gathered *part, SubTransactionId current)
{
	if (part->written_in != InvalidSubTransactionId)
		return;
	write_out(part);
	/* a rollback to a savepoint would take along what we wrote for an outer one: kept until that is settled */
	if (part->owner == current)
		forget_entries(part);
	else if (part->entries != NIL)
		part->written_in = current;
}

void pythia_gather_flush(void)
{
	SubTransactionId current = GetCurrentSubTransactionId();

	for (pythia_gathered *part = innermost; part; part = part->outer)
		flush_part(part, current);
}

pythia_gathered *pythia_gather_here(void)
{
	SubTransactionId id = GetCurrentSubTransactionId();
	pythia_gathered *part;

	if (innermost && innermost->owner == id)
		return innermost;
	part = MemoryContextAllocZero(TopTransactionContext, sizeof(pythia_gathered));
	part->owner = id;
	part->memory = AllocSetContextCreate(TopTransactionContext, "pythia_db captured rows", ALLOCSET_START_SMALL_SIZES);
	part->outer = innermost;
	innermost = part;
	return part;
}

static void on_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			pythia_gather_flush();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			innermost = NULL;
			break;
		default:
			break;
	}
}

static bool is_full(const pythia_gathered *part)
{
	return MemoryContextMemAllocated(part->memory, true) > MAX_BYTES;
}

static void drop_innermost(void)
{
	pythia_gathered *part = innermost;

	innermost = part->outer;
	pfree(part);
}

/* A savepoint a row is common: its few entries go to the parent's, and are not worth a write of their own. */
static void hand_over_innermost(SubTransactionId parent)
{
	pythia_gathered *outer = innermost->outer;
	MemoryContext before;

	if (!outer || outer->owner != parent)
	{
		innermost->owner = parent;
		return;
	}
	before = MemoryContextSwitchTo(outer->memory);
	outer->entries = list_concat(outer->entries, innermost->entries);
	MemoryContextSwitchTo(before);
	MemoryContextSetParent(innermost->memory, outer->memory);
	drop_innermost();
}

static void end_subtransaction(SubTransactionId mine, SubTransactionId parent, bool committed)
{
	for (pythia_gathered *part = innermost; part; part = part->outer)
	{
		if (part->written_in != mine)
			continue;
		if (!committed)
			part->written_in = InvalidSubTransactionId;
		else if (parent == part->owner)
			forget_entries(part);
		else
			part->written_in = parent;
	}
	if (!innermost || innermost->owner != mine)
		return;
	if (committed)
		hand_over_innermost(parent);
	else
	{
		MemoryContextDelete(innermost->memory);
		drop_innermost();
	}
}

static void on_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	switch (event)
	{
		case SUBXACT_EVENT_PRE_COMMIT_SUB:
			/* what many of them hand over is written from time to time */
			if (innermost && innermost->owner == mine && innermost->outer && is_full(innermost->outer))
				flush_part(innermost->outer, mine);
			break;
		case SUBXACT_EVENT_COMMIT_SUB:
			end_subtransaction(mine, parent, true);
			break;
		case SUBXACT_EVENT_ABORT_SUB:
			end_subtransaction(mine, parent, false);
			break;
		default:
			break;
	}
}

MemoryContext pythia_gather_memory(const pythia_gathered *part)
{
	return part->memory;
}

pythia_journal_entry *pythia_gather_add(pythia_gathered *part)
{
	MemoryContext before = MemoryContextSwitchTo(part->memory);
	pythia_journal_entry *entry = palloc0(sizeof(pythia_journal_entry));

	part->entries = lappend(part->entries, entry);
	MemoryContextSwitchTo(before);
	return entry;
}

void pythia_gather_bound(void)
{
	if (innermost && innermost->owner == GetCurrentSubTransactionId() && is_full(innermost))
		flush_part(innermost, innermost->owner);
}

void pythia_gather_set_up(void)
{
	static bool done = false;

	if (done)
		return;
	done = true;
	RegisterXactCallback(on_transaction, NULL);
	RegisterSubXactCallback(on_subtransaction, NULL);
}
