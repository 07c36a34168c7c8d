#include "postgres/base/catalog.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "postgres/base/object_owner.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/builtins.h"

static HTAB *plans = NULL;

typedef struct plan_entry
{
	const char *sql; /* the address is the key */
	SPIPlanPtr plan;
} plan_entry;

/* Whoever owns the extension owns its tables, after REASSIGN OWNED too. */
static Oid extension_owner(void)
{
	Oid owner = pythia_relation_owner(pythia_relation("worker"));

	if (!OidIsValid(owner))
		elog(ERROR, "relation \"pythia.worker\" was dropped just now");
	return owner;
}

void pythia_catalog_enter(pythia_identity *before)
{
	GetUserIdAndSecContext(&before->role, &before->context);
	SetUserIdAndSecContext(extension_owner(), before->context | SECURITY_LOCAL_USERID_CHANGE);
	/* no operator or function of another schema may run as the owner */
	before->settings = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
}

void pythia_catalog_leave(const pythia_identity *before)
{
	if (before->settings)
		AtEOXact_GUC(true, before->settings);
	SetUserIdAndSecContext(before->role, before->context);
}

static SPIPlanPtr plan_of(const char *sql, int nargs, const Oid *types)
{
	plan_entry *entry;
	bool found;

	if (!plans)
	{
		HASHCTL control = {.keysize = sizeof(const char *), .entrysize = sizeof(plan_entry)};

		plans = hash_create("pythia_db catalogue plans", 32, &control, HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(plans, &sql, HASH_FIND, NULL);
	if (!entry)
	{
		SPIPlanPtr plan = SPI_prepare(sql, nargs, unconstify(Oid *, types));

		if (!plan)
			elog(ERROR, "could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		entry = hash_search(plans, &sql, HASH_ENTER, &found);
		entry->plan = plan;
	}
	return entry->plan;
}

void pythia_catalog_execute(const char *sql, int nargs, const Oid *types, const Datum *values, const char *nulls)
{
	pythia_identity before;
	int code;

	pythia_catalog_enter(&before);
	code = SPI_execute_plan(plan_of(sql, nargs, types), unconstify(Datum *, values), nulls, false, 0);
	pythia_catalog_leave(&before);
	if (code < 0)
		elog(ERROR, "\"%s\" failed: %s", sql, SPI_result_code_string(code));
}

uint64 pythia_catalog_run(const char *sql, int nargs, const Oid *types, const Datum *values, const char *nulls)
{
	uint64 count;

	SPI_connect();
	pythia_catalog_execute(sql, nargs, types, values, nulls);
	count = SPI_processed;
	SPI_finish();
	return count;
}

Oid pythia_relation(const char *name)
{
	Oid schema = get_namespace_oid("pythia", false);
	Oid relation = get_relname_relid(name, schema);

	if (!OidIsValid(relation))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation \"pythia.%s\" does not exist", name),
						errhint("Drop the extension pythia_db and create it again.")));
	return relation;
}

Oid pythia_capture_function(void)
{
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum("_capture"),
						   PointerGetDatum(buildoidvector(NULL, 0)),
						   ObjectIdGetDatum(get_namespace_oid("pythia", false)));
}

void pythia_cdc_refuse_standby(void)
{
	if (RecoveryInProgress())
		ereport(ERROR, (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION), errmsg("capture does not run on a standby"),
						errhint("Call it on the primary server.")));
}

Datum pythia_text_or_null(const char *text, char *null)
{
	*null = text ? ' ' : 'n';
	return text ? CStringGetTextDatum(text) : (Datum) 0;
}
