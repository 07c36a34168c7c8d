#include "postgres/capture/trigger_target.h"

#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "postgres/base/catalog.h"
#include "postgres/base/object_owner.h"
#include "postgres/base/subtransaction.h"
#include "postgres/capture/columns.h"
#include "postgres/capture/define.h"
#include "postgres/capture/gather.h"
#include "postgres/capture/identity.h"
#include "postgres/capture/low_water.h"
#include "postgres/capture/outcome.h"
#include "postgres/capture/trigger.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

static HTAB *targets = NULL;

static void forget_relation(Datum arg, Oid relation)
{
	HASH_SEQ_STATUS status;
	pythia_trigger_target *target;

	hash_seq_init(&status, targets);
	while ((target = hash_seq_search(&status)) != NULL)
		if (!OidIsValid(relation) || target->key.relation == relation)
			target->valid = false;
}

static void forget_all(Datum arg, int cache, uint32 hash)
{
	forget_relation(arg, InvalidOid);
}

static void set_up(void)
{
	HASHCTL control = {.keysize = sizeof(pythia_trigger_key), .entrysize = sizeof(pythia_trigger_target)};

	if (targets)
		return;
	targets = hash_create("pythia_db trigger targets", 64, &control, HASH_ELEM | HASH_BLOBS);
	CacheRegisterRelcacheCallback(forget_relation, (Datum) 0);
	/* what the worker's owner may also hangs on what he is a member of */
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, forget_all, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, forget_all, (Datum) 0);
	pythia_gather_set_up();
}

static int32 worker_of_table(int32 table_id)
{
	static const char sql[] = "SELECT worker_id FROM pythia.cdc_table WHERE table_id OPERATOR(pg_catalog.=) $1";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(table_id)};
	int32 worker_id = 0;
	bool isnull;

	SPI_connect();
	pythia_catalog_execute(sql, 1, types, values, NULL);
	if (SPI_processed == 1)
		worker_id = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	return worker_id;
}

/* The attribute that stamps a row, where it still is there and still is a stamp; or -1. */
static int stamp_of(const pythia_cdc_table *table, TupleDesc desc)
{
	if (table->stamp_kind == PYTHIA_STAMP_NONE)
		return -1;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), table->timestamp_column) == 0)
			return pythia_stamp_kind_of(getBaseType(attribute->atttypid)) == table->stamp_kind ? i : -1;
	}
	return -1;
}

bool pythia_trigger_is_the_table(Oid relid, const pythia_cdc_table *table)
{
	if (relid == table->relid)
		return true;
	return relid == get_relname_relid(table->table_name, get_namespace_oid(table->schema_name, true)) &&
		   !table->owner_gone && (!OidIsValid(table->owner) || pythia_relation_owner(relid) == table->owner);
}

/*
 * Anybody may name our function for a trigger of his own: it then has to do with no table that is captured.  (Whoever
 * adds a partition makes our trigger there himself, so the function cannot be kept from him.)
 */
static bool is_part_of(Relation relation, const pythia_cdc_table *table)
{
	ListCell *cell;

	if (pythia_trigger_is_the_table(RelationGetRelid(relation), table))
		return true;
	if (!relation->rd_rel->relispartition)
		return false;
	foreach (cell, get_partition_ancestors(RelationGetRelid(relation)))
		if (pythia_trigger_is_the_table(lfirst_oid(cell), table))
			return true;
	return false;
}

/* What stays with the session is of the table alone, however long its worker's options are. */
static void keep(pythia_trigger_target *target, const pythia_cdc_worker *worker, const pythia_cdc_table *table)
{
	target->worker = palloc0(sizeof(pythia_cdc_worker));
	target->worker->worker_id = worker->worker_id;
	target->worker->name = pstrdup(worker->name);
	target->worker->owner = worker->owner;
	target->table = palloc0(sizeof(pythia_cdc_table));
	target->table->table_id = table->table_id;
	target->table->name = pstrdup(table->name);
	target->table->relid = table->relid;
	target->table->schema_name = pstrdup(table->schema_name);
	target->table->table_name = pstrdup(table->table_name);
	target->table->owner = table->owner;
	target->table->owner_gone = table->owner_gone;
	target->table->timestamp_column = pstrdup(table->timestamp_column);
	target->table->stamp_kind = table->stamp_kind;
	target->table->nkey = table->nkey;
	target->table->config.capture = table->config.capture;
	target->table->config.track = table->config.track;
	target->table->config.time_zone = table->config.time_zone ? pstrdup(table->config.time_zone) : NULL;
	target->row_trigger = pythia_row_trigger(table);
	target->truncate_trigger = pythia_truncate_trigger(table);
}

