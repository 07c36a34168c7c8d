/* The rows of pythia.worker: making, finding, enabling and dropping a worker. */
#include "postgres/worker/worker.h"

#include "catalog/pg_type.h"
#include "core/suggest.h"
#include "miscadmin.h"
#include "postgres/base/arguments.h"
#include "postgres/base/catalog.h"
#include "postgres/base/catalog_read.h"
#include "postgres/base/lock_wait.h"
#include "postgres/base/pg_compat.h"
#include "postgres/worker/control.h"
#include "postgres/worker/home.h"
#include "postgres/worker/owner.h"
#include "postgres/worker/shared.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#define MAX_SUGGESTED 200

static const char *kind_name(pythia_job_kind kind)
{
	return kind == PYTHIA_JOB_CDC ? "cdc" : "sync";
}

/* Names that the current role may know of, for a hint. */
static void unknown_worker(pythia_job_kind kind, const char *name)
{
	static const char sql[] = "SELECT name, owner::pg_catalog.oid FROM pythia.worker WHERE kind = $1 "
							  "ORDER BY name LIMIT 200";
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(kind_name(kind))};
	const char *names[MAX_SUGGESTED];
	const char *close;
	int count = 0;

	SPI_connect();
	pythia_catalog_execute(sql, 1, types, values, NULL);
	for (uint64 i = 0; i < SPI_processed && count < MAX_SUGGESTED; i++)
	{
		bool isnull;
		Oid owner = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull));

		if (has_privs_of_role(GetUserId(), owner))
			names[count++] = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
	}
	close = pythia_suggest(name, names, count);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("%s worker \"%s\" does not exist", kind == PYTHIA_JOB_CDC ? "CDC" : "sync", name),
			 close ? errhint("Perhaps you meant \"%s\".", close)
				   : errhint("Create it with pythia.create_%s_worker, or see pythia.worker_status for those there are.",
							 kind_name(kind))));
}

int32 pythia_worker_lookup(pythia_job_kind kind, const char *name, Oid *owner, bool *enabled)
{
	Datum key[] = {CStringGetTextDatum(kind_name(kind)), CStringGetTextDatum(name)};
	pythia_reading row;
	int32 worker_id = 0;
	Oid role = InvalidOid;
	bool on = false;
	bool isnull;

	pythia_reading_begin(&row, "worker", "worker_kind_name_key", lengthof(key), key);
	if (pythia_reading_next(&row))
	{
		worker_id = DatumGetInt32(pythia_reading_value(&row, "worker_id", &isnull));
		role = DatumGetObjectId(pythia_reading_value(&row, "owner", &isnull));
		on = DatumGetBool(pythia_reading_value(&row, "enabled", &isnull));
	}
	pythia_reading_end(&row);
	if (worker_id == 0)
		unknown_worker(kind, name);
	if (!has_privs_of_role(GetUserId(), role))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied for %s worker \"%s\"", kind == PYTHIA_JOB_CDC ? "CDC" : "sync", name),
						errhint("Only the role that created it, and its members, may use it.")));
	if (owner)
		*owner = role;
	if (enabled)
		*enabled = on;
	return worker_id;
}

bool pythia_worker_wanted(pythia_job_kind kind, int32 worker_id)
{
	static const char sql[] = "SELECT owner::pg_catalog.oid FROM pythia.worker WHERE worker_id = $1 AND enabled";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};
	const char *hint;
	bool result = false;
	bool isnull;

	SPI_connect();
	pythia_catalog_execute(sql, 1, types, values, NULL);
	if (SPI_processed == 1)
	{
		Oid owner = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));

		result = owner == GetSessionUserId() && !pythia_owner_fault(owner, kind, &hint);
	}
	SPI_finish();
	return result;
}

/* How many workers of the role there are in this database, `most` + 1 for all that are more. */
static int count_workers(Oid owner, bool enabled, int most)
{
	static const char all_sql[] = "SELECT FROM pythia.worker WHERE owner::pg_catalog.oid = $1 LIMIT $2";
	static const char enabled_sql[] = "SELECT FROM pythia.worker WHERE owner::pg_catalog.oid = $1 AND enabled LIMIT $2";
	Oid types[] = {OIDOID, INT8OID};
	Datum values[] = {ObjectIdGetDatum(owner), Int64GetDatum((int64) most + 1)};

	return (int) pythia_catalog_run(enabled ? enabled_sql : all_sql, lengthof(types), types, values, NULL);
}

