/* Reading: a portal whose rows a DestReceiver of ours turns into COPY text. */
#include "postgres/local/internal.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "core/memory.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "postgres/base/bridge.h"
#include "postgres/local/stand_in.h"
#include "postgres/local/values.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#define CHUNK_BYTES (256 * 1024)

typedef struct local_receiver
{
	DestReceiver base;
	struct local_stream *stream;
} local_receiver;

typedef struct local_stream
{
	pythia_local *local;
	char *name; /* of the portal: a rollback may take it away; nobody can guess it */
	char *sql;
	int ncolumns;
	pythia_kind *kinds; /* or NULL */
	TupleDesc desc;     /* of the rows */
	FmgrInfo *outputs;
	MemoryContext memory; /* as long as the stream */
	MemoryContext row;    /* emptied after each row */
	local_receiver receiver;
	pythia_rows_writer writer;
	Oid evaluator; /* as whom rows are read; InvalidOid: the session's role */
	bool full;
	bool ended;
} local_stream;

static void put_text(local_stream *stream, const char *text, size_t length)
{
	if (GetDatabaseEncoding() != PG_UTF8)
	{
		char *copy = pnstrdup(text, length);
		char *utf8 = pythia_to_utf8(copy);

		pythia_rows_text(&stream->writer, utf8, strlen(utf8));
	}
	else
		pythia_rows_text(&stream->writer, text, length);
}

static void put_value(local_stream *stream, int column, Oid type, Datum value)
{
	pythia_kind kind = stream->kinds ? stream->kinds[column] : PYTHIA_KIND_TEXT;
	char digits[MAXINT8LEN + 1];
	char *spelled;

	switch (type)
	{
		case INT4OID:
			pythia_rows_text(&stream->writer, digits, pg_ltoa(DatumGetInt32(value), digits));
			return;
		case INT8OID:
			pythia_rows_text(&stream->writer, digits, pg_lltoa(DatumGetInt64(value), digits));
			return;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		{
			text *packed = DatumGetTextPP(value);

			put_text(stream, VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed));
			return;
		}
		case BYTEAOID:
		{
			bytea *packed = DatumGetByteaPP(value);

			pythia_rows_bytes(&stream->writer, VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed));
			return;
		}
		case BOOLOID:
			if (kind == PYTHIA_KIND_BOOL)
				pythia_rows_text(&stream->writer, DatumGetBool(value) ? "1" : "0", 1);
			else
				pythia_rows_text(&stream->writer, DatumGetBool(value) ? "t" : "f", 1);
			return;
		default:
			spelled = OutputFunctionCall(&stream->outputs[column], value);
			put_text(stream, spelled, strlen(spelled));
	}
}

/* Stops the executor as soon as the chunk is full, however large its last row was. */
static bool receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	local_stream *stream = ((local_receiver *) self)->stream;
	TupleDesc desc = stream->desc;
	MemoryContext before = MemoryContextSwitchTo(stream->row);

	slot_getallattrs(slot);
	for (int i = 0; i < desc->natts; i++)
	{
		if (slot->tts_isnull[i])
			pythia_rows_null(&stream->writer);
		else
			put_value(stream, i, TupleDescAttr(desc, i)->atttypid, slot->tts_values[i]);
	}
	pythia_rows_end(&stream->writer);
	MemoryContextSwitchTo(before);
	MemoryContextReset(stream->row);
	stream->full = stream->writer.buffer.length >= CHUNK_BYTES;
	return !stream->full;
}

static void start_receiving(DestReceiver *self, int operation, TupleDesc desc)
{
	local_stream *stream = ((local_receiver *) self)->stream;

	if (!local_same_types(desc, stream->desc))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_CURSOR_STATE), errmsg("the rows of a query have changed while it was read")));
}

static void stop_receiving(DestReceiver *self)
{
}

static void open_portal(pythia_local *local, void *arg)
{
	local_stream *stream = arg;
	local_concerned concerned;
	local_stand_in in;
	SPIPlanPtr plan;
	Portal portal;
	MemoryContext before;

	SPI_connect();
	local_push_snapshot(local);
	plan = local_stand_in_prepare(pythia_from_utf8(stream->sql), CURSOR_OPT_NO_SCROLL, &concerned, &stream->evaluator);
	local_stand_in_begin(&in, stream->evaluator, true);
	portal = SPI_cursor_open(stream->name, plan, NULL, NULL, local->snapshot != NULL);
	local_stand_in_end(&in);
	PopActiveSnapshot();
	if (portal->tupDesc->natts != stream->ncolumns)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("query returns %d columns, expected %d", portal->tupDesc->natts, stream->ncolumns)));
	/* out of sight: whoever knew its name could read from it, or put another one in its place */
	portal->visible = false;
	before = MemoryContextSwitchTo(stream->memory);
	stream->desc = CreateTupleDescCopyConstr(portal->tupDesc);
	stream->outputs = palloc0(sizeof(FmgrInfo) * stream->ncolumns);
	for (int i = 0; i < stream->ncolumns; i++)
	{
		Oid function;
		bool varlena;

		getTypeOutputInfo(TupleDescAttr(portal->tupDesc, i)->atttypid, &function, &varlena);
		fmgr_info_cxt(function, &stream->outputs[i], stream->memory);
	}
	MemoryContextSwitchTo(before);
	SPI_finish();
}

