#include "postgres/capture/track.h"

#include "access/table.h"
#include "access/xact.h"
#include "capture/classify.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "postgres/base/catalog.h"
#include "postgres/base/evaluator.h"
#include "postgres/base/lock_wait.h"
#include "postgres/base/table_writer.h"
#include "postgres/capture/columns.h"
#include "postgres/capture/condition.h"
#include "postgres/capture/identity.h"
#include "postgres/capture/image.h"
#include "postgres/capture/known.h"
#include "postgres/capture/low_water.h"
#include "postgres/journal/journal.h"
#include "storage/proc.h"
#include "tcop/dest.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Of rows without a stamp no more are counted. */
#define MAX_NULLS 100000

/* Statements on tables of ours whose text is made here. */
static void run(const char *sql)
{
	int code = SPI_execute(sql, false, 0);

	if (code < 0)
		elog(ERROR, "\"%s\" failed: %s", sql, SPI_result_code_string(code));
}

static char *tracked_name(int32 table_id)
{
	return psprintf("pythia_tracked.tracked_%d", table_id);
}

/*
 * What takes a table of ours for itself.  The owner of the captured table may read it, and keeps nobody waiting by a
 * transaction that he leaves open.
 */
static void run_alone(const char *sql, int32 table_id)
{
	int settings = pythia_lock_wait_limit();
	MemoryContext before = CurrentMemoryContext;

	PG_TRY();
	{
		run(sql);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_LOCK_NOT_AVAILABLE)
			PG_RE_THROW();
		MemoryContextSwitchTo(before);
		FlushErrorState();
		ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE),
						errmsg("table %s is in use in another session", tracked_name(table_id)),
						errdetail("It holds what is known of the rows of a captured table, whose owner may read it."),
						errhint("Try again when that transaction has ended. A superuser can end its session: SELECT "
								"pg_terminate_backend(pid) FROM pg_locks WHERE relation = '%s'::regclass.",
								tracked_name(table_id))));
	}
	PG_END_TRY();
	AtEOXact_GUC(false, settings);
}

