/*
 * Background workers hold their database open: DROP DATABASE, ALTER DATABASE
 * RENAME or SET TABLESPACE and CREATE DATABASE … TEMPLATE would fail.  So before
 * such a command, by a role that may give it, the database's manager and workers
 * are ended and held back; afterwards, where the database is still there, the
 * launcher starts them again: whatever happens to the process that gave it.
 *
 * DROP EXTENSION waits for all who use our tables, and a worker may be in code that does not end: so there, too.
 *
 * A worker whose role is dropped, or may not use us any more, shall end at once:
 * who is looked at again where roles and privileges change.
 */
#include "postgres.h"

#include "postgres/jobs/drop_hook.h"

#include <signal.h>

#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "postgres/base/pg_compat.h"
#include "postgres/remote/poll.h"
#include "postgres/sync/live.h"
#include "postgres/worker/control.h"
#include "postgres/worker/database_hold.h"
#include "postgres/worker/process.h"
#include "postgres/worker/shared.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "tcop/utility.h"
#include "utils/acl.h"

#define PATIENCE_MS 5000

static ProcessUtility_hook_type previous_hook = NULL;

/* The database that must be left alone for this statement, or NULL. */
static const char *affected_database(Node *statement)
{
	ListCell *cell;

	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			return ((DropdbStmt *) statement)->dbname;
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
				return ((RenameStmt *) statement)->subname;
			return NULL;
		case T_AlterDatabaseStmt:
			foreach (cell, ((AlterDatabaseStmt *) statement)->options)
				if (strcmp(((DefElem *) lfirst(cell))->defname, "tablespace") == 0)
					return ((AlterDatabaseStmt *) statement)->dbname;
			return NULL;
		case T_CreatedbStmt:
			foreach (cell, ((CreatedbStmt *) statement)->options)
				if (strcmp(((DefElem *) lfirst(cell))->defname, "template") == 0 && ((DefElem *) lfirst(cell))->arg)
					return defGetString(lfirst(cell));
			return "template1";
		default:
			return NULL;
	}
}

/* Asks the processes of a database to end; true where none is left. */
static bool end_processes(Oid database)
{
	bool none = true;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < PYTHIA_MAX_DATABASES; i++)
	{
		pythia_manager_slot *slot = &pythia_shmem->managers[i];

		if (slot->database == database && slot->state != PYTHIA_MANAGER_NONE)
		{
			none = false;
			slot->sent_away = true;
			if (slot->pid != 0)
				kill(slot->pid, SIGTERM);
		}
	}
	for (int i = 0; i < pythia_shmem->max_workers; i++)
	{
		pythia_executor_slot *slot = &pythia_shmem->executors[i];

		if (slot->database == database && slot->pid != 0 && slot->pid != MyProcPid)
		{
			none = false;
			kill(slot->pid, SIGTERM);
		}
	}
	LWLockRelease(pythia_shmem->lock);
	return none;
}

static void clear_database(Oid database)
{
	static uint32 event = 0;

	if (event == 0)
		event = pythia_wait_event("PythiaDropDatabase");
	for (int waited = 0; !end_processes(database) && waited < PATIENCE_MS; waited += 20)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 20L, event);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Whether the command will fail anyway, as somebody else is there. */
static bool in_use(const DropdbStmt *statement, Oid database)
{
	ListCell *cell;

	foreach (cell, statement->options)
		if (strcmp(((DefElem *) lfirst(cell))->defname, "force") == 0)
			return false;
	return CountDBConnections(database) > 0;
}

/* What the database's workers made elsewhere goes with it. */
static void take_leave(const DropdbStmt *statement, Oid database)
{
	BackgroundWorkerHandle *handle;

	if (in_use(statement, database))
		return;
	if (pythia_farewell_register(database, &handle))
		(void) WaitForBackgroundWorkerShutdown(handle);
	else
		ereport(WARNING, (errmsg("triggers that workers of database \"%s\" made in other databases stay there",
								 statement->dbname),
						  errdetail("No background worker slot is free."),
						  errhint("Raise max_worker_processes, or drop what is named pythia_log_… in them.")));
}

