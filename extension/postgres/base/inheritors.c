#include "postgres/base/inheritors.h"

#include "catalog/pg_inherits.h"

List *pythia_all_inheritors(Oid relid, LOCKMODE mode)
{
	List *all = list_make1_oid(relid);
	ListCell *cell;

	/* the list grows while it is gone through */
	foreach (cell, all)
		all =
			list_concat_unique_oid(all, find_inheritance_children_extended(lfirst_oid(cell), false, mode, NULL, NULL));
	return all;
}
