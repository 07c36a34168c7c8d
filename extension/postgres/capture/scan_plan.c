#include "postgres/capture/scan_plan.h"

#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "postgres/capture/columns.h"
#include "postgres/capture/condition.h"
#include "postgres/capture/known.h"
#include "postgres/capture/track.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/rel.h"

/* A table's statement, kept for the session while the table stays as it is. */
typedef struct scan_plan
{
	int32 table_id;
	SPIPlanPtr plan;
	uint64 signature; /* of the relation and of what the text was made from */
	Oid relation;
} scan_plan;

int pythia_scan_columns(Relation relation, const pythia_cdc_table *table, int **needed)
{
	int natts = RelationGetDescr(relation)->natts;
	bool *wanted = palloc0(sizeof(bool) * Max(natts, 1));
	int *image;
	int nimage = pythia_image_columns(relation, &table->config, &image);
	int count = 0;

	for (int i = 0; i < nimage; i++)
		wanted[image[i]] = true;
	for (int i = 0; i < table->nkey; i++)
		wanted[pythia_column_position(relation, table->key[i])] = true;
	if (table->stamp_kind != PYTHIA_STAMP_NONE)
		wanted[pythia_column_position(relation, table->timestamp_column)] = true;
	*needed = palloc(sizeof(int) * Max(natts, 1));
	for (int i = 0; i < natts; i++)
		if (wanted[i])
			(*needed)[count++] = i;
	return count;
}

static char *statement(Relation relation, const pythia_cdc_table *table, bool bounded)
{
	TupleDesc desc = RelationGetDescr(relation);
	const char *stamp = quote_identifier(table->timestamp_column);
	StringInfoData sql;
	int *needed;
	int count = pythia_scan_columns(relation, table, &needed);

	initStringInfo(&sql);
	appendStringInfoString(&sql, table->by_hash
									 ? "SELECT NULL::pg_catalog.xid, NULL::pg_catalog.oid, NULL::pg_catalog.tid"
									 : "SELECT t.xmin, t.tableoid, t.ctid");
	if (pythia_tracks(table))
		pythia_track_columns(&sql, table);
	for (int i = 0; i < count; i++)
		appendStringInfo(&sql, ", t.%s", quote_identifier(NameStr(TupleDescAttr(desc, needed[i])->attname)));
	appendStringInfo(&sql, " FROM %s t", table->relation);
	if (pythia_tracks(table))
		pythia_track_join(&sql, relation, table);
	appendStringInfoString(&sql, " WHERE ");
	if (bounded)
		appendStringInfo(&sql, "t.%s OPERATOR(pg_catalog.>=) $1", stamp);
	else if (table->stamp_kind != PYTHIA_STAMP_NONE && table->config.capture == PYTHIA_CAPTURE_POLL)
		appendStringInfo(&sql, "t.%s IS NOT NULL", stamp);
	else
		appendStringInfoString(&sql, "true");
	if (table->condition)
		appendStringInfo(&sql, " AND (%s)", table->condition);
	pythia_append_keyed(&sql, relation, table, " AND ", true);
	if (table->stamp_kind != PYTHIA_STAMP_NONE)
	{
		appendStringInfo(&sql, " ORDER BY t.%s", stamp);
		for (int i = 0; i < table->nkey; i++)
			appendStringInfo(&sql, ", t.%s", quote_identifier(table->key[i]));
	}
	return sql.data;
}

static uint64 mix(uint64 hash, const char *text)
{
	return hash_combine64(hash, DatumGetUInt64(hash_any_extended((const unsigned char *) text, strlen(text), 0)));
}

/* Changes whenever the statement's text would. */
static uint64 signature_of(Relation relation, const pythia_cdc_worker *worker, const pythia_cdc_table *table)
{
	TupleDesc desc = RelationGetDescr(relation);
	uint64 hash = RelationGetRelid(relation);
	Jsonb *options = worker->options;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		hash = hash_combine64(hash, attribute->attisdropped ? 1 : attribute->atttypid);
		hash = mix(hash, NameStr(attribute->attname));
	}
	hash = hash_combine64(hash, DatumGetUInt64(hash_any_extended((unsigned char *) options, VARSIZE(options), 0)));
	hash = mix(hash, table->relation);
	/* by which its options are found */
	hash = mix(hash, table->name);
	hash = hash_combine64(hash, table->by_hash);
	hash = mix(hash, table->timestamp_column);
	hash = mix(hash, table->condition ? table->condition : "");
	for (int i = 0; i < table->nkey; i++)
		hash = mix(hash, table->key[i]);
	return hash;
}

SPIPlanPtr pythia_scan_prepare(Relation relation, const pythia_cdc_table *table, bool bounded, Oid stamp_type)
{
	SPIPlanPtr plan;

	if (table->condition)
		(void) pythia_cdc_condition_node(relation, table->condition);
	plan = SPI_prepare(statement(relation, table, bounded), bounded ? 1 : 0, &stamp_type);

	if (!plan)
		elog(ERROR, "could not prepare the scan of \"%s\": %s", table->name, SPI_result_code_string(SPI_result));
	return plan;
}

static HTAB *plans = NULL;

SPIPlanPtr pythia_scan_plan(Relation relation, const pythia_cdc_worker *worker, const pythia_cdc_table *table,
							Oid stamp_type)
{
	uint64 signature = signature_of(relation, worker, table);
	scan_plan *entry;
	bool found;

	if (!plans)
	{
		HASHCTL control = {.keysize = sizeof(int32), .entrysize = sizeof(scan_plan)};

		plans = hash_create("pythia_db scans", 32, &control, HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(plans, &table->table_id, HASH_ENTER, &found);
	if (!found)
		entry->plan = NULL;
	if (entry->plan && entry->signature == signature)
		return entry->plan;
	if (entry->plan)
	{
		SPIPlanPtr old = entry->plan;

		entry->plan = NULL;
		SPI_freeplan(old);
	}
	{
		SPIPlanPtr plan = pythia_scan_prepare(relation, table, true, stamp_type);

		SPI_keepplan(plan);
		entry->plan = plan;
		entry->signature = signature;
	}
	return entry->plan;
}