static void run_next(PlannedStmt *statement, const char *text, bool readOnlyTree, ProcessUtilityContext context,
					 ParamListInfo params, QueryEnvironment *environment, DestReceiver *dest,
					 QueryCompletion *completion)
{
	if (previous_hook)
		previous_hook(statement, text, readOnlyTree, context, params, environment, dest, completion);
	else
		standard_ProcessUtility(statement, text, readOnlyTree, context, params, environment, dest, completion);
}

/* By one who may: what it made in other databases is not PostgreSQL's to find. */
static bool drops_extension(Node *statement)
{
	ListCell *cell;

	if (!IsA(statement, DropStmt) || ((DropStmt *) statement)->removeType != OBJECT_EXTENSION)
		return false;
	foreach (cell, ((DropStmt *) statement)->objects)
		if (strcmp(strVal(lfirst(cell)), "pythia_db") == 0)
		{
			Oid extension = get_extension_oid("pythia_db", true);

			return OidIsValid(extension) && pythia_extension_owned(extension, GetUserId());
		}
	return false;
}

/* Whose workers may run may be another matter afterwards: here, or, as roles are of all databases, everywhere. */
static bool touches_roles(Node *statement, bool *everywhere)
{
	ListCell *cell;

	*everywhere = true;
	switch (nodeTag(statement))
	{
		case T_DropRoleStmt:
		case T_GrantRoleStmt:
			return true;
		case T_AlterRoleStmt:
			foreach (cell, ((AlterRoleStmt *) statement)->options)
				if (strcmp(((DefElem *) lfirst(cell))->defname, "superuser") == 0 ||
					strcmp(((DefElem *) lfirst(cell))->defname, "canlogin") == 0 ||
					strcmp(((DefElem *) lfirst(cell))->defname, "inherit") == 0)
					return true;
			return false;
		case T_GrantStmt:
		case T_DropOwnedStmt:
			*everywhere = false;
			return OidIsValid(get_extension_oid("pythia_db", true));
		default:
			return false;
	}
}

static void utility(PlannedStmt *statement, const char *text, bool readOnlyTree, ProcessUtilityContext context,
					ParamListInfo params, QueryEnvironment *environment, DestReceiver *dest,
					QueryCompletion *completion)
{
	const char *name = pythia_shmem ? affected_database(statement->utilityStmt) : NULL;
	Oid database = name ? get_database_oid(name, true) : InvalidOid;
	bool everywhere;

	if (drops_extension(statement->utilityStmt))
	{
		pythia_remote_all_triggers_go();
		pythia_sync_live_all_stay();
		pythia_control_look(false);
		database = pythia_shmem ? MyDatabaseId : InvalidOid;
	}
	else if (database == MyDatabaseId || (OidIsValid(database) && !pythia_database_owned(database, GetUserId())))
		database = InvalidOid;
	if (pythia_shmem && touches_roles(statement->utilityStmt, &everywhere))
		pythia_control_look(everywhere);
	if (!OidIsValid(database))
	{
		run_next(statement, text, readOnlyTree, context, params, environment, dest, completion);
		return;
	}
	pythia_hold_take(database);
	PG_TRY();
	{
		clear_database(database);
		if (IsA(statement->utilityStmt, DropdbStmt))
			take_leave((DropdbStmt *) statement->utilityStmt, database);
		run_next(statement, text, readOnlyTree, context, params, environment, dest, completion);
	}
	PG_FINALLY();
	{
		pythia_hold_release(database);
		/* it looks whether the database is still there; where this process is ended, it finds out by itself */
		pythia_set_latch_of(pythia_shmem->launcher);
	}
	PG_END_TRY();
}

void pythia_drop_hook_install(void)
{
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = utility;
}