/* Who may read what is known: the worker's owner, and who reads the table for him; nobody who did so once. */
static void grant_readers(const pythia_cdc_worker *worker, int32 table_id, Oid evaluator)
{
	static const char sql[] =
		"SELECT DISTINCT pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) FROM pg_catalog.pg_class c, "
		"LATERAL pg_catalog.aclexplode(c.relacl) a WHERE c.oid OPERATOR(pg_catalog.=) $1 "
		"AND a.grantee OPERATOR(pg_catalog.<>) c.relowner AND a.grantee OPERATOR(pg_catalog.<>) 0";
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(pythia_tracked_relation(table_id))};
	char *name = tracked_name(table_id);
	List *readers = NIL;
	ListCell *cell;

	pythia_catalog_execute(sql, 1, types, values, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
		readers = lappend(readers, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
	foreach (cell, readers)
		run(psprintf("REVOKE ALL ON %s FROM %s", name, (char *) lfirst(cell)));
	run(psprintf("GRANT SELECT ON %s TO %s", name, quote_identifier(GetUserNameFromId(worker->owner, false))));
	if (evaluator != worker->owner)
		run(psprintf("GRANT SELECT ON %s TO %s", name, quote_identifier(GetUserNameFromId(evaluator, false))));
}

/* Key columns are k1, k2, …: their names in the table may change. */
void pythia_track_create(pythia_cdc_worker *worker, pythia_cdc_table *table)
{
	Relation relation = pythia_cdc_relation(table);
	char *name = tracked_name(table->table_id);
	StringInfoData sql;
	StringInfoData key;
	pythia_identity before;
	ObjectAddress tracked;
	ObjectAddress owner;
	Oid evaluator = pythia_evaluator(relation, worker->owner);

	initStringInfo(&sql);
	initStringInfo(&key);
	appendStringInfo(&sql, "CREATE TABLE %s (", name);
	for (int i = 0; i < table->nkey; i++)
	{
		pythia_known_column column = pythia_known_column_of(
			TupleDescAttr(RelationGetDescr(relation), pythia_column_position(relation, table->key[i])));

		appendStringInfo(&sql, "k%d %s, ", i + 1, pythia_known_column_type(&column));
		appendStringInfo(&key, "%sk%d", i ? ", " : "", i + 1);
	}
	if (pythia_keeps_hash(table))
		appendStringInfoString(&sql, "hash bigint, ");
	if (table->config.track == PYTHIA_TRACK_ROWS)
		appendStringInfoString(&sql, "image jsonb, ");
	/* with room for a second image of every row in its page, updates leave the index alone */
	appendStringInfo(&sql, "PRIMARY KEY (%s)) WITH (fillfactor = %d)", key.data,
					 table->config.track == PYTHIA_TRACK_ROWS ? 45 : 100);
	table_close(relation, NoLock);

	SPI_connect();
	pythia_catalog_enter(&before);
	/* where the session puts its own tables is no place for what another role makes */
	(void) set_config_option("default_tablespace", "", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	if (OidIsValid(pythia_tracked_relation(table->table_id)))
		run_alone(psprintf("DROP TABLE %s", name), table->table_id);
	run(sql.data);
	run(psprintf("COMMENT ON TABLE %s IS %s", name, quote_literal_cstr("rows known of a captured table")));
	run(psprintf("REVOKE ALL ON %s FROM PUBLIC", name));
	grant_readers(worker, table->table_id, evaluator);
	pythia_catalog_leave(&before);
	SPI_finish();
	CommandCounterIncrement();
	/* it goes with the extension, and is dumped with its rows */
	ObjectAddressSet(tracked, RelationRelationId, pythia_tracked_relation(table->table_id));
	ObjectAddressSet(owner, RelationRelationId, pythia_relation("cdc_table"));
	recordDependencyOn(&tracked, &owner, DEPENDENCY_AUTO);
}

/* What turns a known key into what one of the table is kept as now: from one type of PostgreSQL to another. */
static void append_conversion(StringInfo out, const pythia_cdc_table *table, int position,
							  const pythia_known_column *wanted, Form_pg_attribute is, Form_pg_attribute was)
{
	Oid function;

	if (wanted->type != was->atttypid &&
		find_coercion_pathway(wanted->type, was->atttypid, COERCION_ASSIGNMENT, &function) == COERCION_PATH_NONE)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("key column \"%s\" of table \"%s\" changed its type from %s to %s", NameStr(is->attname),
							   table->table_name, format_type_be(was->atttypid), format_type_be(is->atttypid)),
						errhint("Drop the worker and create it again.")));
	appendStringInfo(
		out, "%s ALTER k%d TYPE %s USING k%d::%s", out->len > 0 ? "," : "", position + 1,
		pythia_known_column_type(wanted), position + 1,
		format_type_extended(wanted->type, wanted->typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
}

bool pythia_track_conform(const pythia_cdc_worker *worker, const pythia_cdc_table *table)
{
	Oid tracked = pythia_tracked_relation(table->table_id);
	Relation relation;
	Oid evaluator;
	Relation known;
	StringInfoData changes;
	pythia_identity before;

	/* one that never fitted: the scan says why */
	if (!OidIsValid(tracked))
		return false;
	relation = pythia_cdc_relation(table);
	evaluator = pythia_evaluator(relation, worker->owner);
	known = table_open(tracked, AccessShareLock);
	if (RelationGetNumberOfAttributes(known) < table->nkey)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("table \"%s\" of pythia_db lacks a column", RelationGetRelationName(known)),
						errhint("It was altered: drop the worker and create it anew.")));
	initStringInfo(&changes);
	for (int i = 0; i < table->nkey; i++)
	{
		Form_pg_attribute is =
			TupleDescAttr(RelationGetDescr(relation), pythia_column_position(relation, table->key[i]));
		Form_pg_attribute was = TupleDescAttr(RelationGetDescr(known), i);

		pythia_known_column wanted = pythia_known_column_of(is);

		if (wanted.type != was->atttypid || wanted.collation != was->attcollation)
			append_conversion(&changes, table, i, &wanted, is, was);
	}
	table_close(known, NoLock);
	table_close(relation, NoLock);
	if (changes.len == 0 && pg_class_aclcheck(tracked, evaluator, ACL_SELECT) == ACLCHECK_OK)
		return false;
	pythia_catalog_enter(&before);
	if (changes.len > 0)
		run_alone(psprintf("ALTER TABLE %s%s", tracked_name(table->table_id), changes.data), table->table_id);
	if (pg_class_aclcheck(tracked, evaluator, ACL_SELECT) != ACLCHECK_OK)
		grant_readers(worker, table->table_id, evaluator);
	pythia_catalog_leave(&before);
	CommandCounterIncrement();
	return true;
}

