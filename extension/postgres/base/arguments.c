#include "postgres/base/arguments.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* What the argument of a function is called; *optional: it may be left out. */
static char *name_of(Oid function, int place, bool *optional)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	Oid *types;
	char **names = NULL;
	char *modes;
	char *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	(void) get_func_arg_info(tuple, &types, &names, &modes);
	name = pstrdup(names ? names[place] : "argument");
	*optional = place >= form->pronargs - form->pronargdefaults;
	ReleaseSysCache(tuple);
	return name;
}

void pythia_argument_needed(FunctionCallInfo fcinfo, int place)
{
	bool optional;
	char *name;

	if (!PG_ARGISNULL(place))
		return;
	name = name_of(fcinfo->flinfo->fn_oid, place, &optional);
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("argument \"%s\" of pythia.%s must not be null", name, get_func_name(fcinfo->flinfo->fn_oid)),
			 optional ? errhint("Give a value, or leave it out for the default.")
					  : errhint("Give a value: NULL does nothing here.")));
}

Datum pythia_argument(FunctionCallInfo fcinfo, int place)
{
	pythia_argument_needed(fcinfo, place);
	return PG_GETARG_DATUM(place);
}

char *pythia_argument_text(FunctionCallInfo fcinfo, int place)
{
	return TextDatumGetCString(pythia_argument(fcinfo, place));
}
