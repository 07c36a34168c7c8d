#include "postgres/base/object_owner.h"

#include "catalog/pg_class.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "utils/syscache.h"

static Oid owner_in(int cache, AttrNumber attribute, Oid object)
{
	HeapTuple tuple = SearchSysCache1(cache, ObjectIdGetDatum(object));
	Oid owner = InvalidOid;
	bool isnull;

	if (HeapTupleIsValid(tuple))
	{
		owner = DatumGetObjectId(SysCacheGetAttr(cache, tuple, attribute, &isnull));
		ReleaseSysCache(tuple);
	}
	return owner;
}

Oid pythia_relation_owner(Oid relation)
{
	return owner_in(RELOID, Anum_pg_class_relowner, relation);
}

Oid pythia_function_owner(Oid function)
{
	return owner_in(PROCOID, Anum_pg_proc_proowner, function);
}

Oid pythia_operator_owner(Oid called)
{
	return owner_in(OPEROID, Anum_pg_operator_oprowner, called);
}