void pythia_track_drop(int32 table_id)
{
	pythia_identity before;

	if (!OidIsValid(pythia_tracked_relation(table_id)))
		return;
	SPI_connect();
	pythia_catalog_enter(&before);
	run_alone(psprintf("DROP TABLE %s", tracked_name(table_id)), table_id);
	pythia_catalog_leave(&before);
	SPI_finish();
}

void pythia_track_columns(StringInfo out, const pythia_cdc_table *table)
{
	appendStringInfo(out, ", k.ctid, %s, %s", pythia_keeps_hash(table) ? "k.hash" : "NULL::pg_catalog.int8",
					 table->config.track == PYTHIA_TRACK_ROWS ? "k.image" : "NULL::pg_catalog.jsonb");
}

void pythia_track_join(StringInfo out, Relation relation, const pythia_cdc_table *table)
{
	appendStringInfo(out, " LEFT JOIN %s k ON ", tracked_name(table->table_id));
	pythia_append_known_condition(out, relation, table);
}

/* ---- filling and sweeping: receivers of a query over the table ---- */

typedef struct track_receiver
{
	DestReceiver base;
	pythia_cdc_table *table;
	pythia_cdc_worker *worker;
	MemoryContext memory;
	pythia_table_writer *known;
	pythia_journal *journal;
	pythia_image *key_image;
	pythia_image *row_image;
	pythia_keeper *keepers; /* of the key, in front of each row */
	int *positions;
	int count;
	int64 captured;
} track_receiver;

static void ignore(DestReceiver *self)
{
}

static void query(track_receiver *receiver, const char *sql, ParamListInfo parameters)
{
	SPIExecuteOptions options = {.read_only = true, .dest = &receiver->base, .params = parameters};
	int code;

	receiver->base.rShutdown = ignore;
	receiver->base.rDestroy = ignore;
	receiver->base.mydest = DestNone;
	code = SPI_execute_extended(sql, &options);
	if (code < 0)
		elog(ERROR, "\"%s\" failed: %s", sql, SPI_result_code_string(code));
}

static void start_images(DestReceiver *self, int operation, TupleDesc desc)
{
	track_receiver *receiver = (track_receiver *) self;
	MemoryContext before = MemoryContextSwitchTo(receiver->memory);
	int nkey = receiver->table->nkey;
	int *key = palloc(sizeof(int) * nkey);
	int *own;

	for (int i = 0; i < nkey; i++)
		key[i] = i;
	receiver->keepers = pythia_keepers_make(receiver->table, desc, key);
	if (pythia_keeps_hash(receiver->table))
	{
		Relation relation = pythia_cdc_relation(receiver->table);

		receiver->count = pythia_image_columns(relation, &receiver->table->config, &own);
		receiver->positions = palloc(sizeof(int) * Max(receiver->count, 1));
		for (int i = 0; i < receiver->count; i++)
			receiver->positions[i] = nkey + i;
		receiver->row_image = pythia_image_make(desc, receiver->count, receiver->positions, NULL);
		pythia_image_skip(receiver->row_image, -1);
		for (int i = 0; i < receiver->count; i++)
			if (receiver->table->config.track == PYTHIA_TRACK_ROWS && receiver->table->timestamp_column[0] &&
				strcmp(NameStr(TupleDescAttr(desc, nkey + i)->attname), receiver->table->timestamp_column) == 0)
				pythia_image_skip(receiver->row_image, nkey + i);
		table_close(relation, NoLock);
	}
	MemoryContextSwitchTo(before);
}

