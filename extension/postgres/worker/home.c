#include "postgres/worker/home.h"

#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "core/file_mark.h"
#include "miscadmin.h"
#include "postgres/base/catalog.h"
#include "postgres/base/catalog_read.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/settings.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/uuid.h"

/* What tells a database from its copies. */
typedef struct marks
{
	char *system; /* the server's identifier; NULL: nothing was noted yet */
	Oid database;
	char *catalog; /* numbers of objects that pg_upgrade makes anew, and a copy of files does not */
	int timeline;
	char *directory;
} marks;

typedef struct home
{
	marks noted;
	pg_uuid_t token;
	bool copied; /* from the next, for this reason */
	pg_uuid_t from;
	char *why;
} home;

typedef enum verdict
{
	AT_HOME,
	MOVED, /* it is still the same: upgraded, say, or promoted */
	COPIED
} verdict;

/* The data directory by a file that is written once. */
static char *directory_mark(void)
{
	char path[MAXPGPATH];
	char *mark = palloc(PYTHIA_FILE_MARK);

	snprintf(path, sizeof(path), "%s/PG_VERSION", DataDir);
	if (!pythia_file_mark(path, mark))
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not stat file \"%s\": %m", path)));
	return mark;
}

static char *catalog_mark(void)
{
	Oid schema = get_namespace_oid("pythia", false);

	return psprintf("%u %u %u", schema, get_extension_oid("pythia_db", false), pythia_capture_function());
}

static marks look_around(void)
{
	return (marks){.system = psprintf(UINT64_FORMAT, GetSystemIdentifier()),
				   .database = MyDatabaseId,
				   .catalog = catalog_mark(),
				   .timeline = (int) pythia_timeline(),
				   .directory = directory_mark()};
}

static bool read_home(home *result)
{
	pythia_reading row;
	bool isnull;
	bool found;

	*result = (home){0};
	pythia_reading_begin(&row, "home", "home_pkey", 0, NULL);
	found = pythia_reading_next(&row);
	if (found)
	{
		Datum from;
		Datum why;

		result->noted.system = TextDatumGetCString(pythia_reading_value(&row, "system_identifier", &isnull));
		result->noted.database = DatumGetObjectId(pythia_reading_value(&row, "database", &isnull));
		result->noted.catalog = TextDatumGetCString(pythia_reading_value(&row, "catalog", &isnull));
		result->noted.timeline = DatumGetInt32(pythia_reading_value(&row, "timeline", &isnull));
		result->noted.directory = TextDatumGetCString(pythia_reading_value(&row, "directory", &isnull));
		result->token = *DatumGetUUIDP(pythia_reading_value(&row, "token", &isnull));
		from = pythia_reading_value(&row, "copied_from", &isnull);
		result->copied = !isnull;
		if (result->copied)
		{
			result->from = *DatumGetUUIDP(from);
			why = pythia_reading_value(&row, "why", &isnull);
			result->why = TextDatumGetCString(why);
		}
	}
	pythia_reading_end(&row);
	return found;
}

static verdict decide(const marks *noted, const marks *now, const char **why)
{
	if (!noted->system)
		return MOVED;
	if (strcmp(noted->system, now->system) != 0)
	{
		*why = "the server is a clone of another one";
		return strcmp(noted->catalog, now->catalog) == 0 ? COPIED : MOVED;
	}
	if (noted->database != now->database)
	{
		*why = "it was copied from another database of this server";
		return COPIED;
	}
	if (noted->timeline != now->timeline)
	{
		*why = "the server was promoted or restored, and pythia_db.after_promotion is hold";
		return pythia_guc_after_promotion == PYTHIA_PROMOTION_HOLD ? COPIED : MOVED;
	}
	*why = "the server runs on a copy of its data directory";
	return strcmp(noted->directory, now->directory) == 0 ? AT_HOME : COPIED;
}

static void note(const marks *now, const char *copied)
{
	static const char sql[] =
		"INSERT INTO pythia.home AS h (token, system_identifier, database, catalog, timeline, directory) "
		"VALUES (pg_catalog.gen_random_uuid(), $1, $2, $3, $4, $5) ON CONFLICT (place) DO UPDATE SET "
		"system_identifier = EXCLUDED.system_identifier, database = EXCLUDED.database, catalog = EXCLUDED.catalog, "
		"timeline = EXCLUDED.timeline, directory = EXCLUDED.directory, "
		"token = CASE WHEN $6 IS NULL THEN h.token ELSE EXCLUDED.token END, "
		"copied_from = CASE WHEN $6 IS NULL THEN h.copied_from ELSE h.token END, why = COALESCE($6, h.why)";
	Oid types[] = {TEXTOID, OIDOID, TEXTOID, INT4OID, TEXTOID, TEXTOID};
	char nulls[] = "      ";
	Datum values[] = {CStringGetTextDatum(now->system),    ObjectIdGetDatum(now->database),
					  CStringGetTextDatum(now->catalog),   Int32GetDatum(now->timeline),
					  CStringGetTextDatum(now->directory), pythia_text_or_null(copied, &nulls[5])};

	(void) pythia_catalog_run(sql, lengthof(types), types, values, nulls);
}

