#include "postgres/base/bridge.h"

#include "core/memory.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/elog.h"
#include "utils/memutils.h"

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

/* An unreadable text must not hide the error that it tells of. */
static char *convert(const char *text, int from, int to)
{
	char *result;
	int length;

	if (!text)
		return NULL;
	length = strlen(text);
	if (from == to || from == PG_SQL_ASCII || to == PG_SQL_ASCII)
		return pstrdup(text);
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
				kept->message ? pythia_to_utf8(kept->message) : "unknown error");
	if (kept->detail)
		pythia_error_detail(error, "%s", pythia_to_utf8(kept->detail));
	if (kept->hint)
		pythia_error_hint(error, "%s", pythia_to_utf8(kept->hint));
	if (kept->context)
		pythia_error_context(error, "%s", pythia_to_utf8(kept->context));
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
		!(kept && error->message && strcmp(kept->message, pythia_from_utf8(error->message)) == 0))
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

	message = pythia_from_utf8(error->message ? error->message : "unknown error");
	detail = pythia_from_utf8(error->detail);
	hint = pythia_from_utf8(error->hint);
	context = pythia_from_utf8(error->context);
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