static void check_made(Oid owner)
{
	if (superuser_arg(owner) || count_workers(owner, false, PYTHIA_MAX_WORKERS_OF_ROLE) <= PYTHIA_MAX_WORKERS_OF_ROLE)
		return;
	ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					errmsg("too many workers of role \"%s\"", GetUserNameFromId(owner, false)),
					errdetail("It has %d in this database, and may not have more.", PYTHIA_MAX_WORKERS_OF_ROLE),
					errhint("Drop some, see pythia.worker_status. One worker may have many tables.")));
}

/* The roster of all databases takes no more, either; and a manager reads no more of an owner. */
static void check_enabled(Oid owner)
{
	int most = superuser_arg(owner) ? PYTHIA_MAX_JOBS : PYTHIA_MAX_JOBS_OF_ROLE;

	if (count_workers(owner, true, most) <= most)
		return;
	ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					errmsg("too many workers of role \"%s\" are started", GetUserNameFromId(owner, true)),
					errdetail("%d of them shall run in this database, and no more may.", most),
					errhint("Stop some of them, see pythia.worker_status. One worker may have many tables.")));
}

typedef struct creation
{
	pythia_job_kind kind;
	const char *name;
	int32 worker_id; /* 0: there is one of that name */
} creation;

static void insert(void *argument)
{
	static const char sql[] = "INSERT INTO pythia.worker (kind, name, owner, owner_name, home) SELECT $1, $2, $3, "
							  "pg_catalog.pg_get_userbyid($3), h.token FROM pythia.home h "
							  "ON CONFLICT (kind, name) DO NOTHING RETURNING worker_id";
	creation *wanted = argument;
	Oid types[] = {TEXTOID, TEXTOID, OIDOID};
	Datum values[] = {CStringGetTextDatum(kind_name(wanted->kind)), CStringGetTextDatum(wanted->name),
					  ObjectIdGetDatum(GetUserId())};
	bool isnull;

	SPI_connect();
	pythia_catalog_execute(sql, 3, types, values, NULL);
	if (SPI_processed > 0)
		wanted->worker_id = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
}

int32 pythia_worker_create(pythia_job_kind kind, const char *name)
{
	creation wanted = {kind, name, 0};
	const char *word = kind == PYTHIA_JOB_CDC ? "CDC" : "sync";

	pythia_argument_name(name, "worker");
	pythia_home_ensure();
	/* another session may create one of that name, and not commit */
	if (!pythia_unless_locked_out(insert, &wanted))
		ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE),
						errmsg("%s worker \"%s\" is created or dropped in another session just now", word, name),
						errhint("Try again when that session has ended its transaction, or choose another name.")));
	if (wanted.worker_id == 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("%s worker \"%s\" already exists", word, name),
			 errhint(
				 "Choose another name, change it with pythia.alter_%s_worker, or drop it with pythia.drop_%s_worker.",
				 kind_name(kind), kind_name(kind))));
	check_made(GetUserId());
	return wanted.worker_id;
}

void pythia_worker_drop(pythia_job_kind kind, const char *name)
{
	static const char sql[] = "DELETE FROM pythia.worker WHERE worker_id = $1";
	Oid types[] = {INT4OID};
	int32 worker_id = pythia_worker_lookup(kind, name, NULL, NULL);
	Datum values[] = {Int32GetDatum(worker_id)};

	pythia_catalog_run(sql, 1, types, values, NULL);
	pythia_control_stop(worker_id);
}

PYTHIA_FUNCTION(pythia_set_worker_enabled);

Datum pythia_set_worker_enabled(PG_FUNCTION_ARGS)
{
	static const char sql[] = "UPDATE pythia.worker SET enabled = $2, enabled_at = CASE WHEN $2 THEN "
							  "pg_catalog.clock_timestamp() END WHERE worker_id = $1";
	Oid types[] = {INT4OID, BOOLOID};
	pythia_job_kind kind = pythia_job_kind_from_text(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	bool wanted = PG_GETARG_BOOL(2);
	Oid owner;
	bool enabled;
	int32 worker_id = pythia_worker_lookup(kind, name, &owner, &enabled);
	Datum values[] = {Int32GetDatum(worker_id), BoolGetDatum(wanted)};

	if (wanted)
		pythia_home_require(worker_id);
	/* also where it is enabled already: a worker that runs once runs again, and its process may be gone */
	if (enabled || wanted)
		pythia_catalog_run(sql, 2, types, values, NULL);
	if (wanted && !enabled)
		check_enabled(owner);
	if (wanted)
		pythia_control_start(worker_id, kind, owner);
	else
		pythia_control_stop(worker_id);
	PG_RETURN_VOID();
}
