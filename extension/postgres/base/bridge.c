#include "postgres/base/bridge.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "core/memory.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/elog.h"
#include "utils/memutils.h"

/* Bytes of a message that are told. */
#define LONGEST_MESSAGE (1024 * 1024)

/* The last error that was caught, until it is raised or another one replaces it. */
static ErrorData *kept = NULL;
static MemoryContext kept_context = NULL;

static void forget_kept(void)
{
	if (kept_context)
		MemoryContextReset(kept_context);
	kept = NULL;
}

static pythia_error_class class_of(int code)
{
	switch (code)
	{
		case ERRCODE_QUERY_CANCELED:
		case ERRCODE_ADMIN_SHUTDOWN:
			return PYTHIA_E_CANCELLED;
		case ERRCODE_T_R_DEADLOCK_DETECTED:
		case ERRCODE_T_R_SERIALIZATION_FAILURE:
		case ERRCODE_LOCK_NOT_AVAILABLE:
			return PYTHIA_E_TRANSIENT;
		default:
			return ERRCODE_TO_CATEGORY(code) == ERRCODE_DATA_EXCEPTION ? PYTHIA_E_DATA : PYTHIA_E_DATABASE;
	}
}

int pythia_sqlstate_code(const char *sqlstate)
{
	if (strlen(sqlstate) != 5)
		return ERRCODE_INTERNAL_ERROR;
	return MAKE_SQLSTATE(sqlstate[0], sqlstate[1], sqlstate[2], sqlstate[3], sqlstate[4]);
}

static bool needs_none(int from, int to)
{
	return from == to || from == PG_SQL_ASCII || to == PG_SQL_ASCII;
}

/* Looked up while there is a transaction, so that it is there when that has failed; NULL where it is not. */
static FmgrInfo *converter(int from, int to)
{
	static FmgrInfo known[2];
	FmgrInfo *found = &known[to == PG_UTF8];

	if (!OidIsValid(found->fn_oid) && IsTransactionState() && !IsAbortedTransactionBlockState())
	{
		Oid oid = FindDefaultConversionProc(from, to);

		if (OidIsValid(oid))
			fmgr_info_cxt(oid, found, TopMemoryContext);
	}
	return OidIsValid(found->fn_oid) ? found : NULL;
}

/* Every encoding of a server's holds ASCII as it is. */
static bool is_ascii(const char *text)
{
	while (*text && !IS_HIGHBIT_SET(*text))
		text++;
	return *text == '\0';
}

/* A worker's turn converts outside of transactions, too: there pg_do_encoding_conversion refuses to. */
static char *convert(const char *text, int from, int to)
{
	FmgrInfo *by;
	size_t length;
	char *result;

	if (!text)
		return NULL;
	if (needs_none(from, to) || is_ascii(text))
		return pstrdup(text);
	length = strlen(text);
	if (!IsTransactionState() && (by = converter(from, to)) != NULL && length < MaxAllocSize / MAX_CONVERSION_GROWTH)
	{
		result = palloc(length * MAX_CONVERSION_GROWTH + 1);
		FunctionCall6(by, Int32GetDatum(from), Int32GetDatum(to), CStringGetDatum(text), CStringGetDatum(result),
					  Int32GetDatum((int) length), BoolGetDatum(false));
		return result;
	}
	result = (char *) pg_do_encoding_conversion((unsigned char *) unconstify(char *, text), length, from, to);
	return result == text ? pstrdup(text) : result;
}

char *pythia_from_utf8(const char *text)
{
	return convert(text, PG_UTF8, GetDatabaseEncoding());
}

char *pythia_to_utf8(const char *text)
{
	return convert(text, GetDatabaseEncoding(), PG_UTF8);
}

/* As much as the converter takes, in bytes; without one, what is ASCII. */
static int convert_some(FmgrInfo *by, const char *text, int length, int from, int to, char *out)
{
	int count = 0;

	if (by)
		return DatumGetInt32(FunctionCall6(by, Int32GetDatum(from), Int32GetDatum(to), CStringGetDatum(text),
										   CStringGetDatum(out), Int32GetDatum(length), BoolGetDatum(true)));
	for (; count < length && !IS_HIGHBIT_SET(text[count]); count++)
		out[count] = text[count];
	out[count] = '\0';
	return count;
}

/*
 * An unreadable text must not hide the error that it tells of: what cannot be converted is a '?'.  That goes for texts
 * as well that are converted while a transaction fails, when nothing may be raised or looked up.
 */