static bool add_known(TupleTableSlot *slot, DestReceiver *self)
{
	track_receiver *receiver = (track_receiver *) self;
	int nkey = receiver->table->nkey;
	MemoryContext before = MemoryContextSwitchTo(pythia_table_writer_memory(receiver->known));
	Datum *values = palloc(sizeof(Datum) * (nkey + 2));
	bool *nulls = palloc0(sizeof(bool) * (nkey + 2));

	slot_getallattrs(slot);
	for (int i = 0; i < nkey; i++)
		values[i] = pythia_keep(&receiver->keepers[i], slot->tts_values[i], slot->tts_isnull[i]);
	if (receiver->row_image)
	{
		values[nkey + 1] = JsonbPGetDatum(pythia_image_of(receiver->row_image, slot->tts_values, slot->tts_isnull));
		values[nkey] = Int64GetDatum(pythia_image_hash(receiver->row_image));
	}
	pythia_table_writer_insert(receiver->known, values, nulls);
	MemoryContextSwitchTo(before);
	return true;
}

void pythia_track_baseline(pythia_cdc_worker *worker, pythia_cdc_table *table)
{
	track_receiver receiver = {.table = table, .worker = worker, .memory = CurrentMemoryContext};
	Relation relation = pythia_cdc_relation(table);
	TupleDesc desc = RelationGetDescr(relation);
	StringInfoData sql;
	const char *condition = " WHERE ";
	ParamListInfo parameters = NULL;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	for (int i = 0; i < table->nkey; i++)
		appendStringInfo(&sql, "%st.%s", i ? ", " : "", quote_identifier(table->key[i]));
	if (pythia_keeps_hash(table))
	{
		int *own;
		int count = pythia_image_columns(relation, &table->config, &own);

		for (int i = 0; i < count; i++)
			appendStringInfo(&sql, ", t.%s", quote_identifier(NameStr(TupleDescAttr(desc, own[i])->attname)));
	}
	appendStringInfo(&sql, " FROM %s t", table->relation);
	if (table->condition)
	{
		(void) pythia_cdc_condition_node(relation, table->condition);
		appendStringInfo(&sql, "%s(%s)", condition, table->condition);
		condition = " AND ";
	}
	if (table->config.start == PYTHIA_START_AT)
	{
		Oid type =
			getBaseType(TupleDescAttr(desc, pythia_column_position(relation, table->timestamp_column))->atttypid);

		/* what is older than the start is known, what is younger will be delivered */
		appendStringInfo(&sql, "%s(t.%s OPERATOR(pg_catalog.<) $1 OR t.%s IS NULL)", condition,
						 quote_identifier(table->timestamp_column), quote_identifier(table->timestamp_column));
		parameters = makeParamList(1);
		parameters->params[0] = (ParamExternData){.value = pythia_stamp_datum(table->stamp_kind, type, table->low),
												  .pflags = PARAM_FLAG_CONST,
												  .ptype = type};
		condition = " AND ";
	}
	pythia_append_keyed(&sql, relation, table, condition, true);
	table_close(relation, NoLock);
	receiver.base.receiveSlot = add_known;
	receiver.base.rStartup = start_images;
	receiver.known = pythia_table_writer_open(pythia_tracked_relation(table->table_id), table->nkey + 2);
	pythia_table_writer_load(receiver.known);
	query(&receiver, sql.data, parameters);
	pythia_table_writer_close(receiver.known);
}

