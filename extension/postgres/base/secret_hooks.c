/*
 * A password comes to the server within a statement: in a URL, an option, a user mapping.  PostgreSQL shows
 * statements in its log, in pg_stat_activity and, by pg_stat_statements, in a view.  What is found there by
 * core/secret.h is overwritten, wherever a hook lets us come first.
 */
#include "postgres.h"

#include "postgres/base/secret_hooks.h"

#include "access/xact.h"
#include "core/secret.h"
#include "core/visible.h"
#include "mb/pg_wchar.h"
#include "pgstat.h"
#include "postgres/base/pg_compat.h"
#include "postmaster/bgworker.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/elog.h"

static emit_log_hook_type previous_log_hook = NULL;
static ProcessUtility_hook_type previous_utility_hook = NULL;
static TimestampTz hidden_statement = 0; /* when it began */

/* A copy without secrets, or NULL where there are none.  *failed: there was no memory to look. */
static char *masked(const char *text, bool *failed)
{
	size_t length = strlen(text);
	/* an error within the log's own hook would be logged, too */
	char *copy = palloc_extended(length + 1, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);

	*failed = !copy;
	if (!copy)
		return NULL;
	memcpy(copy, text, length + 1);
	if (pythia_secret_mask(copy, false))
		return copy;
	pfree(copy);
	return NULL;
}

static void mask(char *text)
{
	if (text && pythia_secret_mask(text, false))
		pythia_secret_squeeze(text);
}

/* Whether the process is one of ours: what it logs are names and messages of others, which nobody typed in at this place. */
static bool is_worker(void)
{
	return MyBgworkerEntry && strcmp(MyBgworkerEntry->bgw_library_name, "pythia_db") == 0;
}

/* Control characters become visible, but for what puts a text into lines. */
static void show_controls(char **text)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	const char *at = *text;
	char *copy;

	if (!at)
		return;
	while (*at)
	{
		size_t length = strcspn(at, "\n\t");

		if (GetDatabaseEncoding() == PG_UTF8)
			pythia_visible(&out, at, length);
		else
			for (size_t i = 0; i < length; i++)
				pythia_buffer_append(&out, (unsigned char) at[i] < ' ' || at[i] == 0x7f ? "?" : at + i, 1);
		at += length;
		if (*at)
			pythia_buffer_append(&out, at++, 1);
	}
	copy = out.data ? palloc_extended(out.length + 1, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM) : NULL;
	if (copy)
	{
		memcpy(copy, out.data, out.length);
		copy[out.length] = '\0';
		pfree(*text);
		*text = copy;
	}
	pythia_buffer_free(&out);
}

static void hide_in_log(ErrorData *edata)
{
	if (is_worker())
	{
		show_controls(&edata->message);
		show_controls(&edata->detail);
		show_controls(&edata->detail_log);
		show_controls(&edata->hint);
		show_controls(&edata->context);
		show_controls(&edata->internalquery);
	}
	/* a hint is nobody's data, and ours show how a URL is written */
	mask(edata->message);
	mask(edata->detail);
	mask(edata->detail_log);
	mask(edata->context);
	mask(edata->internalquery);
	/* the statement is the client's own text, which is still being executed: it is left out instead */
	if (hidden_statement != 0 && hidden_statement == GetCurrentStatementStartTimestamp())
		edata->hide_stmt = true;
	if (debug_query_string && !edata->hide_stmt)
	{
		bool failed;
		char *copy = masked(debug_query_string, &failed);

		edata->hide_stmt = copy || failed;
		if (copy)
			pfree(copy);
	}
	if (previous_log_hook)
		previous_log_hook(edata);
}

void pythia_hide_statement(void)
{
	hidden_statement = GetCurrentStatementStartTimestamp();
}

void pythia_hide_activity(void)
{
	bool failed;
	char *copy = debug_query_string ? masked(debug_query_string, &failed) : NULL;

	if (!copy)
		return;
	pythia_secret_squeeze(copy);
	pgstat_report_activity(STATE_RUNNING, copy);
	pfree(copy);
}

/* The text keeps its length, so that the places which the parse tree names stay right. */
static void utility(PlannedStmt *statement, const char *text, bool readOnlyTree, ProcessUtilityContext context,
					ParamListInfo params, QueryEnvironment *environment, DestReceiver *dest,
					QueryCompletion *completion)
{
	bool failed;
	const char *copy = masked(text, &failed);

	if (copy)
	{
		text = copy;
		if (context == PROCESS_UTILITY_TOPLEVEL)
			pythia_hide_activity();
	}
	if (previous_utility_hook)
		previous_utility_hook(statement, text, readOnlyTree, context, params, environment, dest, completion);
	else
		standard_ProcessUtility(statement, text, readOnlyTree, context, params, environment, dest, completion);
}

void pythia_secret_hooks_install(void)
{
	previous_log_hook = emit_log_hook;
	emit_log_hook = hide_in_log;
	previous_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = utility;
}