static char *convert_message(const char *text, int from, int to)
{
	FmgrInfo *by;
	char *result;
	char *out;
	int length;

	if (!text)
		return NULL;
	if (needs_none(from, to))
		return pstrdup(text);
	by = converter(from, to);
	length = strnlen(text, LONGEST_MESSAGE);
	out = result = palloc(length * MAX_CONVERSION_GROWTH + 1);
	for (;;)
	{
		int done = convert_some(by, text, length, from, to, out);

		out += strlen(out);
		text += done;
		length -= done;
		if (length <= 0)
			return result;
		*out++ = '?';
		done = Min(length, pg_encoding_mblen(from, text));
		text += done;
		length -= done;
		*out = '\0';
	}
}

char *pythia_message_from_utf8(const char *text)
{
	return convert_message(text, PG_UTF8, GetDatabaseEncoding());
}

char *pythia_message_to_utf8(const char *text)
{
	return convert_message(text, GetDatabaseEncoding(), PG_UTF8);
}

void pythia_messages_prepare(void)
{
	(void) pythia_message_from_utf8("");
	(void) pythia_message_to_utf8("");
}

bool pythia_error_catch(pythia_error *error, MemoryContext cxt)
{
	forget_kept();
	if (!kept_context)
		kept_context = AllocSetContextCreate(TopMemoryContext, "pythia_db kept error", ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(kept_context);
	kept = CopyErrorData();
	FlushErrorState();
	MemoryContextSwitchTo(cxt);

	if (!error)
		return false;
	pythia_fail(error, class_of(kept->sqlerrcode), unpack_sql_state(kept->sqlerrcode), "%s",
				kept->message ? pythia_message_to_utf8(kept->message) : "unknown error");
	if (kept->detail)
		pythia_error_detail(error, "%s", pythia_message_to_utf8(kept->detail));
	if (kept->hint)
		pythia_error_hint(error, "%s", pythia_message_to_utf8(kept->hint));
	if (kept->context)
		pythia_error_context(error, "%s", pythia_message_to_utf8(kept->context));
	return false;
}

char *pythia_error_line(const pythia_error *error)
{
	StringInfoData line;

	initStringInfo(&line);
	appendStringInfoString(&line, error->message ? error->message : "unknown error");
	if (error->detail || error->hint)
		appendStringInfoChar(&line, '.');
	if (error->detail)
		appendStringInfo(&line, " %s", error->detail);
	if (error->hint)
		appendStringInfo(&line, " %s", error->hint);
	return line.data;
}

void pythia_raise(pythia_error *error)
{
	char *message;
	char *detail;
	char *hint;
	char *context;
	int code;

	if (error->error_class == PYTHIA_E_CANCELLED &&
		!(kept && error->message && strcmp(kept->message, pythia_message_from_utf8(error->message)) == 0))
	{
		/* as a rule this does not come back */
		PG_TRY();
		{
			CHECK_FOR_INTERRUPTS();
		}
		PG_CATCH();
		{
			pythia_error_reset(error);
			PG_RE_THROW();
		}
		PG_END_TRY();
	}

	message = pythia_message_from_utf8(error->message ? error->message : "unknown error");
	detail = pythia_message_from_utf8(error->detail);
	hint = pythia_message_from_utf8(error->hint);
	context = pythia_message_from_utf8(error->context);
	code = pythia_sqlstate_code(error->sqlstate);
	pythia_error_reset(error);

	if (kept && kept->sqlerrcode == code && kept->message && strcmp(kept->message, message) == 0)
	{
		ErrorData *original = kept;

		/* what the engine said of the place comes along */
		if (context)
			original->context = context;
		if (detail && !original->detail)
			original->detail = detail;
		if (hint && !original->hint)
			original->hint = hint;
		kept = NULL;
		ReThrowError(original);
	}
	ereport(ERROR, (errcode(code), errmsg_internal("%s", message), detail ? errdetail_internal("%s", detail) : 0,
					hint ? errhint("%s", hint) : 0, context ? errcontext("%s", context) : 0));
	pg_unreachable();
}

typedef struct release_entry
{
	MemoryContextCallback callback;
	void (*release)(void *);
	void *object;
} release_entry;

static void release_now(void *arg)
{
	release_entry *entry = arg;

	entry->release(entry->object);
}

void pythia_free_with_context(void (*release)(void *), void *object)
{
	release_entry *entry = MemoryContextAlloc(CurrentMemoryContext, sizeof(release_entry));

	entry->release = release;
	entry->object = object;
	entry->callback.func = release_now;
	entry->callback.arg = entry;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &entry->callback);
}