/* ---- sweeps ---- */

static void start_keys(DestReceiver *self, int operation, TupleDesc desc)
{
	track_receiver *receiver = (track_receiver *) self;
	MemoryContext before = MemoryContextSwitchTo(receiver->memory);
	int nkey = receiver->table->nkey;

	receiver->positions = palloc(sizeof(int) * nkey);
	for (int i = 0; i < nkey; i++)
		receiver->positions[i] = 2 + i;
	receiver->key_image =
		pythia_image_make(desc, nkey, receiver->positions, (const char *const *) receiver->table->key);
	MemoryContextSwitchTo(before);
}

static bool drop_known(TupleTableSlot *slot, DestReceiver *self)
{
	track_receiver *receiver = (track_receiver *) self;
	pythia_journal_entry entry = {.table_id = receiver->table->table_id, .kind = PYTHIA_CHANGE_DELETE};
	MemoryContext before = MemoryContextSwitchTo(receiver->memory);

	slot_getallattrs(slot);
	if (!receiver->journal)
	{
		receiver->journal = pythia_journal_open(receiver->worker->worker_id);
		receiver->known =
			pythia_table_writer_open(pythia_tracked_relation(receiver->table->table_id), receiver->table->nkey + 2);
	}
	MemoryContextSwitchTo(pythia_journal_memory(receiver->journal));
	entry.key = pythia_image_of(receiver->key_image, slot->tts_values, slot->tts_isnull);
	if (!slot->tts_isnull[1])
		entry.old_data = DatumGetJsonbPCopy(slot->tts_values[1]);
	pythia_journal_put(receiver->journal, &entry);
	pythia_table_writer_delete(receiver->known, (ItemPointer) DatumGetPointer(slot->tts_values[0]));
	receiver->captured++;
	MemoryContextSwitchTo(before);
	return true;
}

static bool single_true(const char *sql)
{
	bool isnull;
	bool result;

	if (SPI_execute(sql, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "\"%s\" gave no row", sql);
	result = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return result;
}

/* One for all that was known. */
static void tell_truncate(track_receiver *receiver)
{
	pythia_cdc_table *table = receiver->table;
	const char *name = tracked_name(table->table_id);
	pythia_journal_entry entry = {.table_id = table->table_id, .kind = PYTHIA_CHANGE_TRUNCATE};
	pythia_journal *journal;
	pythia_identity before;

	journal = pythia_journal_open(receiver->worker->worker_id);
	pythia_journal_put(journal, &entry);
	receiver->captured = pythia_journal_close(journal);
	pythia_catalog_enter(&before);
	run(psprintf("TRUNCATE %s", name));
	pythia_catalog_leave(&before);
}

static bool any_row(const char *relation)
{
	return single_true(psprintf("SELECT EXISTS (SELECT FROM %s)", relation));
}

static void sweep(track_receiver *receiver)
{
	pythia_cdc_table *table = receiver->table;
	bool known = any_row(tracked_name(table->table_id));
	Relation relation;
	StringInfoData sql;

	switch (pythia_classify_sweep(known && any_row(table->relation), known, table->condition != NULL))
	{
		case PYTHIA_SWEEP_NOTHING:
			return;
		case PYTHIA_SWEEP_TRUNCATE:
			tell_truncate(receiver);
			return;
		case PYTHIA_SWEEP_DELETES:
			break;
	}
	relation = pythia_cdc_relation(table);
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT k.ctid, %s",
					 table->config.track == PYTHIA_TRACK_ROWS ? "k.image" : "NULL::pg_catalog.jsonb");
	for (int i = 0; i < table->nkey; i++)
		appendStringInfo(&sql, ", k.k%d", i + 1);
	appendStringInfo(&sql, " FROM %s k WHERE NOT EXISTS (SELECT FROM %s t WHERE ", tracked_name(table->table_id),
					 table->relation);
	pythia_append_known_condition(&sql, relation, table);
	if (table->condition)
	{
		(void) pythia_cdc_condition_node(relation, table->condition);
		appendStringInfo(&sql, " AND (%s)", table->condition);
	}
	appendStringInfoString(&sql, ") ORDER BY ");
	for (int i = 0; i < table->nkey; i++)
		appendStringInfo(&sql, "%sk.k%d", i ? ", " : "", i + 1);
	table_close(relation, NoLock);
	receiver->base.receiveSlot = drop_known;
	receiver->base.rStartup = start_keys;
	query(receiver, sql.data, NULL);
	if (receiver->journal)
	{
		(void) pythia_journal_close(receiver->journal);
		pythia_table_writer_close(receiver->known);
	}
}

