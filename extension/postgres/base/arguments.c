#include "postgres/base/arguments.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define MOST_BYTES (1024 * 1024)

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

void pythia_argument_name(const char *name, const char *what)
{
	if (name[0] == '\0')
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a %s needs a name", what),
						errhint("Give it a short word, such as \"orders\".")));
	if (strlen(name) >= NAMEDATALEN)
		ereport(ERROR, (errcode(ERRCODE_NAME_TOO_LONG), errmsg("the name of the %s is too long", what),
						errhint("It may have up to %d bytes.", NAMEDATALEN - 1)));
}

void pythia_argument_bound(const struct varlena *options, const char *what)
{
	if (VARSIZE_ANY(options) > MOST_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("%s are too large", what),
				 errdetail("They have %zu bytes; at most %d are taken.", (size_t) VARSIZE_ANY(options), MOST_BYTES),
				 errhint("Divide the tables among several workers.")));
}
