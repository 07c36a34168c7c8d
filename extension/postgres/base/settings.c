#include "postgres/base/settings.h"

#include <limits.h>

#include "core/memory.h"
#include "core/reach.h"
#include "miscadmin.h"
#include "postgres/base/pg_compat.h"
#include "utils/guc.h"

static int poll_interval = 5000; /* of a new CDC worker; read in SQL */
char *pythia_guc_allowed_hosts = NULL;
char *pythia_guc_databases = NULL;
bool pythia_guc_keep_connections = true;
int pythia_guc_after_promotion = PYTHIA_PROMOTION_RUN;
bool pythia_guc_log_changes = false;
int pythia_guc_max_journal_size = 0;
int pythia_guc_max_retention = 30 * 24 * 60;
int pythia_guc_max_workers = 8;
int pythia_guc_max_workers_per_role = -1;
int pythia_guc_restart_delay = 5;
int pythia_guc_retention = 7 * 24 * 60;

static const struct config_enum_entry promotion_choices[] = {
	{"run", PYTHIA_PROMOTION_RUN, false}, {"hold", PYTHIA_PROMOTION_HOLD, false}, {NULL, 0, false}};

/* A list that cannot be read must not become one that allows less, or more, than was meant. */
static bool check_allowed_hosts(char **value, void **extra, GucSource source)
{
	char *bad = NULL;

	if (pythia_reach_valid(*value, &bad))
		return true;
	GUC_check_errdetail("\"%s\" is neither a host nor an address, network or folder.", bad);
	GUC_check_errhint("Write, for example, 'db.example:5432, *.shop.example, 10.1.0.0/16, [::1]:3306'.");
	pythia_free(bad);
	return false;
}

void pythia_settings_define(void)
{
	/* What a session has set before it loads this library is refused now, where it may not set it; what the
	 * configuration says is forgotten by then.  So where anything was said, nothing is what remains. */
	bool may_be_forged =
		!process_shared_preload_libraries_in_progress && GetConfigOption("pythia_db.allowed_hosts", true, false);
	const char *hosts_unless_told = may_be_forged ? "" : "*";

	DefineCustomStringVariable("pythia_db.databases", "Databases whose workers the launcher runs.",
							   "A comma list of names, or * for every database that has the extension.",
							   &pythia_guc_databases, "*", PGC_SIGHUP, GUC_LIST_INPUT, NULL, NULL, NULL);
	/* it sizes shared memory, where there is any */
	DefineCustomIntVariable("pythia_db.max_workers", "Background workers that run at once in the whole server.",
							"Each takes one of max_worker_processes.", &pythia_guc_max_workers, 8, 1, 1024,
							process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SIGHUP, 0, NULL, NULL,
							NULL);
	DefineCustomIntVariable("pythia_db.max_workers_per_role",
							"Background workers of one role that run at once in the whole server.",
							"-1: half of pythia_db.max_workers; 0: no limit. Superusers have none.",
							&pythia_guc_max_workers_per_role, -1, -1, 1024, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pythia_db.poll_interval", "Time between two polls of a new CDC worker.", NULL,
							&poll_interval, 5000, 10, INT_MAX, PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("pythia_db.restart_delay", "Time before a failed worker tries again, at first.",
							"Further failures double it, up to five minutes.", &pythia_guc_restart_delay, 5, 1, 300,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("pythia_db.retention", "Time that consumed changes stay in the journal.", NULL,
							&pythia_guc_retention, 7 * 24 * 60, 0, INT_MAX, PGC_SUSET, GUC_UNIT_MIN, NULL, NULL, NULL);
	DefineCustomIntVariable("pythia_db.max_journal_size", "Size of the journal beyond which its oldest changes go.",
							"Whether everybody has read them or not; 0: no limit.", &pythia_guc_max_journal_size, 0, 0,
							INT_MAX, PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("pythia_db.max_retention", "Time that no change stays in the journal longer than.",
							"Whatever retention a worker has, and however far behind a consumer is.",
							&pythia_guc_max_retention, 30 * 24 * 60, 1, INT_MAX, PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL,
							NULL);
	DefineCustomEnumVariable("pythia_db.after_promotion",
							 "What workers do on a standby that was promoted, or a server restored from a backup.",
							 "run: they go on; hold: each waits for pythia.release_worker.",
							 &pythia_guc_after_promotion, PYTHIA_PROMOTION_RUN, promotion_choices, PGC_SIGHUP, 0, NULL,
							 NULL, NULL);
	DefineCustomBoolVariable("pythia_db.log_changes", "Writes a line to the server log for each batch of changes.",
							 NULL, &pythia_guc_log_changes, false, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("pythia_db.keep_connections",
							 "Keeps connections to other servers open for the session's next run.",
							 "They are closed after five idle minutes, and when a server or user mapping changes.",
							 &pythia_guc_keep_connections, true, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable(
		"pythia_db.allowed_hosts", "Hosts that connections of other roles than superusers may reach.",
		"A comma list of names, *.domains, addresses and networks, each with or without a port, "
		"and folders of sockets; * for any host, nothing for none.",
		&pythia_guc_allowed_hosts, hosts_unless_told, PGC_SUSET, GUC_LIST_INPUT, check_allowed_hosts, NULL, NULL);
	MarkGUCPrefixReserved("pythia_db");
}