/* Fills in the target; returns why the table cannot be captured, or NULL. */
static const char *fill_in_from(pythia_trigger_target *target, Relation relation, pythia_cdc_worker *worker)
{
	TupleDesc desc = RelationGetDescr(relation);
	pythia_cdc_table *table = worker && worker->ntables > 0 ? &worker->tables[0] : NULL;
	const char *fault;
	int *positions;
	int *key;
	int count;

	/* gone: a trigger that a restore brought back, say */
	if (!table || !table->active || !is_part_of(relation, table))
		return NULL;
	keep(target, worker, table);
	fault = pythia_cdc_closed_to(RelationGetRelid(relation), worker->owner);
	if (fault)
		return fault;
	(void) pythia_cdc_follow_key(relation, table);
	count = pythia_image_columns(relation, &table->config, &positions);
	key = palloc(sizeof(int) * table->nkey);
	for (int i = 0; i < table->nkey; i++)
		key[i] = pythia_column_position(relation, table->key[i]);
	target->key_attributes = key;
	target->sequence = pythia_relation("journal_change_id_seq");
	target->key_image = pythia_image_make(desc, table->nkey, key, NULL);
	pythia_image_flatten(target->key_image);
	target->row_image = pythia_image_make(desc, count, positions, NULL);
	target->stamp = stamp_of(table, desc);
	if (table->condition)
		target->filter = pythia_filter_make(worker, relation, table->condition);
	return NULL;
}

static const char *fill_in(pythia_trigger_target *target, Relation relation)
{
	MemoryContext scratch =
		AllocSetContextCreate(CurTransactionContext, "pythia_db trigger look-up", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(scratch);
	int32 worker_id = worker_of_table(target->key.table_id);
	pythia_cdc_worker *worker = worker_id ? pythia_cdc_load_table(worker_id, target->key.table_id) : NULL;
	const char *fault;

	MemoryContextSwitchTo(before);
	fault = fill_in_from(target, relation, worker);
	MemoryContextDelete(scratch);
	return fault;
}

typedef struct look_up
{
	pythia_trigger_target *target;
	Relation relation;
	const char *fault;
} look_up;

static void try_to_look_up(void *argument)
{
	look_up *look = argument;

	/* what is said of the table meanwhile counts */
	look->target->valid = true;
	look->fault = fill_in(look->target, look->relation);
}

/* A target that was not filled in is looked up again, unless its table is given up. */
static bool is_fault(void *argument, const ErrorData *error)
{
	const look_up *look = argument;

	/* before the table is known there is nobody to report to; and how deep a writer calls is his own affair */
	look->target->valid = look->target->table != NULL && error->sqlerrcode != ERRCODE_STATEMENT_TOO_COMPLEX &&
						  pythia_cdc_table_is_to_blame(NULL, error);
	return look->target->valid;
}

/*
 * Where the table was altered so that it cannot be captured any more, its capture
 * stops, and the writer, who cannot help it, goes on.
 */
static void prepare_target(pythia_trigger_target *target, Relation relation)
{
	look_up look = {target, relation, NULL};
	MemoryContext before;
	ErrorData *error;

	if (target->memory)
		MemoryContextDelete(target->memory);
	target->memory = NULL;
	/* whatever fails from here on, nobody takes it for one that was looked up */
	target->valid = false;
	target->worker = NULL;
	target->table = NULL;
	target->key_image = target->row_image = NULL;
	target->key_attributes = NULL;
	target->filter = NULL;
	target->row_trigger = target->truncate_trigger = NULL;
	target->memory = AllocSetContextCreate(TopMemoryContext, "pythia_db trigger target", ALLOCSET_DEFAULT_SIZES);
	before = MemoryContextSwitchTo(target->memory);
	error = pythia_isolated(try_to_look_up, is_fault, &look);
	if (error)
	{
		/* the undoing may have said that it is not */
		target->valid = true;
		look.fault = error->message;
	}
	if (look.fault)
	{
		const pythia_cdc_table *table = target->table;

		target->table = NULL;
		target->valid = false;
		pythia_cdc_give_up(target->worker, table, look.fault);
		target->valid = true;
	}
	MemoryContextSwitchTo(before);
}

pythia_trigger_target *pythia_trigger_target_of(Relation relation, int32 table_id)
{
	pythia_trigger_key key = {.relation = RelationGetRelid(relation), .table_id = table_id};
	pythia_trigger_target *target;
	bool found;

	set_up();
	target = hash_search(targets, &key, HASH_ENTER, &found);
	if (!found)
	{
		target->memory = NULL;
		target->valid = false;
		target->emptied = (pythia_emptied){0};
	}
	if (!target->valid)
		prepare_target(target, relation);
	return target;
}

const pythia_trigger_target *pythia_trigger_known(Oid relation, int32 table_id)
{
	pythia_trigger_key key = {.relation = relation, .table_id = table_id};

	return targets ? hash_search(targets, &key, HASH_FIND, NULL) : NULL;
}