/* So that of two who find the same out one does it. */
static void lock_home(void)
{
	(void) pythia_catalog_run("SELECT FROM pythia.home FOR UPDATE", 0, NULL, NULL, NULL);
}

void pythia_home_ensure(void)
{
	marks now = look_around();
	const char *why = NULL;
	home known;
	verdict found;

	(void) read_home(&known);
	if (decide(&known.noted, &now, &why) == AT_HOME)
		return;
	lock_home();
	(void) read_home(&known);
	found = decide(&known.noted, &now, &why);
	if (found == AT_HOME)
		return;
	note(&now, found == COPIED ? why : NULL);
	CommandCounterIncrement();
	if (found == COPIED)
		ereport(WARNING, (errmsg("database \"%s\" is a copy: %s", get_database_name(MyDatabaseId), why),
						  errdetail("Its workers are held."), errhint("See pythia.worker_status.")));
}

struct pythia_home
{
	home known;
	bool decides;     /* false: no worker is held */
	const char *copy; /* why every worker is; NULL: by its token */
};

pythia_home *pythia_home_look(void)
{
	pythia_home *result = palloc0(sizeof(pythia_home));
	const char *why = NULL;
	marks now;

	result->decides = !RecoveryInProgress() && read_home(&result->known);
	if (!result->decides)
		return result;
	now = look_around();
	if (decide(&result->known.noted, &now, &why) == COPIED)
		result->copy = psprintf("its database is a copy: %s", why);
	return result;
}

const char *pythia_home_fault_seen(const pythia_home *home, Datum token)
{
	pg_uuid_t *own = DatumGetUUIDP(token);

	if (!home->decides)
		return NULL;
	if (home->copy)
		return home->copy;
	if (memcmp(own, &home->known.token, sizeof(pg_uuid_t)) == 0)
		return NULL;
	if (home->known.copied && memcmp(own, &home->known.from, sizeof(pg_uuid_t)) == 0)
		return psprintf("its database is a copy: %s", home->known.why);
	return "it comes from the dump of a database";
}

const char *pythia_home_fault(Datum token)
{
	return pythia_home_fault_seen(pythia_home_look(), token);
}

const char *pythia_home_hint(const char *worker)
{
	return psprintf("Where it shall run here, and no longer in the original, call pythia.release_worker(%s).",
					quote_literal_cstr(worker));
}

/* NULL where it is at home, or gone. */
static const char *fault_of(int32 worker_id, char **name)
{
	Datum key = Int32GetDatum(worker_id);
	const char *fault = NULL;
	pythia_reading row;

	pythia_reading_begin(&row, "worker", "worker_pkey", 1, &key);
	if (pythia_reading_next(&row))
	{
		bool isnull;

		fault = pythia_home_fault(pythia_reading_value(&row, "home", &isnull));
		*name = TextDatumGetCString(pythia_reading_value(&row, "name", &isnull));
	}
	pythia_reading_end(&row);
	return fault;
}

void pythia_home_require(int32 worker_id)
{
	char *name;
	const char *fault = fault_of(worker_id, &name);

	if (fault)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("worker \"%s\" is held: %s", name, fault), errhint("%s", pythia_home_hint(name))));
}

bool pythia_home_abroad(int32 worker_id)
{
	char *name;

	return fault_of(worker_id, &name) != NULL;
}

void pythia_home_adopt(int32 worker_id)
{
	static const char sql[] = "UPDATE pythia.worker w SET home = h.token FROM pythia.home h WHERE w.worker_id = $1";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};

	pythia_home_ensure();
	(void) pythia_catalog_run(sql, lengthof(types), types, values, NULL);
	CommandCounterIncrement();
}

PYTHIA_FUNCTION(pythia_ensure_home);

Datum pythia_ensure_home(PG_FUNCTION_ARGS)
{
	pythia_home_ensure();
	PG_RETURN_VOID();
}

PYTHIA_FUNCTION(pythia_copy_reason);

Datum pythia_copy_reason(PG_FUNCTION_ARGS)
{
	const char *fault = pythia_home_fault(PG_GETARG_DATUM(0));

	if (!fault)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(
		cstring_to_text(psprintf("%s. %s", fault, pythia_home_hint(text_to_cstring(PG_GETARG_TEXT_PP(1))))));
}