static bool random_name(char **name, pythia_error *error)
{
	uint8 random[16];
	pythia_buffer text = PYTHIA_BUFFER_INIT;

	if (!pg_strong_random(random, sizeof(random)))
		return pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "the operating system gives no random bytes");
	pythia_buffer_puts(&text, "pythia_db ");
	pythia_buffer_hex(&text, random, sizeof(random));
	*name = pythia_buffer_take(&text);
	return true;
}

static void free_stream(local_stream *stream)
{
	pythia_rows_free(&stream->writer);
	pythia_free(stream->name);
	pythia_free(stream->sql);
	pythia_free(stream->kinds);
	MemoryContextDelete(stream->memory);
	pythia_free(stream);
}

bool local_stream_open(pythia_db *db, const char *sql, int ncolumns, const pythia_kind *kinds, pythia_stream **result,
					   pythia_error *error)
{
	pythia_local *local = (pythia_local *) db;
	local_stream *stream = pythia_calloc(1, sizeof(local_stream));

	stream->local = local;
	if (!random_name(&stream->name, error))
	{
		pythia_free(stream);
		*result = NULL;
		return false;
	}
	stream->sql = pythia_strdup(sql);
	stream->ncolumns = ncolumns;
	if (kinds)
	{
		stream->kinds = pythia_malloc(sizeof(pythia_kind) * ncolumns);
		memcpy(stream->kinds, kinds, sizeof(pythia_kind) * ncolumns);
	}
	stream->memory = AllocSetContextCreate(local->session->memory, "pythia_db stream", ALLOCSET_SMALL_SIZES);
	stream->row = AllocSetContextCreate(stream->memory, "pythia_db row", ALLOCSET_DEFAULT_SIZES);
	stream->receiver.base.receiveSlot = receive_row;
	stream->receiver.base.rStartup = start_receiving;
	stream->receiver.base.rShutdown = stop_receiving;
	stream->receiver.base.rDestroy = stop_receiving;
	stream->receiver.base.mydest = DestNone;
	stream->receiver.stream = stream;
	local_hold(local);
	if (!local_run(local, open_portal, stream, error))
	{
		local_unhold(local);
		free_stream(stream);
		*result = NULL;
		return false;
	}
	*result = (pythia_stream *) stream;
	return true;
}

static void fetch(pythia_local *local, void *arg)
{
	local_stream *stream = arg;
	Portal portal = GetPortalByName(stream->name);
	local_stand_in in;

	if (!PortalIsValid(portal))
		ereport(ERROR, (errcode(ERRCODE_INVALID_CURSOR_STATE), errmsg("the rows that were read are lost"),
						errdetail("Their cursor was closed, or made in a transaction that was rolled back.")));
	stream->full = false;
	local_stand_in_begin(&in, stream->evaluator, true);
	PortalRunFetch(portal, FETCH_FORWARD, FETCH_ALL, &stream->receiver.base);
	local_stand_in_end(&in);
	if (stream->full)
	{
		/* the portal takes an early stop for the end: more may follow */
		portal->atEnd = false;
		portal->atStart = false;
	}
	else
		stream->ended = true;
}

bool local_stream_next(pythia_stream *handle, pythia_rows *chunk, pythia_error *error)
{
	local_stream *stream = (local_stream *) handle;

	pythia_rows_clear(&stream->writer);
	if (!stream->ended && !local_run(stream->local, fetch, stream, error))
		return false;
	*chunk = pythia_rows_view(&stream->writer);
	return true;
}

static void close_portal(pythia_local *local, void *arg)
{
	Portal portal = GetPortalByName(((local_stream *) arg)->name);

	if (PortalIsValid(portal))
		PortalDrop(portal, false);
}

void local_stream_close(pythia_stream *handle)
{
	local_stream *stream = (local_stream *) handle;
	pythia_error ignored = PYTHIA_ERROR_INIT;

	if (!stream)
		return;
	/* after an error the portal went with the rollback */
	if (!stream->local->base.broken && !stream->local->session->aborted)
		(void) local_run(stream->local, close_portal, stream, &ignored);
	pythia_error_reset(&ignored);
	local_unhold(stream->local);
	free_stream(stream);
}