/* Rows without a stamp or a key; the index finds them. Counted up to a bound, so that it stays cheap. */
static int64 count_nulls(const pythia_cdc_table *table)
{
	Relation relation = pythia_cdc_relation(table);
	StringInfoData sql;
	int64 result;
	bool isnull;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT pg_catalog.count(*) FROM (SELECT FROM %s t WHERE t.%s IS NULL", table->relation,
					 quote_identifier(table->timestamp_column));
	pythia_append_keyed(&sql, relation, table, " OR ", false);
	appendStringInfo(&sql, " LIMIT %d) n", MAX_NULLS);
	table_close(relation, NoLock);
	if (SPI_execute(sql.data, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "\"%s\" failed", sql.data);
	result = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return result;
}

/* When this process last swept each table in vain: a consumer that waits undoes such polls. */
static TimestampTz *swept_in_vain(int32 table_id)
{
	typedef struct swept
	{
		int32 table_id; /* key */
		TimestampTz at;
	} swept;
	static HTAB *all = NULL;
	swept *entry;
	bool found;

	if (!all)
	{
		HASHCTL control = {.keysize = sizeof(int32), .entrysize = sizeof(swept)};

		all = hash_create("pythia_db sweeps", 32, &control, HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(all, &table_id, HASH_ENTER, &found);
	if (!found)
		entry->at = 0;
	return &entry->at;
}

bool pythia_sweep_is_due(const pythia_cdc_table *table)
{
	return GetCurrentTimestamp() - Max(table->swept_at, *swept_in_vain(table->table_id)) >=
		   (int64) (table->config.delete_interval * USECS_PER_SEC);
}

int64 pythia_sweep_if_due(pythia_cdc_worker *worker, pythia_cdc_table *table)
{
	static const char sql[] = "UPDATE pythia.cdc_state SET swept_at = $2, "
							  "captured = captured OPERATOR(pg_catalog.+) $3, null_stamps = $4 "
							  "WHERE table_id OPERATOR(pg_catalog.=) $1";
	Oid types[] = {INT4OID, TIMESTAMPTZOID, INT8OID, INT8OID};
	track_receiver receiver = {.table = table, .worker = worker, .memory = CurrentMemoryContext};
	TimestampTz now = GetCurrentTimestamp();
	pythia_cdc_identity identity;
	int64 nulls = 0;
	Datum values[4];

	if (!pythia_sweep_is_due(table))
		return 0;
	pythia_cdc_enter(worker, table, &identity);
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (pythia_tracks(table) && table->config.track != PYTHIA_TRACK_NONE)
		sweep(&receiver);
	if (table->stamp_kind != PYTHIA_STAMP_NONE)
		nulls = count_nulls(table);
	PopActiveSnapshot();
	pythia_cdc_leave(&identity);
	values[0] = Int32GetDatum(table->table_id);
	values[1] = TimestampTzGetDatum(now);
	values[2] = Int64GetDatum(receiver.captured);
	values[3] = Int64GetDatum(nulls);
	pythia_catalog_execute(sql, 4, types, values, NULL);
	table->swept_at = now;
	if (receiver.captured == 0)
		*swept_in_vain(table->table_id) = now;
	return receiver.captured;
}
