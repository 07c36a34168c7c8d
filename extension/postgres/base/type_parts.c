#include "postgres/base/type_parts.h"

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

static List *add(List *types, Oid type)
{
	return OidIsValid(type) ? list_append_unique_oid(types, type) : types;
}

static List *add_columns(List *types, Oid type)
{
	TupleDesc desc = lookup_rowtype_tupdesc(type, -1);

	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			types = add(types, TupleDescAttr(desc, i)->atttypid);
	ReleaseTupleDesc(desc);
	return types;
}

static List *add_parts(List *types, Oid type)
{
	switch (get_typtype(type))
	{
		case TYPTYPE_COMPOSITE:
			return add_columns(types, type);
		case TYPTYPE_DOMAIN:
			return add(types, getBaseType(type));
		case TYPTYPE_RANGE:
			return add(types, get_range_subtype(type));
		case TYPTYPE_MULTIRANGE:
			return add(types, get_multirange_range(type));
		default:
			return add(types, get_element_type(type));
	}
}

bool pythia_type_any(Oid type, bool (*is)(Oid type, void *context), void *context)
{
	List *types = list_make1_oid(type);

	/* it grows while it is gone through */
	for (int i = 0; i < list_length(types); i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (is(list_nth_oid(types, i), context))
			return true;
		types = add_parts(types, list_nth_oid(types, i));
	}
	return false;
}
