#include "postgres/base/verb.h"

#include "utils/lsyscache.h"

static bool at_work = false;

Datum pythia_verb_call(PGFunction verb, FunctionCallInfo fcinfo)
{
	volatile Datum result = (Datum) 0;

	if (at_work)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("pythia.%s is called while another function of pythia_db is at work",
							   fcinfo->flinfo ? get_func_name(fcinfo->flinfo->fn_oid) : "function"),
						errdetail("A view, a trigger or another function that it runs calls it."),
						errhint("Call it when that is over, or from a worker's handler.")));
	at_work = true;
	PG_TRY();
	{
		result = verb(fcinfo);
	}
	PG_FINALLY();
	{
		at_work = false;
	}
	PG_END_TRY();
	return result;
}

bool pythia_verb_is_at_work(void)
{
	return at_work;
}

bool pythia_verbs_refuse(bool refuse)
{
	bool before = at_work;

	at_work = refuse;
	return before;
}
