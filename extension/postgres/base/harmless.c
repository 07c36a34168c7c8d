#include "postgres/base/harmless.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static bool is_of_time(Oid type)
{
	return type == DATEOID || type == TIMEOID || type == TIMETZOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID ||
		   type == INTERVALOID;
}

/* Of what depends on settings (which are pinned) only dates and times are wanted, and how numbers and texts are put
 * together; the rest may read tables, settings and what else there is. */
static bool is_harmless_stable(Oid function, const oidvector *arguments, Oid result)
{
	static const Oid listed[] = {F_CONCAT,
								 F_CONCAT_WS,
								 F_TO_CHAR_INT4_TEXT,
								 F_TO_CHAR_INT8_TEXT,
								 F_TO_CHAR_FLOAT4_TEXT,
								 F_TO_CHAR_FLOAT8_TEXT,
								 F_TO_CHAR_NUMERIC_TEXT,
								 F_TO_NUMBER,
								 F_ARRAY_TO_STRING_ANYARRAY_TEXT,
								 F_ARRAY_TO_STRING_ANYARRAY_TEXT_TEXT};

	for (int i = 0; i < arguments->dim1; i++)
		if (is_of_time(arguments->values[i]))
			return true;
	for (int i = 0; i < lengthof(listed); i++)
		if (listed[i] == function)
			return true;
	return is_of_time(result);
}

/* A function written in SQL is put in place with the types of its arguments, and with the casts of those. */
static bool is_written_out(Oid language, const oidvector *arguments)
{
	if (language == INTERNALlanguageId)
		return true;
	for (int i = 0; i < arguments->dim1; i++)
		if (get_typtype(arguments->values[i]) == TYPTYPE_PSEUDO)
			return false;
	return language == SQLlanguageId;
}

/*
 * What takes values of any type at all looks them up, and more: satisfies_hash_partition opens the table that it is told, and
 * with it evaluates that table's key.
 */
static bool takes_any(Oid function, const oidvector *arguments)
{
	static const Oid counting[] = {F_NUM_NULLS, F_NUM_NONNULLS, F_COUNT_ANY};

	for (int i = 0; i < lengthof(counting); i++)
		if (counting[i] == function)
			return false;
	for (int i = 0; i < arguments->dim1; i++)
		if (arguments->values[i] == ANYOID)
			return true;
	return false;
}

bool pythia_function_is_harmless(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	bool harmless;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	harmless = function < FirstNormalObjectId && !form->proretset && form->provolatile != PROVOLATILE_VOLATILE &&
			   is_written_out(form->prolang, &form->proargtypes) &&
			   ((form->provolatile == PROVOLATILE_IMMUTABLE && !takes_any(function, &form->proargtypes)) ||
				is_harmless_stable(function, &form->proargtypes, form->prorettype));
	ReleaseSysCache(tuple);
	return harmless;
}
