/*
 * What checksums use inside this server where it has the extension.
 *
 * The aggregate pythia._sums(text): rows counted, and two slices of their MD5 summed
 * exactly.  What the engine writes for any server costs half of a validation in md5()
 * and in making numbers of its text; here both are done at once.
 */

#include "postgres.h"

#include "core/digest.h"
#include "core/json_canonical.h"
#include "fmgr.h"
#include "postgres/base/bridge.h"
#include "postgres/base/host.h"
#include "postgres/base/pg_compat.h"
#include "utils/builtins.h"

PYTHIA_FUNCTION(pythia_json_normalized);
PYTHIA_FUNCTION(pythia_sums_step);
PYTHIA_FUNCTION(pythia_sums_final);

typedef struct sums
{
	uint64 count;
	unsigned __int128 slice[2];
} sums;

Datum pythia_sums_step(PG_FUNCTION_ARGS)
{
	sums *state = PG_ARGISNULL(0) ? NULL : (sums *) PG_GETARG_POINTER(0);
	MemoryContext aggregate;
	uint64_t slices[2];
	text *row;

	if (!AggCheckCallContext(fcinfo, &aggregate))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("pythia._sums_step is called by an aggregate only")));
	if (state == NULL)
		state = MemoryContextAllocZero(aggregate, sizeof(sums));
	if (PG_ARGISNULL(1))
		PG_RETURN_POINTER(state);
	row = PG_GETARG_TEXT_PP(1);
	pythia_md5_slices(VARDATA_ANY(row), VARSIZE_ANY_EXHDR(row), slices);
	state->count++;
	state->slice[0] += slices[0];
	state->slice[1] += slices[1];
	PG_FREE_IF_COPY(row, 1);
	PG_RETURN_POINTER(state);
}

static void digits(char *out, int n, unsigned __int128 value)
{
	while (n > 0)
	{
		out[--n] = '0' + (int) (value % 10);
		value /= 10;
	}
}

/* 20 digits of the count, then 40 of each sum. */
Datum pythia_sums_final(PG_FUNCTION_ARGS)
{
	static const sums none;
	const sums *state = PG_ARGISNULL(0) ? &none : (const sums *) PG_GETARG_POINTER(0);
	char out[100];

	digits(out, 20, state->count);
	digits(out + 20, 40, state->slice[0]);
	digits(out + 60, 40, state->slice[1]);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out, sizeof(out)));
}

Datum pythia_json_normalized(PG_FUNCTION_ARGS)
{
	text *document = PG_GETARG_TEXT_PP(0);
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	bool cancelled = false;
	text *result;

	if (!pythia_json_canonical_until(&out, VARDATA_ANY(document), VARSIZE_ANY_EXHDR(document),
									 PYTHIA_JSON_STYLE_NORMALIZED, pythia_backend_host(), &cancelled) ||
		out.length > MaxAllocSize - VARHDRSZ)
	{
		pythia_buffer_free(&out);
		if (cancelled)
		{
			pythia_error error = PYTHIA_ERROR_INIT;

			pythia_fail(&error, PYTHIA_E_CANCELLED, "57014", "canceled");
			pythia_raise(&error);
		}
		PG_RETURN_TEXT_P(document);
	}
	result = palloc_extended(out.length + VARHDRSZ, MCXT_ALLOC_NO_OOM);
	if (result != NULL)
	{
		SET_VARSIZE(result, out.length + VARHDRSZ);
		memcpy(VARDATA(result), out.data, out.length);
	}
	pythia_buffer_free(&out);
	if (result == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	PG_RETURN_TEXT_P(result);
}
