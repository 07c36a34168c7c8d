#include "catalog.h"

#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"

static HTAB *plans = NULL;

typedef struct plan_entry
{
	const char *sql; /* the address is the key */
	SPIPlanPtr plan;
} plan_entry;

/* The extension's owner owns its tables; ALTER EXTENSION … OWNER does not exist, REASSIGN OWNED does. */
static Oid extension_owner(void)
{
	Oid extension = get_extension_oid("pythia_db", false);
	Relation relation = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	Oid owner = InvalidOid;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(extension));
	scan = systable_beginscan(relation, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	if (!OidIsValid(owner))
		elog(ERROR, "extension pythia_db has no owner");
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

int pythia_catalog_execute(const char *sql, int nargs, const Oid *types, const Datum *values, const char *nulls)
{
	pythia_identity before;
	int code;

	pythia_catalog_enter(&before);
	code = SPI_execute_plan(plan_of(sql, nargs, types), unconstify(Datum *, values), nulls, false, 0);
	pythia_catalog_leave(&before);
	if (code < 0)
		elog(ERROR, "\"%s\" failed: %s", sql, SPI_result_code_string(code));
	return code;
}
