#include "postgres/journal/snapshot.h"

#include "access/xact.h"
#include "fmgr.h"
#include "postgres/base/pg_compat.h"
#include "utils/fmgrprotos.h"

#define value_of(xid) U64FromFullTransactionId(xid)

static pythia_snapshot *make(uint32 count)
{
	Size size = offsetof(pythia_snapshot, running) + count * sizeof(FullTransactionId);
	pythia_snapshot *snapshot = palloc0(size);

	SET_VARSIZE(snapshot, size);
	snapshot->running_count = count;
	return snapshot;
}

pythia_snapshot *pythia_snapshot_empty(void)
{
	pythia_snapshot *snapshot = make(0);

	snapshot->xmin = FullTransactionIdFromU64(1);
	snapshot->xmax = FullTransactionIdFromU64(1);
	return snapshot;
}

pythia_snapshot *pythia_snapshot_take(bool hide_own)
{
	FunctionCallInfoBaseData call;
	pythia_snapshot *taken;
	FullTransactionId own = GetTopFullTransactionIdIfAny();
	pythia_snapshot *with;
	uint32 n = 0;

	InitFunctionCallInfoData(call, NULL, 0, InvalidOid, NULL, NULL);
	taken = (pythia_snapshot *) DatumGetPointer(pg_current_snapshot(&call));
	if (!hide_own || !FullTransactionIdIsValid(own) || value_of(own) >= value_of(taken->xmax))
		return taken;
	for (uint32 i = 0; i < taken->running_count; i++)
		if (value_of(taken->running[i]) == value_of(own))
			return taken;
	with = make(taken->running_count + 1);
	with->xmin = value_of(own) < value_of(taken->xmin) ? own : taken->xmin;
	with->xmax = taken->xmax;
	for (uint32 i = 0; i < taken->running_count; i++)
	{
		if (n == i && value_of(own) < value_of(taken->running[i]))
			with->running[n++] = own;
		with->running[n++] = taken->running[i];
	}
	if (n == taken->running_count)
		with->running[n] = own;
	return with;
}

bool pythia_snapshot_has(const pythia_snapshot *snapshot, FullTransactionId xid)
{
	uint64 wanted = value_of(xid);
	int low = 0;
	int high = (int) snapshot->running_count - 1;

	if (wanted < value_of(snapshot->xmin))
		return true;
	if (wanted >= value_of(snapshot->xmax))
		return false;
	while (low <= high)
	{
		int middle = (low + high) / 2;
		uint64 other = value_of(snapshot->running[middle]);

		if (other == wanted)
			return false;
		if (other < wanted)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return true;
}

FullTransactionId pythia_full_xid(TransactionId xid, FullTransactionId next)
{
	uint32 epoch = EpochFromFullTransactionId(next);

	if (!TransactionIdIsNormal(xid))
		return FullTransactionIdFromEpochAndXid(0, xid);
	if (xid >= XidFromFullTransactionId(next) && epoch > 0)
		epoch--;
	return FullTransactionIdFromEpochAndXid(epoch, xid);
}

void pythia_snapshot_check(const pythia_snapshot *snapshot, const char *what, const char *hint)
{
	if (value_of(snapshot->xmax) <= value_of(ReadNextFullTransactionId()))
		return;
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("the position of %s lies beyond this server's transactions", what),
					errdetail("It was taken in another cluster: this one was rebuilt since."), errhint("%s", hint)));
}
