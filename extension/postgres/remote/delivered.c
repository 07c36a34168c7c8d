/*
 * Numbers of log rows (capture/source/log.h) that were delivered here and may still be there.
 *
 * They are written down in the transaction that delivers the changes, and deleted
 * over there only once that has committed, which a later poll knows: it finds
 * them under another transaction's id.  Killed anywhere in between, the next
 * poll skips what was delivered, deletes it, and only then forgets it.
 */
#include "postgres/remote/internal.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "postgres/base/catalog.h"
#include "utils/array.h"
#include "utils/builtins.h"

void pythia_remote_delivered_load(pythia_fetched *fetched)
{
	static const char sql[] =
		"SELECT xid OPERATOR(pg_catalog.=) COALESCE(pg_catalog.pg_current_xact_id_if_assigned(), '0'), numbers "
		"FROM pythia.remote_told WHERE table_id OPERATOR(pg_catalog.=) $1";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(fetched->table->table_id)};

	fetched->delivered.count = fetched->own.count = 0;
	SPI_connect();
	pythia_catalog_execute(sql, 1, types, values, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		bool isnull;
		bool own = DatumGetBool(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));
		ArrayType *numbers = DatumGetArrayTypeP(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull));
		int count = ArrayGetNItems(ARR_NDIM(numbers), ARR_DIMS(numbers));
		int64 *first = (int64 *) ARR_DATA_PTR(numbers);

		for (int j = 0; j < count; j++)
			pythia_log_numbers_add(own ? &fetched->own : &fetched->delivered, first[j]);
	}
	SPI_finish();
	pythia_log_numbers_sort(&fetched->delivered);
}

void pythia_remote_delivered_save(const pythia_fetched *fetched)
{
	static const char forget_sql[] = "DELETE FROM pythia.remote_told WHERE table_id OPERATOR(pg_catalog.=) $1 "
									 "AND xid OPERATOR(pg_catalog.<>) pg_catalog.pg_current_xact_id()";
	static const char add_sql[] = "INSERT INTO pythia.remote_told (table_id, xid, numbers) "
								  "VALUES ($1, pg_catalog.pg_current_xact_id(), $2)";
	Oid types[] = {INT4OID, INT8ARRAYOID};
	Datum values[] = {Int32GetDatum(fetched->table->table_id), (Datum) 0};
	Datum *numbers;

	SPI_connect();
	if (fetched->deleted)
		pythia_catalog_execute(forget_sql, 1, types, values, NULL);
	if (fetched->fresh.count > 0)
	{
		numbers = palloc(sizeof(Datum) * fetched->fresh.count);
		for (int64 i = 0; i < fetched->fresh.count; i++)
			numbers[i] = Int64GetDatum(fetched->fresh.numbers[i]);
		values[1] = PointerGetDatum(
			construct_array(numbers, fetched->fresh.count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
		pythia_catalog_execute(add_sql, 2, types, values, NULL);
	}
	SPI_finish();
}
